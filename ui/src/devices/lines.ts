/** The answers of the server as lines that break where nothing was measured. Pure. */

import type { Bucket, QuantityChart } from "../api/types";
import type { GapMark } from "../charts/marks";

export interface Lines {
  /** Instants [ms], ascending. */
  times: number[];
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  /** Values behind each instant; 0 where the line is broken. */
  count: number[];
  gaps: GapMark[];
}

/** So many pixels without a value are no gap yet: a kept bucket may lie anywhere in its own. */
export const EMPTY_PIXELS = 2.5;

/** Lengths to which the length of a gap is rounded: it is not known better than to a pixel [s]. */
const GAP_UNITS_S = [1, 5, 10, 30, 60, 300, 900, 3600];

export const LEVEL_WORDS: Record<string, string> = {
  raw: "every reading",
  "1m": "extremes by minute",
  "15m": "extremes by quarter hour",
  "1h": "hourly extremes",
  "1d": "daily extremes",
};

/**
 * The columns of a chart, each in the middle of its pixel; a longer pause is a gap, also one that
 * goes on until now.
 */
export function linesOfChart(chart: QuantityChart, limitS: number, nowMs: number): Lines {
  const lines = noLines();
  const start = Date.parse(chart.start);
  const pixel = (Date.parse(chart.end) - start) / chart.pixels;
  const limit = Math.max(limitS * 1000, pixel * EMPTY_PIXELS);
  let last: number | null = null;
  chart.t_s.forEach((second, i) => {
    const at = Math.round(start + second * 1000 + pixel / 2);
    if (last !== null && at - last > limit) breakLine(lines, last, at, pixel / 1000);
    push(
      lines,
      at,
      chart.mean[i] ?? null,
      chart.min[i] ?? null,
      chart.max[i] ?? null,
      chart.count[i] ?? 0,
    );
    last = at;
  });
  const until = Math.min(Date.parse(chart.end), nowMs);
  if (last !== null && until - last > limit) breakLine(lines, last, until, pixel / 1000);
  return lines;
}

/** What a counter grew by in each bucket; a bucket of which it is unknown stays empty. */
export function linesOfGrowth(points: readonly Bucket[], limitS: number, stepS: number): Lines {
  const lines = noLines();
  let last: number | null = null;
  for (const { t, increase, count } of points) {
    const at = Date.parse(t);
    if (increase === null) {
      push(lines, at, null, null, null, 0);
      continue;
    }
    if (last !== null && at - last > limitS * 1000) breakLine(lines, last + stepS * 1000, at, 1);
    push(lines, at, increase, null, null, count);
    last = at;
  }
  return lines;
}

/** Digits behind the point that the numbers have, at most three. */
export function decimalsOf(values: readonly (number | null)[]): number {
  let most = 0;
  for (const value of values) {
    while (value !== null && most < 3 && Number(value.toFixed(most)) !== value) most += 1;
  }
  return most;
}

function noLines(): Lines {
  return { times: [], mean: [], low: [], high: [], count: [], gaps: [] };
}

/** A gap whose length is told as well as it is known. */
export function gapBetween(start: number, end: number, knownToS: number): GapMark {
  const unit = GAP_UNITS_S.find((one) => one >= knownToS) ?? 86_400;
  const durationS = Math.max(1, Math.round((end - start) / 1000 / unit)) * unit;
  return { start, end, durationS };
}

function breakLine(lines: Lines, start: number, end: number, knownToS: number): void {
  lines.gaps.push(gapBetween(start, end, knownToS));
  push(lines, (lines.times.at(-1) ?? start) + 1, null, null, null, 0);
}

function push(
  lines: Lines,
  at: number,
  mean: number | null,
  low: number | null,
  high: number | null,
  count: number,
): void {
  lines.times.push(at);
  lines.mean.push(mean);
  lines.low.push(low);
  lines.high.push(high);
  lines.count.push(count);
}

/** Charts of several quantities over one grid of pixels as columns of one chart. Pure. */

import type { QuantityChart } from "../api/types";
import type { GapMark } from "../charts/marks";
import { EMPTY_PIXELS, gapBetween } from "../devices/lines";

export interface AlignedCharts {
  start: string;
  end: string;
  /** Middles of the pixels that have any value [ms], ascending. */
  times: number[];
  /** Means, one column a chart; null where it has none. */
  columns: (number | null)[][];
  /** Where none of them has a value. */
  gaps: GapMark[];
}

/**
 * @param charts of equal start, end and pixels; null leaves its column empty
 * @param limitS a longer pause is a gap [s]
 */
export function alignCharts(
  charts: readonly (QuantityChart | null)[],
  limitS: number,
  nowMs: number,
): AlignedCharts {
  const grid = charts.find((chart) => chart !== null);
  const { start: from, end: to } = grid ?? { start: "", end: "" };
  const aligned: AlignedCharts = {
    start: from,
    end: to,
    times: [],
    columns: charts.map(() => []),
    gaps: [],
  };
  if (grid === undefined) return aligned;
  const start = Date.parse(grid.start);
  const end = Date.parse(grid.end);
  const pixel = (end - start) / grid.pixels;
  const limit = Math.max(limitS * 1000, pixel * EMPTY_PIXELS);

  const push = (at: number, row: readonly (number | null)[]) => {
    aligned.times.push(at);
    row.forEach((value, column) => aligned.columns[column]?.push(value));
  };
  const none = charts.map(() => null);
  let last: number | null = null;
  const breakAt = (at: number) => {
    if (last === null || at - last <= limit) return;
    aligned.gaps.push(gapBetween(last, at, pixel / 1000));
    push(last + 1, none);
  };
  for (const [index, row] of rowsByPixel(charts, pixel)) {
    const at = Math.round(start + (index + 0.5) * pixel);
    breakAt(at);
    push(at, row);
    last = at;
  }
  breakAt(Math.min(end, nowMs));
  return aligned;
}

function rowsByPixel(
  charts: readonly (QuantityChart | null)[],
  pixel: number,
): [number, (number | null)[]][] {
  const rows = new Map<number, (number | null)[]>();
  charts.forEach((chart, column) =>
    chart?.t_s.forEach((second, i) => {
      const index = Math.round((second * 1000) / pixel);
      const row = rows.get(index) ?? charts.map(() => null);
      row[column] = chart.mean[i] ?? null;
      rows.set(index, row);
    }),
  );
  return [...rows].sort((a, b) => a[0] - b[0]);
}

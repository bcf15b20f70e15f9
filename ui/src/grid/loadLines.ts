/** The load of a period as lines, with the day before laid over a single day. Pure. */

import type { GridLoad } from "../api/grid";
import type { GapMark } from "../charts/marks";
import type { Period } from "../format/period";
import { zoneOffsetMs } from "../format/zone";

const DAY_MS = 86_400_000;

export interface LoadLines {
  /** Middles of the buckets [ms]. */
  times: number[];
  load: (number | null)[];
  /** The day before at the same time of the wall clock; empty for longer periods. */
  before: (number | null | undefined)[];
  known: number[];
  gaps: GapMark[];
}

/**
 * @param answer the load of the period; of a day, with the day before
 * @param nowMs what lies behind is no gap
 */
export function linesOfLoad(
  answer: GridLoad,
  period: Period,
  zone: string,
  nowMs: number,
): LoadLines {
  const half = answer.interval_s * 500;
  const starts = answer.t.map((text) => Date.parse(text));
  const before = new Map<number, number | null>();
  const times: number[] = [];
  const load: (number | null)[] = [];
  const known: number[] = [];
  starts.forEach((start, i) => {
    const value = answer.load_w[i] ?? null;
    if (start < period.start) {
      before.set(sameTimeNextDay(start, zone) + half, value);
    } else if (start < period.end) {
      times.push(start + half);
      load.push(value);
      known.push(answer.known[i] ?? 0);
    }
  });
  const isDay = period.range === "day" && before.size > 0;
  const all = isDay ? [...new Set([...times, ...before.keys()])].sort((a, b) => a - b) : times;
  const at = new Map(times.map((time, i) => [time, i]));
  const place = (column: readonly (number | null)[], time: number) => {
    const i = at.get(time);
    return i === undefined ? null : (column[i] ?? null);
  };
  return {
    times: all,
    load: all.map((time) => place(load, time)),
    before: isDay ? all.map((time) => before.get(time) ?? null) : [],
    known: all.map((time) => place(known, time) ?? 0),
    gaps: gapsOf(times, load, half, nowMs),
  };
}

/** The instant at which the wall clock shows the same a day later. */
export function sameTimeNextDay(ms: number, zone: string): number {
  const next = ms + DAY_MS;
  return next + zoneOffsetMs(ms, zone) - zoneOffsetMs(next, zone);
}

/** Stretches of which the load is unknown between two known ones, and up to now. */
function gapsOf(
  times: readonly number[],
  load: readonly (number | null)[],
  half: number,
  nowMs: number,
): GapMark[] {
  const gaps: GapMark[] = [];
  let last: number | null = null;
  const close = (end: number) => {
    // The newest bucket is unknown until all meters have spoken: that alone is no gap.
    if (last !== null && end - last > 3 * half)
      gaps.push({ start: last + half, end, durationS: (end - last - half) / 1000 });
  };
  times.forEach((time, i) => {
    if (load[i] === null || load[i] === undefined) return;
    if (last !== null && time - last > 2.5 * half) close(time - half);
    last = time;
  });
  const end = Math.min(nowMs, (times.at(-1) ?? 0) + half);
  if (last !== null && end - last > 6 * half) close(end);
  return gaps;
}

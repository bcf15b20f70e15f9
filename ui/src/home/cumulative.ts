/** Running sums of energy over a period. Pure. */

import type { EnergyBucket } from "../api/types";

export interface Cumulative {
  /** Instants at which a bucket ends [ms]; the first is the period's start. */
  times: number[];
  /** Sums up to there [Wh]; null where the bucket's own value is unknown. */
  consumption: (number | null)[];
  production: (number | null)[];
  /** Spans of buckets without any data [ms]. */
  unknown: { start: number; end: number; durationS: null }[];
}

/** Buckets after `nowMs` are left out; the running one ends now. */
export function cumulate(
  buckets: readonly EnergyBucket[],
  startMs: number,
  nowMs: number,
): Cumulative {
  const sums: Cumulative = { times: [], consumption: [], production: [], unknown: [] };
  let used: number | null = null;
  let made: number | null = null;
  const begun = buckets.filter((bucket) => Date.parse(bucket.start) < nowMs);
  for (const bucket of begun) {
    if (sums.times.length === 0) {
      sums.times.push(Math.max(startMs, Date.parse(bucket.start)));
      sums.consumption.push(bucket.consumption_wh === null ? null : 0);
      sums.production.push(bucket.production_wh === null ? null : 0);
    }
    const before = sums.times.at(-1);
    if (
      before !== undefined &&
      sums.consumption.at(-1) === null &&
      bucket.consumption_wh !== null
    ) {
      // After a gap the line goes on from the sum that was known before it.
      sums.times.push(before + 1);
      sums.consumption.push(used ?? 0);
      sums.production.push(bucket.production_wh === null ? null : (made ?? 0));
    }
    if (bucket.consumption_wh !== null) used = (used ?? 0) + bucket.consumption_wh;
    if (bucket.production_wh !== null) made = (made ?? 0) + bucket.production_wh;
    if (bucket.consumption_wh === null && bucket.production_wh === null) {
      const start = Math.max(startMs, Date.parse(bucket.start));
      sums.unknown.push({ start, end: Math.min(Date.parse(bucket.end), nowMs), durationS: null });
    }
    sums.times.push(Math.min(Date.parse(bucket.end), nowMs));
    sums.consumption.push(bucket.consumption_wh === null ? null : used);
    sums.production.push(bucket.production_wh === null ? null : made);
  }
  return sums;
}

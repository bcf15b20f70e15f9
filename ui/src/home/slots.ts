/** The bars a period has, whether or not anything was measured in them. Pure. */

import type { EnergyBucket } from "../api/types";
import { longMonthOf, monthOf, dayOf, spanOf, weekdayOf } from "../format/time";
import type { Period } from "../format/period";
import { addDays, instantOf, localDateOf, localParts } from "../format/zone";

export interface Slot {
  /** [ms] */
  start: number;
  end: number;
  /** "07–08", "Fri 20 Nov", "November 2026". */
  name: string;
  /** Under the bar; empty where it would be too dense. */
  tick: string;
  bucket: EnergyBucket | null;
}

const HOUR_MS = 3_600_000;

export function slotsOf(period: Period, buckets: readonly EnergyBucket[], zone: string): Slot[] {
  const byStart = new Map(buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const edges = edgesOf(period, zone);
  return edges.slice(0, -1).map((start, i) => {
    const end = edges[i + 1] ?? period.end;
    return { start, end, ...wordsOf(period, start, end, zone), bucket: byStart.get(start) ?? null };
  });
}

function edgesOf(period: Period, zone: string): number[] {
  const edges: number[] = [];
  if (period.range === "day") {
    // A day has 23, 24 or 25 of them.
    for (let at = period.start; at < period.end; at += HOUR_MS) edges.push(at);
  } else if (period.range === "year") {
    const year = period.from.slice(0, 4);
    for (let month = 1; month <= 12; month += 1) {
      edges.push(instantOf(`${year}-${String(month).padStart(2, "0")}-01`, zone));
    }
  } else {
    for (let date = period.from; date < period.until; date = addDays(date, 1)) {
      edges.push(instantOf(date, zone));
    }
  }
  return [...edges, period.end];
}

function wordsOf(
  period: Period,
  start: number,
  end: number,
  zone: string,
): { name: string; tick: string } {
  const p = localParts(start, zone);
  switch (period.range) {
    case "day":
      return {
        name: spanOf(start, end, zone),
        tick: p.hour % 3 === 0 ? String(p.hour).padStart(2, "0") : "",
      };
    case "week":
      return { name: dayOf(start, zone), tick: `${weekdayOf(start, zone)} ${p.day}` };
    case "month":
      return {
        name: dayOf(start, zone),
        tick: p.day === 1 || p.day % 5 === 0 ? String(p.day) : "",
      };
    case "year":
      return { name: longMonthOf(start, zone), tick: monthOf(start, zone) };
  }
}

/** The local day a slot begins on. */
export function dateOfSlot(slot: Slot, zone: string): string {
  return localDateOf(slot.start, zone);
}

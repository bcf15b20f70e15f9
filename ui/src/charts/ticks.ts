/** Marks of a time axis on the site's clock: whole hours, local midnights, firsts of months. */

import { clockOf, clockWithSeconds, monthOf, weekdayOf } from "../format/time";
import { addDays, instantOf, localDateOf, localParts } from "../format/zone";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SUB_HOUR_STEPS_S = [1, 5, 15, 30, 60, 300, 600, 900, 1800];
const HOUR_STEPS = [1, 2, 3, 6, 12];
const DAY_STEPS = [1, 2, 5, 10];

/** Instants of the marks inside [start, end], at most `most` of them [ms]. */
export function ticksFor(start: number, end: number, zone: string, most: number): number[] {
  const span = end - start;
  const fits = (stepMs: number) => span / stepMs <= most;
  const seconds = SUB_HOUR_STEPS_S.find((s) => fits(s * 1000));
  // Zones' offsets are multiples of 15 min, so that UTC's marks are local marks too.
  if (seconds !== undefined) return evenTicks(start, end, seconds * 1000);
  const hours = HOUR_STEPS.find((h) => fits(h * HOUR_MS));
  if (hours !== undefined) return hourTicks(start, end, zone, hours);
  const days = DAY_STEPS.find((d) => fits(d * DAY_MS));
  if (days !== undefined) return dayTicks(start, end, zone, days);
  return monthTicks(start, end, zone, span / (31 * DAY_MS) > most ? 3 : 1);
}

function evenTicks(start: number, end: number, step: number): number[] {
  const ticks: number[] = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) ticks.push(at);
  return ticks;
}

function hourTicks(start: number, end: number, zone: string, step: number): number[] {
  const ticks: number[] = [];
  for (let date = localDateOf(start, zone); instantOf(date, zone) <= end; date = addDays(date, 1)) {
    for (let hour = 0; hour < 24; hour += step) {
      const at = instantOf(date, zone, hour);
      if (at >= start && at <= end && at > (ticks.at(-1) ?? -Infinity)) ticks.push(at);
    }
  }
  return ticks;
}

function dayTicks(start: number, end: number, zone: string, step: number): number[] {
  const ticks: number[] = [];
  for (let date = localDateOf(start, zone); instantOf(date, zone) <= end; date = addDays(date, 1)) {
    const at = instantOf(date, zone);
    const dayOfMonth = Number(date.slice(8));
    // Counted from the first, and never 31 right before the next 1.
    const isMark = step === 1 || ((dayOfMonth - 1) % step === 0 && dayOfMonth < 31);
    if (at >= start && isMark) ticks.push(at);
  }
  return ticks;
}

function monthTicks(start: number, end: number, zone: string, step: number): number[] {
  const ticks: number[] = [];
  const from = localParts(start, zone);
  for (let index = from.year * 12 + from.month - 1; ; index += 1) {
    const month = String((index % 12) + 1).padStart(2, "0");
    const at = instantOf(`${String(Math.floor(index / 12)).padStart(4, "0")}-${month}-01`, zone);
    if (at > end) return ticks;
    if (at >= start && index % step === 0) ticks.push(at);
  }
}

/** The words under a mark, given the length of the axis. */
export function tickLabel(at: number, start: number, end: number, zone: string): string {
  const span = end - start;
  const p = localParts(at, zone);
  if (span <= 10 * 60_000) return clockWithSeconds(at, zone);
  if (span <= 36 * HOUR_MS) {
    const isDayEnd = at === end && p.hour === 0;
    if (isDayEnd) return "24";
    return p.minute === 0 && span > 6 * HOUR_MS
      ? String(p.hour).padStart(2, "0")
      : clockOf(at, zone);
  }
  if (p.hour !== 0) return clockOf(at, zone);
  if (span <= 8 * DAY_MS) return at === end ? "" : `${weekdayOf(at, zone)} ${p.day}`;
  if (span <= 45 * DAY_MS) return at === end ? "" : String(p.day);
  return at === end ? "" : monthOf(at, zone);
}

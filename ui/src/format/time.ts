/** Times and durations in words, always on the site's clock. */

import { currentLocale, formatDecimal, THIN_SPACE, UNKNOWN } from "./number";
import { localDateOf, localParts } from "./zone";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(
  ms: number,
  zone: string,
  style: string,
  options: Intl.DateTimeFormatOptions,
): string {
  const key = `${zone}|${style}|${currentLocale() ?? ""}`;
  let writer = formats.get(key);
  if (writer === undefined) {
    writer = new Intl.DateTimeFormat(currentLocale(), {
      timeZone: zone,
      hourCycle: "h23",
      ...options,
    });
    formats.set(key, writer);
  }
  return writer.format(ms);
}

const TWO = "2-digit" as const;

/** 15:24 */
export function clockOf(ms: number, zone: string): string {
  return format(ms, zone, "clock", { hour: TWO, minute: TWO });
}

/** 15:24:10 */
export function clockWithSeconds(ms: number, zone: string): string {
  return format(ms, zone, "seconds", { hour: TWO, minute: TWO, second: TWO });
}

/** Fri 20 Nov */
export function dayOf(ms: number, zone: string): string {
  return format(ms, zone, "day", { weekday: "short", day: "numeric", month: "short" });
}

export function monthOf(ms: number, zone: string): string {
  return format(ms, zone, "month", { month: "short" });
}

export function longMonthOf(ms: number, zone: string): string {
  return format(ms, zone, "long month", { month: "long", year: "numeric" });
}

export function weekdayOf(ms: number, zone: string): string {
  return format(ms, zone, "weekday", { weekday: "short" });
}

/** The clock alone on the day of `reference`, otherwise with its day. */
export function momentOf(ms: number, zone: string, reference: number): string {
  if (localDateOf(ms, zone) === localDateOf(reference, zone)) return clockOf(ms, zone);
  return `${dayOf(ms, zone)}, ${clockOf(ms, zone)}`;
}

/** 07–08 for a whole hour, 09:10–09:45 otherwise. */
export function spanOf(start: number, end: number, zone: string): string {
  const from = localParts(start, zone);
  const to = localParts(end, zone);
  if (from.minute === 0 && to.minute === 0 && from.second === 0 && to.second === 0) {
    const hour = to.hour === 0 ? 24 : to.hour;
    return `${String(from.hour).padStart(2, "0")}–${String(hour).padStart(2, "0")}`;
  }
  return `${clockOf(start, zone)}–${clockOf(end, zone)}`;
}

/** "Fri 20 Nov, 09:10–09:45", or the first and the last day of more than a day and a half. */
export function spanInWords(start: number, end: number, zone: string): string {
  if (end - start > 36 * 3_600_000) return `${dayOf(start, zone)} – ${dayOf(end, zone)}`;
  const clock = end - start < 600_000 ? clockWithSeconds : clockOf;
  return `${dayOf(start, zone)}, ${clock(start, zone)}–${clock(end, zone)}`;
}

function join(count: number, unit: string): string {
  return `${formatDecimal(count, 0)}${THIN_SPACE}${unit}`;
}

/** A length of time in its two largest units: 35 min, 2 h 5 min, 3 d 4 h. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return join(s, "s");
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return join(minutes, "min");
  const hours = Math.floor(minutes / 60);
  if (hours < 48)
    return minutes % 60 ? `${join(hours, "h")} ${join(minutes % 60, "min")}` : join(hours, "h");
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${join(days, "d")} ${join(hours % 24, "h")}` : join(days, "d");
}

/** An age that counts: 3 s, 4 min 12 s below an hour, then like a duration. */
export function formatAge(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 60 && s < 600) return `${join(Math.floor(s / 60), "min")} ${join(s % 60, "s")}`;
  return formatDuration(s);
}

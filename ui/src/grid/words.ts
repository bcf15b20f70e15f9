/** What the page Grid says in words. Pure. */

import type { GridDay, GridHour, GridNow, GridPeaks, GridToday } from "../api/grid";
import {
  formatCount,
  formatCounted,
  formatDecimal,
  formatShare,
  formatValue,
  THIN_SPACE,
} from "../format/number";
import { clockOf, dayOf, formatAge } from "../format/time";

/** A day with less of its time covered is named. */
export const COMPLETE_COVERAGE = 0.98;

/** "+3 %", "−12 %", or "same"; null where it cannot be said. */
export function changeWords(change: number | null): string | null {
  if (change === null) return null;
  const percent = change * 100;
  if (Math.abs(percent) < 0.5) return "same";
  const decimals = Math.abs(percent) < 9.95 ? 1 : 0;
  return `${percent > 0 ? "+" : ""}${formatDecimal(percent, decimals)}${THIN_SPACE}%`;
}

export interface Verdict {
  strong: string;
  isBad: boolean;
  rest: string;
}

/** Where the load stands, in one line. */
export function verdictOf(
  now: GridNow,
  today: GridToday | null,
  peaks: GridPeaks | null,
  zone: string,
): Verdict {
  const rest = [todayWords(today), peakWords(peaks, zone)].filter(Boolean).join(" ");
  if (now.meters.all === 0) return { strong: "No meter counts here yet.", isBad: false, rest: "" };
  if (now.load_w === null) {
    const strong =
      now.age_s === null
        ? `None of ${formatCounted(now.meters.all, "meter")} has reported yet.`
        : `No meter has reported for ${formatAge(now.age_s)}.`;
    return { strong, isBad: true, rest };
  }
  const of =
    now.load_meters === now.meters.all
      ? `all ${formatCount(now.meters.all)} meters`
      : `${formatCount(now.load_meters)} of ${formatCount(now.meters.all)} meters`;
  return { strong: `${formatValue(now.load_w, "W")} now from ${of}.`, isBad: false, rest };
}

function todayWords(today: GridToday | null): string {
  const words = changeWords(today?.so_far.change ?? null);
  if (words === null) return "";
  return words === "same"
    ? "Today is as yesterday was by this time."
    : `Today ${words} against yesterday by this time.`;
}

function peakWords(peaks: GridPeaks | null, zone: string): string {
  const peak = peaks?.peaks[0];
  if (peak === undefined) return "";
  return `The week's peak was ${formatValue(peak.load_w, "W")}, ${momentWords(peak.start, zone)}.`;
}

/** "Tue 24 Nov, 18:15" */
export function momentWords(instant: string, zone: string): string {
  const ms = Date.parse(instant);
  return `${dayOf(ms, zone)}, ${clockOf(ms, zone)}`;
}

/** "Tue 24 Nov, 18:15–18:30" */
export function quarterWords(start: string, end: string, zone: string): string {
  return `${momentWords(start, zone)}–${clockOf(Date.parse(end), zone)}`;
}

/** What a bar of an hour says to those who cannot see it. */
export function hourWords(hour: GridHour, zone: string): string {
  const span = `${clockOf(Date.parse(hour.start), zone)} to ${clockOf(Date.parse(hour.end), zone)}`;
  if (hour.energy_wh === null) return `${span}: no data`;
  const before =
    hour.yesterday_energy_wh === null
      ? ""
      : `, the day before ${formatValue(hour.yesterday_energy_wh, "Wh")}`;
  return `${span}: ${formatValue(hour.energy_wh, "Wh")}${before}`;
}

/** Which days lack data, below the bars of days. */
export function lackingWords(days: readonly GridDay[], today: string, zone: string): string {
  const partly = days.filter(
    (one) => one.day < today && one.energy_wh !== null && one.coverage < COMPLETE_COVERAGE,
  );
  const empty = days.filter((one) => one.day < today && one.energy_wh === null).length;
  const first = partly[0];
  const words = [];
  if (days.some((one) => one.day === today && one.energy_wh !== null))
    words.push("Hatched: today is still running.");
  if (partly.length === 1 && first !== undefined)
    words.push(`${dayOf(Date.parse(first.start), zone)} has ${formatShare(first.coverage)} of its data.`);
  else if (partly.length > 1) words.push(`${formatCount(partly.length)} days lack data.`);
  if (empty > 0) words.push(`No data: ${formatCounted(empty, "day")}.`);
  return words.join(" ");
}

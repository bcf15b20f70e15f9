/** The period a page shows: a day, week, month or year of the site's calendar. */

import type { Query } from "../api/client";
import { currentLocale } from "./number";
import { addDays, instantOf, type LocalDate } from "./zone";

export type Range = "day" | "week" | "month" | "year";
export const RANGES: readonly Range[] = ["day", "week", "month", "year"];

export interface Period {
  range: Range;
  /** First local day. */
  from: LocalDate;
  /** First local day after it. */
  until: LocalDate;
  /** Half-open instants [ms]. */
  start: number;
  end: number;
}

export function isRange(text: string | null | undefined): text is Range {
  return RANGES.includes(text as Range);
}

/** The period of a range that holds a day. */
export function periodOf(range: Range, date: LocalDate, zone: string): Period {
  const from = firstDayOf(range, date);
  const until = stepFrom(range, from, 1);
  return { range, from, until, start: instantOf(from, zone), end: instantOf(until, zone) };
}

function firstDayOf(range: Range, date: LocalDate): LocalDate {
  switch (range) {
    case "day":
      return date;
    case "week": {
      // ISO 8601: a week begins on Monday.
      const weekday = (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7;
      return addDays(date, -weekday);
    }
    case "month":
      return `${date.slice(0, 7)}-01`;
    case "year":
      return `${date.slice(0, 4)}-01-01`;
  }
}

/** The first day of the period that is some steps away from one that begins on `from`. */
export function stepFrom(range: Range, from: LocalDate, steps: number): LocalDate {
  if (range === "day") return addDays(from, steps);
  if (range === "week") return addDays(from, steps * 7);
  const months = range === "month" ? steps : steps * 12;
  const index = Number(from.slice(0, 4)) * 12 + Number(from.slice(5, 7)) - 1 + months;
  const year = String(Math.floor(index / 12)).padStart(4, "0");
  return `${year}-${String((index % 12) + 1).padStart(2, "0")}-01`;
}

export function holdsDay(period: Period, date: LocalDate): boolean {
  return period.from <= date && date < period.until;
}

/** Fields for /api/energy that name the period. */
export function energyFields(period: Period): Query {
  switch (period.range) {
    case "day":
      return { day: period.from };
    case "month":
      return { month: period.from.slice(0, 7) };
    case "year":
      return { year: period.from.slice(0, 4) };
    case "week":
      return instantFields(period.start, period.end);
  }
}

export function instantFields(start: number, end: number): Query {
  const text = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");
  return { start: text(start), end: text(end) };
}

/** Length of a bar and of a step of the cumulative chart. */
export const BAR_INTERVAL: Record<Range, string> = {
  day: "1h",
  week: "1d",
  month: "1d",
  year: "1mo",
};
export const STEP_INTERVAL: Record<Range, string> = {
  day: "15m",
  week: "1h",
  month: "1d",
  year: "1d",
};
export const BAR_WORD: Record<Range, string> = {
  day: "hour",
  week: "day",
  month: "day",
  year: "month",
};

/** One range down: where a click on a bar leads. */
export const NARROWER: Record<Range, Range | null> = {
  year: "month",
  month: "day",
  week: "day",
  day: null,
};

/** The words for a period: "Fri, 20 Nov 2026", "16 – 22 Nov 2026", "November 2026", "2026". */
export function titleOf(period: Period): string {
  const noon = (date: LocalDate) => new Date(`${date}T12:00:00Z`);
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(currentLocale(), { timeZone: "UTC", ...options });
  switch (period.range) {
    case "day":
      return format({ weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(
        noon(period.from),
      );
    case "week":
      return format({ day: "numeric", month: "short", year: "numeric" }).formatRange(
        noon(period.from),
        noon(addDays(period.until, -1)),
      );
    case "month":
      return format({ month: "long", year: "numeric" }).format(noon(period.from));
    case "year":
      return period.from.slice(0, 4);
  }
}

/** "same time yesterday", "the week before": what the previous period is called. */
export function previousWords(range: Range, isCurrent: boolean): string {
  if (!isCurrent) return `the ${range} before`;
  return range === "day" ? "same time yesterday" : `same time last ${range}`;
}

/** "today", "this week", or "that month": for sentences about the period. */
export function periodWords(range: Range, isCurrent: boolean): string {
  if (!isCurrent) return `that ${range}`;
  return range === "day" ? "today" : `this ${range}`;
}

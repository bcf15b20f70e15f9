/** What a page shows: range, date and zoom, held by the address alone. */

import { computed } from "@preact/signals";

import { isRange, type Period, periodOf, type Range, stepFrom, holdsDay } from "../format/period";
import { isLocalDate, type LocalDate } from "../format/zone";
import { today, zone } from "./catalogue";
import { nowMs } from "./clock";
import { addressOf, navigate, path, query } from "./route";

const range = computed<Range>(() => {
  const text = query.value.get("range");
  return isRange(text) ? text : "day";
});

const date = computed<LocalDate>(() => {
  const text = query.value.get("date");
  return isLocalDate(text) ? text : today.value;
});

export const period = computed<Period>(() => periodOf(range.value, date.value, zone.value));
export const isCurrent = computed(() => holdsDay(period.value, today.value));
export const isPast = computed(() => period.value.until <= today.value);

/** Whether the charts over time reach the present. */
export const showsNow = computed(() => isCurrent.value && shown.value.end > nowMs.value);

export interface Span {
  start: number;
  end: number;
}

/** The part of the period that charts over time show, or null for all of it. */
export const zoom = computed<Span | null>(() => {
  const start = Date.parse(query.value.get("from") ?? "");
  const end = Date.parse(query.value.get("to") ?? "");
  const inside = start >= period.value.start && end <= period.value.end && start < end;
  return inside ? { start, end } : null;
});

export const shown = computed<Span>(() => zoom.value ?? period.value);

function show(fields: Record<string, string | null>, replace = false): void {
  const site = query.value.get("site");
  const device = query.value.get("device");
  navigate(addressOf(path.value, { site, device, ...fields }), { replace });
}

/** Chooses the device that a page of several shows; what else the address holds stays. */
export function showDevice(id: string | null): void {
  const kept = Object.fromEntries(query.value);
  navigate(addressOf(path.value, { ...kept, device: id }));
}

/** Shows a range at a date; today's own period keeps no date, so that it moves on at midnight. */
export function showPeriod(newRange: Range, newDate: LocalDate): void {
  const target = periodOf(newRange, newDate, zone.value);
  const dateField = holdsDay(target, today.value) ? null : newDate;
  show({ range: newRange === "day" && dateField === null ? null : newRange, date: dateField });
}

export function showRange(newRange: Range): void {
  // From a wide period that holds today, the narrow one should be today's, not its first.
  const anchor = isCurrent.value ? today.value : date.value;
  showPeriod(newRange, anchor);
}

export function showStep(steps: number): void {
  const target = stepFrom(range.value, period.value.from, steps);
  if (target <= today.value) showPeriod(range.value, target);
}

export function showToday(): void {
  showPeriod(range.value, today.value);
}

/** Moves a zoom by a share of its length, as far as the period goes. */
export function moveZoom(share: number): void {
  if (zoom.value === null) return;
  const { start, end } = zoom.value;
  const wanted = (end - start) * share;
  const by = Math.min(period.value.end - end, Math.max(period.value.start - start, wanted));
  showZoom({ start: start + by, end: end + by });
}

/** Narrows the charts to a span inside the period; all of it, or null, shows the whole again. */
export function showZoom(wanted: Span | null): void {
  const { start, end } = period.value;
  const reachesAll = wanted !== null && wanted.start <= start && wanted.end >= end;
  const span = reachesAll ? null : wanted;
  const text = (ms: number) =>
    new Date(Math.round(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
  const from = span === null ? null : Math.max(span.start, start);
  const to = span === null ? null : Math.min(span.end, end);
  show({
    range: query.value.get("range"),
    date: query.value.get("date"),
    from: from === null ? null : text(from),
    to: to === null ? null : text(to),
  });
}

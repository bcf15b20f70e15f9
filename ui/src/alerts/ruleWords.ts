/** A rule as a sentence, and what can be chosen in it. Pure. */

import type { AlertRule, RuleKind, RuleSchedule } from "../api/alerting";
import type { Device, QuantityKind } from "../api/types";
import { currentLocale, formatCount, formatValue } from "../format/number";
import { formatDuration } from "../format/time";

export interface Choice {
  name: string;
  title: string;
  unit: string;
  kind: QuantityKind;
  /** Devices that tell it. */
  count: number;
}

/** Every quantity that a device tells, the most frequent first. */
export function quantityChoices(devices: readonly Device[]): Choice[] {
  const choices = new Map<string, Choice>();
  for (const { name, title, unit, kind } of devices.flatMap((one) => one.quantities)) {
    const known = choices.get(name);
    choices.set(name, { name, title, unit, kind, count: (known?.count ?? 0) + 1 });
  }
  return [...choices.values()].sort((a, b) => b.count - a.count || a.title.localeCompare(b.title));
}

export const COMPARISONS: readonly [RuleKind, string][] = [
  ["below", "is below"],
  ["above", "is above"],
  ["rises", "rises by more than"],
  ["falls", "falls by more than"],
];

/** What an incident may be of: the kinds of findings, in short. */
export const CAUSES: readonly [kind: string, words: string][] = [
  ["outage", "outage"],
  ["underperformance", "less power than expected"],
  ["string_out", "string out"],
  ["shade", "shade"],
  ["soiling", "soiling"],
  ["degradation", "ageing"],
  ["clipping", "power cut off at a limit"],
  ["curtailment", "held down from outside"],
  ["snow", "snow"],
  ["sensor_drift", "sensor that drifts"],
  ["stale", "same value again and again"],
  ["flatline", "value that does not move"],
  ["spike", "spike"],
  ["level_shift", "lasting step"],
  ["missing_data", "no readings"],
  ["incomplete_day", "incomplete day"],
  ["copied_day", "day that repeats another"],
  ["unit_slip", "wrong unit"],
  ["counter_unusable", "counter that falls"],
  ["clock_shift", "wrong clock"],
  ["anomaly", "values that do not fit together"],
  ["forecast", "limit that will be crossed"],
];

export const NEW_RULE: AlertRule = {
  id: 0,
  name: "",
  kind: "below",
  devices: [],
  quantity: "",
  threshold: 10,
  hysteresis: 0,
  for_s: 600,
  per_s: 300,
  kinds: [],
  severity: "warning",
  schedule: { weekdays: [0, 1, 2, 3, 4, 5, 6], start: "00:00", end: "24:00" },
  channels: [],
  is_enabled: true,
};

/** Monday, 5 January 1970, as the first of seven names. */
const MONDAY_MS = 4 * 86_400_000;

export function weekdayNames(): string[] {
  const writer = new Intl.DateTimeFormat(currentLocale(), { weekday: "short", timeZone: "UTC" });
  return [0, 1, 2, 3, 4, 5, 6].map((day) => writer.format(MONDAY_MS + day * 86_400_000));
}

/** "every day", "Mon–Fri", "Sat, Sun" */
export function weekdayWords(weekdays: readonly number[]): string {
  const days = [...weekdays].sort((a, b) => a - b);
  if (days.length === 7) return "every day";
  if (days.length === 0) return "no day";
  const names = weekdayNames();
  const first = days[0] ?? 0;
  const last = days.at(-1) ?? 0;
  if (days.length > 2 && last - first === days.length - 1) return `${names[first]}–${names[last]}`;
  return days.map((day) => names[day]).join(", ");
}

export function isWholeDay(schedule: RuleSchedule): boolean {
  return schedule.start === "00:00" && (schedule.end === "24:00" || schedule.end === "00:00");
}

/** "between 08:00 and 18:00 on Mon–Fri"; empty for always. */
export function scheduleWords(schedule: RuleSchedule): string {
  const days = weekdayWords(schedule.weekdays);
  const isDaily = days === "every day";
  if (isWholeDay(schedule)) return isDaily ? "" : `on ${days}`;
  return `between ${schedule.start} and ${schedule.end}${isDaily ? "" : ` on ${days}`}`;
}

interface Names {
  /** Name of a device by its id. */
  deviceOf: (id: string) => string;
  quantityOf: (name: string) => { title: string; unit: string } | undefined;
}

const MOST_NAMED = 2;

function subjects(rule: AlertRule, names: Names, all: string): string {
  if (rule.devices.length === 0) return all;
  if (rule.devices.length > MOST_NAMED) return `${formatCount(rule.devices.length)} chosen devices`;
  return rule.devices.map(names.deviceOf).join(" and ");
}

/** The whole rule as one sentence without its beginning "Tell me when". */
export function ruleWords(rule: AlertRule, names: Names): string {
  const ways = rule.channels.length === 0 ? "every way" : rule.channels.join(" and ");
  const tail = [scheduleWords(rule.schedule), `through ${ways}`].filter((one) => one !== "");
  return `${conditionWords(rule, names)}, ${tail.join(", ")}`;
}

function conditionWords(rule: AlertRule, names: Names): string {
  const length = formatDuration(rule.for_s);
  if (rule.kind === "no_data")
    return `nothing is heard of ${subjects(rule, names, "any device")} for ${length}`;
  if (rule.kind === "incident") {
    const wanted = CAUSES.filter(([kind]) => rule.kinds.includes(kind)).map(([, words]) => words);
    const what = wanted.length === 0 ? "any incident" : wanted.join(" or ");
    const cost =
      rule.threshold > 0
        ? ` costs more than ${formatValue(rule.threshold * 1000, "Wh")} a day`
        : " begins";
    return `${what} at ${subjects(rule, names, "any device")}${cost}`;
  }
  const quantity = names.quantityOf(rule.quantity);
  const subject = `${(quantity?.title ?? rule.quantity).toLowerCase()} of ${subjects(rule, names, "any device")}`;
  const comparison = COMPARISONS.find(([kind]) => kind === rule.kind)?.[1] ?? rule.kind;
  const limit = formatValue(rule.threshold, quantity?.unit ?? "");
  const isStep = rule.kind === "rises" || rule.kind === "falls";
  const within = isStep ? ` within ${formatDuration(rule.per_s)}` : "";
  return `${subject} ${comparison} ${limit}${within}${rule.for_s > 0 ? ` for ${length}` : ""}`;
}

export const MOST_LETTERS = 128;

/** A name for a rule that was given none. */
export function nameFor(rule: AlertRule, names: Names): string {
  const words = conditionWords({ ...rule, for_s: rule.kind === "no_data" ? rule.for_s : 0 }, names);
  return (words.slice(0, 1).toUpperCase() + words.slice(1)).slice(0, MOST_LETTERS);
}

/** What is missing until a rule can be tried; null when nothing is. */
export function missingIn(rule: AlertRule): string | null {
  const isValue = rule.kind !== "no_data" && rule.kind !== "incident";
  if (isValue && rule.quantity === "") return "Choose what to look at.";
  if (!Number.isFinite(rule.threshold)) return "Give a limit.";
  if (!(rule.for_s >= 0) || !(rule.per_s > 0)) return "Give a length of time.";
  if (rule.kind === "no_data" && rule.for_s < 1) return "Give a length of time.";
  if (rule.schedule.weekdays.length === 0) return "Choose at least one day.";
  return null;
}

/** The words of incidents and alerts. Pure. */

import type { AlertState, Incident, IncidentState, Severity } from "../api/alerting";
import { formatMoney } from "../format/money";
import { formatCount, formatThree, formatValue, THIN_SPACE } from "../format/number";
import { formatDuration, momentOf } from "../format/time";

export const SEVERITY_WORDS: Record<Severity, string> = {
  critical: "critical",
  warning: "warning",
  info: "notice",
};

export const RANKS: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

/** A first letter as at the beginning of a sentence. */
export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** "Tue 24 Nov, 09:10 – 11:40, 2 h 30 min", or "since 09:10, 2 h 30 min so far". */
export function whenWords(start: string, end: string | null, zone: string, nowMs: number): string {
  const from = Date.parse(start);
  if (end === null) {
    const length = formatDuration((nowMs - from) / 1000);
    return `since ${momentOf(from, zone, nowMs)}, ${length} so far`;
  }
  const until = Date.parse(end);
  const length = formatDuration((until - from) / 1000);
  return `${momentOf(from, zone, nowMs)} – ${momentOf(until, zone, from)}, ${length}`;
}

/** Where a person has come with it; while it is silenced, until when. */
export function stateWords(
  state: IncidentState | AlertState,
  until: string | null,
  zone: string,
  nowMs: number,
): string {
  if (state === "open" || state === "raised") return "needs a person";
  if (state === "acknowledged") return "somebody knows";
  if (state === "cleared") return "over";
  return until === null ? "silenced" : `silenced until ${momentOf(Date.parse(until), zone, nowMs)}`;
}

/** "0.27 € and 0.9 kWh a day, 12.3 kWh so far"; null where nothing is lost. */
export function costWords(one: Incident): { perDay: string | null; soFar: string | null } {
  const join = (money: number | null, kwh: number) => {
    if (kwh <= 0 && (money ?? 0) <= 0) return null;
    const energy = formatValue(kwh * 1000, "Wh");
    return money === null ? energy : `${formatMoney(money, one.currency)} and ${energy}`;
  };
  return {
    perDay: join(one.lost_money_per_day, one.lost_kwh_per_day),
    soFar: join(one.lost_money, one.lost_kwh),
  };
}

const UNITS: Record<string, string> = {
  w: "W",
  wh: "Wh",
  kwh: "kWh",
  v: "V",
  a: "A",
  c: "°C",
  s: "s",
  h: "h",
  d: "d",
  days: "d",
  pct: "%",
  ratio: "",
  hz: "Hz",
  deg: "°",
  m2: "m²",
};

/** A number of the evidence by its name, which ends in its unit: "expected power", 312 W. */
export function evidenceWords(name: string, value: number): { name: string; value: string } {
  const at = name.lastIndexOf("_");
  const unit = at < 0 ? undefined : UNITS[name.slice(at + 1)];
  const suffix = name.slice(at + 1);
  const stem = name.slice(0, at).replaceAll("_", " ");
  if (suffix === "share") return { name: stem, value: `${formatThree(value * 100)}${THIN_SPACE}%` };
  if (suffix === "n") return { name: stem, value: formatCount(value) };
  const title = (unit === undefined ? name : name.slice(0, at)).replaceAll("_", " ");
  return { name: title, value: unit === undefined ? formatThree(value) : formatValue(value, unit) };
}

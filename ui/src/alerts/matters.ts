/** What needs a person, and what did: incidents and alerts as one list. Pure. */

import type {
  Alert,
  AlertState,
  Channel,
  Delivery,
  Incident,
  IncidentList,
  IncidentState,
  Severity,
} from "../api/alerting";
import { formatCount } from "../format/number";
import { RANKS } from "../incidents/words";
import { lossWords } from "../solar/words";

export interface Matter {
  key: string;
  /** The address under which it is acted on. */
  path: string;
  /** The incident to open; null for an alert about something else. */
  incident: string | null;
  device: string;
  deviceName: string;
  title: string;
  detail: string;
  state: IncidentState | AlertState;
  severity: Severity;
  start: string;
  end: string | null;
  silencedUntil: string | null;
  lostKwhPerDay: number;
  lostMoneyPerDay: number | null;
  currency: string | null;
  deliveries: Delivery[];
}

/** Incidents with the alerts that tell of them, and the alerts about anything else. */
export function mattersOf(incidents: readonly Incident[], alerts: readonly Alert[]): Matter[] {
  const known = new Set(incidents.map((one) => one.id));
  const told = new Map<string, Delivery[]>();
  for (const one of alerts) {
    if (known.has(one.key)) told.set(one.key, [...(told.get(one.key) ?? []), ...one.deliveries]);
  }
  return [
    ...incidents.map((one) => ofIncident(one, told.get(one.id) ?? [])),
    ...alerts.filter((one) => !known.has(one.key)).map(ofAlert),
  ];
}

function ofIncident(one: Incident, deliveries: Delivery[]): Matter {
  return {
    key: `incident ${one.id}`,
    path: `/api/incidents/${encodeURIComponent(one.id)}`,
    incident: one.id,
    device: one.device,
    deviceName: one.device_name,
    title: one.title,
    detail: one.recommendation,
    state: one.state,
    severity: one.severity,
    start: one.start,
    end: one.end,
    silencedUntil: one.silenced_until,
    lostKwhPerDay: one.lost_kwh_per_day,
    lostMoneyPerDay: one.lost_money_per_day,
    currency: one.currency,
    deliveries,
  };
}

function ofAlert(one: Alert): Matter {
  return {
    key: `alert ${one.id}`,
    path: `/api/alerts/${one.id}`,
    incident: null,
    device: one.device,
    deviceName: one.device_name,
    title: titleOf(one),
    detail: one.detail || one.rule_name,
    state: one.state,
    severity: one.severity,
    start: one.raised_at,
    end: one.state === "cleared" ? one.changed_at : null,
    silencedUntil: one.silenced_until,
    lostKwhPerDay: 0,
    lostMoneyPerDay: null,
    currency: null,
    deliveries: one.deliveries,
  };
}

/** What an alert says, without the device's name, which stands before it anyway. */
function titleOf(one: Alert): string {
  const start = `${one.device_name}: `;
  const title = one.title.startsWith(start) ? one.title.slice(start.length) : one.title;
  return title || one.rule_name;
}

export function needsPerson(one: Matter): boolean {
  return one.state === "open" || one.state === "raised";
}

/** By severity, then money, then energy, then the newest first. */
export function rankMatters(matters: readonly Matter[]): Matter[] {
  return [...matters].sort(
    (a, b) =>
      RANKS[a.severity] - RANKS[b.severity] ||
      (b.lostMoneyPerDay ?? 0) - (a.lostMoneyPerDay ?? 0) ||
      b.lostKwhPerDay - a.lostKwhPerDay ||
      Date.parse(b.start) - Date.parse(a.start),
  );
}

/** What is over, the latest first. */
export function rankHistory(matters: readonly Matter[]): Matter[] {
  const at = (one: Matter) => Date.parse(one.end ?? one.start);
  return [...matters].sort((a, b) => at(b) - at(a));
}

export interface AlertsVerdict {
  isGood: boolean;
  strong: string;
  rest: string;
}

/** What needs a person now, in one line; a way that does not work is part of it. */
export function alertsVerdict(
  matters: readonly Matter[],
  list: IncidentList["summary"],
  channels: readonly Channel[],
): AlertsVerdict {
  const open = matters.filter(needsPerson).length;
  const known = matters.length - open;
  const broken = channels.filter((one) => !one.is_ok);
  const parts: string[] = [];
  if (list.lost_kwh_per_day > 0)
    parts.push(
      `All that goes on loses ${lossWords(list.lost_kwh_per_day, list.lost_money_per_day, list.currency)}.`,
    );
  if (known > 0)
    parts.push(`${formatCount(known)} more ${known === 1 ? "is" : "are"} known or silenced.`);
  for (const one of broken) parts.push(`Messages through ${one.name} do not get through.`);
  const strong =
    open === 0
      ? "Nothing needs a person now."
      : `${formatCount(open)} ${open === 1 ? "thing needs" : "things need"} a person.`;
  return { isGood: open === 0 && broken.length === 0, strong, rest: parts.join(" ") };
}

/** Which time the evidence of an incident is shown for. Pure. */

import type { Incident } from "../api/alerting";
import { dayOf } from "../format/time";
import { addDays, instantOf, localDateOf } from "../format/zone";

const HOUR_MS = 3_600_000;
/** So long before its beginning the chart starts at least: what was usual has to be seen. */
const BEFORE_MS = 12 * HOUR_MS;

/** Whole local days around an incident, from well before it to its end or to now [ms]. */
export function evidenceSpan(
  incident: Pick<Incident, "start" | "end">,
  zone: string,
  nowMs: number,
): { start: number; end: number } {
  const from = localDateOf(Date.parse(incident.start) - BEFORE_MS, zone);
  const end = incident.end === null ? nowMs : Date.parse(incident.end);
  return {
    start: instantOf(from, zone),
    end: instantOf(addDays(localDateOf(end, zone), 1), zone),
  };
}

/** "Wed 25 Nov – Thu 26 Nov" for whole days, the last of which ends at the end. */
export function daysInWords(span: { start: number; end: number }, zone: string): string {
  const first = dayOf(span.start, zone);
  const last = dayOf(span.end - 1, zone);
  return first === last ? first : `${first} – ${last}`;
}

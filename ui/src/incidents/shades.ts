/** Findings as shaded stretches of a chart. Pure. */

import type { Finding, Incident } from "../api/alerting";
import type { Shade } from "../charts/shades";

/** @param nowMs where a finding that goes on is cut */
export function shadesOf(findings: readonly Finding[], nowMs: number): Shade[] {
  return findings.map((one, i) => ({
    start: Date.parse(one.start),
    end: Math.min(Date.parse(one.end), nowMs),
    role: "alert",
    label: one.title,
    mark: String(i + 1),
  }));
}

/** Those of all incidents that lie in a span, by start; of one quantity, or of the whole device. */
export function findingsWithin(
  incidents: readonly Incident[],
  span: { start: number; end: number },
  quantity?: string,
): Finding[] {
  return incidents
    .flatMap((one) => one.findings)
    .filter((one) => quantity === undefined || one.quantity === "" || one.quantity === quantity)
    .filter((one) => Date.parse(one.start) < span.end && Date.parse(one.end) > span.start)
    .sort((a, b) => Date.parse(a.start) - Date.parse(b.start));
}

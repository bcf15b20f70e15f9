/** How finely the chart of a counter tells what was added. Pure. */

export type Interval = "1m" | "15m" | "1h" | "1d";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const LENGTH_S: Record<Interval, number> = { "1m": 60, "15m": 900, "1h": 3600, "1d": 86_400 };

/** The finest interval whose steps can still be told apart. */
export function intervalFor(spanMs: number): Interval {
  if (spanMs <= 6 * HOUR_MS) return "1m";
  if (spanMs <= 26 * HOUR_MS) return "15m";
  return spanMs <= 8 * DAY_MS ? "1h" : "1d";
}

export function intervalSeconds(interval: Interval): number {
  return LENGTH_S[interval];
}

export const INTERVAL_WORDS: Record<Interval, string> = {
  "1m": "by minute",
  "15m": "by quarter hour",
  "1h": "by hour",
  "1d": "by day",
};

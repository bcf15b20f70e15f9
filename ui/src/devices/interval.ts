/** Which rollup a span of time asks for. Pure. */

export type Interval = "raw" | "1m" | "15m" | "1h" | "1d";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const LENGTH_S: Record<Interval, number> = {
  raw: 0,
  "1m": 60,
  "15m": 900,
  "1h": 3600,
  "1d": 86_400,
};

/** The finest interval that gives about as many points as a chart has pixels. */
export function intervalFor(spanMs: number, isCounter: boolean): Interval {
  // Raw readings of a counter are its state, not what was used: the rollup says that.
  if (spanMs <= 2 * HOUR_MS && !isCounter) return "raw";
  if (spanMs <= 26 * HOUR_MS) return isCounter && spanMs > 6 * HOUR_MS ? "15m" : "1m";
  if (spanMs <= 8 * DAY_MS) return isCounter ? "1h" : "15m";
  return spanMs <= 60 * DAY_MS && !isCounter ? "1h" : "1d";
}

export function intervalSeconds(interval: Interval): number {
  return LENGTH_S[interval];
}

export const INTERVAL_WORDS: Record<Interval, string> = {
  raw: "every reading",
  "1m": "by minute",
  "15m": "by quarter hour",
  "1h": "by hour",
  "1d": "by day",
};

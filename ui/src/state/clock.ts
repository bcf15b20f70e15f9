/** One clock for the page: ticks each second and follows the server's time, not the browser's. */

import { signal } from "@preact/signals";

import { learnOffset } from "./clockOffset";

let offsetMs = 0;

/** Server time now [ms since the epoch], renewed each second. */
export const nowMs = signal(Date.now());

/** Server time at this very moment [ms]. */
export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** Learns the server's time from the Date header of an answer to what was asked at an instant. */
export function noteServerTime(header: string | null, sentMs: number): void {
  const stated = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(stated)) return;
  const learned = learnOffset(offsetMs, stated, sentMs, Date.now());
  if (learned === offsetMs) return;
  offsetMs = learned;
  nowMs.value = serverNow();
}

export function startClock(): void {
  setInterval(() => {
    nowMs.value = serverNow();
  }, 1000);
}

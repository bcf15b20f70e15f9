/** One clock for the page: ticks each second and follows the server's time, not the browser's. */

import { signal } from "@preact/signals";

/** Below this the header's resolution of a second and the way of the answer explain the offset. */
const TRUSTED_OFFSET_MS = 3000;

let offsetMs = 0;

/** Server time now [ms since the epoch], renewed each second. */
export const nowMs = signal(Date.now());

/** Server time at this very moment [ms]. */
export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** Learns the server's time from the Date header of an answer. */
export function noteServerTime(header: string | null): void {
  const stated = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(stated)) return;
  const measured = stated + 500 - Date.now();
  const learned = Math.abs(measured) > TRUSTED_OFFSET_MS ? measured : 0;
  if (Math.abs(learned - offsetMs) > TRUSTED_OFFSET_MS) {
    offsetMs = learned;
    nowMs.value = serverNow();
  }
}

export function startClock(): void {
  setInterval(() => {
    nowMs.value = serverNow();
  }, 1000);
}

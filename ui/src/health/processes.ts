/** How a process of a cluster stands, from what it said last. Pure. */

import type { ClusterProcess } from "../api/types";
import type { LinkState } from "./links";

/** A process says how it stands every 5 s; one that missed three times is gone [s]. */
const SILENT_AFTER_S = 20;

export function processState(process: ClusterProcess): {
  state: LinkState;
  words: string;
  detail: string;
} {
  if (process.age_s > SILENT_AFTER_S) {
    return { state: "broken", words: "silent", detail: "killed, frozen, or cut off from PostgreSQL" };
  }
  if (process.waiting.length > 0) {
    return { state: "wait", words: "waiting", detail: process.waiting.join("; ") };
  }
  if (process.watch !== null && !process.watch.is_on_duty) {
    return { state: "good", words: "ready to take over", detail: "another one is on duty" };
  }
  return { state: "good", words: "working", detail: "" };
}

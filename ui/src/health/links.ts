/** The chain's links and which of them is broken. Pure. */

import type { Health } from "../api/types";

export type LinkState = "good" | "wait" | "broken";

export interface ChainLink {
  title: string;
  state: LinkState;
  headline: string;
  detail: string[];
}

/** More records than this behind the log is no longer the moment between two flushes. */
const LARGE_LAG = 10_000;

export function sourceState(source: Health["sources"][number]): LinkState {
  if (source.state === "connected") return "good";
  return source.state === "connecting" ? "wait" : "broken";
}

export function storeState(health: Health): LinkState {
  return health.store.lag_records > LARGE_LAG ? "wait" : "good";
}

/** The log as a link: broken while it takes nothing, waiting when something has to be looked at. */
export function logState(health: Health): LinkState {
  if (health.disk.state === "refusing") return "broken";
  const isWell = health.log.lost_records === 0 && health.log.failed_syncs === 0;
  return isWell && health.disk.state === "ok" ? "good" : "wait";
}

/** What a sender's confirmation is worth. */
export function durabilityWords(log: Health["log"]): string {
  if (log.durability === "full") return "on disk before the sender is told";
  return `relaxed: a power cut may cost ${log.loss_window_s} s`;
}

/** The first link that is broken, counted from the source; null when none is. */
export function firstBroken(states: readonly LinkState[]): number | null {
  const index = states.indexOf("broken");
  return index < 0 ? null : index;
}

/** The sources as one link: broken when one is stopped, waiting when one still connects. */
export function sourcesState(health: Health): LinkState {
  const states = health.sources.map(sourceState);
  if (states.length === 0 || states.includes("broken")) return "broken";
  return states.includes("wait") ? "wait" : "good";
}

/** The one event stream of the page: what flows now, and whether the stream itself stands. */

import { computed, effect, signal } from "@preact/signals";

import { site, sites } from "../state/catalogue";
import { noteChange } from "../state/changes";
import { nowMs, serverNow } from "../state/clock";
import { apiPath } from "./client";
import { keepKnown } from "./known";
import type { Now } from "./types";

/** Two missed pings of 15 s and some slack: then the stream counts as broken. */
const SILENCE_MS = 35_000;
const MAX_PAUSE_MS = 15_000;

export type StreamState = "connecting" | "open" | "broken";
export type LiveState = "connecting" | "empty" | "live" | "stale" | "broken";

export const streamState = signal<StreamState>("connecting");
export const now = signal<Now | null>(null);

/** When the newest reading was measured, on the browser's clock [ms], or null. */
const measuredMs = signal<number | null>(null);
let lastHeardMs = 0;
let pauseMs = 1000;

/** Age of the newest reading [s]; counts on when nothing arrives, whatever is learned of clocks. */
export const ageS = computed(() => {
  void nowMs.value; // Each second anew.
  return measuredMs.value === null ? null : Math.max(0, (Date.now() - measuredMs.value) / 1000);
});

export const liveState = computed<LiveState>(() => {
  const newest = now.value;
  if (streamState.value === "broken") return "broken";
  if (newest === null) return "connecting";
  if (newest.at === null) return "empty";
  const isOld = ageS.value !== null && ageS.value > newest.stale_after_s;
  return newest.is_stale || isOld ? "stale" : "live";
});

/** Whether the values shown may pose as the present. */
export const isLive = computed(() => liveState.value === "live");

const listeners = new Set<(newest: Now) => void>();

/** Calls back for every set of live values; returns the way to stop. */
export function onNow(listener: (newest: Now) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The site whose values are streamed; one alone needs no name. */
const streamedSite = computed(() =>
  (sites.value?.length ?? 0) > 1 ? (site.value?.id ?? null) : null,
);

let stream: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;

export function startLive(): void {
  lastHeardMs = performance.now();
  effect(() => connect(streamedSite.value));
  setInterval(() => {
    if (streamState.value === "open" && performance.now() - lastHeardMs > SILENCE_MS) {
      streamState.value = "broken";
    }
  }, 5000);
}

function connect(siteId: string | null): void {
  clearTimeout(retry);
  stream?.close();
  const opened = new EventSource(apiPath("/api/live", { site: siteId }));
  stream = opened;
  opened.addEventListener("open", heard);
  opened.addEventListener("ping", heard);
  opened.addEventListener("alerts", () => {
    heard();
    noteChange();
  });
  opened.addEventListener("now", (event) => {
    heard();
    take(siteId, JSON.parse((event as MessageEvent<string>).data) as Now);
  });
  opened.addEventListener("error", () => {
    streamState.value = "broken";
    // The browser retries by itself unless the answer was an error: then a new stream is needed.
    if (opened.readyState === EventSource.CLOSED) {
      retry = setTimeout(() => connect(siteId), pauseMs * (0.75 + Math.random() / 2));
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    }
  });
}

function heard(): void {
  lastHeardMs = performance.now();
  pauseMs = 1000;
  streamState.value = "open";
}

let takenSite: string | null = null;

function take(siteId: string | null, heardNow: Now): void {
  const before = takenSite === siteId ? now.value : null;
  takenSite = siteId;
  const newest = keepKnown(heardNow, before);
  // The age comes from the server, so that a wrong clock in the browser does no harm.
  measuredMs.value = newest.age_s === null ? null : Date.now() - newest.age_s * 1000;
  nowMs.value = serverNow();
  now.value = newest;
  for (const listener of listeners) listener(newest);
}

/** Sites and devices: read once at the start, devices again each half minute. */

import { computed, signal } from "@preact/signals";

import { ApiError, getJson } from "../api/client";
import type { Device, Site } from "../api/types";
import { localDateOf } from "../format/zone";
import { nowMs } from "./clock";
import { query } from "./route";

const REFRESH_MS = 30_000;
/** While nothing has reported, a first device should appear soon after it speaks. */
const REFRESH_EMPTY_MS = 3_000;

export const sites = signal<Site[] | null>(null);
export const devices = signal<Device[] | null>(null);
export const catalogueError = signal<ApiError | null>(null);

/** The site that the address names, or the first. */
export const site = computed<Site | null>(() => {
  const all = sites.value ?? [];
  const wanted = query.value.get("site");
  return all.find((one) => one.id === wanted) ?? all[0] ?? null;
});

export const zone = computed(
  () => site.value?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
);

/** The local day at the site. */
export const today = computed(() => localDateOf(nowMs.value, zone.value));

/** Whether any device ever reported; null while unknown. */
export const hasReported = computed(() =>
  devices.value === null ? null : devices.value.some((device) => device.last_measured_at !== null),
);

async function refresh(): Promise<void> {
  const signalOfPage = new AbortController().signal;
  try {
    const [siteAnswer, deviceAnswer] = await Promise.all([
      getJson<{ sites: Site[] }>("/api/sites", signalOfPage),
      getJson<{ devices: Device[] }>("/api/devices", signalOfPage),
    ]);
    sites.value = siteAnswer.sites;
    devices.value = deviceAnswer.devices;
    catalogueError.value = null;
  } catch (cause) {
    catalogueError.value = cause instanceof ApiError ? cause : new ApiError("page", String(cause));
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;

export async function startCatalogue(): Promise<void> {
  clearTimeout(timer);
  if (!document.hidden || devices.value === null) await refresh();
  const pause = hasReported.value === true ? REFRESH_MS : REFRESH_EMPTY_MS;
  timer = setTimeout(() => void startCatalogue(), pause);
}

/** The address as state: path and query; the browser's own back button is the way back. */

import { computed, signal } from "@preact/signals";

const address = signal(location.pathname + location.search);
/** The page from which an incident was opened, kept by the browser beside the address. */
const under = signal(rememberedUnder());

export const path = computed(() => address.value.split("?")[0] ?? "/");
export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

const INCIDENT = /^\/incidents\/([^/]+)$/;

/** The incident that the address opens, or null. */
export const openedIncident = computed(() => {
  const id = INCIDENT.exec(path.value)?.[1];
  return id === undefined ? null : decoded(id);
});

/** The page that is looked at: below an incident that from which it was opened, null if none was. */
export const pagePath = computed(() => (openedIncident.value === null ? path.value : under.value));

addEventListener("popstate", () => {
  under.value = rememberedUnder();
  address.value = location.pathname + location.search;
});

function rememberedUnder(): string | null {
  const kept: unknown = history.state;
  if (typeof kept !== "object" || kept === null || !("under" in kept)) return null;
  return typeof kept.under === "string" ? kept.under : null;
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function addressOf(to: string, fields: Record<string, string | null> = {}): string {
  const kept = Object.entries(fields).filter(
    (field): field is [string, string] => field[1] !== null,
  );
  const text = new URLSearchParams(kept).toString();
  return text ? `${to}?${text}` : to;
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === address.value) return;
  const pageBefore = pagePath.value;
  const isIncident = INCIDENT.test(to.split("?")[0] ?? "");
  const kept = isIncident && pageBefore !== null ? { under: pageBefore } : null;
  if (options.replace) history.replaceState(kept, "", to);
  else history.pushState(kept, "", to);
  under.value = kept?.under ?? null;
  address.value = to;
  // Below an opened incident the page stays where it was.
  if (pagePath.value !== pageBefore) scrollTo(0, 0);
}

/** The address of an incident; what the page below it shows stays in it. */
export function incidentAddress(id: string): string {
  const fields = query.value.toString();
  return `/incidents/${encodeURIComponent(id)}${fields ? `?${fields}` : ""}`;
}

/** Back to the page below; one that was opened by a link has none, and goes to `otherwise`. */
export function closeIncident(otherwise: string): void {
  if (rememberedUnder() !== null) history.back();
  else navigate(addressOf(otherwise, Object.fromEntries(query.value)), { replace: true });
}

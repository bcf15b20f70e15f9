/** The address as state: path and query; the browser's own back button is the way back. */

import { computed, signal } from "@preact/signals";

const address = signal(location.pathname + location.search);

export const path = computed(() => address.value.split("?")[0] ?? "/");
export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

addEventListener("popstate", () => {
  address.value = location.pathname + location.search;
});

export function addressOf(to: string, fields: Record<string, string | null> = {}): string {
  const kept = Object.entries(fields).filter(
    (field): field is [string, string] => field[1] !== null,
  );
  const text = new URLSearchParams(kept).toString();
  return text ? `${to}?${text}` : to;
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === address.value) return;
  const pathBefore = path.value;
  if (options.replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  address.value = to;
  if (path.value !== pathBefore) scrollTo(0, 0);
}

/** Light, dark or as the system; remembered in the browser. */

import { computed, effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "wattscope.theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener("change", () => {
  systemIsDark.value = systemDark.matches;
});

export const theme = signal<Theme>(remembered());
/** What is on the screen; charts on a canvas draw themselves again when it changes. */
export const isDark = computed(() =>
  theme.value === "system" ? systemIsDark.value : theme.value === "dark",
);

const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
export const prefersStill = signal(lessMotion.matches);
lessMotion.addEventListener("change", () => {
  prefersStill.value = lessMotion.matches;
});

effect(() => {
  document.documentElement.dataset["theme"] = isDark.value ? "dark" : "light";
});

export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "system";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Storage may be switched off: the choice then lasts as long as the page.
  }
}

function remembered(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return ORDER.find((name) => name === text) ?? "system";
  } catch {
    return "system";
  }
}

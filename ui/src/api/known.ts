/** What stays on the screen, as old, when a meter falls silent. Pure. */

import type { Now } from "./types";

/**
 * The server leaves out a value that is too old. While everything is too old, the page goes on
 * showing the last values it knew, greyed and with their age; a value that is missing beside
 * fresh ones stays missing.
 */
export function keepKnown(newest: Now, before: Now | null): Now {
  if (before === null || !newest.is_stale) return newest;
  return {
    ...newest,
    grid_w: newest.grid_w ?? before.grid_w,
    solar_w: newest.solar_w ?? before.solar_w,
    home_w: newest.home_w ?? before.home_w,
    battery_w: newest.battery_w ?? before.battery_w,
    battery_soc_pct: newest.battery_soc_pct ?? before.battery_soc_pct,
  };
}

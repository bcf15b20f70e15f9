/** The chart of the server, continued by the live values heard since. */

import type { Now, PowerChart } from "../api/types";

export interface PowerSeries {
  times: number[];
  home: (number | null)[];
  solar: (number | null)[];
  grid: (number | null)[];
}

/** Joins them; a silence longer than the stale limit breaks the lines. */
export function joinLive(chart: PowerChart, heard: readonly Now[]): PowerSeries {
  // The server's grid may reach into the future, where nothing is known yet.
  const known = chart.t.findLastIndex(
    (_, i) => chart.home_w[i] !== null || chart.solar_w[i] !== null || chart.grid_w[i] !== null,
  );
  const series: PowerSeries = {
    times: chart.t.slice(0, known + 1).map((text) => Date.parse(text)),
    home: chart.home_w.slice(0, known + 1),
    solar: chart.solar_w.slice(0, known + 1),
    grid: chart.grid_w.slice(0, known + 1),
  };
  let last = series.times.at(-1) ?? Date.parse(chart.start);
  const end = Date.parse(chart.end);
  for (const point of heard) {
    const at = Date.parse(point.at ?? "");
    if (!(at > last) || at > end) continue;
    if (at - last > (Math.max(point.stale_after_s, chart.interval_s) + chart.interval_s) * 1000) {
      push(series, last + 1, null, null, null);
    }
    push(series, at, point.home_w, point.solar_w, point.grid_w);
    last = at;
  }
  return series;
}

function push(
  series: PowerSeries,
  at: number,
  home: number | null,
  solar: number | null,
  grid: number | null,
): void {
  series.times.push(at);
  series.home.push(home);
  series.solar.push(solar);
  series.grid.push(grid);
}

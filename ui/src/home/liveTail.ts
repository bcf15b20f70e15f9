/** The live values since the last answer of the server, joined to its chart. */

import { useEffect, useRef, useState } from "preact/hooks";

import { onNow } from "../api/live";
import type { Now, PowerChart } from "../api/types";

const MOST_POINTS = 1200;

export interface PowerSeries {
  times: number[];
  home: (number | null)[];
  solar: (number | null)[];
  grid: (number | null)[];
}

/** Every set of live values heard while the component is shown. */
export function useHeard(): readonly Now[] {
  const heard = useRef<Now[]>([]);
  const [, setCount] = useState(0);
  useEffect(
    () =>
      onNow((newest) => {
        if (newest.at === null || newest.is_stale || newest.at === heard.current.at(-1)?.at) return;
        heard.current = [...heard.current.slice(-MOST_POINTS), newest];
        setCount((n) => n + 1);
      }),
    [],
  );
  return heard.current;
}

/** Joins them; a silence longer than the stale limit breaks the lines. */
export function joinLive(chart: PowerChart, heard: readonly Now[]): PowerSeries {
  const series: PowerSeries = {
    times: chart.t.map((text) => Date.parse(text)),
    home: [...chart.home_w],
    solar: [...chart.solar_w],
    grid: [...chart.grid_w],
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

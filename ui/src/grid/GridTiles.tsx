/** The numbers of the page Grid: load now, energy today, the week's peak, meters that speak. */

import type { GridNow, GridPeaks, GridToday } from "../api/grid";
import { formatCount, formatShare, formatValue } from "../format/number";
import { clockOf, formatAge } from "../format/time";
import { Amount } from "../parts/Amount";
import { Tile } from "../parts/Tile";
import { zone } from "../state/catalogue";
import { changeWords, momentWords } from "./words";

interface Props {
  now: GridNow;
  today: GridToday | null;
  peaks: GridPeaks | null;
}

export function GridTiles({ now, today, peaks }: Props) {
  const peak = peaks?.peaks[0];
  return (
    <div class="tiles">
      <Tile title="Load now" testId="tile-load" isOld={now.load_w === null} note={loadNote(now)}>
        <Amount value={now.load_w} unit="W" testId="load-now" />
      </Tile>
      <Tile title="Energy today" testId="tile-energy" note={energyNote(today)}>
        <Amount value={today?.so_far.energy_wh} unit="Wh" testId="energy-today" />
      </Tile>
      <Tile
        title="Peak of the last 7 days"
        testId="tile-peak"
        note={peak === undefined ? "not known yet" : momentWords(peak.start, zone.value)}
      >
        <Amount value={peak?.load_w} unit="W" testId="peak-load" />
      </Tile>
      <Tile title="Meters that speak" testId="tile-meters" note={metersNote(now)}>
        <span class="amount" data-testid="meters-ok" data-value={now.meters.ok}>
          {formatCount(now.meters.ok)}
          <span class="unit"> of {formatCount(now.meters.all)}</span>
        </span>
      </Tile>
    </div>
  );
}

function loadNote(now: GridNow): string {
  if (now.load_w === null) {
    return now.age_s === null ? "never heard" : `last reading ${formatAge(now.age_s)} ago`;
  }
  return `a meter ${formatValue(now.mean_w, "W")} on average, half below ${formatValue(now.median_w, "W")}`;
}

function energyNote(today: GridToday | null): string {
  if (today === null) return "\u00a0";
  const { until, change, yesterday_wh: yesterday } = today.so_far;
  if (until === null) return "nothing is known of today yet";
  const by = `by ${clockOf(Date.parse(until), zone.value)}`;
  const words = changeWords(change);
  if (words !== null) return `${by}, ${words === "same" ? "as much as" : `${words} vs`} yesterday`;
  return yesterday === null ? `${by}; yesterday is not known` : `${by}; one of both days has gaps`;
}

function metersNote(now: GridNow): string {
  const { all, ok, stale, silent } = now.meters;
  if (ok === all) return "all of them";
  const parts = [
    stale > 0 ? `${formatCount(stale)} silent` : "",
    silent > 0 ? `${formatCount(silent)} never heard` : "",
  ].filter(Boolean);
  return `${parts.join(", ")}; ${formatShare(ok / all)} speak`;
}

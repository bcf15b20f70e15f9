/** Four numbers, each compared to something. */

import { ageS, liveState, now } from "../api/live";
import type { Energy } from "../api/types";
import {
  formatChange,
  formatDecimal,
  formatShare,
  formatValue,
  THIN_SPACE,
  UNKNOWN,
} from "../format/number";
import { periodWords, previousWords } from "../format/period";
import { formatAge, momentOf } from "../format/time";
import { Amount } from "../parts/Amount";
import { Tile } from "../parts/Tile";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period } from "../state/view";

export function Tiles({ energy }: { energy: Energy | null }) {
  const when = periodWords(period.value.range, isCurrent.value);
  const totals = energy?.totals ?? null;
  return (
    <div class="tiles">
      <PowerTile energy={energy} />
      <Tile
        title={`Consumed ${when}`}
        testId="tile-consumed"
        note={consumedNote(energy)}
        known={energy?.coverage ?? null}
      >
        <Amount value={totals?.consumption_wh} unit="Wh" testId="consumed" />
      </Tile>
      <Tile title={`Produced ${when}`} testId="tile-produced" note={producedNote(energy)}>
        <Amount value={totals?.production_wh} unit="Wh" testId="produced" />
      </Tile>
      <Tile title="Self-sufficiency" testId="tile-self-sufficiency" note={sufficiencyNote(energy)}>
        <Percentage share={totals?.self_sufficiency ?? null} />
      </Tile>
    </div>
  );
}

function Percentage({ share }: { share: number | null }) {
  return (
    <span class="amount" data-testid="self-sufficiency" data-value={share ?? undefined}>
      {share === null ? UNKNOWN : formatDecimal(share * 100, 0)}
      {share !== null && <span class="unit">{THIN_SPACE}%</span>}
    </span>
  );
}

function PowerTile({ energy }: { energy: Energy | null }) {
  const newest = now.value;
  const state = liveState.value;
  const isOld = state === "stale" || state === "broken";
  return (
    <Tile
      title={isOld ? "Last known power" : "Power now"}
      testId="tile-power"
      isOld={isOld}
      note={isOld ? oldNote() : powerNote(energy)}
    >
      <Amount value={newest?.home_w} unit="W" testId="power-now" />
    </Tile>
  );
}

function oldNote(): string {
  return ageS.value === null ? "no reading yet" : `${formatAge(ageS.value)} old, not now`;
}

function powerNote(energy: Energy | null): string {
  const gridW = now.value?.grid_w ?? null;
  const parts: string[] = [];
  if (gridW !== null)
    parts.push(`${formatValue(Math.abs(gridW), "W")} ${gridW < 0 ? "to grid" : "from grid"}`);
  const mean = meanPower(energy);
  if (mean !== null && isCurrent.value) {
    parts.push(`mean ${formatValue(mean, "W")}`);
  }
  return parts.join(" · ") || "waiting for the first reading";
}

/** Mean power of the home over the time that has data [W]. */
function meanPower(energy: Energy | null): number | null {
  const used = energy?.totals.consumption_wh ?? null;
  if (energy === null || used === null) return null;
  const end = Math.min(Date.parse(energy.end), serverNow());
  const hours = ((end - Date.parse(energy.start)) / 3_600_000) * energy.coverage;
  return hours > 0.25 ? used / hours : null;
}

function consumedNote(energy: Energy | null): string {
  if (energy === null) return "\u00a0";
  const change = formatChange(
    energy.totals.consumption_wh,
    energy.previous?.totals.consumption_wh ?? null,
  );
  const words = previousWords(period.value.range, isCurrent.value);
  return change === null
    ? "nothing earlier to compare"
    : change === "same"
      ? `no change vs ${words}`
      : `${change} vs ${words}`;
}

function producedNote(energy: Energy | null): string {
  if (energy === null) return "\u00a0";
  if (energy.totals.production_wh === null) return "no solar meter reports";
  if (energy.power_peak !== null && energy.power_peak.production_w > 0) {
    const at = momentOf(Date.parse(energy.power_peak.at), zone.value, Date.parse(energy.start));
    const joint = period.value.range === "day" ? " at" : ",";
    return `peak ${formatValue(energy.power_peak.production_w, "W")}${joint} ${at}`;
  }
  const change = formatChange(
    energy.totals.production_wh,
    energy.previous?.totals.production_wh ?? null,
  );
  const words = previousWords(period.value.range, isCurrent.value);
  return change === null
    ? "no sun yet"
    : change === "same"
      ? `no change vs ${words}`
      : `${change} vs ${words}`;
}

function sufficiencyNote(energy: Energy | null): string {
  if (energy === null) return "\u00a0";
  const own = energy.totals.self_consumption;
  if (own !== null) return `own use ${formatShare(own)} of solar`;
  return energy.totals.self_sufficiency === null
    ? "unknown without a solar meter"
    : "no solar to use yet";
}

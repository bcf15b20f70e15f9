/** Power, frequency, power factor and energy, each with how good it is and compared to what. */

import type {
  BandName,
  Bands,
  Device,
  DeviceEnergy,
  GradedQuantity,
  GridQuality,
  PageSettings,
  RunningState,
  RunningStates,
} from "../api/types";
import { formatChange, formatValue } from "../format/number";
import { periodWords, previousWords } from "../format/period";
import { formatAge } from "../format/time";
import { Amount } from "../parts/Amount";
import { Tile } from "../parts/Tile";
import { isCurrent, period } from "../state/view";
import { gradeOf, greenWords } from "./bands";
import { formatGrade } from "./GridQualityCards";
import { STATE_WORDS } from "./words";

const POWER_WORDS: Record<BandName, string> = { green: "low", yellow: "raised", red: "high" };
const QUALITY_WORDS: Record<BandName, string> = { green: "good", yellow: "watch", red: "out" };

interface Props {
  device: Device;
  isOld: boolean;
  ageS: number | null;
  bands: PageSettings["heat_pump"]["bands"];
  energy: DeviceEnergy | null;
  quality: GridQuality | null;
  states: RunningStates | null;
}

export function PumpTiles({ device, isOld, ageS, bands, energy, quality, states }: Props) {
  const value = (name: string) =>
    device.quantities.find((one) => one.name === name)?.value ?? null;
  const power = value("active_power_w");
  const state = states?.now?.state ?? null;
  const oldNote = ageS === null ? "no reading yet" : `${formatAge(ageS)} old, not now`;
  const factor = value("power_factor");
  const when = periodWords(period.value.range, isCurrent.value);
  const graded = when === "today" ? "today" : `the ${period.value.range}`;
  return (
    <div class="tiles">
      <Tile
        title={isOld ? "Last known power" : "Power now"}
        testId="tile-power"
        isOld={isOld}
        mark={!isOld && <Mark band={gradeOf(power, bands.active_power_w)} words={POWER_WORDS} />}
        note={isOld ? oldNote : powerNote(state, energy)}
      >
        <Amount value={power} unit="W" testId="power-now" />
      </Tile>
      <Tile
        title="Frequency"
        testId="tile-frequency"
        isOld={isOld}
        mark={
          !isOld && (
            <Mark band={gradeOf(value("frequency_hz"), bands.frequency_hz)} words={QUALITY_WORDS} />
          )
        }
        note={isOld ? oldNote : gradeNote(quality?.frequency_hz, bands.frequency_hz, "Hz", graded)}
      >
        <Amount value={value("frequency_hz")} unit="Hz" testId="frequency" />
      </Tile>
      <Tile
        title="Power factor"
        testId="tile-power-factor"
        isOld={isOld}
        mark={
          !isOld &&
          (state === "standby" ? (
            <span class="mark">in standby</span>
          ) : (
            <Mark
              band={gradeOf(factor === null ? null : Math.abs(factor), bands.power_factor)}
              words={QUALITY_WORDS}
            />
          ))
        }
        note={isOld ? oldNote : gradeNote(quality?.power_factor, bands.power_factor, "", graded)}
      >
        <Amount value={factor} unit="" testId="power-factor" />
      </Tile>
      <Tile
        title={`Energy ${when}`}
        testId="tile-energy"
        note={energyNote(energy)}
      >
        <Amount value={energy?.totals.total_wh} unit="Wh" testId="energy-total" />
      </Tile>
    </div>
  );
}

/** A shape and a word; the colour only says it again. */
function Mark({ band, words }: { band: BandName | null; words: Record<BandName, string> }) {
  if (band === null) return null;
  return (
    <span class={`mark ${band}`} data-band={band}>
      <i aria-hidden="true" />
      {words[band]}
    </span>
  );
}

function powerNote(state: RunningState | null, energy: DeviceEnergy | null): string {
  const parts = state === null ? [] : [STATE_WORDS[state]];
  const mean = meanPower(energy);
  if (mean !== null && isCurrent.value)
    parts.push(`mean ${periodWords(period.value.range, true)} ${formatValue(mean, "W")}`);
  return parts.join(" · ") || "\u00a0";
}

/** Mean power over the buckets that have begun and have data [W]. */
function meanPower(energy: DeviceEnergy | null): number | null {
  const used = energy?.totals.total_wh ?? null;
  if (energy === null || used === null) return null;
  const hours = energy.buckets.reduce(
    (sum, one) =>
      sum + ((Date.parse(one.end) - Date.parse(one.start)) / 3_600_000) * one.coverage,
    0,
  );
  return hours > 0.25 ? used / hours : null;
}

function gradeNote(
  graded: GradedQuantity | null | undefined,
  bands: Bands,
  unit: string,
  when: string,
): string {
  const green = greenWords(bands, unit);
  const share = graded?.shares?.green;
  return share === undefined ? `good: ${green}` : `good ${formatGrade(share)} of ${when} (${green})`;
}

function energyNote(energy: DeviceEnergy | null): string {
  if (energy === null) return "\u00a0";
  const change = formatChange(energy.totals.total_wh, energy.previous?.totals.total_wh ?? null);
  const words = previousWords(period.value.range, isCurrent.value);
  if (change === null) return "nothing earlier to compare";
  return change === "same" ? `no change vs ${words}` : `${change} vs ${words}`;
}

/** Plant: is every meter telling the truth. */

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Device, Plant } from "../api/types";
import { formatCount, formatShare, formatValue } from "../format/number";
import { Amount } from "../parts/Amount";
import { Failed, Nothing, Waiting } from "../parts/States";
import { Tile } from "../parts/Tile";
import { PhasePowerCard } from "../phases/PhasePowerCard";
import { PageHead } from "../shell/PageHead";
import { RangeControl } from "../shell/RangeControl";
import { devices, site } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { query } from "../state/route";
import { usePageSettings } from "../state/screen";
import { showDevice } from "../state/view";
import { MeterList } from "./MeterList";
import { answerOf, nameOf, troubled } from "./order";
import { SumsCard } from "./SumsCard";

const REFRESH_MS = 5_000;
/** A long list is a large answer: it is asked for less often. */
const LONG_LIST = 300;
const LONG_REFRESH_MS = 15_000;
const DEVICE_REFRESH_MS = 15_000;

export function PlantPage() {
  const siteId = site.value?.id ?? null;
  usePageSettings(siteId);
  const path = siteId === null ? null : apiPath("/api/plant", { site: siteId });
  const isLong = (devices.value?.length ?? 0) > LONG_LIST;
  const fetched = useFetched<Plant>(path, isLong ? LONG_REFRESH_MS : REFRESH_MS);
  const plant = fetched.answer;
  return (
    <>
      <PageHead title="Plant">
        <RangeControl />
      </PageHead>
      {fetched.error !== null && <Failed error={fetched.error} retry={fetched.reload} />}
      {plant === null ? (
        fetched.error === null && <Waiting height={420} />
      ) : plant.meters.length === 0 ? (
        <Nothing title="No meter is known yet.">
          Name Modbus meters in <code>[[meters]]</code>, or add one on the page Devices.
        </Nothing>
      ) : (
        <Shown plant={plant} />
      )}
    </>
  );
}

function Shown({ plant }: { plant: Plant }) {
  const answer = answerOf(plant, nowMs.value);
  const chosen = chosenMeter(plant);
  return (
    <>
      <p class="verdict-line" data-testid="verdict" data-good={answer.isGood ? "yes" : "no"}>
        <strong class={answer.isGood ? "" : "warn-text"}>{answer.strong}</strong> {answer.rest}
      </p>
      <PlantTiles plant={plant} />
      {chosen !== null && <ChosenMeter key={chosen} id={chosen} />}
      <SumsCard plant={plant} />
      <MeterList
        meters={plant.meters}
        chosen={chosen}
        onChoose={(device) => {
          showDevice(device);
          document.getElementById("content")?.scrollIntoView();
        }}
      />
    </>
  );
}

/** The meter that the address names, or the first with meters below it, or the first of all. */
function chosenMeter(plant: Plant): string | null {
  const wanted = query.value.get("device");
  const known = plant.meters.find((one) => one.device === wanted)?.device;
  return known ?? mainMeter(plant);
}

function mainMeter(plant: Plant): string | null {
  const tops = plant.meters.filter((one) => one.parent === null);
  const withParts = tops.find((one) => plant.sums.some((sum) => sum.device === one.device));
  return (withParts ?? tops[0] ?? plant.meters[0])?.device ?? null;
}

function ChosenMeter({ id }: { id: string }) {
  const fetched = useFetched<Device>(
    `/api/devices/${encodeURIComponent(id)}`,
    DEVICE_REFRESH_MS,
  );
  if (fetched.answer === null) return <Waiting height={320} />;
  return (
    <PhasePowerCard
      device={fetched.answer}
      title={`Power of ${fetched.answer.name}`}
      testId="phases-chart"
    />
  );
}

function PlantTiles({ plant }: { plant: Plant }) {
  const main = mainMeter(plant);
  const meter = plant.meters.find((one) => one.device === main);
  const sum = plant.sums.find((one) => one.device === main);
  const power = sum?.power_w ?? null;
  const bad = troubled(plant.meters);
  const { meters, ok } = plant.summary;
  return (
    <div class="tiles">
      <Tile title="Meters in order" testId="tile-meters" note={badWords(bad.length)}>
        <span class="amount" data-testid="meters-ok" data-value={ok}>
          {formatCount(ok)}
          <span class="unit"> of {formatCount(meters)}</span>
        </span>
      </Tile>
      <Tile
        title={meter === undefined ? "Main meter" : meter.name}
        testId="tile-main"
        isOld={meter !== undefined && meter.power_w === null}
        note={
          power === null
            ? meter?.power_w === null
              ? "does not answer now"
              : sum === undefined
                ? "no meters below it"
                : "not all sub-meters answer"
            : `${formatValue(power.parts, "W")} seen by sub-meters`
        }
      >
        <Amount value={meter?.power_w} unit="W" testId="main-power" />
      </Tile>
      <Tile
        title="Seen by no sub-meter"
        testId="tile-rest"
        note={restNote(plant, sum?.missing ?? [], power)}
      >
        <Amount value={power?.rest} unit="W" testId="rest-power" />
      </Tile>
      <Tile
        title="Energy today"
        testId="tile-energy"
        note={
          sum?.energy_today_wh == null
            ? "of the main meter since midnight"
            : `${formatValue(sum.energy_today_wh.rest, "Wh")} of it seen by no sub-meter`
        }
      >
        <Amount value={meter?.energy_today_wh} unit="Wh" testId="energy-today" />
      </Tile>
    </div>
  );
}

function badWords(count: number): string {
  return count === 0 ? "all answer, all numbers fit" : `${formatCount(count)} need${count === 1 ? "s" : ""} a look`;
}

function restNote(plant: Plant, missing: string[], power: { whole: number; rest: number } | null) {
  if (power === null)
    return missing.length > 0
      ? `unknown while ${nameOf(plant, missing[0] ?? "")} is away`
      : "there are no sub-meters";
  return power.whole > 0 ? `${formatShare(power.rest / power.whole)} of the main meter` : "\u00a0";
}

/** Heat pump: is it running well. */

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type {
  Device,
  DeviceEnergy,
  GridQuality,
  PageSettings,
  PhaseBalance,
  RunningStates,
} from "../api/types";
import { DEVICE_REFRESH_S, deviceAgeS, isSilent } from "../devices/age";
import { formatValue } from "../format/number";
import { energyFields, periodWords, STEP_INTERVAL } from "../format/period";
import { clockOf, formatAge, momentOf } from "../format/time";
import { Failed, Nothing, Waiting } from "../parts/States";
import { PhasePowerCard } from "../phases/PhasePowerCard";
import { DeviceChip } from "../shell/LiveChip";
import { PageHead } from "../shell/PageHead";
import { RangeControl } from "../shell/RangeControl";
import { site, zone } from "../state/catalogue";
import { nowMs, serverNow } from "../state/clock";
import { query } from "../state/route";
import { usePageSettings } from "../state/screen";
import { isCurrent, period, showDevice } from "../state/view";
import { gradeOf } from "./bands";
import { CumulativeEnergyCard, DailyPhasesCard, energyPath } from "./EnergyCards";
import { GridQualityCards } from "./GridQualityCards";
import { PhaseBalanceCard } from "./PhaseBalanceCard";
import { PumpTiles } from "./PumpTiles";
import { StateRibbon } from "./StateRibbon";
import { StatesCard } from "./StatesCard";
import { STATE_SENTENCES, workWords } from "./words";

const ENERGY_REFRESH_MS = 15_000;
const STATES_REFRESH_MS = 20_000;
const QUALITY_REFRESH_MS = 60_000;

export function HeatPumpPage() {
  const settings = usePageSettings(site.value?.id ?? null);
  if (settings.answer === null) {
    return (
      <>
        <PageHead title="Heat pump" />
        {settings.error !== null ? (
          <Failed error={settings.error} retry={settings.reload} />
        ) : (
          <Waiting height={420} />
        )}
      </>
    );
  }
  const { devices } = settings.answer.heat_pump;
  const wanted = query.value.get("device");
  const chosen = devices.find((one) => one.id === wanted)?.id ?? devices[0]?.id;
  if (chosen === undefined) {
    return (
      <>
        <PageHead title="Heat pump" />
        <Nothing title="No heat pump has reported yet.">
          Give its meter the kind <code>heat_pump</code>, or name it in <code>[heat_pump]</code>{" "}
          <code>device</code>.
        </Nothing>
      </>
    );
  }
  return <Pump key={chosen} id={chosen} settings={settings.answer} />;
}

function Pump({ id, settings }: { id: string; settings: PageSettings }) {
  const fetched = useFetched<Device>(
    `/api/devices/${encodeURIComponent(id)}`,
    DEVICE_REFRESH_S * 1000,
  );
  const device = fetched.answer;
  if (device === null) {
    return (
      <>
        <PageHead title="Heat pump" />
        {fetched.error !== null ? (
          <Failed error={fetched.error} retry={fetched.reload} />
        ) : (
          <Waiting height={420} />
        )}
      </>
    );
  }
  return <Shown device={device} settings={settings} />;
}

function Shown({ device, settings }: { device: Device; settings: PageSettings }) {
  const { range } = period.value;
  const { bands, limits, devices } = settings.heat_pump;
  const fields = energyFields(period.value);
  const energy = useFetched<DeviceEnergy>(
    apiPath(energyPath(device), { ...fields, interval: STEP_INTERVAL[range] }),
    isCurrent.value ? ENERGY_REFRESH_MS : 0,
  );
  const ask = (name: string, path: string | null, everyMs: number) =>
    [
      path === null ? null : apiPath(`/api/insights/${path}`, { device: name, ...fields }),
      isCurrent.value ? everyMs : 0,
    ] as const;
  const states = useFetched<RunningStates>(
    ...ask(device.id, range === "year" ? null : "states", STATES_REFRESH_MS),
  );
  const quality = useFetched<GridQuality>(...ask(device.id, "grid-quality", QUALITY_REFRESH_MS));
  const balance = useFetched<PhaseBalance>(...ask(device.id, "phases", ENERGY_REFRESH_MS));
  // Read so that the ages count on each second.
  nowMs.value;
  const ageS = deviceAgeS(device);
  const isOld = isSilent(device, 2 * DEVICE_REFRESH_S);
  return (
    <>
      <PageHead title="Heat pump" chip={<DeviceChip device={device} />}>
        {devices.length > 1 && (
          <select
            class="site-name"
            aria-label="Heat pump"
            value={device.id}
            onChange={(event) => showDevice(event.currentTarget.value)}
          >
            {devices.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        )}
        <RangeControl />
      </PageHead>
      <p class="verdict-line" data-testid="verdict">
        <Verdict
          device={device}
          isOld={isOld}
          ageS={ageS}
          bands={bands}
          states={states.answer}
        />
      </p>
      <PumpTiles
        device={device}
        isOld={isOld}
        ageS={ageS}
        bands={bands}
        energy={energy.answer}
        quality={quality.answer}
        states={isOld ? null : states.answer}
      />
      {energy.error !== null && <Failed error={energy.error} retry={energy.reload} />}
      <div class="pump-grid">
        <div class="wide">
          <PhasePowerCard
            device={device}
            title="Power"
            testId="power-chart"
            below={(cursorMs) =>
              range === "year" ? null : <StateRibbon answer={states.answer} cursorMs={cursorMs} />
            }
          />
        </div>
        <StatesCard deviceId={device.id} states={states} limits={limits} />
        <CumulativeEnergyCard device={device} energy={energy} />
        <div class="wide">
          <DailyPhasesCard device={device} />
        </div>
        <GridQualityCards device={device} quality={quality.answer} />
        <PhaseBalanceCard balance={balance.answer} />
      </div>
    </>
  );
}

interface VerdictProps {
  device: Device;
  isOld: boolean;
  ageS: number | null;
  bands: PageSettings["heat_pump"]["bands"];
  states: RunningStates | null;
}

/** Whether it runs well, in one line. */
function Verdict({ device, isOld, ageS, bands, states }: VerdictProps) {
  const value = (name: string) => device.quantities.find((one) => one.name === name)?.value;
  const work =
    states === null ? "" : `${workWords(states)} ${periodWords(period.value.range, isCurrent.value)}.`;
  if (isOld) {
    return (
      <>
        <strong class="warn-text">
          {ageS === null ? "Never heard." : `Silent for ${formatAge(ageS)}.`}
        </strong>{" "}
        {ageS !== null &&
          `At ${momentOf(serverNow() - ageS * 1000, zone.value, serverNow())} it took ${formatValue(value("active_power_w"), "W")}. `}
        {capital(work)}
      </>
    );
  }
  const current = states?.now;
  const grid = gridWords(value("frequency_hz"), bands);
  return (
    <>
      <strong>
        {current == null
          ? `It takes ${formatValue(value("active_power_w"), "W")} now.`
          : `${STATE_SENTENCES[current.state]} ${current.is_since_known ? "since" : "since before"} ${clockOf(Date.parse(current.since), zone.value)}.`}
      </strong>{" "}
      {capital(work)} {grid}
    </>
  );
}

function gridWords(hertz: number | null | undefined, bands: VerdictProps["bands"]): string {
  const band = gradeOf(hertz, bands.frequency_hz);
  if (band === null) return "";
  if (band === "green") return "The grid is steady.";
  return band === "yellow" ? "The grid's frequency is off its mark." : "The grid is out of its range.";
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

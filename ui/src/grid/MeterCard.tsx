/** One meter among thousands: found by search, its power at any zoom and its energy by day. */

import { useEffect, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridDays } from "../api/grid";
import type { Device } from "../api/types";
import { Bars } from "../charts/Bars";
import { deviceAgeS } from "../devices/age";
import { ExtremesChart } from "../devices/ExtremesChart";
import { formatValue } from "../format/number";
import type { Table } from "../format/table";
import { dayOf, formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Link } from "../parts/Link";
import { Failed, Nothing, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { showDevice, showPeriod } from "../state/view";
import { barOf, lastDay, SHOWN_DAYS } from "./DaysCard";
import { kilo } from "./HourCard";
import { MeterPicker } from "./MeterPicker";

const HEIGHT = 240;
const REFRESH_MS = 30_000;

export function MeterCard({ siteId, id }: { siteId: string; id: string | null }) {
  const fetched = useFetched<Device>(
    id === null ? null : `/api/devices/${encodeURIComponent(id)}`,
    REFRESH_MS,
  );
  const device = fetched.answer;
  return (
    <div class="wide meter-card" id="meter-card" data-testid="meter-card">
      <Card
        title="One meter"
        aside={device === null ? "" : <MeterAside device={device} />}
        actions={
          device === null ? undefined : (
            <Link to={`/devices/${encodeURIComponent(device.id)}`} class="text-button">
              All it says
            </Link>
          )
        }
      >
        <MeterPicker siteId={siteId} chosen={device} onChoose={showDevice} />
        {id === null && <Nothing title="Choose a meter." />}
        {fetched.error !== null && <Failed error={fetched.error} retry={fetched.reload} />}
      </Card>
      {device !== null && (
        <div class="meter-charts">
          <PowerChart key={device.id} device={device} />
          <DaysOfMeter siteId={siteId} device={device} />
        </div>
      )}
    </div>
  );
}

function MeterAside({ device }: { device: Device }) {
  // Read so that the age counts on each second.
  nowMs.value;
  const age = deviceAgeS(device);
  const power = device.quantities.find((one) => one.name === "active_power_w")?.value;
  return (
    <span data-testid="meter-name">
      {device.name}: {formatValue(power, "W")}
      {age === null ? "" : `, ${formatAge(age)} ago`}
    </span>
  );
}

function PowerChart({ device }: { device: Device }) {
  const power = device.quantities.find((one) => one.name === "active_power_w");
  if (power === undefined)
    return (
      <Card title="Power">
        <Nothing title="This meter tells no power." />
      </Card>
    );
  return <ExtremesChart device={device} quantity={power} testId="meter-chart" title="Power" height={HEIGHT} />;
}

function DaysOfMeter({ siteId, device }: { siteId: string; device: Device }) {
  const end = lastDay();
  const every = end === today.value ? REFRESH_MS : 0;
  const asked = { site: siteId, days: SHOWN_DAYS, end };
  const own = useFetched<GridDays>(apiPath("/api/grid/days", { ...asked, meter: device.id }), every);
  const all = useFetched<GridDays>(apiPath("/api/grid/days", asked), every);
  const [pointed, setPointed] = useState<number | null>(null);
  useEffect(() => setPointed(null), [device.id]);
  const days = own.answer?.days ?? [];
  const means = all.answer?.days ?? [];
  const sum = (values: (number | null | undefined)[]) => {
    const known = values.flatMap((one) => one ?? []);
    return known.length === 0 ? null : known.reduce((total, one) => total + one, 0);
  };
  const value = (of: readonly { wh: number | null }[]) =>
    formatValue(pointed === null ? sum(of.map((one) => one.wh)) : of[pointed]?.wh, "Wh");
  const under = pointed === null ? undefined : days[pointed];
  return (
    <ChartCard
      title="Energy by day"
      aside={under === undefined ? `last ${SHOWN_DAYS} days` : dayOf(Date.parse(under.start), zone.value)}
      testId="meter-days"
      fileName={`wattscope-${device.id}-days-${end}`}
      table={own.answer === null ? null : () => tableOf(days, means)}
      legend={
        <Legend
          entries={[
            {
              key: "own",
              label: device.name,
              role: "home",
              value: value(days.map((one) => ({ wh: one.energy_wh }))),
            },
            {
              key: "mean",
              label: "mean of all meters",
              role: "ink",
              shape: "line",
              value: value(means.map((one) => ({ wh: one.mean_wh }))),
            },
          ]}
        />
      }
    >
      {own.error !== null && own.answer === null ? (
        <Failed error={own.error} retry={own.reload} />
      ) : own.answer === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <Bars
          bars={days.map((day, i) => barOf(day, means[i]?.mean_wh ?? null))}
          upRoles={["home"]}
          downRoles={[]}
          height={HEIGHT}
          peak={null}
          label={`Energy of ${device.name} by day`}
          onPoint={setPointed}
          onOpen={(index) => {
            const day = days[index];
            if (day) showPeriod("day", day.day);
          }}
        />
      )}
      <p class="chart-note">The line across a bar is the mean of all meters on that day.</p>
    </ChartCard>
  );
}

function tableOf(days: GridDays["days"], means: GridDays["days"]): Table {
  return {
    timeTitle: "day",
    columns: [
      { title: "energy [kWh]", decimals: 3 },
      { title: "mean of all meters [kWh]", decimals: 3 },
      { title: "coverage [%]", decimals: 0 },
    ],
    rows: days.map((day, i) => ({
      at: Date.parse(day.start),
      label: dayOf(Date.parse(day.start), zone.value),
      cells: [kilo(day.energy_wh), kilo(means[i]?.mean_wh), day.coverage * 100],
    })),
  };
}

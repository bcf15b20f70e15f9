/** Energy of a day by hour, each against the same hour of the day before. */

import { useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridHour, GridToday } from "../api/grid";
import { Bars, type LabelledBar } from "../charts/Bars";
import { formatValue } from "../format/number";
import type { Table } from "../format/table";
import { clockOf, dayOf, spanOf } from "../format/time";
import { instantOf, localParts } from "../format/zone";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { period, showZoom } from "../state/view";
import { kilo } from "./HourCard";
import { changeWords, hourWords } from "./words";

const HEIGHT = 250;
const REFRESH_MS = 60_000;
const HOUR_MS = 3_600_000;

export function HoursCard({ siteId }: { siteId: string }) {
  const { range, from } = period.value;
  const day = range === "day" ? from : today.value;
  const isToday = day === today.value;
  const fetched = useFetched<GridToday>(
    apiPath("/api/grid/today", { site: siteId, day }),
    isToday ? REFRESH_MS : 0,
  );
  const answer = fetched.answer;
  const [pointed, setPointed] = useState<number | null>(null);
  const hours = answer?.hours ?? [];
  const under = pointed === null ? null : (hours[pointed] ?? null);
  const before = isToday ? "yesterday" : "the day before";
  const open = (index: number) => {
    const hour = hours[index];
    if (hour !== undefined && range === "day")
      showZoom({ start: Date.parse(hour.start), end: Date.parse(hour.end) });
  };
  return (
    <ChartCard
      title={isToday ? "Today by hour" : `${dayOf(instantOf(day, zone.value), zone.value)} by hour`}
      aside={under === null ? soFarWords(answer, before) : nameOf(under)}
      testId="hours-chart"
      fileName={`wattscope-${siteId}-hours-${day}`}
      table={answer === null ? null : () => tableOf(hours, before)}
      legend={
        <Legend
          entries={[
            {
              key: "energy",
              label: isToday ? "today" : "that day",
              role: "grid-in",
              value: formatValue(
                under === null ? answer?.so_far.energy_wh : under.energy_wh,
                "Wh",
              ),
            },
            {
              key: "before",
              label: under === null ? `${before}, same time` : before,
              role: "ink",
              shape: "line",
              value: formatValue(
                under === null ? answer?.so_far.yesterday_wh : under.yesterday_energy_wh,
                "Wh",
              ),
            },
          ]}
        />
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <>
          <Bars
            bars={slotsOf(answer).map(barOf)}
            upRoles={["grid-in"]}
            downRoles={[]}
            height={HEIGHT}
            peak={null}
            label={`Energy by hour, ${day}`}
            onPoint={setPointed}
            onOpen={range === "day" ? open : null}
          />
          <p class="chart-note">
            {isToday ? "The line across a bar is yesterday's hour; " : "The line is the day before; "}
            {isToday ? "the hour that is still running is hatched." : "a bar opens its hour above."}
          </p>
        </>
      )}
    </ChartCard>
  );
}

interface Slot {
  start: number;
  hour: GridHour | null;
}

/** All hours of the day, those that are still to come without a bar. */
function slotsOf(answer: GridToday): Slot[] {
  const known = answer.hours.map((hour) => ({ start: Date.parse(hour.start), hour }));
  const end = Date.parse(answer.end);
  const next = known.length > 0 ? Date.parse(answer.hours.at(-1)?.end ?? "") : Date.parse(answer.start);
  const slots: Slot[] = [...known];
  for (let start = Math.ceil(next / HOUR_MS) * HOUR_MS; start < end; start += HOUR_MS)
    if (start > (known.at(-1)?.start ?? -Infinity)) slots.push({ start, hour: null });
  return slots;
}

function barOf({ start, hour }: Slot): LabelledBar {
  const clock = localParts(start, zone.value).hour;
  const isRunning = start <= serverNow() && serverNow() < start + HOUR_MS;
  return {
    key: String(start),
    up: [Math.max(0, hour?.energy_wh ?? 0)],
    down: [],
    mark: hour?.yesterday_energy_wh ?? null,
    tick: clock % 3 === 0 ? String(clock).padStart(2, "0") : "",
    words: hour === null ? `${clockOf(start, zone.value)}: still to come` : hourWords(hour, zone.value),
    isIncomplete: isRunning || (hour !== null && hour.load_w === null),
  };
}

function nameOf(hour: GridHour): string {
  return `${spanOf(Date.parse(hour.start), Date.parse(hour.end), zone.value)}: mean ${formatValue(hour.load_w, "W")}`;
}

function soFarWords(answer: GridToday | null, before: string): string {
  if (answer === null || answer.so_far.until === null) return "";
  const by = clockOf(Date.parse(answer.so_far.until), zone.value);
  const change = changeWords(answer.so_far.change);
  const isOver = answer.so_far.until === answer.end;
  const until = isOver ? "" : `by ${by} `;
  if (change === null) return `${until}${before} cannot be compared`.trim();
  return change === "same" ? `${until}as much as ${before}` : `${until}${change} against ${before}`;
}

function tableOf(hours: readonly GridHour[], before: string): Table {
  return {
    timeTitle: "from",
    columns: [
      { title: "energy [kWh]", decimals: 3 },
      { title: `${before} [kWh]`, decimals: 3 },
      { title: "mean load [kW]", decimals: 3 },
    ],
    rows: hours.map((hour) => ({
      at: Date.parse(hour.start),
      label: spanOf(Date.parse(hour.start), Date.parse(hour.end), zone.value),
      cells: [kilo(hour.energy_wh), kilo(hour.yesterday_energy_wh), kilo(hour.load_w)],
    })),
  };
}

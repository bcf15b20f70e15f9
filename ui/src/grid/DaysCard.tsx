/** Energy by day of all meters together. */

import { useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridDay, GridDays } from "../api/grid";
import { Bars, type LabelledBar } from "../charts/Bars";
import { formatCount, formatShare, formatValue } from "../format/number";
import type { Table } from "../format/table";
import { dayOf } from "../format/time";
import { addDays, type LocalDate } from "../format/zone";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { period, showPeriod } from "../state/view";
import { kilo } from "./HourCard";
import { COMPLETE_COVERAGE, lackingWords } from "./words";

const HEIGHT = 250;
const REFRESH_MS = 60_000;
export const SHOWN_DAYS = 31;

/** The last day of the bars: that of the period, or today. */
export function lastDay(): LocalDate {
  const ended = addDays(period.value.until, -1);
  return period.value.range !== "day" && ended < today.value ? ended : today.value;
}

export function DaysCard({ siteId }: { siteId: string }) {
  const end = lastDay();
  const fetched = useFetched<GridDays>(
    apiPath("/api/grid/days", { site: siteId, days: SHOWN_DAYS, end }),
    end === today.value ? REFRESH_MS : 0,
  );
  const answer = fetched.answer;
  const [pointed, setPointed] = useState<number | null>(null);
  const days = answer?.days ?? [];
  const under = pointed === null ? null : (days[pointed] ?? null);
  const sum = days.reduce((all, one) => all + (one.energy_wh ?? 0), 0);
  const known = days.filter((one) => one.energy_wh !== null).length;
  return (
    <ChartCard
      title="Energy by day"
      aside={
        under === null
          ? `${formatCount(known)} of the last ${SHOWN_DAYS} days have data`
          : dayWords(under)
      }
      testId="days-chart"
      fileName={`wattscope-${siteId}-days-${end}`}
      table={answer === null ? null : () => tableOf(days)}
      legend={
        <Legend
          entries={[
            {
              key: "energy",
              label: "all meters",
              role: "grid-in",
              value: formatValue(under === null ? (known > 0 ? sum : null) : under.energy_wh, "Wh"),
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
            bars={days.map((day) => barOf(day))}
            upRoles={["grid-in"]}
            downRoles={[]}
            height={HEIGHT}
            peak={peakOf(days)}
            label="Energy by day"
            onPoint={setPointed}
            onOpen={(index) => {
              const day = days[index];
              if (day) showPeriod("day", day.day);
            }}
          />
          <p class="chart-note">{lackingWords(days, today.value, zone.value) || "\u00a0"}</p>
        </>
      )}
    </ChartCard>
  );
}

function peakOf(days: readonly GridDay[]): { index: number; text: string } | null {
  const most = Math.max(0, ...days.map((one) => one.energy_wh ?? 0));
  const index = days.findIndex((one) => one.energy_wh === most);
  return most <= 0 ? null : { index, text: `most ${formatValue(most, "Wh")}` };
}

function dayWords(day: GridDay): string {
  const name = dayOf(Date.parse(day.start), zone.value);
  if (day.energy_wh === null) return `${name}: no data`;
  return `${name}: ${formatCount(day.meters)} meters, ${formatValue(day.mean_wh, "Wh")} each`;
}

/** A bar of a day; `mark` is what it is compared with [Wh]. */
export function barOf(day: GridDay, mark: number | null = null): LabelledBar {
  const start = Date.parse(day.start);
  const number = Number(day.day.slice(8));
  return {
    key: day.day,
    up: [Math.max(0, day.energy_wh ?? 0)],
    down: [],
    mark,
    tick: number % 5 === 0 || number === 1 ? String(number) : "",
    words:
      day.energy_wh === null
        ? `${dayOf(start, zone.value)}: no data`
        : `${dayOf(start, zone.value)}: ${formatValue(day.energy_wh, "Wh")}, ${formatShare(day.coverage)} known`,
    isIncomplete: day.day === today.value || day.coverage < COMPLETE_COVERAGE,
  };
}

function tableOf(days: readonly GridDay[]): Table {
  return {
    timeTitle: "day",
    columns: [
      { title: "energy [kWh]", decimals: 3 },
      { title: "meters", decimals: 0 },
      { title: "mean of a meter [kWh]", decimals: 3 },
      { title: "coverage [%]", decimals: 0 },
    ],
    rows: days.map((day) => ({
      at: Date.parse(day.start),
      label: dayOf(Date.parse(day.start), zone.value),
      cells: [kilo(day.energy_wh), day.meters, kilo(day.mean_wh), day.coverage * 100],
    })),
  };
}

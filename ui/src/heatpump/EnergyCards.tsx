/** Energy of the machine: added up over the period, and by day and phase. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { type Fetched, useFetched } from "../api/fetching";
import type { Device, DeviceEnergy, DeviceEnergyBucket, EnergyBucket } from "../api/types";
import { Bars, type LabelledBar } from "../charts/Bars";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatShare, formatValue } from "../format/number";
import { instantFields, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { dayOf, momentOf, weekdayOf } from "../format/time";
import { addDays, instantOf, localDateOf } from "../format/zone";
import { cumulate } from "../home/cumulative";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showPeriod, showsNow, showZoom } from "../state/view";

const CUMULATIVE_HEIGHT = 240;
const BARS_HEIGHT = 240;
const REFRESH_MS = 30_000;
const COMPLETE_COVERAGE = 0.99;
const PHASES = ["l1", "l2", "l3"] as const;

export function energyPath(device: Device): string {
  return `/api/devices/${encodeURIComponent(device.id)}/energy`;
}

interface CumulativeProps {
  device: Device;
  /** By the steps of the chart. */
  energy: Fetched<DeviceEnergy>;
}

export function CumulativeEnergyCard({ device, energy: fetched }: CumulativeProps) {
  const { range, from, start } = period.value;
  const [cursor, setCursor] = useState<number | null>(null);
  const answer = fetched.answer;
  const sums = useMemo(
    () => cumulate((answer?.buckets ?? []).map(asUsed), start, serverNow()),
    [answer, start],
  );
  const columns = useMemo(() => [sums.consumption], [sums]);
  const lines: ChartLine[] = [
    { label: "energy", role: "total", width: 2, fill: 0.1, hasEnd: showsNow.value },
  ];
  const at = cursor === null ? undefined : sums.times[cursor];
  return (
    <ChartCard
      title="Energy so far"
      aside="added up"
      testId="cumulative-chart"
      fileName={`wattscope-${device.id}-cumulative-${range}-${from}`}
      table={
        answer === null
          ? null
          : () => ({
              timeTitle: "up to",
              columns: [{ title: "energy [kWh]", decimals: 3 }],
              rows: sums.times.map((time, i) => ({
                at: time,
                label: momentOf(time, zone.value, sums.times[0] ?? time),
                cells: [kilo(sums.consumption[i])],
              })),
            })
      }
      legend={
        <Legend
          entries={[
            {
              key: "energy",
              label: "energy",
              role: "total",
              shape: "line",
              value: formatValue(
                cursor === null ? answer?.totals.total_wh : sums.consumption[cursor],
                "Wh",
              ),
            },
          ]}
          {...(at === undefined ? {} : { note: momentOf(at, zone.value, start) })}
        />
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={CUMULATIVE_HEIGHT} />
      ) : (
        <TimeChart
          unit="Wh"
          span={shown.value}
          zone={zone.value}
          lines={lines}
          times={sums.times}
          columns={columns}
          gaps={sums.unknown}
          present={isCurrent.value ? serverNow() : null}
          height={CUMULATIVE_HEIGHT}
          syncKey={device.id}
          label={`Energy of ${device.name} added up, ${titleOf(period.value)}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
    </ChartCard>
  );
}

/** As a bucket of a site that only uses. */
function asUsed(bucket: DeviceEnergyBucket): EnergyBucket {
  return {
    start: bucket.start,
    end: bucket.end,
    import_wh: bucket.total_wh,
    consumption_wh: bucket.total_wh,
    export_wh: null,
    production_wh: null,
    self_consumed_wh: null,
    coverage: bucket.coverage,
  };
}

function kilo(value: number | null | undefined): number | null {
  return value == null ? null : value / 1000;
}

export function DailyPhasesCard({ device }: { device: Device }) {
  const [days, setDays] = useState<14 | 30>(14);
  const [pointed, setPointed] = useState<number | null>(null);
  // The days up to the end of the period, or up to today.
  const tomorrow = addDays(today.value, 1);
  const until = period.value.until < tomorrow ? period.value.until : tomorrow;
  const from = addDays(until, -days);
  const fetched = useFetched<DeviceEnergy>(
    apiPath(energyPath(device), {
      ...instantFields(instantOf(from, zone.value), instantOf(until, zone.value)),
      interval: "1d",
    }),
    until === tomorrow ? REFRESH_MS : 0,
  );
  const answer = fetched.answer;
  const buckets = answer?.buckets ?? [];
  const hasPhases = answer !== null && PHASES.some((phase) => answer.totals[`${phase}_wh`] !== null);
  // A register goes on counting while nobody reads it: the sum of a day with gaps is still right.
  const isCounted = answer?.quantities.total?.startsWith("energy") ?? false;
  const under = pointed === null ? null : (buckets[pointed] ?? null);
  const amounts = under ?? answer?.totals ?? null;
  const open = (index: number) => {
    const bucket = buckets[index];
    if (bucket) showPeriod("day", localDateOf(Date.parse(bucket.start), zone.value));
  };
  return (
    <ChartCard
      title={hasPhases ? "Daily energy by phase" : "Daily energy"}
      aside={under === null ? `last ${days} days` : nameOf(under)}
      testId="daily-chart"
      fileName={`wattscope-${device.id}-daily-${from}`}
      table={answer === null ? null : () => tableOf(buckets, hasPhases)}
      legend={
        <div class="legend-bar">
          <Legend
            entries={
              hasPhases
                ? PHASES.map((phase) => ({
                    key: phase,
                    label: phase.toUpperCase(),
                    role: phase,
                    value: formatValue(amounts?.[`${phase}_wh`], "Wh"),
                  }))
                : [
                    {
                      key: "total",
                      label: "energy",
                      role: "total",
                      value: formatValue(amounts?.total_wh, "Wh"),
                    },
                  ]
            }
          />
          <div class="choice" role="group" aria-label="Days">
            {([14, 30] as const).map((count) => (
              <button
                type="button"
                key={count}
                class="text-button"
                aria-pressed={days === count}
                onClick={() => setDays(count)}
              >
                {count} days
              </button>
            ))}
          </div>
        </div>
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={BARS_HEIGHT} />
      ) : (
        <>
          <Bars
            bars={buckets.map((bucket, i) => barOf(bucket, { hasPhases, isCounted, days }, i))}
            upRoles={hasPhases ? PHASES : ["total"]}
            downRoles={[]}
            height={BARS_HEIGHT}
            peak={null}
            label={`Energy of ${device.name} by day`}
            onPoint={setPointed}
            onOpen={open}
          />
          <p class="chart-note">{incompleteWords(buckets, isCounted)}</p>
        </>
      )}
    </ChartCard>
  );
}

function nameOf(bucket: DeviceEnergyBucket): string {
  return `${dayOf(Date.parse(bucket.start), zone.value)}: ${formatValue(bucket.total_wh, "Wh")}`;
}

function isRunning(bucket: DeviceEnergyBucket): boolean {
  const now = serverNow();
  return Date.parse(bucket.start) <= now && now < Date.parse(bucket.end);
}

interface Drawn {
  hasPhases: boolean;
  isCounted: boolean;
  days: number;
}

function barOf(
  bucket: DeviceEnergyBucket,
  { hasPhases, isCounted, days }: Drawn,
  index: number,
): LabelledBar {
  const known = (wh: number | null) => Math.max(0, wh ?? 0);
  const start = Date.parse(bucket.start);
  const number = Number(localDateOf(start, zone.value).slice(8));
  const phases = PHASES.map(
    (phase) => `${phase.toUpperCase()} ${formatValue(bucket[`${phase}_wh`], "Wh")}`,
  );
  const tick = days === 14 ? `${weekdayOf(start, zone.value).slice(0, 2)} ${number}` : String(number);
  return {
    key: bucket.start,
    up: hasPhases ? PHASES.map((phase) => known(bucket[`${phase}_wh`])) : [known(bucket.total_wh)],
    down: [],
    tick: index % (days === 14 ? 2 : 5) === 0 ? tick : "",
    words: bucket.total_wh === null ? `${dayOf(start, zone.value)}: no data` : `${nameOf(bucket)}, ${phases.join(", ")}`,
    isIncomplete: isRunning(bucket) || (!isCounted && bucket.coverage < COMPLETE_COVERAGE),
  };
}

function incompleteWords(buckets: readonly DeviceEnergyBucket[], isCounted: boolean): string {
  const running = buckets.find(isRunning);
  const partly = buckets.filter(
    (one) => !isRunning(one) && one.total_wh !== null && one.coverage < COMPLETE_COVERAGE,
  );
  const first = partly[0];
  const lacking =
    first === undefined
      ? ""
      : partly.length === 1
        ? `${dayOf(Date.parse(first.start), zone.value)} has ${formatShare(first.coverage)} of its data`
        : `${partly.length} days lack data`;
  const hatched = [running ? "today is still running" : "", isCounted ? "" : lacking].filter(Boolean);
  const empty = buckets.filter((one) => one.total_wh === null).length;
  const words = [
    hatched.length > 0 ? `Hatched: ${hatched.join("; ")}.` : "",
    isCounted && lacking ? `${lacking[0]?.toUpperCase()}${lacking.slice(1)}; its register went on counting.` : "",
    empty > 0 ? `No data: ${empty} day${empty === 1 ? "" : "s"}.` : "",
  ].filter(Boolean);
  return words.join(" ") || "\u00a0";
}

function tableOf(buckets: readonly DeviceEnergyBucket[], hasPhases: boolean): Table {
  const parts = hasPhases ? (["total", ...PHASES] as const) : (["total"] as const);
  return {
    timeTitle: "day",
    columns: [
      ...parts.map((part) => ({
        title: `${part === "total" ? part : part.toUpperCase()} [kWh]`,
        decimals: 3,
      })),
      { title: "coverage [%]", decimals: 0 },
    ],
    rows: buckets.map((bucket) => ({
      at: Date.parse(bucket.start),
      label: dayOf(Date.parse(bucket.start), zone.value),
      cells: [...parts.map((part) => kilo(bucket[`${part}_wh`])), bucket.coverage * 100],
    })),
  };
}

/** One quantity over the period: mean with its band from minimum to maximum, or what was added. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Bucket, Device, LatestValue, RawPoint, Readings } from "../api/types";
import type { GapMark } from "../charts/marks";
import type { ChartLine } from "../charts/options";
import type { Role } from "../charts/palette";
import { TimeChart } from "../charts/TimeChart";
import { formatValue } from "../format/number";
import { instantFields, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { clockWithSeconds, dayOf } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Legend, type LegendEntry } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showZoom, zoom } from "../state/view";
import { INTERVAL_WORDS, intervalFor, intervalSeconds } from "./interval";

const HEIGHT = 280;
const REFRESH_MS = 30_000;

interface Series {
  times: number[];
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

interface ChartProps {
  device: Device;
  quantity: LatestValue;
  onClose: () => void;
}

export function QuantityChart({ device, quantity, onClose }: ChartProps) {
  const span = shown.value;
  const isCounter = quantity.kind !== "gauge";
  const interval = intervalFor(span.end - span.start, isCounter);
  const fetched = useFetched<Readings<Bucket | RawPoint>>(
    apiPath(`/api/devices/${encodeURIComponent(device.id)}/readings`, {
      quantity: quantity.name,
      ...instantFields(span.start, span.end),
      interval,
    }),
    isCurrent.value ? REFRESH_MS : 0,
  );
  const [cursor, setCursor] = useState<number | null>(null);
  const limitS = Math.max(device.stale_after_s, intervalSeconds(interval) * 1.5);
  const { series, gaps } = useMemo(
    () => seriesOf(fetched.answer?.points ?? [], isCounter, limitS, intervalSeconds(interval)),
    [fetched.answer, isCounter, limitS, interval],
  );
  const hasBand = !isCounter && interval !== "raw";
  const role = roleOf(quantity.name);
  const lines: ChartLine[] = hasBand
    ? [
        { label: "highest", role, width: 0.01 },
        { label: "lowest", role, closesBand: true },
        { label: "mean", role },
      ]
    : [{ label: quantity.title, role, isStepped: isCounter, ...(isCounter ? { fill: 0.18 } : {}) }];
  const columns = useMemo(
    () => (hasBand ? [series.high, series.low, series.mean] : [series.mean]),
    [series, hasBand],
  );
  const at = cursor === null ? undefined : series.times[cursor];
  const show = (values: readonly (number | null)[]) =>
    cursor === null ? {} : { value: formatValue(values[cursor], quantity.unit) };
  const entries: LegendEntry[] = [
    {
      key: "mean",
      label: isCounter ? "added" : hasBand ? "mean" : "value",
      role,
      shape: "line",
      ...show(series.mean),
    },
    ...(hasBand
      ? [
          {
            key: "band",
            label: "lowest to highest",
            role,
            shape: "band" as const,
            ...showBand(series, cursor, quantity.unit),
          },
        ]
      : []),
  ];

  return (
    <ChartCard
      title={quantity.title}
      aside={`${zoom.value === null ? titleOf(period.value) : dayOf(span.start, zone.value)}, ${INTERVAL_WORDS[interval]}`}
      testId="quantity-chart"
      fileName={`wattscope-${fileSafe(device.id)}-${quantity.name}-${period.value.range}-${period.value.from}`}
      table={fetched.answer === null ? null : () => tableOf(series, quantity, hasBand)}
      legend={
        <div class="legend-bar">
          <Legend
            entries={entries}
            {...(at === undefined ? {} : { note: momentWithSeconds(at) })}
          />
          <button type="button" class="text-button" onClick={onClose}>
            Close
          </button>
        </div>
      }
    >
      {fetched.error !== null && fetched.answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : fetched.answer === null ? (
        <Waiting height={HEIGHT} />
      ) : series.times.length === 0 ? (
        <Nothing title="Nothing was measured in this period." />
      ) : (
        <TimeChart
          unit={quantity.unit}
          span={span}
          zone={zone.value}
          lines={lines}
          times={series.times}
          columns={columns}
          gaps={gaps}
          present={isCurrent.value ? serverNow() : null}
          height={HEIGHT}
          label={`${quantity.title} of ${device.name}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
    </ChartCard>
  );
}

/** A pause longer than the limit breaks the line and is marked. */
function seriesOf(
  points: readonly (Bucket | RawPoint)[],
  isCounter: boolean,
  limitS: number,
  stepS: number,
): { series: Series; gaps: GapMark[] } {
  const series: Series = { times: [], mean: [], low: [], high: [] };
  const gaps: GapMark[] = [];
  const push = (at: number, mean: number | null, low: number | null, high: number | null) => {
    series.times.push(at);
    series.mean.push(mean);
    series.low.push(low);
    series.high.push(high);
  };
  let last: number | null = null;
  for (const point of points) {
    const at = Date.parse(point.t);
    const value = "value" in point ? point.value : isCounter ? point.increase : point.mean;
    if (value === null) {
      push(at, null, null, null);
      continue;
    }
    if (last !== null && at - last > limitS * 1000) {
      const start = last + stepS * 1000;
      gaps.push({ start, end: at, durationS: (at - start) / 1000 });
      push(last + 1, null, null, null);
    }
    push(at, value, "min" in point ? point.min : null, "max" in point ? point.max : null);
    last = at;
  }
  return { series, gaps };
}

function showBand(series: Series, cursor: number | null, unit: string): { value?: string } {
  if (cursor === null) return {};
  return {
    value: `${formatValue(series.low[cursor], unit)} to ${formatValue(series.high[cursor], unit)}`,
  };
}

function roleOf(name: string): Role {
  if (name.includes("production") || name.startsWith("dc_") || name.startsWith("irradiance"))
    return "solar";
  if (name.includes("export")) return "grid-out";
  if (name.includes("battery") || name.includes("state_of_charge")) return "battery";
  return name.includes("import") ? "grid-in" : "home";
}

function momentWithSeconds(at: number): string {
  return `${dayOf(at, zone.value)}, ${clockWithSeconds(at, zone.value)}`;
}

function fileSafe(id: string): string {
  return id.replace(/[^A-Za-z0-9._-]+/g, "_");
}

function tableOf(series: Series, quantity: LatestValue, hasBand: boolean): Table {
  const unit = quantity.unit ? ` [${quantity.unit}]` : "";
  const names = hasBand
    ? ["mean", "lowest", "highest"]
    : [quantity.kind === "gauge" ? "value" : "added"];
  return {
    timeTitle: "time",
    columns: names.map((name) => ({ title: `${name}${unit}`, decimals: 3 })),
    rows: series.times.map((at, i) => ({
      at,
      label: momentWithSeconds(at),
      cells: hasBand
        ? [series.mean[i] ?? null, series.low[i] ?? null, series.high[i] ?? null]
        : [series.mean[i] ?? null],
    })),
  };
}

/** What a counter grew by over the period, in steps. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Bucket, LatestValue, Readings } from "../api/types";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatValue } from "../format/number";
import { instantFields } from "../format/period";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, shown, showsNow, showZoom } from "../state/view";
import { fileNameOf, momentWithSeconds, roleOf, shownWords, ZoomHint } from "./chartWords";
import { INTERVAL_WORDS, intervalFor, intervalSeconds } from "./interval";
import { type Lines, linesOfGrowth } from "./lines";
import type { QuantityChartProps } from "./quantityChartProps";

const HEIGHT = 280;
const REFRESH_MS = 30_000;

export function GrowthChart({ device, quantity, shades, actions }: QuantityChartProps) {
  const span = shown.value;
  const interval = intervalFor(span.end - span.start);
  const stepS = intervalSeconds(interval);
  const fetched = useFetched<Readings<Bucket>>(
    apiPath(`/api/devices/${encodeURIComponent(device.id)}/readings`, {
      quantity: quantity.name,
      ...instantFields(span.start, span.end),
      interval,
    }),
    showsNow.value ? REFRESH_MS : 0,
  );
  const [cursor, setCursor] = useState<number | null>(null);
  const limitS = Math.max(device.stale_after_s, stepS * 1.5);
  const lines = useMemo(
    () => linesOfGrowth(fetched.answer?.points ?? [], limitS, stepS),
    [fetched.answer, limitS, stepS],
  );
  const columns = useMemo(() => [lines.mean], [lines]);
  const role = roleOf(quantity.name);
  const drawn: ChartLine[] = [{ label: quantity.title, role, isStepped: true, fill: 0.18 }];
  const at = cursor === null ? undefined : lines.times[cursor];
  const value =
    cursor === null ? {} : { value: formatValue(lines.mean[cursor], quantity.unit) };
  return (
    <ChartCard
      title={quantity.title}
      aside={`${shownWords()}, ${INTERVAL_WORDS[interval]}`}
      testId="quantity-chart"
      fileName={fileNameOf(device, quantity)}
      table={fetched.answer === null ? null : () => tableOf(lines, quantity)}
      legend={
        <div class="legend-bar">
          <Legend
            entries={[{ key: "added", label: "added", role, shape: "line", ...value }]}
            {...(at === undefined ? {} : { note: momentWithSeconds(at) })}
          />
          {actions}
        </div>
      }
    >
      {fetched.error !== null && fetched.answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : fetched.answer === null ? (
        <Waiting height={HEIGHT} />
      ) : lines.times.length === 0 ? (
        <Nothing title="Nothing was measured in this time." />
      ) : (
        <TimeChart
          unit={quantity.unit}
          span={span}
          zone={zone.value}
          lines={drawn}
          times={lines.times}
          columns={columns}
          gaps={lines.gaps}
          {...(shades === undefined ? {} : { shades })}
          present={isCurrent.value ? serverNow() : null}
          height={HEIGHT}
          label={`Growth of ${quantity.title} of ${device.name}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
      <ZoomHint />
    </ChartCard>
  );
}

function tableOf(lines: Lines, quantity: LatestValue): Table {
  const unit = quantity.unit ? ` [${quantity.unit}]` : "";
  return {
    timeTitle: "time",
    columns: [{ title: `added${unit}`, decimals: 3 }],
    rows: lines.times.map((at, i) => ({
      at,
      label: momentWithSeconds(at),
      cells: [lines.mean[i] ?? null],
    })),
  };
}

/** A quantity at any zoom: the mean as a line, the true extremes of each pixel as a band. */

import { useMemo, useRef, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { LatestValue, QuantityChart } from "../api/types";
import { refreshMs, useLastFor, usePixels } from "../charts/asking";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatValue } from "../format/number";
import { instantFields } from "../format/period";
import type { Table } from "../format/table";
import { ChartCard } from "../parts/ChartCard";
import { Legend, type LegendEntry } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, shown, showsNow, showZoom } from "../state/view";
import { fileNameOf, momentWithSeconds, roleOf, shownWords, ZoomHint } from "./chartWords";
import { decimalsOf, LEVEL_WORDS, type Lines, linesOfChart } from "./lines";
import type { QuantityChartProps } from "./quantityChartProps";

const HEIGHT = 280;
/** A band alone would fade away in a spike that is one pixel wide: its edges are drawn too. */
const EDGE = 0.35;
const NO_LINES: Lines = { times: [], mean: [], low: [], high: [], count: [], gaps: [] };

export function ExtremesChart(props: QuantityChartProps) {
  const { device, quantity, actions, testId = "quantity-chart", title = quantity.title } = props;
  const span = shown.value;
  const head = useRef<HTMLDivElement>(null);
  const pixels = usePixels(head);
  const fetched = useFetched<QuantityChart>(
    pixels === null
      ? null
      : apiPath(`/api/devices/${encodeURIComponent(device.id)}/chart`, {
          quantity: quantity.name,
          ...instantFields(span.start, span.end),
          pixels,
        }),
    showsNow.value && pixels !== null ? refreshMs((span.end - span.start) / pixels) : 0,
  );
  const answer = useLastFor(span, fetched.answer);
  const [cursor, setCursor] = useState<number | null>(null);
  const lines = useMemo(
    () => (answer === null ? NO_LINES : linesOfChart(answer, device.stale_after_s, serverNow())),
    [answer, device.stale_after_s],
  );
  const columns = useMemo(() => [lines.high, lines.low, lines.mean], [lines]);
  const role = roleOf(quantity.name);
  const drawn: ChartLine[] = [
    { label: "highest", role, width: 1, strength: EDGE },
    { label: "lowest", role, width: 1, strength: EDGE, closesBand: true },
    { label: "mean", role },
  ];
  const at = cursor === null ? undefined : lines.times[cursor];
  const level = answer?.level ?? "";
  return (
    <ChartCard
      title={title}
      aside={
        <>
          {shownWords()}
          <span data-testid="chart-level" data-level={fetched.answer?.level}>
            {level && `, ${LEVEL_WORDS[level] ?? level}`}
          </span>
        </>
      }
      testId={testId}
      fileName={fileNameOf(device, quantity)}
      table={fetched.answer === null ? null : () => tableOf(lines, quantity)}
      legend={
        <div class="legend-bar" ref={head}>
          <Legend
            entries={entriesOf(lines, cursor, quantity)}
            {...(at === undefined ? {} : { note: momentWithSeconds(at) })}
          />
          {actions}
        </div>
      }
    >
      {fetched.error !== null && fetched.answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : answer.t_s.length === 0 ? (
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
          present={isCurrent.value ? serverNow() : null}
          height={props.height ?? HEIGHT}
          {...(props.zones === undefined ? {} : { zones: props.zones })}
          {...(props.shades === undefined ? {} : { shades: props.shades })}
          {...(props.axis === undefined ? {} : { axis: props.axis })}
          {...(props.syncKey === undefined ? {} : { syncKey: props.syncKey })}
          label={`${quantity.title} of ${device.name}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
      {props.below ?? <ZoomHint />}
    </ChartCard>
  );
}

function entriesOf(lines: Lines, cursor: number | null, quantity: LatestValue): LegendEntry[] {
  const role = roleOf(quantity.name);
  const at = (values: readonly (number | null)[]) =>
    formatValue(cursor === null ? null : values[cursor], quantity.unit);
  const hasBand = lines.count.some((count) => count > 1);
  const mean: LegendEntry = {
    key: "mean",
    label: hasBand ? "mean" : "value",
    role,
    shape: "line",
    ...(cursor === null ? {} : { value: at(lines.mean) }),
  };
  const band: LegendEntry = {
    key: "band",
    label: "lowest to highest",
    role,
    shape: "band",
    ...(cursor === null ? {} : { value: `${at(lines.low)} to ${at(lines.high)}` }),
  };
  const gap: LegendEntry = { key: "gap", label: "no data", role: "hatch", shape: "hatch" };
  return [mean, ...(hasBand ? [band] : []), ...(lines.gaps.length > 0 ? [gap] : [])];
}

function tableOf(lines: Lines, quantity: LatestValue): Table {
  const unit = quantity.unit ? ` [${quantity.unit}]` : "";
  const columns = { mean: lines.mean, lowest: lines.low, highest: lines.high };
  return {
    timeTitle: "time",
    columns: [
      ...Object.entries(columns).map(([name, values]) => ({
        title: `${name}${unit}`,
        decimals: decimalsOf(values),
      })),
      { title: "readings", decimals: 0 },
    ],
    rows: lines.times
      .map((at, i) => ({
        // The pixel of a reading is known, its instant within it is not.
        at: Math.round(at / 1000) * 1000,
        label: momentWithSeconds(Math.round(at / 1000) * 1000),
        cells: [
          lines.mean[i] ?? null,
          lines.low[i] ?? null,
          lines.high[i] ?? null,
          lines.count[i] ?? 0,
        ],
      }))
      .filter((_, i) => lines.count[i] !== 0),
  };
}

/** The load of the last hour, by five minutes. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridLoad } from "../api/grid";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatCount, formatValue } from "../format/number";
import type { Table } from "../format/table";
import { clockOf } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";

const HEIGHT = 260;
const REFRESH_MS = 15_000;
const LINES: readonly ChartLine[] = [
  { label: "load", role: "grid-in", width: 2, fill: 0.12, hasEnd: true },
];

export function HourCard({ siteId }: { siteId: string }) {
  const fetched = useFetched<GridLoad>(apiPath("/api/grid/hour", { site: siteId }), REFRESH_MS);
  const answer = fetched.answer;
  const [cursor, setCursor] = useState<number | null>(null);
  const times = useMemo(
    () => (answer?.t ?? []).map((text) => Date.parse(text) + (answer?.interval_s ?? 0) * 500),
    [answer],
  );
  const columns = useMemo(() => [answer?.load_w ?? []], [answer]);
  const isKnown = answer?.load_w.some((one) => one !== null) ?? false;
  const newest = answer?.load_w.findLastIndex((one) => one !== null) ?? -1;
  const at = cursor ?? (newest < 0 ? null : newest);
  return (
    <ChartCard
      title="Last hour"
      aside="all meters together, by five minutes"
      testId="hour-chart"
      fileName={`wattscope-${siteId}-last-hour`}
      table={answer === null ? null : () => tableOf(answer)}
      legend={
        <Legend
          entries={[
            {
              key: "load",
              label: "load",
              role: "grid-in",
              value: at === null ? formatValue(null, "W") : formatValue(answer?.load_w[at], "W"),
            },
          ]}
          {...(answer === null || at === null ? {} : { note: noteOf(answer, at) })}
        />
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : !isKnown ? (
        <Nothing title="Nothing was heard in the last hour." />
      ) : (
        <TimeChart
          unit="W"
          span={{ start: Date.parse(answer.start), end: Date.parse(answer.end) }}
          zone={zone.value}
          lines={LINES}
          times={times}
          columns={columns}
          present={serverNow()}
          height={HEIGHT}
          label="Load of the last hour. The table button shows the numbers."
          onCursor={setCursor}
        />
      )}
      <p class="chart-note">The newest minutes follow when their meters have spoken.</p>
    </ChartCard>
  );
}

function noteOf(answer: GridLoad, at: number): string {
  const start = Date.parse(answer.t[at] ?? answer.start);
  const span = `${clockOf(start, zone.value)}–${clockOf(start + answer.interval_s * 1000, zone.value)}`;
  return `${span}, ${formatCount(answer.known[at])} of ${formatCount(answer.meters)} meters`;
}

function tableOf(answer: GridLoad): Table {
  return {
    timeTitle: "from",
    columns: [
      { title: "load [kW]", decimals: 3 },
      { title: "meters known", decimals: 0 },
    ],
    rows: answer.t.map((text, i) => ({
      at: Date.parse(text),
      label: clockOf(Date.parse(text), zone.value),
      cells: [kilo(answer.load_w[i]), answer.known[i] ?? 0],
    })),
  };
}

export function kilo(value: number | null | undefined): number | null {
  return value == null ? null : value / 1000;
}

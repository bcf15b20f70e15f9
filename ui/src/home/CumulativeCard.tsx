/** Consumption and production added up over the period [kWh]. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { Energy } from "../api/types";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatValue } from "../format/number";
import { energyFields, STEP_INTERVAL, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { momentOf } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showsNow, showZoom } from "../state/view";
import { type Cumulative, cumulate } from "./cumulative";

const HEIGHT = 270;
const REFRESH_MS = 30_000;

export function CumulativeCard({ siteId }: { siteId: string }) {
  const { range, from, start } = period.value;
  const fetched = useFetched<Energy>(
    apiPath("/api/energy", {
      site: siteId,
      ...energyFields(period.value),
      interval: STEP_INTERVAL[range],
    }),
    isCurrent.value ? REFRESH_MS : 0,
  );
  const [cursor, setCursor] = useState<number | null>(null);
  const energy = fetched.answer;
  const sums = useMemo(() => cumulate(energy?.buckets ?? [], start, serverNow()), [energy, start]);
  const columns = useMemo(() => [sums.production, sums.consumption], [sums]);
  const hasSolar = sums.production.some((value) => value !== null);
  const lines: ChartLine[] = [
    {
      label: "produced",
      role: "solar",
      fill: 0.14,
      width: 2,
      hasEnd: showsNow.value,
      isHidden: !hasSolar,
    },
    { label: "consumed", role: "home", width: 2, hasEnd: showsNow.value },
  ];
  const at = cursor ?? sums.times.length - 1;
  const cursorTime = cursor === null ? undefined : sums.times[cursor];
  const valueOf = (values: readonly (number | null)[], total: number | null | undefined) =>
    formatValue(cursor === null ? total : values[at], "Wh");

  return (
    <ChartCard
      title="Energy so far"
      aside="added up"
      testId="cumulative-chart"
      fileName={`wattscope-${siteId}-cumulative-${range}-${from}`}
      table={energy === null ? null : () => tableOf(sums)}
      legend={
        <Legend
          entries={[
            {
              key: "used",
              label: "consumed",
              role: "home",
              shape: "line",
              value: valueOf(sums.consumption, energy?.totals.consumption_wh),
            },
            ...(hasSolar
              ? [
                  {
                    key: "made",
                    label: "produced",
                    role: "solar" as const,
                    value: valueOf(sums.production, energy?.totals.production_wh),
                  },
                ]
              : []),
          ]}
          {...(cursorTime === undefined ? {} : { note: momentOf(cursorTime, zone.value, start) })}
        />
      }
    >
      {fetched.error !== null && energy === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : energy === null ? (
        <Waiting height={HEIGHT} />
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
          height={HEIGHT}
          syncKey="home"
          label={`Consumption and production added up, ${titleOf(period.value)}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
    </ChartCard>
  );
}

function tableOf(sums: Cumulative): Table {
  const kilo = (value: number | null | undefined) => (value == null ? null : value / 1000);
  return {
    timeTitle: "up to",
    columns: ["consumed [kWh]", "produced [kWh]"].map((title) => ({ title, decimals: 3 })),
    rows: sums.times.map((time, i) => ({
      at: time,
      label: momentOf(time, zone.value, sums.times[0] ?? time),
      cells: [kilo(sums.consumption[i]), kilo(sums.production[i])],
    })),
  };
}

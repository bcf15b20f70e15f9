/** Load by hour and day: where in the week the load lies. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridLoad } from "../api/grid";
import { formatValue } from "../format/number";
import type { Table } from "../format/table";
import { clockOf, dayOf } from "../format/time";
import { addDays, instantOf } from "../format/zone";
import { ChartCard } from "../parts/ChartCard";
import { Failed, Waiting } from "../parts/States";
import { site, today, zone } from "../state/catalogue";
import { addressOf, navigate, query } from "../state/route";
import { HeatMap } from "./HeatMap";
import { type HeatCell, heatOf } from "./heat";
import { kilo } from "./HourCard";

const DAYS = 14;
const HEIGHT = 320;
const REFRESH_MS = 120_000;

export function HeatCard({ siteId }: { siteId: string }) {
  const first = addDays(today.value, 1 - DAYS);
  const fetched = useFetched<GridLoad>(
    apiPath("/api/grid/load", { site: siteId, start: first, end: today.value, interval: "1h" }),
    REFRESH_MS,
  );
  const answer = fetched.answer;
  const heat = useMemo(
    () => (answer === null ? null : heatOf(answer, first, DAYS, zone.value)),
    [answer, first],
  );
  const [pointed, setPointed] = useState<HeatCell | null>(null);
  return (
    <ChartCard
      title="Load by hour and day"
      aside={pointed === null ? `last ${DAYS} days` : cellWords(pointed)}
      testId="heat"
      fileName={`wattscope-${site.value?.id ?? "grid"}-hours-by-day-${first}`}
      table={answer === null ? null : () => tableOf(answer)}
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : heat === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <>
          <HeatMap
            heat={heat}
            nameOf={(row) => dayOf(instantOf(addDays(first, row), zone.value), zone.value)}
            wordsOf={cellWords}
            onPoint={setPointed}
            onOpen={openHour}
          />
          <p class="heat-scale">
            <span>{formatValue(heat.lowest, "W")}</span>
            <i aria-hidden="true" />
            <span>{formatValue(heat.highest, "W")}</span>
            <span class="heat-none">
              <i aria-hidden="true" /> not known
            </span>
          </p>
        </>
      )}
    </ChartCard>
  );
}

function cellWords(cell: HeatCell): string {
  const when = `${dayOf(cell.start, zone.value)}, ${clockOf(cell.start, zone.value)}`;
  return `${when}: ${cell.loadW === null ? "not known" : formatValue(cell.loadW, "W")}`;
}

function openHour(cell: HeatCell): void {
  const text = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");
  navigate(
    addressOf("/grid", {
      site: query.value.get("site"),
      device: query.value.get("device"),
      range: "day",
      date: cell.date,
      from: text(cell.start),
      to: text(cell.start + 3_600_000),
    }),
  );
}

function tableOf(answer: GridLoad): Table {
  return {
    timeTitle: "hour",
    columns: [
      { title: "load [kW]", decimals: 3 },
      { title: "meters known", decimals: 0 },
    ],
    rows: answer.t.map((text, i) => {
      const at = Date.parse(text);
      return {
        at,
        label: `${dayOf(at, zone.value)}, ${clockOf(at, zone.value)}`,
        cells: [kilo(answer.load_w[i]), answer.known[i] ?? 0],
      };
    }),
  };
}

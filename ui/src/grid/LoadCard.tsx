/** The load of a day over the day before, or of a week or month. */

import { useMemo, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridLoad } from "../api/grid";
import { useLastFor } from "../charts/asking";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { shownWords, ZoomHint } from "../devices/chartWords";
import { formatCount, formatValue } from "../format/number";
import { type Period } from "../format/period";
import type { Table } from "../format/table";
import { momentOf } from "../format/time";
import { addDays } from "../format/zone";
import { ChartCard } from "../parts/ChartCard";
import { Legend, type LegendEntry } from "../parts/Legend";
import { Failed, Nothing, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showsNow, showZoom } from "../state/view";
import { kilo } from "./HourCard";
import { type LoadLines, linesOfLoad } from "./loadLines";

const HEIGHT = 280;
const REFRESH_MS = 30_000;
/** More days than this are shown by the hour. */
const FINE_DAYS = 8;
const MOST_DAYS = 31;

export function LoadCard({ siteId }: { siteId: string }) {
  const shownPeriod = period.value;
  const isDay = shownPeriod.range === "day";
  const fetched = useFetched<GridLoad>(
    apiPath("/api/grid/load", { site: siteId, ...daysOf(shownPeriod) }),
    isCurrent.value ? REFRESH_MS : 0,
  );
  const answer = useLastFor(shownPeriod, fetched.answer);
  const [cursor, setCursor] = useState<number | null>(null);
  const lines = useMemo(
    () =>
      answer === null ? null : linesOfLoad(answer, shownPeriod, zone.value, serverNow()),
    [answer, shownPeriod],
  );
  const columns = useMemo(
    () => (lines === null ? [] : isDay ? [lines.load, lines.before] : [lines.load]),
    [lines, isDay],
  );
  const drawn: ChartLine[] = [
    { label: "load", role: "grid-in", width: 2, fill: 0.12, hasEnd: showsNow.value },
    ...(isDay ? [{ label: "the day before", role: "muted" as const, dash: [4, 4] }] : []),
  ];
  const before = isCurrent.value ? "yesterday" : "the day before";
  return (
    <ChartCard
      title={isDay ? `Load over ${before}` : "Load"}
      aside={shownWords()}
      testId="load-chart"
      fileName={`wattscope-${siteId}-load-${shownPeriod.range}-${shownPeriod.from}`}
      table={lines === null ? null : () => tableOf(lines, isDay, before)}
      legend={
        <Legend
          entries={entriesOf(lines, cursor, isDay, before)}
          {...(lines === null || cursor === null ? {} : { note: noteOf(lines, cursor, answer) })}
        />
      }
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : lines === null ? (
        <Waiting height={HEIGHT} />
      ) : !columns.some((column) => column.some((one) => one != null)) ? (
        <Nothing title="Nothing was measured in this time." />
      ) : (
        <TimeChart
          unit="W"
          span={shown.value}
          zone={zone.value}
          lines={drawn}
          times={lines.times}
          columns={columns}
          gaps={lines.gaps}
          present={isCurrent.value ? serverNow() : null}
          height={HEIGHT}
          label="Load of all meters together. The table button shows the numbers."
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
      <ZoomHint />
    </ChartCard>
  );
}

/** The days to ask for: of a day with the one before it, of a long period its last days. */
function daysOf(shownPeriod: Period): { start: string; end: string; interval: string } {
  const ended = addDays(shownPeriod.until, -1);
  const end = ended < today.value ? ended : today.value;
  if (shownPeriod.range === "day")
    return { start: addDays(shownPeriod.from, -1), end: shownPeriod.from, interval: "15m" };
  const first = addDays(end, 1 - MOST_DAYS);
  const start = shownPeriod.from < first ? first : shownPeriod.from;
  return { start, end, interval: addDays(start, FINE_DAYS) > end ? "15m" : "1h" };
}

function entriesOf(
  lines: LoadLines | null,
  cursor: number | null,
  isDay: boolean,
  before: string,
): LegendEntry[] {
  const at = (column: readonly (number | null | undefined)[] | undefined) =>
    cursor === null ? {} : { value: formatValue(column?.[cursor], "W") };
  return [
    { key: "load", label: "load", role: "grid-in", shape: "area", ...at(lines?.load) },
    ...(isDay
      ? [{ key: "before", label: before, role: "muted" as const, shape: "line" as const, ...at(lines?.before) }]
      : []),
    ...((lines?.gaps.length ?? 0) > 0
      ? [{ key: "gap", label: "too few meters known", role: "hatch" as const, shape: "hatch" as const }]
      : []),
  ];
}

function noteOf(lines: LoadLines, cursor: number, answer: GridLoad | null): string {
  const at = lines.times[cursor];
  if (at === undefined || answer === null) return "";
  const start = at - answer.interval_s * 500;
  const known = lines.known[cursor] ?? 0;
  const meters = known > 0 ? `, ${formatCount(known)} of ${formatCount(answer.meters)} meters` : "";
  return `${momentOf(start, zone.value, lines.times[0] ?? at)}${meters}`;
}

function tableOf(lines: LoadLines, isDay: boolean, before: string): Table {
  const half = ((lines.times[1] ?? 0) - (lines.times[0] ?? 0)) / 2;
  return {
    timeTitle: "from",
    columns: [
      { title: "load [kW]", decimals: 3 },
      ...(isDay ? [{ title: `${before} [kW]`, decimals: 3 }] : []),
      { title: "meters known", decimals: 0 },
    ],
    rows: lines.times.map((at, i) => ({
      at: at - half,
      label: momentOf(at - half, zone.value, lines.times[0] ?? at),
      cells: [
        kilo(lines.load[i]),
        ...(isDay ? [kilo(lines.before[i])] : []),
        lines.known[i] ?? 0,
      ],
    })),
  };
}

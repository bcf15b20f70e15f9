/** Power over the period: home, solar, and the grid on demand; live while it holds now. */

import { useMemo, useRef, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import { ageS, liveState } from "../api/live";
import type { PowerChart } from "../api/types";
import type { GapMark } from "../charts/marks";
import type { ChartLine } from "../charts/options";
import { TimeChart } from "../charts/TimeChart";
import { formatValue } from "../format/number";
import { instantFields, type Range, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { momentOf, spanInWords } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Legend } from "../parts/Legend";
import { Failed, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period, shown, showsNow, showZoom, zoom } from "../state/view";
import { joinLive, type PowerSeries } from "./joinLive";
import { useHeard } from "./liveTail";

const HEIGHT = 284;
const REFRESH_MS = 60_000;
const NO_SERIES: PowerSeries = { times: [], home: [], solar: [], grid: [] };

/** Points that show a whole period without turning days and nights into a solid block. */
const POINTS: Partial<Record<Range, number>> = { week: 672, month: 744, year: 366 };

/** As many points as the chart has pixels, in steps so that a small change of width asks nothing. */
function pointsWanted(): number {
  const fitting = zoom.value === null ? POINTS[period.value.range] : undefined;
  if (fitting !== undefined) return fitting;
  return Math.min(1200, Math.max(300, Math.ceil((innerWidth * 0.6) / 100) * 100));
}

export function PowerCard({ siteId }: { siteId: string }) {
  const span = shown.value;
  const fetched = useFetched<PowerChart>(
    apiPath("/api/power", {
      site: siteId,
      ...instantFields(span.start, span.end),
      points: pointsWanted(),
    }),
    isCurrent.value ? REFRESH_MS : 0,
  );
  const chart = useLastCovering(fetched.answer, span);
  const heard = useHeard();
  const [hasGrid, setHasGrid] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const isEnding = isCurrent.value;

  const series = useMemo(
    () => (chart === null ? NO_SERIES : joinLive(chart, isEnding ? heard : [])),
    [chart, heard, isEnding],
  );
  const columns = useMemo(() => [series.solar, series.home, series.grid], [series]);
  const gaps = gapsOf(chart, series.times.at(-1) ?? null);
  const hasSolar = series.solar.some((value) => value !== null);
  const lines: ChartLine[] = [
    { label: "solar", role: "solar", fill: 0.2, hasEnd: showsNow.value, isHidden: !hasSolar },
    { label: "home", role: "home", hasEnd: showsNow.value },
    { label: "grid", role: "grid-in", hasEnd: showsNow.value, isHidden: !hasGrid },
  ];
  const valueAt = (values: readonly (number | null)[]) =>
    cursor === null ? {} : { value: formatValue(values[cursor], "W") };
  const cursorTime = cursor === null ? undefined : series.times[cursor];

  return (
    <ChartCard
      title="Power"
      aside={zoom.value === null ? titleOf(period.value) : spanInWords(span.start, span.end, zone.value)}
      testId="power-chart"
      fileName={`wattscope-${siteId}-power-${period.value.range}-${period.value.from}`}
      table={chart === null ? null : () => tableOf(series)}
      legend={
        <Legend
          entries={[
            { key: "home", label: "home", role: "home", shape: "line", ...valueAt(series.home) },
            ...(hasSolar
              ? [{ key: "solar", label: "solar", role: "solar" as const, ...valueAt(series.solar) }]
              : []),
            {
              key: "grid",
              label: "grid",
              role: "grid-in",
              shape: "line",
              isOff: !hasGrid,
              onToggle: () => setHasGrid(!hasGrid),
              ...(hasGrid ? valueAt(series.grid) : {}),
            },
            ...(gaps.length > 0
              ? [{ key: "gap", label: "no data", role: "hatch" as const, shape: "hatch" as const }]
              : []),
          ]}
          {...(cursorTime === undefined
            ? {}
            : { note: momentOf(cursorTime, zone.value, span.start) })}
        />
      }
    >
      {fetched.error !== null && chart === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : chart === null ? (
        <Waiting height={HEIGHT} />
      ) : (
        <TimeChart
          unit="W"
          span={span}
          zone={zone.value}
          lines={lines}
          times={series.times}
          columns={columns}
          gaps={gaps}
          present={isEnding ? serverNow() : null}
          height={HEIGHT}
          syncKey="home"
          label={`Power of home and solar, ${titleOf(period.value)}. The table button shows the numbers.`}
          onCursor={setCursor}
          onZoom={showZoom}
        />
      )}
    </ChartCard>
  );
}

/** While a closer look is loading, the wider answer is still true for it. */
function useLastCovering(
  answer: PowerChart | null,
  span: { start: number; end: number },
): PowerChart | null {
  const last = useRef<PowerChart | null>(null);
  if (answer !== null) last.current = answer;
  const kept = last.current;
  if (kept === null) return null;
  const covers = Date.parse(kept.start) <= span.start && Date.parse(kept.end) >= span.end;
  return covers ? kept : answer;
}

function gapsOf(chart: PowerChart | null, lastKnown: number | null): GapMark[] {
  if (chart === null) return [];
  const gaps = chart.gaps.map((gap) => ({
    start: Date.parse(gap.start),
    end: Date.parse(gap.end),
    durationS: gap.duration_s,
  }));
  // A silence that goes on is a gap from the newest reading to now, whatever the last answer knew.
  if (isCurrent.value && liveState.value === "stale" && ageS.value !== null && lastKnown !== null) {
    const start = serverNow() - ageS.value * 1000;
    const isKnown = gaps.some((gap) => gap.end > start);
    if (!isKnown) gaps.push({ start, end: serverNow(), durationS: ageS.value });
  }
  return gaps;
}

function tableOf(series: PowerSeries): Table {
  const reference = serverNow();
  return {
    timeTitle: "time",
    columns: ["home [W]", "solar [W]", "grid [W], negative to grid"].map((title) => ({
      title,
      decimals: 1,
    })),
    rows: series.times.map((at, i) => ({
      at,
      label: momentOf(at, zone.value, reference),
      cells: [series.home[i] ?? null, series.solar[i] ?? null, series.grid[i] ?? null],
    })),
  };
}

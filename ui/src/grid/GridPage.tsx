/** Grid: where and when is the load. */

import { useRef } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridNow, GridPeaks, GridToday } from "../api/grid";
import { liveState } from "../api/live";
import { Failed, Nothing, Waiting } from "../parts/States";
import { AgeChip } from "../shell/LiveChip";
import { PageHead } from "../shell/PageHead";
import { RangeControl } from "../shell/RangeControl";
import { site, zone } from "../state/catalogue";
import { nowMs, serverNow } from "../state/clock";
import { query } from "../state/route";
import { DaysCard } from "./DaysCard";
import { GridTiles } from "./GridTiles";
import { HeatCard } from "./HeatCard";
import { HourCard } from "./HourCard";
import { HoursCard } from "./HoursCard";
import { LoadCard } from "./LoadCard";
import { MeterCard } from "./MeterCard";
import { MonthCard } from "./MonthCard";
import { PeaksCard } from "./PeaksCard";
import { ReadingsCard } from "./ReadingsCard";
import { RegionsCard } from "./RegionsCard";
import { RollupsCard } from "./RollupsCard";
import { verdictOf } from "./words";

const NOW_REFRESH_MS = 10_000;
const SUMS_REFRESH_MS = 60_000;
/** A year has more quarter-hours than are worked out at once. */
const RANGES = ["day", "week", "month"] as const;

export function GridPage() {
  const siteId = site.value?.id ?? null;
  const now = useFetched<GridNow>(
    siteId === null ? null : apiPath("/api/grid/now", { site: siteId }),
    NOW_REFRESH_MS,
  );
  if (siteId === null || now.answer === null) {
    return (
      <>
        <PageHead title="Grid" />
        {now.error !== null ? (
          <Failed error={now.error} retry={now.reload} />
        ) : (
          <Waiting height={420} />
        )}
      </>
    );
  }
  if (now.answer.meters.all === 0) {
    return (
      <>
        <PageHead title="Grid" />
        <NoMeters />
      </>
    );
  }
  return <Shown siteId={siteId} now={now.answer} />;
}

function NoMeters() {
  return (
    <Nothing title="No meter has reported yet.">
      Let meters publish to <code>energy/meters/&lt;id&gt;</code>: each one that speaks is added by
      itself. <code>wattscope simulate grid --count 500</code> plays some.
    </Nothing>
  );
}

function Shown({ siteId, now }: { siteId: string; now: GridNow }) {
  const today = useFetched<GridToday>(
    apiPath("/api/grid/today", { site: siteId }),
    SUMS_REFRESH_MS,
  );
  const peaks = useFetched<GridPeaks>(
    apiPath("/api/grid/peaks", { site: siteId, days: 7, limit: 10 }),
    SUMS_REFRESH_MS,
  );
  // The first that is known stays: a chart must not change its meter by itself.
  const highest = useRef<string | null>(null);
  highest.current ??= now.highest?.meter ?? null;
  const verdict = verdictOf(now, today.answer, peaks.answer, zone.value);
  return (
    <>
      <PageHead title="Grid" chip={<GridChip now={now} />}>
        <RangeControl ranges={RANGES} />
      </PageHead>
      <p class="verdict-line" data-testid="verdict">
        <strong class={verdict.isBad ? "warn-text" : ""}>{verdict.strong}</strong> {verdict.rest}
      </p>
      <GridTiles now={now} today={today.answer} peaks={peaks.answer} />
      <div class="grid-cards">
        <LoadCard siteId={siteId} />
        <HourCard siteId={siteId} />
        <HoursCard siteId={siteId} />
        <PeaksCard peaks={peaks} />
        <HeatCard siteId={siteId} />
        <RegionsCard siteId={siteId} />
        <DaysCard siteId={siteId} />
        <RollupsCard siteId={siteId} />
        <MonthCard siteId={siteId} />
        <MeterCard siteId={siteId} id={query.value.get("device") ?? highest.current} />
        <ReadingsCard siteId={siteId} />
      </div>
    </>
  );
}

/** How old the newest reading of any meter is. */
function GridChip({ now }: { now: GridNow }) {
  // Read so that the age counts on each second.
  nowMs.value;
  const age =
    now.newest_at === null ? null : Math.max(0, (serverNow() - Date.parse(now.newest_at)) / 1000);
  const isOld = age !== null && age > now.stale_after_s + NOW_REFRESH_MS / 500;
  const state =
    liveState.value === "broken"
      ? "broken"
      : age === null
        ? "empty"
        : now.is_stale || isOld
          ? "stale"
          : "live";
  return <AgeChip state={state} age={age} />;
}

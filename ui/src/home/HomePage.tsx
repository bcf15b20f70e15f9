/** Home: how am I doing now and today. */

import { type ApiError, apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import { liveState, now } from "../api/live";
import type { DayInsights, Energy } from "../api/types";
import { BAR_INTERVAL, energyFields } from "../format/period";
import { Failed, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { RangeControl } from "../shell/RangeControl";
import { catalogueError, hasReported, site, startCatalogue } from "../state/catalogue";
import { isCurrent, period } from "../state/view";
import { BucketsCard } from "./BucketsCard";
import { CumulativeCard } from "./CumulativeCard";
import { EmptyHome } from "./EmptyHome";
import { FlowCard } from "./FlowCard";
import { InsightCards } from "./InsightCards";
import { PowerCard } from "./PowerCard";
import { Tiles } from "./Tiles";

const ENERGY_REFRESH_MS = 15_000;
const INSIGHTS_REFRESH_MS = 120_000;

export function HomePage() {
  const heardNow = now.value !== null && now.value.at !== null;
  if (hasReported.value === false && !heardNow && liveState.value !== "connecting") {
    return (
      <>
        <PageHead title="Home" />
        <EmptyHome />
      </>
    );
  }
  return (
    <>
      <PageHead title="Home">
        <RangeControl />
      </PageHead>
      {catalogueError.value !== null && needsWords(catalogueError.value, site.value) && (
        <Failed error={catalogueError.value} retry={() => void startCatalogue()} />
      )}
      {site.value !== null ? (
        <Answers siteId={site.value.id} />
      ) : (
        catalogueError.value === null && <Waiting height={420} />
      )}
    </>
  );
}

/** While older values stand on the page, the chip alone says that the server is away. */
function needsWords(error: ApiError, kept: unknown): boolean {
  return kept === null || error.code !== "unreachable";
}

function Answers({ siteId }: { siteId: string }) {
  const shownPeriod = period.value;
  const energy = useFetched<Energy>(
    apiPath("/api/energy", {
      site: siteId,
      ...energyFields(shownPeriod),
      interval: BAR_INTERVAL[shownPeriod.range],
    }),
    isCurrent.value ? ENERGY_REFRESH_MS : 0,
  );
  const insights = useFetched<DayInsights>(
    shownPeriod.range === "day"
      ? apiPath("/api/insights/day", { site: siteId, day: shownPeriod.from })
      : null,
    isCurrent.value ? INSIGHTS_REFRESH_MS : 0,
  );
  return (
    <>
      <Tiles energy={energy.answer} />
      {energy.error !== null && needsWords(energy.error, energy.answer) && (
        <Failed error={energy.error} retry={energy.reload} />
      )}
      <div class="home-grid">
        <FlowCard />
        <PowerCard siteId={siteId} />
        <CumulativeCard siteId={siteId} />
        <BucketsCard energy={energy} />
      </div>
      <InsightCards energy={energy.answer} insights={insights.answer} />
    </>
  );
}

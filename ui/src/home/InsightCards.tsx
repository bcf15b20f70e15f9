/** Three sentences that the numbers support: what is always on, the peak, and what is missing. */

import type { ComponentChildren } from "preact";

import type { DayInsights, Energy } from "../api/types";
import { formatShare, formatValue } from "../format/number";
import { BAR_WORD, periodWords } from "../format/period";
import { clockOf, dayOf, formatDuration, longMonthOf, spanOf } from "../format/time";
import { devices, zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { isCurrent, period } from "../state/view";

function Insight({
  title,
  testId,
  children,
}: {
  title: string;
  testId: string;
  children: ComponentChildren;
}) {
  return (
    <section class="insight" data-testid={testId}>
      <h2>{title}</h2>
      <p>{children}</p>
    </section>
  );
}

export function InsightCards({
  energy,
  insights,
}: {
  energy: Energy | null;
  insights: DayInsights | null;
}) {
  if (energy === null) return null;
  return (
    <div class="insights">
      {insights !== null && <AlwaysOn energy={energy} insights={insights} />}
      <Peak energy={energy} />
      {insights === null ? (
        <Coverage energy={energy} />
      ) : (
        <Gaps energy={energy} insights={insights} />
      )}
    </div>
  );
}

function AlwaysOn({ energy, insights }: { energy: Energy; insights: DayInsights }) {
  const watts = insights.always_on_w;
  if (watts === null) {
    return (
      <Insight title="Always on: not yet known" testId="always-on">
        A few quiet hours with data are needed to tell.
      </Insight>
    );
  }
  const used = energy.totals.consumption_wh;
  const end = Math.min(Date.parse(energy.end), serverNow());
  const hours = ((end - Date.parse(energy.start)) / 3_600_000) * energy.coverage;
  const share = used !== null && used > 0 ? Math.min(1, (watts * hours) / used) : null;
  return (
    <Insight title={`Always on: ${formatValue(watts, "W")}`} testId="always-on">
      {share === null
        ? ""
        : `${formatShare(share)} of what was used ${periodWords("day", isCurrent.value)}; `}
      {`${formatValue(watts * 24 * 365, "Wh")} in a year.`}
    </Insight>
  );
}

function Peak({ energy }: { energy: Energy }) {
  const { range } = period.value;
  if (energy.peak === null) {
    return (
      <Insight title="No peak yet" testId="peak-insight">
        Nothing was used {periodWords(range, isCurrent.value)} as far as is known.
      </Insight>
    );
  }
  const start = Date.parse(energy.peak.start);
  const end = Date.parse(energy.peak.end);
  const share = energy.totals.consumption_wh
    ? energy.peak.consumption_wh / energy.totals.consumption_wh
    : null;
  const isLong = end - start > 36 * 3_600_000;
  const isDay = end - start > 2 * 3_600_000;
  const when = isLong
    ? longMonthOf(start, zone.value)
    : isDay
      ? dayOf(start, zone.value)
      : `${range === "day" ? "" : `${dayOf(start, zone.value)}, `}${spanOf(start, end, zone.value)}`;
  const word = isLong ? "month" : isDay ? "day" : BAR_WORD.day;
  return (
    <Insight title={`Peak ${word}: ${when}`} testId="peak-insight">
      {formatValue(energy.peak.consumption_wh, "Wh")} used
      {share !== null &&
        `, ${formatShare(share)} of the ${range}${isCurrent.value ? " so far" : ""}`}
      .
    </Insight>
  );
}

function Gaps({ energy, insights }: { energy: Energy; insights: DayInsights }) {
  const { gaps } = insights;
  const longest = [...gaps].sort((a, b) => b.duration_s - a.duration_s)[0];
  if (longest === undefined) {
    const isWhole = energy.coverage >= 0.99;
    return (
      <Insight title={isWhole ? "No gaps" : "Data for part of the day"} testId="gaps">
        {`${formatShare(energy.coverage)} of the time has data.`}
      </Insight>
    );
  }
  const when = `${clockOf(Date.parse(longest.start), zone.value)}–${clockOf(Date.parse(longest.end), zone.value)}`;
  const name =
    devices.value?.find((device) => device.id === longest.device)?.name ?? longest.device;
  const estimated = gaps.reduce((sum, gap) => sum + (gap.estimated_wh ?? 0), 0);
  const isKnown = gaps.some((gap) => gap.estimated_wh !== null);
  return (
    <Insight
      title={gaps.length === 1 ? `One gap, ${when}` : `${gaps.length} gaps, longest ${when}`}
      testId="gaps"
    >
      {`${name} was silent for ${formatDuration(longest.duration_s)}. `}
      {isKnown
        ? `${formatValue(estimated, "Wh")} placed by the meter's counter, an estimate.`
        : "What was used in it is unknown."}
    </Insight>
  );
}

function Coverage({ energy }: { energy: Energy }) {
  const { range } = period.value;
  return (
    <Insight title={`${formatShare(energy.coverage)} of the ${range} has data`} testId="coverage">
      {isCurrent.value
        ? `The ${range} is still running; the sums grow.`
        : energy.is_complete
          ? "The sums are complete."
          : "The sums hold only what was measured."}
    </Insight>
  );
}

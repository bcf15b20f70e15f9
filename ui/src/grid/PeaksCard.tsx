/** The highest quarter-hours of the week; each leads to its moment. */

import type { Fetched } from "../api/fetching";
import type { GridPeak, GridPeaks } from "../api/grid";
import { formatCount, formatShare, formatValue } from "../format/number";
import type { Table } from "../format/table";
import { localDateOf } from "../format/zone";
import { ChartCard } from "../parts/ChartCard";
import { Link } from "../parts/Link";
import { Failed, Nothing, Waiting } from "../parts/States";
import { site, zone } from "../state/catalogue";
import { addressOf, query } from "../state/route";
import { kilo } from "./HourCard";
import { quarterWords } from "./words";

const HEIGHT = 300;
const AROUND_MS = 90 * 60_000;
/** With fewer meters than this share, a peak is named as one of some of them. */
const NEARLY_ALL = 0.99;

export function PeaksCard({ peaks: fetched }: { peaks: Fetched<GridPeaks> }) {
  const answer = fetched.answer;
  const highest = answer?.peaks[0]?.load_w ?? 1;
  return (
    <ChartCard
      title="Highest quarter-hours"
      aside="last 7 days"
      testId="peaks"
      fileName={`wattscope-${site.value?.id ?? "grid"}-peaks`}
      table={answer === null ? null : () => tableOf(answer)}
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : answer.peaks.length === 0 ? (
        <Nothing title="No quarter-hour is known yet." />
      ) : (
        <>
          <ol class="peaks">
            {answer.peaks.map((peak) => (
              <li key={peak.start}>
                <Link to={addressOfMoment(peak)} class="peak-row">
                  <span class="muted number">{peak.rank}</span>
                  <span class="peak-when" data-testid="peak-when">
                    {quarterWords(peak.start, peak.end, zone.value)}
                    {peak.meters < NEARLY_ALL * answer.meters && (
                      <small>
                        {formatCount(peak.meters)} of {formatCount(answer.meters)} meters
                      </small>
                    )}
                  </span>
                  <b class="number">{formatValue(peak.load_w, "W")}</b>
                  <span class="share-bar" aria-hidden="true">
                    <i style={{ width: `${(peak.load_w / highest) * 100}%` }} />
                  </span>
                </Link>
              </li>
            ))}
          </ol>
          <p class="chart-note">{meanWords(answer)}</p>
        </>
      )}
    </ChartCard>
  );
}

function addressOfMoment(peak: GridPeak): string {
  const start = Date.parse(peak.start);
  const date = localDateOf(start, zone.value);
  const text = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");
  const midnight = localDateOf(start - AROUND_MS, zone.value) === date ? start - AROUND_MS : start;
  const last = start + 15 * 60_000 + AROUND_MS;
  const end = localDateOf(last, zone.value) === date ? last : Date.parse(peak.end);
  return addressOf("/grid", {
    site: query.value.get("site"),
    device: query.value.get("device"),
    range: "day",
    date,
    from: text(midnight),
    to: text(end),
  });
}

function meanWords(answer: GridPeaks): string {
  const known = answer.quarters === 0 ? 0 : answer.known_quarters / answer.quarters;
  const share = known < 0.98 ? ` ${formatShare(known)} of the quarter-hours are known.` : "";
  return `Mean of the week ${formatValue(answer.mean_w, "W")}. A row opens its moment.${share}`;
}

function tableOf(answer: GridPeaks): Table {
  return {
    timeTitle: "from",
    columns: [
      { title: "rank", decimals: 0 },
      { title: "load [kW]", decimals: 3 },
      { title: "meters known", decimals: 0 },
    ],
    rows: answer.peaks.map((peak) => ({
      at: Date.parse(peak.start),
      label: quarterWords(peak.start, peak.end, zone.value),
      cells: [peak.rank, kilo(peak.load_w), peak.meters],
    })),
  };
}

/** What rollups are worth on this store: the same question twice, and the bytes of a value. */

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridRollups } from "../api/grid";
import {
  formatBytes,
  formatCount,
  formatDecimal,
  formatShare,
  formatThree,
  THIN_SPACE,
} from "../format/number";
import type { Table } from "../format/table";
import { clockWithSeconds, dayOf } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";

const HEIGHT = 280;

export function RollupsCard({ siteId }: { siteId: string }) {
  const fetched = useFetched<GridRollups>(apiPath("/api/grid/rollups", { site: siteId }));
  const answer = fetched.answer;
  const hasRows = answer !== null && answer.raw.rows > 0;
  return (
    <ChartCard
      title="What rollups save"
      aside={answer === null ? "" : `measured ${clockWithSeconds(Date.parse(answer.at), zone.value)}`}
      testId="rollups"
      fileName={`wattscope-${siteId}-rollups`}
      table={answer === null ? null : () => tableOf(answer)}
    >
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={HEIGHT} />
      ) : !hasRows ? (
        <Nothing title="There is nothing to measure with yet." />
      ) : (
        <Measured answer={answer} again={fetched.reload} />
      )}
    </ChartCard>
  );
}

function Measured({ answer, again }: { answer: GridRollups; again: () => void }) {
  const { raw, rolled_up: rolled, storage } = answer;
  const longest = Math.max(raw.duration_ms, rolled.duration_ms);
  const rows = [
    { name: "from kept days", timed: rolled, unit: "buckets" },
    { name: "from every reading", timed: raw, unit: "readings" },
  ];
  return (
    <>
      <p class="measured-head">
        <span class="amount" data-testid="times-faster" data-value={answer.times_faster}>
          {answer.times_faster === null ? "–" : formatThree(answer.times_faster)}
          <span class="unit"> times faster</span>
        </span>
      </p>
      <ul class="measured">
        {rows.map(({ name, timed, unit }) => (
          <li key={name} title={timed.plan_summary}>
            <span>
              {name}
              <small>
                {formatCount(timed.rows)} {unit}
              </small>
            </span>
            <b class="number">{milliseconds(timed.duration_ms)}</b>
            <span class="share-bar" aria-hidden="true">
              <i style={{ width: `${(timed.duration_ms / longest) * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
      <p class="chart-note">
        {questionWords(answer)} {answer.is_equal ? "Both answers are equal." : ""}
        {!answer.is_equal && <b class="warn-text"> The answers differ: check the store.</b>}{" "}
        {planWords(answer)}
      </p>
      <dl class="facts">
        <div>
          <dt>A value on disk</dt>
          <dd data-testid="bytes-per-value">
            {storage.bytes_per_value === null
              ? "–"
              : `${formatDecimal(storage.bytes_per_value, 2)}${THIN_SPACE}B`}
          </dd>
        </div>
        <div>
          <dt>Storage saved</dt>
          <dd data-testid="storage-saved">{formatShare(storage.saved)}</dd>
        </div>
        <div>
          <dt>Rollups</dt>
          <dd>{formatBytes(storage.rollup_bytes)}</dd>
        </div>
      </dl>
      <p class="chart-note">
        {formatCount(storage.values)} values in {formatBytes(storage.bytes)}; as plain columns they
        would be {formatBytes(storage.plain_bytes)} ({storage.plain_bytes_per_value}
        {THIN_SPACE}B each).{" "}
        <button type="button" class="text-button" onClick={again} data-testid="measure-again">
          Measure again
        </button>
      </p>
    </>
  );
}

function milliseconds(ms: number): string {
  return `${formatThree(ms)}${THIN_SPACE}ms`;
}

function questionWords(answer: GridRollups): string {
  const { meters, all_meters: all } = answer;
  const who = meters === all ? `${formatCount(all)} meters` : `${formatCount(meters)} of ${formatCount(all)} meters`;
  const since = dayOf(Date.parse(answer.start), zone.value);
  return `Count, mean, lowest and highest power by day of ${who} since ${since}.`;
}

function planWords(answer: GridRollups): string {
  const plan = answer.rolled_up.plan_summary;
  return `Answered as ${plan}.`;
}

function tableOf(answer: GridRollups): Table {
  const rows = [
    { name: "kept days", timed: answer.rolled_up },
    { name: "every reading", timed: answer.raw },
  ];
  return {
    timeTitle: "read",
    isNamed: true,
    columns: [
      { title: "time [ms]", decimals: 3 },
      { title: "rows read", decimals: 0 },
      { title: "from", decimals: 0 },
    ],
    rows: rows.map(({ name, timed }, at) => ({
      at,
      label: name,
      cells: [timed.duration_ms, timed.rows, timed.plan_summary],
    })),
  };
}

/** What the meters said last: newest first, or what takes most, or who is silent longest. */

import { useEffect, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridMeter, GridMeters } from "../api/grid";
import { formatDecimal, formatValue, UNKNOWN } from "../format/number";
import { clockWithSeconds, formatAge, momentOf } from "../format/time";
import { Card } from "../parts/Card";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { nowMs, serverNow } from "../state/clock";
import { MeterButton } from "./MonthCard";
import { Pager } from "./Pager";

const PAGE_ROWS = 12;
const REFRESH_MS = 10_000;
const STATE_WORDS = { ok: "speaks", stale: "silent", silent: "never heard" } as const;
const ORDERS = [
  { key: "newest", words: "newest" },
  { key: "power", words: "highest power" },
  { key: "age", words: "silent longest" },
  { key: "meter", words: "by id" },
] as const;

export function ReadingsCard({ siteId }: { siteId: string }) {
  const [text, setText] = useState("");
  const [order, setOrder] = useState<(typeof ORDERS)[number]["key"]>("newest");
  const [offset, setOffset] = useState(0);
  useEffect(() => setOffset(0), [text, order]);
  const asked = { site: siteId, order, find: text.trim() || null };
  const fetched = useFetched<GridMeters>(
    apiPath("/api/grid/meters", { ...asked, limit: PAGE_ROWS, offset }),
    REFRESH_MS,
  );
  const [kept, setKept] = useState<GridMeters | null>(null);
  useEffect(() => {
    if (fetched.answer !== null) setKept(fetched.answer);
  }, [fetched.answer]);
  const answer = fetched.answer ?? kept;
  return (
    <Card
      title="Live readings"
      aside="what every meter said last"
      class="flush wide"
      testId="readings"
      actions={
        <a
          class="text-button"
          href={apiPath("/api/grid/meters", { ...asked, format: "csv" })}
          download={`wattscope-${siteId}-readings.csv`}
          aria-label="Download Live readings as CSV"
          data-testid="readings-csv"
        >
          CSV <span aria-hidden="true">↓</span>
        </a>
      }
    >
      <div class="panel-tools">
        <div class="filters" role="group" aria-label="Order">
          {ORDERS.map((one) => (
            <button
              type="button"
              class="segment"
              key={one.key}
              aria-pressed={one.key === order}
              onClick={() => setOrder(one.key)}
              data-testid={`readings-${one.key}`}
            >
              {one.words}
            </button>
          ))}
        </div>
        <input
          type="search"
          class="search"
          placeholder="Meter id or name"
          aria-label="Search readings"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          data-testid="readings-search"
        />
      </div>
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={PAGE_ROWS * 40} />
      ) : answer.total === 0 ? (
        <Nothing title="No meter is called so." />
      ) : (
        <>
          <Rows meters={answer.meters} />
          <div class="list-foot">
            <span />
            <Pager total={answer.total} offset={answer.offset} rows={PAGE_ROWS} onOffset={setOffset} name="readings" />
          </div>
        </>
      )}
    </Card>
  );
}

function Rows({ meters }: { meters: readonly GridMeter[] }) {
  // Read so that the ages count on each second.
  nowMs.value;
  return (
    <div class="table-frame plain" tabIndex={0} role="region" aria-label="Live readings">
      <table class="numbers grid-table">
        <thead>
          <tr>
            <th scope="col">meter</th>
            <th scope="col">state</th>
            <th scope="col" class="number">
              power
            </th>
            <th scope="col" class="number known">
              voltage
            </th>
            <th scope="col" class="number known">
              current
            </th>
            <th scope="col" class="number known">
              frequency
            </th>
            <th scope="col" class="number known">
              measured
            </th>
          </tr>
        </thead>
        <tbody>
          {meters.map((one) => (
            <tr key={one.meter} data-testid={`reading-${one.meter}`} data-state={one.state}>
              <th scope="row">
                <MeterButton meter={one.meter} name={one.name} />
              </th>
              <td class="state-cell">
                <span class={`meter-state ${one.state}`}>
                  <i class="chip-dot" aria-hidden="true" />
                  <span>
                    {STATE_WORDS[one.state]} <small class="muted">{ageWords(one)}</small>
                  </span>
                </span>
              </td>
              <td class="number">
                <b>{formatValue(one.power_w, "W")}</b>
              </td>
              <td class="number known">{formatValue(one.voltage_v, "V")}</td>
              <td class="number known">
                {one.current_a === null ? UNKNOWN : `${formatDecimal(one.current_a, 2)}\u202fA`}
              </td>
              <td class="number known">{formatValue(one.frequency_hz, "Hz")}</td>
              <td class="number known">{measuredWords(one)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ageWords(one: GridMeter): string {
  if (one.measured_at === null) return "";
  return `${formatAge(Math.max(0, (serverNow() - Date.parse(one.measured_at)) / 1000))} ago`;
}

function measuredWords(one: GridMeter): string {
  if (one.measured_at === null) return UNKNOWN;
  const at = Date.parse(one.measured_at);
  const isToday = momentOf(at, zone.value, serverNow()).length <= 5;
  return isToday ? clockWithSeconds(at, zone.value) : momentOf(at, zone.value, serverNow());
}

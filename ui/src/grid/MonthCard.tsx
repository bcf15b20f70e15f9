/** Consumption of a month by meter: ranked, with share and change; pages of thousands. */

import { useEffect, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridMonth, GridMonthMeter } from "../api/grid";
import { formatCount, formatDecimal, formatShare, formatValue, THIN_SPACE, UNKNOWN } from "../format/number";
import { dayOf, longMonthOf } from "../format/time";
import { addDays, instantOf, type LocalDate } from "../format/zone";
import { Card } from "../parts/Card";
import { Failed, Nothing, Waiting } from "../parts/States";
import { today, zone } from "../state/catalogue";
import { period, showDevice } from "../state/view";
import { changeWords } from "./words";
import { Pager } from "./Pager";

const PAGE_ROWS = 12;
const REFRESH_MS = 120_000;
const ORDERS = [
  { key: "energy", words: "most used" },
  { key: "rise", words: "grown most" },
  { key: "fall", words: "fallen most" },
  { key: "meter", words: "by id" },
] as const;

export function MonthCard({ siteId }: { siteId: string }) {
  const month = (period.value.range === "day" ? period.value.from : monthDay()).slice(0, 7);
  const [text, setText] = useState("");
  const [order, setOrder] = useState<(typeof ORDERS)[number]["key"]>("energy");
  const [offset, setOffset] = useState(0);
  useEffect(() => setOffset(0), [month, text, order]);
  const asked = { site: siteId, month, order, find: text.trim() || null };
  const fetched = useFetched<GridMonth>(
    apiPath("/api/grid/months", { ...asked, limit: PAGE_ROWS, offset }),
    REFRESH_MS,
  );
  const [kept, setKept] = useState<GridMonth | null>(null);
  useEffect(() => {
    if (fetched.answer !== null) setKept(fetched.answer);
  }, [fetched.answer]);
  // While the next page is on its way, the last one stays.
  const answer = fetched.answer ?? (kept?.month === month ? kept : null);
  const actions = (
    <a
      class="text-button"
      href={apiPath("/api/grid/months", { ...asked, format: "csv" })}
      download={`wattscope-${siteId}-meters-${month}.csv`}
      aria-label="Download Consumption by meter as CSV"
      data-testid="month-csv"
    >
      CSV <span aria-hidden="true">↓</span>
    </a>
  );
  return (
    <Card
      title="Consumption by meter"
      aside={longMonthOf(instantOf(`${month}-01`, zone.value), zone.value)}
      actions={actions}
      class="flush wide"
      testId="month"
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
              data-testid={`month-${one.key}`}
            >
              {one.words}
            </button>
          ))}
        </div>
        <input
          type="search"
          class="search"
          placeholder="Meter id or name"
          aria-label="Search meters"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          data-testid="month-search"
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
          <Rows answer={answer} />
          <div class="list-foot">
            <p class="chart-note">{comparedWords(answer)}</p>
            <Pager total={answer.total} offset={answer.offset} rows={PAGE_ROWS} onOffset={setOffset} name="meters" />
          </div>
        </>
      )}
    </Card>
  );
}

/** A day of the month that a longer period begins in, or today's. */
function monthDay(): LocalDate {
  const last = addDays(period.value.until, -1);
  return last < today.value ? last : today.value;
}

function Rows({ answer }: { answer: GridMonth }) {
  const most = Math.max(1e-9, ...answer.meters.map((one) => one.energy_wh ?? 0));
  return (
    <div class="table-frame plain" tabIndex={0} role="region" aria-label="Consumption by meter">
      <table class="numbers grid-table">
        <thead>
          <tr>
            <th scope="col" class="number">
              rank
            </th>
            <th scope="col">meter</th>
            <th scope="col" class="number">
              energy
            </th>
            <th scope="col" class="bar-column" aria-hidden="true" />
            <th scope="col" class="number">
              share
            </th>
            <th scope="col" class="number">
              change
            </th>
            <th scope="col" class="number known">
              known
            </th>
          </tr>
        </thead>
        <tbody>
          {answer.meters.map((one) => (
            <Row key={one.meter} one={one} most={most} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ one, most }: { one: GridMonthMeter; most: number }) {
  return (
    <tr data-testid={`month-row-${one.meter}`}>
      <td class="number muted">{formatCount(one.rank)}</td>
      <th scope="row">
        <MeterButton meter={one.meter} name={one.name} />
      </th>
      <td class="number">
        <b>{formatValue(one.energy_wh, "Wh")}</b>
      </td>
      <td class="bar-column" aria-hidden="true">
        <span class="share-bar">
          <i style={{ width: `${((one.energy_wh ?? 0) / most) * 100}%` }} />
        </span>
      </td>
      <td class="number">{shareWords(one.share)}</td>
      <td class="number">{changeWords(one.change) ?? UNKNOWN}</td>
      <td class="number known">{formatShare(one.coverage)}</td>
    </tr>
  );
}

/** Chooses the meter whose trend is shown. */
export function MeterButton({ meter, name }: { meter: string; name: string }) {
  const open = () => {
    showDevice(meter);
    document.getElementById("meter-card")?.scrollIntoView({ block: "start" });
  };
  return (
    <button type="button" class="link-button" onClick={open} data-testid={`choose-${meter}`}>
      {name}
      {name !== meter && <small> {meter}</small>}
    </button>
  );
}

/** A share among thousands is small: with two decimals below ten percent. */
function shareWords(share: number | null): string {
  if (share === null) return UNKNOWN;
  return `${formatDecimal(share * 100, share < 0.1 ? 2 : 1)}${THIN_SPACE}%`;
}

function comparedWords(answer: GridMonth): string {
  const { days, start, end, before_start: beforeStart, before_end: beforeEnd } = answer.compared;
  const mean = answer.mean_wh === null ? "" : `A meter used ${formatValue(answer.mean_wh, "Wh")} on average. `;
  if (days === 0) return `${mean}Changes are told when the first day is over.`;
  const span = (from: LocalDate, until: LocalDate) =>
    `${dayOf(instantOf(from, zone.value), zone.value)} – ${dayOf(instantOf(addDays(until, -1), zone.value), zone.value)}`;
  return `${mean}Change: ${span(start, end)} against ${span(beforeStart, beforeEnd)}; – where one of both has gaps.`;
}

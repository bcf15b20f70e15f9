/** Every panel as a row, the one that loses most money first. */

import { useMemo } from "preact/hooks";

import type { Fleet, FleetDevice } from "../api/fleet";
import { Spark } from "../charts/Spark";
import { formatMoney } from "../format/money";
import { formatCount, formatShare, formatValue, UNKNOWN } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { Nothing } from "../parts/States";
import { devices } from "../state/catalogue";
import { addressOfDevice } from "./addressOfDevice";
import {
  countLosing,
  countStates,
  type Filter,
  isLosing,
  matches,
  rankByLoss,
  shareOf,
  STATES,
} from "./order";
import { StateMark } from "./StateMark";
import { nounOf, STATE_WORDS, stateOf } from "./words";

const ROW_PX = 60;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

interface Props {
  fleet: Fleet;
  filter: Filter;
  text: string;
  onFilter: (filter: Filter) => void;
  onText: (text: string) => void;
}

export function PanelList({ fleet, filter, text, onFilter, onText }: Props) {
  const ranked = useMemo(() => rankByLoss(fleet.devices), [fleet]);
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return ranked.filter((one) => matches(one, filter, wanted));
  }, [ranked, filter, text]);
  const parents = devices.value;
  const nameOf = useMemo(
    () => new Map((parents ?? []).map((one) => [one.id, one.name])),
    [parents],
  );
  const noun = nounOf(fleet.devices);
  const all = fleet.devices.length;
  return (
    <Card
      title={`${noun.replace(/^./, (one) => one.toUpperCase())}s`}
      aside={
        rows.length === all
          ? "what loses most money comes first"
          : `${formatCount(rows.length)} of ${formatCount(all)}`
      }
      class="flush"
      testId="panels"
    >
      <div class="panel-tools">
        <FilterButtons fleet={fleet} filter={filter} onFilter={onFilter} />
        <input
          type="search"
          class="search"
          placeholder="Name, string or cause"
          aria-label={`Search ${noun}s`}
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
          data-testid="panel-search"
        />
      </div>
      {rows.length === 0 ? (
        <Nothing title="None of them is like that.">
          <button
            type="button"
            class="text-button"
            onClick={() => {
              onText("");
              onFilter("all");
            }}
          >
            Show all {formatCount(all)}
          </button>
        </Nothing>
      ) : (
        <>
          <div class="panel-head" aria-hidden="true">
            <span>{noun}</span>
            <span>state</span>
            <span class="against-head">
              <span>power now</span>
              <span>against expected</span>
            </span>
            <span>24 h</span>
            <span class="number">lost a day</span>
          </div>
          <LongList
            rows={rows}
            rowHeight={ROW_PX}
            keyOf={(one) => one.id}
            render={(one) => (
              <Row one={one} fleet={fleet} parent={nameOf.get(one.parent ?? "") ?? one.parent} />
            )}
          />
        </>
      )}
    </Card>
  );
}

interface FilterProps {
  fleet: Fleet;
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

function FilterButtons({ fleet, filter, onFilter }: FilterProps) {
  const count = countStates(fleet.devices);
  const losing = countLosing(fleet.devices);
  const choices: { key: Filter; words: string; count: number }[] = [
    { key: "all", words: "all", count: fleet.devices.length },
    { key: "losing", words: "loses", count: losing },
    ...STATES.map((state) => ({ key: state, words: STATE_WORDS[state], count: count[state] })),
  ];
  return (
    <div class="filters" role="group" aria-label="State">
      {choices
        .filter((one) => one.count > 0 || one.key === filter)
        .map(({ key, words, count: many }) => (
          <button
            type="button"
            class="segment"
            key={key}
            aria-pressed={key === filter}
            onClick={() => onFilter(key)}
            data-testid={`show-${key}`}
          >
            {words} {formatCount(many)}
          </button>
        ))}
    </div>
  );
}

function Row({ one, fleet, parent }: { one: FleetDevice; fleet: Fleet; parent: string | null }) {
  const loses = isLosing(one);
  const hasPrice = one.lost_money_per_day !== null && fleet.currency !== null;
  const energy = formatValue(one.lost_kwh_per_day * 1000, "Wh");
  return (
    <Link to={addressOfDevice(one)} class={`panel-row ${one.state}`}>
      <span class="panel-name" data-testid={`panel-${one.id}`} data-state={one.state}>
        <strong>{one.name}</strong>
        <small>{parent ?? (one.name === one.id ? "\u00a0" : one.id)}</small>
      </span>
      <span class="panel-state">
        <StateMark state={one.state} level={shareOf(one)} />
        <span>
          {stateOf(one)}
          <small title={one.cause ?? ""}>{one.cause ?? ageWords(one)}</small>
        </span>
      </span>
      <Against one={one} />
      <span class="panel-spark">
        <DayOf one={one} asOf={fleet.as_of} />
      </span>
      <span class="number panel-lost">
        {!loses ? (
          <span class="muted">{UNKNOWN}</span>
        ) : hasPrice ? (
          formatMoney(one.lost_money_per_day, fleet.currency)
        ) : (
          energy
        )}
        <small>{loses && hasPrice ? energy : "\u00a0"}</small>
      </span>
    </Link>
  );
}

function ageWords(one: FleetDevice): string {
  if (one.age_s === null) return "never heard";
  return one.state === "stale" ? `for ${formatAge(one.age_s)}` : `${formatAge(one.age_s)} ago`;
}

/** Power now; below it the share of what was expected, on the way to the mark that is all of it. */
function Against({ one }: { one: FleetDevice }) {
  const share = shareOf(one);
  return (
    <span class="against">
      <span>
        <span class="number">
          {one.state === "stale" && <span class="muted small">last </span>}
          <b>{formatValue(one.power_w, "W")}</b>
          {one.expected_w !== null && (
            <span class="muted small"> of {formatValue(one.expected_w, "W")}</span>
          )}
        </span>
        <b class="number">{share === null ? "" : formatShare(share)}</b>
      </span>
      <span class="against-bar" aria-hidden="true">
        {share !== null && <i style={{ width: `${Math.min(1, Math.max(0, share)) * 100}%` }} />}
      </span>
    </span>
  );
}

function DayOf({ one, asOf }: { one: FleetDevice; asOf: string }) {
  const end = Date.parse(asOf);
  const first = end - one.spark.length * HOUR_MS;
  return (
    <Spark
      times={one.spark.map((_, i) => first + (i + 0.5) * HOUR_MS)}
      values={one.spark}
      start={end - DAY_MS}
      end={end}
      label={`Power of ${one.name}, last 24 hours`}
    />
  );
}

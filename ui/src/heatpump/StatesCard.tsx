/** Time and energy in each state, and how often the machine started. */

import type { Fetched } from "../api/fetching";
import type { PageSettings, RunningStates } from "../api/types";
import { formatDecimal, formatShare, formatValue } from "../format/number";
import { periodWords, titleOf } from "../format/period";
import type { Table } from "../format/table";
import { formatDuration, momentOf } from "../format/time";
import { ChartCard } from "../parts/ChartCard";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { isCurrent, period } from "../state/view";
import { limitWords } from "./bands";
import { countedStarts, runLengths, STATE_WORDS, startsPerDay } from "./words";

interface Props {
  deviceId: string;
  states: Fetched<RunningStates>;
  limits: PageSettings["heat_pump"]["limits"];
}

export function StatesCard({ deviceId, states, limits }: Props) {
  const { range, from } = period.value;
  const answer = states.answer;
  return (
    <ChartCard
      title="States"
      aside={titleOf(period.value)}
      testId="states"
      fileName={`wattscope-${deviceId}-states-${range}-${from}`}
      table={answer === null ? null : () => tableOf(answer)}
    >
      {range === "year" ? (
        <Nothing title="States are told by the day, week or month.">
          They come from every single reading; a year of them is too many at once.
        </Nothing>
      ) : states.error !== null && answer === null ? (
        <Failed error={states.error} retry={states.reload} />
      ) : answer === null ? (
        <Waiting height={220} />
      ) : (
        <Shown answer={answer} limits={limits} />
      )}
    </ChartCard>
  );
}

function Shown({ answer, limits }: { answer: RunningStates; limits: Props["limits"] }) {
  const when = periodWords(period.value.range, isCurrent.value);
  const perDay = startsPerDay(answer);
  const ranges = {
    standby: `below ${limitWords(limits.standby_below_w, "W")}`,
    active: `${limitWords(limits.standby_below_w, "W")} to ${limitWords(limits.high_from_w, "W")}`,
    high: `from ${limitWords(limits.high_from_w, "W")}`,
  };
  return (
    <>
      <p class="starts">
        <b class="amount" data-testid="starts" data-value={answer.starts}>
          {answer.starts}
        </b>
        <span>
          {answer.starts === 1 ? "start" : "starts"} {when}
          <small>
            {answer.high_starts === 0
              ? "never to high load"
              : `${answer.high_starts} times to high load`}
            {answer.days.length > 1 &&
              perDay !== null &&
              ` · ${formatDecimal(perDay, 1)} starts a day`}
          </small>
        </span>
      </p>
      <ul class="state-list">
        {answer.states.map((one) => (
          <li key={one.state} data-testid={`state-${one.state}`}>
            <span class="state-name">
              <i class={`swatch area fill-${one.state}`} aria-hidden="true" />
              <span>
                {STATE_WORDS[one.state]}
                <small>{ranges[one.state]}</small>
              </span>
            </span>
            <b data-value={one.duration_s}>{formatDuration(one.duration_s)}</b>
            <span class="state-energy">
              {formatValue(one.energy_wh, "Wh")}
              <small>{formatShare(one.share)} of time</small>
            </span>
            <span class="state-bar">
              <i class={`fill-${one.state}`} style={{ width: `${(one.share ?? 0) * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
      {answer.unknown_s >= 60 && (
        <p class="chart-note">
          {formatDuration(answer.unknown_s)} without data: counted in no state.
        </p>
      )}
      {answer.days.length > 1 && <StartsByDay answer={answer} />}
      <RunFacts answer={answer} />
    </>
  );
}

/** Short runs wear a compressor out: their lengths tell. */
function RunFacts({ answer }: { answer: RunningStates }) {
  const lengths = runLengths(answer.segments);
  if (lengths.length === 0) return null;
  const mean = lengths.reduce((sum, one) => sum + one, 0) / lengths.length;
  return (
    <dl class="facts">
      <div>
        <dt>mean run</dt>
        <dd data-testid="mean-run" data-value={mean}>
          {formatDuration(mean)}
        </dd>
      </div>
      <div>
        <dt>shortest run</dt>
        <dd>{formatDuration(Math.min(...lengths))}</dd>
      </div>
      <div>
        <dt>longest run</dt>
        <dd>{formatDuration(Math.max(...lengths))}</dd>
      </div>
    </dl>
  );
}

/** A small column a day; the number stands above it while there is room. */
function StartsByDay({ answer }: { answer: RunningStates }) {
  const most = Math.max(1, ...answer.days.map((day) => day.starts));
  const isFew = answer.days.length <= 8;
  return (
    <>
    <p class="small-title">starts by day</p>
    <div class="day-starts" role="img" aria-label="Starts by day. The table button shows the states.">
      {answer.days.map((day) => (
        <span key={day.date} title={`${day.date}: ${countedStarts(day.starts)}`}>
          {isFew && <small>{day.known_s > 0 ? day.starts : "–"}</small>}
          <i style={{ height: `${(day.starts / most) * 32}px` }} />
          <small>{isFew || day.date.endsWith("1") ? Number(day.date.slice(8)) : "\u00a0"}</small>
        </span>
      ))}
    </div>
    </>
  );
}

function tableOf(answer: RunningStates): Table {
  const reference = Date.parse(answer.start);
  return {
    timeTitle: "from",
    columns: [
      { title: "state", decimals: 0 },
      { title: "minutes", decimals: 1 },
      { title: "energy [Wh]", decimals: 1 },
    ],
    rows: answer.segments.map((one) => {
      const at = Date.parse(one.start);
      return {
        at,
        label: momentOf(at, zone.value, reference),
        cells: [STATE_WORDS[one.state], one.duration_s / 60, one.energy_wh],
      };
    }),
  };
}

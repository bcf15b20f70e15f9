/** How often a rule would have held last month, tried while it is written. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { AlertRule, RulePreview as Answer } from "../api/alerting";
import { ApiError, postJson } from "../api/client";
import { formatCount, formatCounted, formatValue } from "../format/number";
import { dayOf, formatDuration, momentOf } from "../format/time";
import { addDays, instantOf, localDateOf } from "../format/zone";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { missingIn } from "./ruleWords";

/** A rule is tried when nothing was changed for so long. */
const REST_MS = 450;
const DAY_MS = 86_400_000;
const MOST_HEIGHT = 40;

type Trial =
  { state: "waiting" } | { state: "known"; answer: Answer } | { state: "failed"; words: string };

/** The newest answer for a rule; an older one that comes late is dropped. */
function useTrial(rule: AlertRule): Trial {
  const [trial, setTrial] = useState<Trial>({ state: "waiting" });
  const turn = useRef(0);
  const body = JSON.stringify({ ...rule, name: rule.name.trim() || "a rule" });
  useEffect(() => {
    turn.current += 1;
    const mine = turn.current;
    if (missingIn(rule) !== null) return;
    setTrial({ state: "waiting" });
    const timer = setTimeout(() => {
      postJson<Answer>("/api/alert-rules/preview", JSON.parse(body))
        .then((answer): Trial => ({ state: "known", answer }))
        .catch((cause: unknown): Trial => ({
          state: "failed",
          words: cause instanceof ApiError ? cause.message : String(cause),
        }))
        .then((next) => {
          if (mine === turn.current) setTrial(next);
        });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [body]);
  return trial;
}

export function RulePreview({ rule, unit }: { rule: AlertRule; unit: string }) {
  const trial = useTrial(rule);
  const missing = missingIn(rule);
  if (missing !== null) {
    return (
      <p class="preview muted" data-testid="preview">
        {missing}
      </p>
    );
  }
  if (trial.state === "failed") {
    return (
      <p class="preview alert-text" role="alert" data-testid="preview">
        {trial.words}
      </p>
    );
  }
  return (
    <div class="preview" aria-busy={trial.state === "waiting"} data-testid="preview">
      {trial.state === "waiting" ? (
        <p class="muted">Trying it on last month…</p>
      ) : (
        <Known answer={trial.answer} unit={unit} />
      )}
    </div>
  );
}

function Known({ answer, unit }: { answer: Answer; unit: string }) {
  const { n_fired: fired, n_devices: devices, days } = answer;
  const where = new Set(answer.fired.map((one) => one.device)).size;
  return (
    <>
      <p role="status" data-testid="preview-count" data-fired={fired}>
        {fired === 0 ? (
          <>
            <strong>It would not have fired</strong> in the last {formatCounted(days, "day")}, at{" "}
            {formatCounted(devices, "device")}.
          </>
        ) : (
          <>
            <strong>
              It would have fired {fired === 1 ? "once" : `${formatCount(fired)} times`}
            </strong>{" "}
            in the last {formatCounted(days, "day")}, at {formatCount(where)}
            {answer.fired.length < fired ? " or more" : ""} of {formatCounted(devices, "device")}.
          </>
        )}
      </p>
      {fired > 0 && <DayStrip answer={answer} />}
      {fired > 0 && <Times answer={answer} unit={unit} />}
    </>
  );
}

/** A bar a day, as high as it fired often. */
function DayStrip({ answer }: { answer: Answer }) {
  const today = localDateOf(serverNow(), zone.value);
  const counts = new Map<string, number>();
  for (const one of answer.fired) {
    const date = localDateOf(Date.parse(one.raised_at), zone.value);
    counts.set(date, (counts.get(date) ?? 0) + 1);
  }
  const dates = Array.from({ length: answer.days }, (_, i) => addDays(today, i + 1 - answer.days));
  const most = Math.max(...counts.values(), 1);
  return (
    <ol class="day-strip" aria-label="Times by day">
      {dates.map((date) => {
        const count = counts.get(date) ?? 0;
        const noon = instantOf(date, zone.value) + DAY_MS / 2;
        return (
          <li key={date} title={`${dayOf(noon, zone.value)}: ${formatCount(count)}`}>
            <i style={{ height: `${(count / most) * MOST_HEIGHT}px` }} />
            <span class="unseen">
              {dayOf(noon, zone.value)}: {formatCount(count)}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function Times({ answer, unit }: { answer: Answer; unit: string }) {
  const rest = answer.n_fired - answer.fired.length;
  return (
    <div
      class="table-frame preview-times"
      tabIndex={0}
      role="region"
      aria-label="When it would have fired"
    >
      <table class="numbers">
        <thead>
          <tr>
            <th scope="col">raised</th>
            <th scope="col">device</th>
            <th scope="col">value</th>
            <th scope="col">lasted</th>
          </tr>
        </thead>
        <tbody>
          {answer.fired.map((one) => {
            const at = Date.parse(one.raised_at);
            const end = one.cleared_at === null ? null : Date.parse(one.cleared_at);
            return (
              <tr key={`${one.device}${one.raised_at}`}>
                <th scope="row">{momentOf(at, zone.value, serverNow())}</th>
                <td>{one.device_name}</td>
                <td>{formatValue(one.value, unit)}</td>
                <td>{end === null ? "goes on" : formatDuration((end - at) / 1000)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {rest > 0 && <p class="chart-note">and {formatCount(rest)} more.</p>}
    </div>
  );
}

/** Systems that everything is passed on to: whether they take it, and how far behind they are. */

import type { OutputState } from "../api/types";
import { formatCount, formatCounted } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { nowMs } from "../state/clock";

export function Outputs({ outputs }: { outputs: readonly OutputState[] }) {
  const waiting = outputs.filter((one) => one.state !== "ok").length;
  return (
    <Card
      title="Passed on"
      aside={waiting === 0 ? "from the log, to the last record" : "what is not taken stays in the log"}
      testId="outputs"
    >
      <div class="table-frame" tabIndex={0} role="region" aria-label="Outputs, table">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">output</th>
              <th scope="col">state</th>
              <th scope="col">behind</th>
              <th scope="col">taken</th>
              <th scope="col">what is the matter</th>
            </tr>
          </thead>
          <tbody>
            {outputs.map((one) => (
              <tr key={one.name}>
                <td>
                  <b>{one.name}</b> <small class="mono block">{one.address}</small>
                </td>
                <td class={one.state === "ok" ? "state-good" : "state-wait"}>
                  {one.state === "ok" ? "takes values" : "waiting"}
                </td>
                <td class="number nowrap">{formatCounted(one.lag_records, "record")}</td>
                <td class="number nowrap">
                  {formatCounted(one.values, "value")}
                  <small class="block">{lastWords(one)}</small>
                </td>
                <td>{troubles(one).map((words) => <div key={words}>{words}</div>)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function lastWords({ last_success_at: last }: OutputState): string {
  if (last === null) return "none since the start";
  return `last ${formatAge((nowMs.value - Date.parse(last)) / 1000)} ago`;
}

function troubles(one: OutputState): string[] {
  const words = one.detail === "" ? [] : [one.detail];
  if (one.refused_points > 0) {
    words.push(`${formatCounted(one.refused_points, "point")} refused for good: ${one.last_refusal}`);
  }
  if (one.missed_records > 0) {
    words.push(`${formatCounted(one.missed_records, "record")} gone before they were sent`);
  }
  if (one.left_out_values > 0) {
    words.push(`${formatCount(one.left_out_values)} left out: missing, implausible or not chosen`);
  }
  return words;
}

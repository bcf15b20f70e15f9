/** Every finding of an incident with its numbers. */

import type { Finding } from "../api/alerting";
import { formatShare, formatValue } from "../format/number";
import { formatDuration, momentOf } from "../format/time";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { capital, evidenceWords } from "./words";

export function FindingsTable({ findings }: { findings: readonly Finding[] }) {
  return (
    <ol class="findings">
      {findings.map((one, i) => (
        <li key={`${one.kind}${one.start}${one.quantity}`}>
          <b class="finding-number" aria-hidden="true">
            {i + 1}
          </b>
          <div>
            <p>
              <strong>{capital(one.title)}</strong> <span class="muted">{spanOf(one)}</span>
            </p>
            <p>{one.detail}</p>
            <p class="finding-facts">
              {factsOf(one).map(([name, value]) => (
                <span key={name}>
                  {name} <b>{value}</b>
                </span>
              ))}
            </p>
          </div>
        </li>
      ))}
    </ol>
  );
}

function spanOf(one: Finding): string {
  const start = Date.parse(one.start);
  const end = Date.parse(one.end);
  return `${momentOf(start, zone.value, serverNow())}, ${formatDuration((end - start) / 1000)}`;
}

function factsOf(one: Finding): [name: string, value: string][] {
  const facts: [string, string][] = Object.entries(one.evidence).map(([name, value]) => {
    const words = evidenceWords(name, value);
    return [words.name, words.value];
  });
  if (one.lost_kwh > 0) facts.push(["lost", formatValue(one.lost_kwh * 1000, "Wh")]);
  facts.push(["sure", formatShare(one.confidence)]);
  if (one.quantity !== "") facts.push(["of", one.quantity]);
  if (one.detector !== "") facts.push(["seen by", one.detector]);
  return facts;
}

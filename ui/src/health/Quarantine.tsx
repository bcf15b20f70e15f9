/** What was set aside: why, from where, and the bytes as they came. */

import { useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { QuarantineItem } from "../api/types";
import { formatCount } from "../format/number";
import { clockWithSeconds, dayOf } from "../format/time";
import { Card } from "../parts/Card";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";

const REFRESH_MS = 10_000;
const EXCERPT_LENGTH = 160;

interface Answer {
  items: QuarantineItem[];
  total: number;
}

export function Quarantine({ byCode }: { byCode: Record<string, number> }) {
  const fetched = useFetched<Answer>(apiPath("/api/quarantine", { limit: 100 }), REFRESH_MS);
  const [code, setCode] = useState<string | null>(null);
  const answer = fetched.answer;
  const items = (answer?.items ?? []).filter((item) => code === null || item.code === code);
  const codes = Object.entries(byCode).sort((a, b) => b[1] - a[1]);
  return (
    <Card
      title="Quarantine"
      aside={answer === null ? undefined : asideOf(answer)}
      testId="quarantine"
    >
      {codes.length > 1 && (
        <div class="filters" role="group" aria-label="Reason">
          <button
            type="button"
            class="segment"
            aria-pressed={code === null}
            onClick={() => setCode(null)}
          >
            all
          </button>
          {codes.map(([name, count]) => (
            <button
              type="button"
              class="segment"
              key={name}
              aria-pressed={code === name}
              onClick={() => setCode(name)}
            >
              {name} {formatCount(count)}
            </button>
          ))}
        </div>
      )}
      {fetched.error !== null && answer === null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : answer === null ? (
        <Waiting height={120} />
      ) : answer.items.length === 0 ? (
        <Nothing title="Nothing was set aside.">Every message so far could be understood.</Nothing>
      ) : (
        <ItemTable items={items} />
      )}
    </Card>
  );
}

function asideOf(answer: Answer): string {
  const shown = answer.items.length;
  return answer.total > shown
    ? `the newest ${formatCount(shown)} of ${formatCount(answer.total)}`
    : formatCount(answer.total);
}

function ItemTable({ items }: { items: readonly QuarantineItem[] }) {
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Quarantine, table">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">received</th>
            <th scope="col">reason</th>
            <th scope="col">from</th>
            <th scope="col">as it came</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.id}>
              <td class="number nowrap">
                {clockWithSeconds(Date.parse(item.received_at), zone.value)}
                <small class="block muted">{dayOf(Date.parse(item.received_at), zone.value)}</small>
              </td>
              <td>
                <code class="code-tag">{item.code}</code>
                <small class="block">{item.detail}</small>
              </td>
              <td class="mono">{item.topic ?? item.source}</td>
              <td class="mono excerpt">{excerptOf(item)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A payload is data of a stranger: shown as text, shortened, never as markup. */
function excerptOf(item: QuarantineItem): string {
  const text =
    item.payload_text ?? (item.payload_base64 === null ? "" : `base64 ${item.payload_base64}`);
  if (text === "") return "(empty)";
  return text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}…` : text;
}

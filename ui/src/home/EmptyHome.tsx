/** Home before the first reading: how to connect a meter, and what is heard already. */

import { useFetched } from "../api/fetching";
import type { Topics } from "../api/types";
import { formatCount } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Failed } from "../parts/States";
import { nowMs } from "../state/clock";

const REFRESH_MS = 2_000;

export function EmptyHome() {
  const topics = useFetched<Topics>("/api/topics", REFRESH_MS);
  const address = topics.answer?.broker_url ?? null;
  return (
    <div class="empty-home" data-testid="empty-home">
      <Card title="Connect the first meter">
        <p class="lead">
          No meter has reported yet. This page fills itself with the first reading.
        </p>
        <ol class="steps-list">
          <li>
            <strong>Let the meter publish to this MQTT broker.</strong>
            {address === null ? (
              <span class="muted"> Its address appears here as soon as the broker runs.</span>
            ) : (
              <code class="address" data-testid="broker-url">
                {address}
              </code>
            )}
          </li>
          <li>
            <strong>Watch its topic appear in the list.</strong> The Itron bridge, Tasmota, Shelly,
            zigbee2mqtt, ESPHome and panel or meter JSON are understood as they are.
          </li>
          <li>
            <strong>No meter at hand?</strong> <code>wattscope import FILE --profile NAME</code>{" "}
            reads history, <code>wattscope simulate home</code> plays a household.
          </li>
        </ol>
      </Card>
      <Card
        title="Topics heard"
        aside={topics.answer === null ? undefined : formatCount(topics.answer.topics.length)}
      >
        {topics.error !== null && topics.answer === null ? (
          <Failed error={topics.error} retry={topics.reload} />
        ) : (
          <TopicList topics={topics.answer?.topics ?? []} />
        )}
      </Card>
    </div>
  );
}

/** Seconds since then, or null when it is not told. */
function ageOf(seen: string | null | undefined): number | null {
  return seen == null ? null : (nowMs.value - Date.parse(seen)) / 1000;
}

function TopicList({ topics }: { topics: Topics["topics"] }) {
  if (topics.length === 0) {
    return (
      <p class="listening" role="status">
        <i class="chip-dot" aria-hidden="true" /> Listening; nothing was published yet.
      </p>
    );
  }
  return (
    <div class="table-frame">
      <table class="list" data-testid="topics">
        <thead>
          <tr>
            <th scope="col">topic</th>
            <th scope="col">understood as</th>
            <th scope="col" class="number">
              messages
            </th>
            <th scope="col" class="number">
              last
            </th>
          </tr>
        </thead>
        <tbody>
          {topics.map((topic) => (
            <tr key={topic.topic}>
              <th scope="row" class="mono">
                {topic.topic}
              </th>
              <td>{topic.format ?? <span class="muted">not understood</span>}</td>
              <td class="number">{formatCount(topic.count)}</td>
              <td class="number">{formatAge(ageOf(topic.last_seen))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

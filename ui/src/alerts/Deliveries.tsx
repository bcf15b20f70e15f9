/** Whether the messages of an alert got through, way by way. */

import type { Delivery } from "../api/alerting";
import { momentOf } from "../format/time";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";

const SIGNS = { delivered: "✓", waiting: "…", failed: "✗" } as const;

export function Deliveries({ deliveries }: { deliveries: readonly Delivery[] }) {
  return (
    <ul class="deliveries">
      {deliveries.map((one, i) => (
        <li
          key={`${one.channel}${i}`}
          class={one.state}
          title={one.last_error ?? undefined}
          data-state={one.state}
        >
          <b aria-hidden="true">{SIGNS[one.state]}</b> {one.channel} {wordsOf(one)}
        </li>
      ))}
    </ul>
  );
}

/** What the message says, where that is more than that the alert was raised. */
const EVENT_WORDS: Record<Delivery["event"], string> = {
  raised: "",
  reminded: "again, ",
  cleared: "that it is over, ",
};

function wordsOf(one: Delivery): string {
  return `${EVENT_WORDS[one.event] ?? ""}${fateOf(one)}`;
}

function fateOf(one: Delivery): string {
  if (one.state === "delivered") {
    return one.delivered_at === null
      ? "delivered"
      : `delivered ${momentOf(Date.parse(one.delivered_at), zone.value, serverNow())}`;
  }
  const error = one.last_error === null ? "" : `: ${one.last_error}`;
  const tries =
    one.attempts > 0 ? ` after ${one.attempts} ${one.attempts === 1 ? "try" : "tries"}` : "";
  return one.state === "failed" ? `failed${tries}${error}` : `waiting${tries}${error}`;
}

/** Says how old the newest reading is, and whether it may pose as the present. */

import { ageS, liveState, now } from "../api/live";
import { formatAge } from "../format/time";

export function LiveChip() {
  const state = liveState.value;
  const age = ageS.value;
  const words = wordsFor(state, age);
  return (
    <p
      class={`chip ${state}`}
      data-testid="live-chip"
      data-state={state}
      data-age={age === null ? undefined : Math.floor(age)}
    >
      <i class="chip-dot" aria-hidden="true" />
      <strong>{words.state}</strong>
      {words.rest && <span data-testid="live-age">{words.rest}</span>}
      {/* Spoken when the state changes, not each second. */}
      <span class="unseen" role="status">
        {words.state}
      </span>
    </p>
  );
}

function wordsFor(state: string, age: number | null): { state: string; rest: string | null } {
  const ago = age === null ? null : `${formatAge(age)} ago`;
  switch (state) {
    case "live":
      return { state: "live", rest: ago };
    case "stale":
      return { state: "silent", rest: ago === null ? null : `last reading ${ago}` };
    case "broken":
      return {
        state: "connection lost",
        rest: ago === null ? "trying again" : `last reading ${ago}`,
      };
    case "empty":
      return { state: "no readings yet", rest: null };
    default:
      return { state: "connecting", rest: now.value === null ? null : ago };
  }
}

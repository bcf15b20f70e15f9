/** Says how old the newest reading is, and whether it may pose as the present. */

import { ageS, type LiveState, liveState, now } from "../api/live";
import type { Device } from "../api/types";
import { DEVICE_REFRESH_S, deviceAgeS, isSilent } from "../devices/age";
import { formatAge } from "../format/time";
import { nowMs } from "../state/clock";

export function LiveChip() {
  return <AgeChip state={liveState.value} age={ageS.value} />;
}

/** The same of one device, on the page that is about it. */
export function DeviceChip({ device }: { device: Device }) {
  nowMs.value;
  const silent = isSilent(device, 2 * DEVICE_REFRESH_S);
  const isLost = liveState.value === "broken";
  return (
    <AgeChip
      state={isLost ? "broken" : device.last_measured_at === null ? "empty" : silent ? "stale" : "live"}
      age={deviceAgeS(device)}
    />
  );
}

/** A state and an age, on a page that has its own. */
export function AgeChip({ state, age }: { state: LiveState; age: number | null }) {
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

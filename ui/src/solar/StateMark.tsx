/** How a panel does, as a small shape: the same that its cell of the map has. */

import type { PanelState } from "../api/fleet";

const ROLES: Record<PanelState, string> = {
  ok: "solar",
  low: "warn",
  fault: "alert",
  stale: "muted",
  night: "muted",
  unknown: "muted",
};

export function StateMark({ state, level = 1 }: { state: PanelState; level?: number | null }) {
  const height = 12 * Math.min(1, Math.max(0, level ?? 1));
  const isFilled = state === "ok" || state === "low";
  return (
    <svg class={`state-mark mark-${ROLES[state]}`} viewBox="0 0 14 14" aria-hidden="true">
      {state === "fault" && <rect class="mark-fill" x="1" y="1" width="12" height="12" />}
      {isFilled && <rect class="mark-fill" x="1" y={13 - height} width="12" height={height} />}
      <rect
        class="mark-edge"
        x="1"
        y="1"
        width="12"
        height="12"
        stroke-dasharray={state === "stale" ? "2.4 2.4" : undefined}
      />
      {state === "low" && <path class="mark-fill" d="M8 1h5v5z" />}
      {state === "fault" && <path class="mark-cross" d="M4 4l6 6M10 4l-6 6" />}
      {(state === "night" || state === "unknown") && (
        <rect class="mark-fill" x="5.5" y="5.5" width="3" height="3" />
      )}
    </svg>
  );
}

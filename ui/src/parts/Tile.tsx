/** One big number, compared to something. */

import type { ComponentChildren } from "preact";

import { formatShare } from "../format/number";

/** Below this share of time with data a sum is named as incomplete. */
const COMPLETE_COVERAGE = 0.98;

interface TileProps {
  title: string;
  testId: string;
  note: ComponentChildren;
  isOld?: boolean;
  /** Share of the time that has data, when it is not all of it. */
  known?: number | null;
  /** Beside the number, such as how good it is. */
  mark?: ComponentChildren;
  children: ComponentChildren;
}

export function Tile({ title, testId, note, isOld, known, mark, children }: TileProps) {
  return (
    <section class={`tile${isOld ? " old" : ""}`} aria-label={title} data-testid={testId}>
      <h2>{title}</h2>
      <p class="tile-value">
        {children}
        {mark}
        {known != null && known < COMPLETE_COVERAGE && <small>{formatShare(known)} known</small>}
      </p>
      <p class="tile-note">{note}</p>
    </section>
  );
}

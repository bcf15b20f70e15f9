/** How a chart asks: for as many columns as it has pixels, again when one of them may change. */

import type { RefObject } from "preact";
import { useRef } from "preact/hooks";

import type { Span } from "../state/view";
import { useExtent, useSettled } from "./extent";
import { PLOT_MARGIN_PX } from "./options";

const FASTEST_REFRESH_MS = 5_000;
const SLOWEST_REFRESH_MS = 30_000;
const FEWEST_PIXELS = 100;
const MOST_PIXELS = 4000;
/** While a window is dragged to another size, nothing is asked. */
const REST_MS = 200;

/** Pixels of a plot as wide as an element; null before the first layout. */
export function usePixels(box: RefObject<HTMLElement | null>): number | null {
  const width = useSettled(useExtent(box).width, REST_MS);
  if (width === 0) return null;
  return Math.min(MOST_PIXELS, Math.max(FEWEST_PIXELS, width - PLOT_MARGIN_PX));
}

/** A pixel that is not over yet changes; nothing else does. */
export function refreshMs(pixelMs: number): number {
  return Math.round(Math.min(SLOWEST_REFRESH_MS, Math.max(FASTEST_REFRESH_MS, pixelMs)));
}

/** While the answer for another zoom is on its way, the last one is drawn, as far as it reaches. */
export function useLastFor<Answer extends { start: string; end: string }>(
  span: Span,
  answer: Answer | null,
): Answer | null {
  const last = useRef(answer);
  if (answer !== null) last.current = answer;
  const kept = last.current;
  if (kept === null) return null;
  const meets = Date.parse(kept.start) < span.end && Date.parse(kept.end) > span.start;
  return meets ? kept : null;
}

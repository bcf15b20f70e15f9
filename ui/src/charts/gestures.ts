/** Zoom by wheel with Ctrl (which is what a pinch on a touchpad is), by two fingers; one finger points. */

import type uPlot from "uplot";

export interface ZoomSpan {
  start: number;
  end: number;
}

export interface Gestures {
  /** What is shown now [ms]. */
  shown: () => ZoomSpan;
  /** Asked with the wanted span; it may reach beyond what can be shown. */
  onZoom: (span: ZoomSpan) => void;
}

const SHORTEST_MS = 10_000;
/** The wheel turns in many small steps: the view follows when it rests. */
const REST_MS = 160;
const WHEEL_STRENGTH = 0.004;

/** A span in whole seconds that is not shorter than what can be shown. */
export function widen(span: ZoomSpan): ZoomSpan {
  const more = Math.max(0, SHORTEST_MS - (span.end - span.start)) / 2;
  const round = (ms: number) => Math.round(ms / 1000) * 1000;
  return { start: round(span.start - more), end: round(span.end + more) };
}

/** The span after zooming by a factor around a share of its length. */
export function scaleSpan(span: ZoomSpan, factor: number, around: number): ZoomSpan {
  const length = span.end - span.start;
  const wanted = Math.max(SHORTEST_MS, length * factor);
  const start = span.start + (length - wanted) * around;
  return { start, end: start + wanted };
}

/** The span in which two instants stand at two shares of the width. */
export function spanThrough(instants: [number, number], shares: [number, number]): ZoomSpan | null {
  const apart = shares[1] - shares[0];
  if (Math.abs(apart) < 0.02) return null;
  const length = (instants[1] - instants[0]) / apart;
  if (length < SHORTEST_MS) return null;
  const start = instants[0] - shares[0] * length;
  return { start, end: start + length };
}

export function attachGestures(u: uPlot, gestures: Gestures): void {
  attachWheel(u, gestures);
  attachTouch(u, gestures);
}

function attachWheel(u: uPlot, { shown, onZoom }: Gestures): void {
  let wanted: ZoomSpan | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  u.over.addEventListener(
    "wheel",
    (event) => {
      // The wheel alone scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const room = u.over.getBoundingClientRect();
      const around = (event.clientX - room.left) / room.width;
      wanted = scaleSpan(wanted ?? shown(), Math.exp(event.deltaY * WHEEL_STRENGTH), around);
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (wanted !== null) onZoom(wanted);
        wanted = null;
      }, REST_MS);
    },
    { passive: false },
  );
}

function attachTouch(u: uPlot, { shown, onZoom }: Gestures): void {
  let instants: [number, number] | null = null;
  let shares: [number, number] | null = null;

  const sharesOf = (touches: TouchList): [number, number] => {
    const room = u.over.getBoundingClientRect();
    const share = (touch: Touch | undefined) => ((touch?.clientX ?? 0) - room.left) / room.width;
    return [share(touches[0]), share(touches[1])];
  };
  u.over.addEventListener(
    "touchstart",
    (event) => {
      if (event.touches.length !== 2) return;
      const { start, end } = shown();
      shares = sharesOf(event.touches);
      instants = [start + shares[0] * (end - start), start + shares[1] * (end - start)];
    },
    { passive: true },
  );
  u.over.addEventListener(
    "touchmove",
    (event) => {
      const finger = event.touches[0];
      if (event.touches.length === 2 && instants !== null) {
        event.preventDefault();
        shares = sharesOf(event.touches);
      } else if (event.touches.length === 1 && finger) {
        const room = u.over.getBoundingClientRect();
        u.setCursor({ left: finger.clientX - room.left, top: finger.clientY - room.top }, true);
      }
    },
    { passive: false },
  );
  u.over.addEventListener("touchend", (event) => {
    if (event.touches.length > 0 || instants === null || shares === null) return;
    const span = spanThrough(instants, shares);
    instants = null;
    if (span !== null) onZoom(span);
  });
}

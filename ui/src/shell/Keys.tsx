/** The keys of the page, and the list of them behind "?". */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { scaleSpan } from "../charts/gestures";
import type { Range } from "../format/period";
import { navigate, path } from "../state/route";
import { nextTheme } from "../state/theme";
import { moveZoom, showRange, showStep, showToday, shown, showZoom, zoom } from "../state/view";

export const isKeysOpen = signal(false);

const LIST: readonly [string, string][] = [
  ["← →", "previous, next period"],
  ["t", "the period that holds today"],
  ["d  w  m  y", "day, week, month, year"],
  ["+  −", "look closer, look wider"],
  ["Shift ← →", "move what is looked at"],
  ["Esc", "leave the zoom"],
  ["g h", "go to Home"],
  ["g o", "go to Solar"],
  ["g p", "go to Plant"],
  ["g u", "go to Heat pump"],
  ["g d", "go to Devices"],
  ["g a", "go to Alerts"],
  ["g s", "go to Health"],
  ["a", "appearance: as system, light, dark"],
  ["?", "this list"],
];

const RANGE_KEYS: Record<string, Range> = { d: "day", w: "week", m: "month", y: "year" };
const GO_KEYS: Record<string, string> = {
  h: "/home",
  o: "/solar",
  p: "/plant",
  u: "/heatpump",
  d: "/devices",
  a: "/alerts",
  s: "/health",
};
/** Pages that show a period. */
const PERIOD_PAGES = ["/", "/home", "/plant", "/heatpump"];
let isGoing = false;

function act(event: KeyboardEvent): void {
  if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
  const target = isGoing ? GO_KEYS[event.key] : undefined;
  isGoing = event.key === "g";
  if (target !== undefined) return navigate(target);
  if (event.key === "?") isKeysOpen.value = !isKeysOpen.value;
  else if (isKeysOpen.value) return;
  else if (event.key === "a") nextTheme();
  else if (PERIOD_PAGES.includes(path.value) || path.value.startsWith("/devices/"))
    actOnPeriod(event);
}

function actOnPeriod(event: KeyboardEvent): void {
  const range = RANGE_KEYS[event.key];
  if (range !== undefined) showRange(range);
  else if (event.key === "ArrowLeft") step(-1, event.shiftKey);
  else if (event.key === "ArrowRight") step(1, event.shiftKey);
  else if (event.key === "+" || event.key === "=") showZoom(scaleSpan(shown.value, 0.5, 0.5));
  else if (event.key === "-" && zoom.value !== null) showZoom(scaleSpan(zoom.value, 2, 0.5));
  else if (event.key === "t") showToday();
  else if (event.key === "Escape" && zoom.value !== null) showZoom(null);
}

function step(direction: 1 | -1, isZoom: boolean): void {
  if (isZoom) moveZoom(direction / 2);
  else showStep(direction);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element && target.closest("input, select, textarea, .table-frame") !== null
  );
}

export function Keys() {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = isKeysOpen.value;

  useEffect(() => {
    addEventListener("keydown", act);
    return () => removeEventListener("keydown", act);
  }, []);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);

  return (
    <dialog ref={dialog} class="keys" aria-label="Keys" onClose={() => (isKeysOpen.value = false)}>
      <h2>Keys</h2>
      <dl>
        {LIST.map(([key, words]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <p class="muted small">
        Drag on a chart, or the wheel with Ctrl, zooms; a double click shows all of it again.
      </p>
      <button type="button" class="button" onClick={() => (isKeysOpen.value = false)}>
        Close
      </button>
    </dialog>
  );
}

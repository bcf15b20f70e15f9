/** When a machine was in which state, on the time axis of the chart above it. */

import { useRef, useState } from "preact/hooks";

import type { RunningStates, StateSegment } from "../api/types";
import { useExtent } from "../charts/extent";
import { AXIS_PX, RIGHT_PX } from "../charts/options";
import { formatValue } from "../format/number";
import { clockOf, dayOf, formatDuration } from "../format/time";
import { zone } from "../state/catalogue";
import { serverNow } from "../state/clock";
import { shown } from "../state/view";
import { STATE_WORDS, workWords } from "./words";

const HEIGHT = 34;
/** Height by state: the ribbon can be read without its colours. */
const SHARES = { standby: 0.34, active: 0.67, high: 1 } as const;
const LEAST_NAMED_PX = 62;

interface Props {
  answer: RunningStates | null;
  /** Under the crosshair of the chart above [ms]. */
  cursorMs: number | null;
}

export function StateRibbon({ answer, cursorMs }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const { width } = useExtent(box);
  const [pointed, setPointed] = useState<StateSegment | null>(null);
  const span = shown.value;
  const inner = Math.max(0, width - AXIS_PX - RIGHT_PX);
  const x = (ms: number) => AXIS_PX + ((ms - span.start) / (span.end - span.start)) * inner;
  const segments = (answer?.segments ?? []).filter(
    (one) => Date.parse(one.start) < span.end && Date.parse(one.end) > span.start,
  );
  const under =
    cursorMs === null
      ? pointed
      : (segments.find(
          (one) => Date.parse(one.start) <= cursorMs && cursorMs < Date.parse(one.end),
        ) ?? null);
  const until = Math.min(span.end, Math.max(span.start, serverNow()));

  return (
    <div class="ribbon" ref={box} data-testid="state-ribbon">
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT}
          role="img"
          aria-label={`States: ${answer === null ? "loading" : workWords(answer)}`}
          onPointerLeave={() => setPointed(null)}
        >
          <defs>
            <pattern
              id="ribbon-hatch"
              width="6"
              height="6"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <line x1="0" y1="0" x2="0" y2="6" class="ribbon-hatch" />
            </pattern>
          </defs>
          <text class="axis-text" x={AXIS_PX - 6} y={HEIGHT / 2 + 4} text-anchor="end">
            state
          </text>
          <rect
            fill="url(#ribbon-hatch)"
            x={AXIS_PX}
            y={0}
            width={Math.max(0, x(until) - AXIS_PX)}
            height={HEIGHT}
          />
          {segments.map((one) => (
            <Segment
              key={`${one.start}${one.state}`}
              segment={one}
              from={Math.max(AXIS_PX, x(Date.parse(one.start)))}
              to={Math.min(width - RIGHT_PX, x(Date.parse(one.end)))}
              onPoint={() => setPointed(one)}
            />
          ))}
          {cursorMs !== null && (
            <line class="ribbon-cursor" x1={x(cursorMs)} x2={x(cursorMs)} y1={0} y2={HEIGHT} />
          )}
        </svg>
      )}
      <p class="ribbon-note">{under === null ? defaultWords(answer) : segmentWords(under)}</p>
    </div>
  );
}

interface SegmentProps {
  segment: StateSegment;
  from: number;
  to: number;
  onPoint: () => void;
}

function Segment({ segment, from, to, onPoint }: SegmentProps) {
  const height = HEIGHT * SHARES[segment.state];
  const words = STATE_WORDS[segment.state];
  return (
    <g onPointerEnter={onPoint} data-testid="segment" data-state={segment.state}>
      <rect class="ribbon-room" x={from} y={0} width={Math.max(1, to - from)} height={HEIGHT} />
      <rect
        class={`fill-${segment.state}`}
        x={from}
        y={HEIGHT - height}
        width={Math.max(1, to - from)}
        height={height}
      />
      {to - from > LEAST_NAMED_PX && (
        <text
          class={segment.state === "high" ? "ribbon-name on-high" : "ribbon-name"}
          x={(from + to) / 2}
          y={segment.state === "high" ? 20 : HEIGHT - height - 2}
          text-anchor="middle"
        >
          {words}
        </text>
      )}
    </g>
  );
}

function segmentWords(one: StateSegment): string {
  const start = Date.parse(one.start);
  const isDay = shown.value.end - shown.value.start <= 26 * 3_600_000;
  const day = isDay ? "" : `${dayOf(start, zone.value)}, `;
  const clock = `${clockOf(start, zone.value)}–${clockOf(Date.parse(one.end), zone.value)}`;
  return `${STATE_WORDS[one.state]} ${day}${clock}, ${formatDuration(one.duration_s)}, ${formatValue(one.energy_wh, "Wh")}`;
}

function defaultWords(answer: RunningStates | null): string {
  if (answer === null) return "\u00a0";
  const hidden = answer.unknown_s >= 60 ? `; ${formatDuration(answer.unknown_s)} unknown` : "";
  return `${workWords(answer)}${hidden}`;
}

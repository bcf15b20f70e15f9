/** Bars above and below a line: what was used from where, and what was given. */

import { useRef, useState } from "preact/hooks";

import { formatDecimal, scaleFor } from "../format/number";
import { layoutBars, type Bar } from "./barLayout";
import { type Extent, useExtent } from "./extent";

export interface LabelledBar extends Bar {
  key: string;
  /** Under the bar; empty where there is no room for every one. */
  tick: string;
  /** All of the bar in words, for screen readers. */
  words: string;
  isIncomplete: boolean;
}

interface BarsProps {
  bars: readonly LabelledBar[];
  upRoles: readonly string[];
  downRoles: readonly string[];
  /** Least height; the bars fill their card [CSS px]. */
  height: number;
  peak: { index: number; text: string } | null;
  label: string;
  onPoint: (index: number | null) => void;
  onOpen: ((index: number) => void) | null;
}

const LEFT = 42;
const RIGHT = 8;
const TOP = 24;
const BOTTOM = 24;

export function Bars(props: BarsProps) {
  const box = useRef<HTMLDivElement>(null);
  const extent = useExtent(box);
  return (
    <div class="chart bars" style={{ minHeight: `${props.height}px` }} ref={box}>
      {extent.width > 0 && <Drawing {...props} {...extent} />}
    </div>
  );
}

function Drawing(props: BarsProps & Extent) {
  const { bars, width, height, peak, label } = props;
  const [focused, setFocused] = useState(0);
  const inner = Math.max(40, width - LEFT - RIGHT);
  const layout = layoutBars(bars, inner, height - TOP - BOTTOM);
  const zero = TOP + layout.zeroY;
  const scale = scaleFor(Math.max(...layout.marks.map(Math.abs), 0), "Wh");
  const markStep = ((layout.marks[1] ?? 1) - (layout.marks[0] ?? 0)) / scale.factor;
  const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-6;
  const decimals = [0, 1, 2].find((count) => isWhole(markStep * 10 ** count)) ?? 2;
  const middle = (i: number) => LEFT + (i + 0.5) * layout.step;
  const peakX = peak === null ? 0 : Math.min(Math.max(middle(peak.index), LEFT + 58), width - 60);

  const move = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    // The page's own arrow keys would leave the period.
    event.stopPropagation();
    event.preventDefault();
    const next = Math.min(bars.length - 1, Math.max(0, focused + by));
    setFocused(next);
    const svg = (event.currentTarget as Element).closest("svg");
    svg?.querySelector<SVGGElement>(`[data-bar="${next}"]`)?.focus();
  };

  return (
    <svg
      width={width}
      height={height}
      role="group"
      aria-label={label}
      onPointerLeave={() => props.onPoint(null)}
    >
      <defs>
        <pattern
          id="bar-hatch"
          width="6"
          height="6"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <line x1="0" y1="0" x2="0" y2="6" class="bar-hatch" />
        </pattern>
      </defs>
      <text class="axis-text" x={LEFT - 8} y={11} text-anchor="end">
        {scale.unit}
      </text>
      {layout.marks.map((mark) => {
        const y = zero - layout.heightOf(mark);
        return (
          <g key={mark}>
            <line
              class={mark === 0 ? "axis-zero" : "axis-grid"}
              x1={LEFT}
              x2={width - RIGHT}
              y1={y}
              y2={y}
            />
            <text class="axis-text" x={LEFT - 8} y={y + 4} text-anchor="end">
              {formatDecimal(Math.abs(mark) / scale.factor, decimals)}
            </text>
          </g>
        );
      })}
      {bars.map((bar, i) => (
        <g
          key={bar.key}
          class={`bar${props.onOpen ? " opens" : ""}`}
          data-bar={i}
          data-testid="bar"
          tabIndex={i === focused ? 0 : -1}
          role={props.onOpen ? "button" : "img"}
          aria-label={bar.words}
          onPointerEnter={() => props.onPoint(i)}
          onFocus={() => {
            setFocused(i);
            props.onPoint(i);
          }}
          onBlur={() => props.onPoint(null)}
          onClick={() => props.onOpen?.(i)}
          onKeyDown={(event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              props.onOpen?.(i);
            } else move(event);
          }}
        >
          <rect
            class="bar-room"
            x={LEFT + i * layout.step}
            y={TOP - 20}
            width={layout.step}
            height={height - TOP}
          />
          <Stack
            bar={bar}
            x={middle(i) - layout.width / 2}
            width={layout.width}
            zero={zero}
            props={props}
            heightOf={layout.heightOf}
          />
          {bar.tick && (
            <text class="axis-text" x={middle(i)} y={height - 6} text-anchor="middle">
              {bar.tick}
            </text>
          )}
        </g>
      ))}
      {peak !== null && (
        <text class="peak-text" x={peakX} y={TOP - 8} text-anchor="middle" data-testid="peak">
          {peak.text}
        </text>
      )}
    </svg>
  );
}

interface StackProps {
  bar: LabelledBar;
  x: number;
  width: number;
  zero: number;
  heightOf: (value: number) => number;
  props: BarsProps;
}

function Stack({ bar, x, width, zero, heightOf, props }: StackProps) {
  const pieces: { y: number; height: number; role: string }[] = [];
  let y = zero;
  bar.up.forEach((value, i) => {
    const height = heightOf(value);
    y -= height;
    pieces.push({ y, height, role: props.upRoles[i] ?? "home" });
  });
  y = zero;
  bar.down.forEach((value, i) => {
    const height = heightOf(value);
    pieces.push({ y, height, role: props.downRoles[i] ?? "home" });
    y += height;
  });
  const markY = bar.mark == null ? null : zero - heightOf(bar.mark);
  return (
    <>
      {pieces
        .filter((piece) => piece.height > 0.2)
        .map((piece) => (
          <g key={`${piece.role}${piece.y}`}>
            <rect
              class={`fill-${piece.role}${bar.isIncomplete ? " faint" : ""}`}
              x={x}
              y={piece.y}
              width={width}
              height={piece.height}
              rx={Math.min(2.5, piece.height / 2)}
            />
            {bar.isIncomplete && (
              <rect fill="url(#bar-hatch)" x={x} y={piece.y} width={width} height={piece.height} />
            )}
          </g>
        ))}
      {markY !== null && (
        <line class="bar-mark" x1={x - 2} x2={x + width + 2} y1={markY} y2={markY} />
      )}
    </>
  );
}

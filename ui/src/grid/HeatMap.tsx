/** Cells of hours and days, coloured by load; each can be pointed at, focused and opened. */

import { useRef, useState } from "preact/hooks";

import { type Extent, useExtent } from "../charts/extent";
import { type Heat, type HeatCell, strengthOf } from "./heat";

interface Props {
  heat: Heat;
  nameOf: (row: number) => string;
  wordsOf: (cell: HeatCell) => string;
  onPoint: (cell: HeatCell | null) => void;
  onOpen: (cell: HeatCell) => void;
}

const ROW_PX = 20;
const LEFT = 82;
const BOTTOM = 22;
const HOURS = 24;
const STEPS: Record<string, [number, number]> = {
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
};

export function HeatMap(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const extent = useExtent(box);
  const height = props.heat.rows * ROW_PX + BOTTOM;
  return (
    <div class="heat" style={{ height: `${height}px` }} ref={box}>
      {extent.width > 0 && <Drawing {...props} {...extent} height={height} />}
    </div>
  );
}

function Drawing({ heat, nameOf, wordsOf, onPoint, onOpen, width, height }: Props & Extent) {
  const last = heat.cells.at(-1);
  const [focused, setFocused] = useState<string | null>(null);
  const current = focused ?? (last === undefined ? "" : keyOf(last));
  const step = Math.max(4, (width - LEFT) / HOURS);
  const every = step < 20 ? 6 : 3;
  const move = (event: KeyboardEvent, cell: HeatCell) => {
    const by = STEPS[event.key];
    if (by === undefined) return;
    // The page's own arrow keys would leave the period.
    event.stopPropagation();
    event.preventDefault();
    const svg = (event.currentTarget as Element).closest("svg");
    const next = `${cell.row + by[0]} ${cell.column + by[1]}`;
    svg?.querySelector<SVGGElement>(`[data-cell="${next}"]`)?.focus();
  };
  return (
    <svg
      width={width}
      height={height}
      role="group"
      aria-label="Load by hour and day"
      onPointerLeave={() => onPoint(null)}
    >
      {Array.from({ length: heat.rows }, (_, row) => (
        <text key={row} class="axis-text" x={0} y={row * ROW_PX + 14}>
          {nameOf(row)}
        </text>
      ))}
      {heat.cells.map((cell) => (
        <rect
          key={keyOf(cell)}
          class={`heat-cell${cell.loadW === null ? " none" : ""}`}
          data-cell={keyOf(cell)}
          data-testid="heat-cell"
          x={LEFT + cell.column * step}
          y={cell.row * ROW_PX + 1}
          width={step - 2}
          height={ROW_PX - 2}
          rx={2.5}
          style={cell.loadW === null ? {} : { fillOpacity: strengthOf(cell, heat) }}
          role="button"
          aria-label={wordsOf(cell)}
          tabIndex={keyOf(cell) === current ? 0 : -1}
          onPointerEnter={() => onPoint(cell)}
          onFocus={() => {
            setFocused(keyOf(cell));
            onPoint(cell);
          }}
          onBlur={() => onPoint(null)}
          onClick={() => onOpen(cell)}
          onKeyDown={(event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              onOpen(cell);
            } else move(event, cell);
          }}
        />
      ))}
      {Array.from({ length: HOURS / every }, (_, n) => n * every).map((hour) => (
        <text key={hour} class="axis-text" x={LEFT + hour * step} y={height - 6}>
          {String(hour).padStart(2, "0")}
        </text>
      ))}
    </svg>
  );
}

function keyOf(cell: HeatCell): string {
  return `${cell.row} ${cell.column}`;
}

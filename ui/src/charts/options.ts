/** Turns a chart's wishes into uPlot's options. */

import uPlot from "uplot";

import type { Span } from "../state/view";
import { formatDecimal, scaleFor } from "../format/number";
import type { Extent } from "./extent";
import { widen } from "./gestures";
import {
  drawEndNames,
  drawEnds,
  drawGaps,
  drawInstant,
  drawZoneNames,
  drawZones,
  type GapMark,
  type Zone,
} from "./marks";
import { colourOf, fade, type Role } from "./palette";
import { drawShadeNames, drawShades, type Shade } from "./shades";
import { tickLabel, ticksFor } from "./ticks";

export interface ChartLine {
  label: string;
  role: Role;
  /** Strength of the area down to zero, 0 to 1. */
  fill?: number;
  width?: number;
  dash?: number[];
  isHidden?: boolean;
  /** Draws steps that hold until the next instant. */
  isStepped?: boolean;
  /** A dot at the newest value. */
  hasEnd?: boolean;
  /** Strength of the line itself, 0 to 1; left out, it is full. */
  strength?: number;
  /** The lower edge of a band whose upper edge is the line before it. */
  closesBand?: boolean;
  /** Written beside the dot at its newest value, so that colour is not the only name. */
  endName?: string;
}

export interface TimeChartProps {
  /** Base unit of all lines; the axis scales it. */
  unit: string;
  span: Span;
  zone: string;
  lines: readonly ChartLine[];
  /** Instants [ms], ascending. */
  times: readonly number[];
  /** One column a line: null where unknown, undefined where the line goes on without a point. */
  columns: readonly (readonly (number | null | undefined)[])[];
  gaps?: readonly GapMark[];
  /** Stretches of time behind the lines, each with its name. */
  shades?: readonly Shade[];
  /** Ranges of values behind the lines; the axis then reaches what `axis` says. */
  zones?: readonly Zone[];
  /** Values that the axis holds at least. */
  axis?: readonly [number, number];
  /** Where the dotted line of the present stands [ms]. */
  present?: number | null;
  /** Least height; the chart fills its card [CSS px]. */
  height: number;
  /** Charts with the same key share their crosshair. */
  syncKey?: string;
  /** What the picture shows, for those who cannot see it. */
  label: string;
  onCursor?: (index: number | null) => void;
  onZoom?: (span: Span | null) => void;
}

/** A drag shorter than this is a click [CSS px]. */
const SMALLEST_DRAG_PX = 8;
const TICK_ROOM_PX = 46;
/** Room of the value axis and at the right end; what stands below a chart keeps to it [CSS px]. */
export const AXIS_PX = 42;
export const RIGHT_PX = 18;
/** What a chart needs beside its plot, in width [CSS px]. */
export const PLOT_MARGIN_PX = AXIS_PX + RIGHT_PX;

export function buildOptions(
  props: () => TimeChartProps,
  { width, height }: Extent,
): uPlot.Options {
  const { lines, span, zone, unit, syncKey } = props();
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { font, stroke: colourOf("muted"), ticks: { show: false } };
  const most = Math.max(2, Math.floor((width - PLOT_MARGIN_PX) / TICK_ROOM_PX));
  const bands = lines.flatMap((line, i) =>
    line.closesBand
      ? [{ series: [i, i + 1] as [number, number], fill: fade(colourOf(line.role), 0.16) }]
      : [],
  );

  const options: uPlot.Options = {
    width,
    height,
    padding: [18, RIGHT_PX, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [props().span.start / 1000, props().span.end / 1000] },
      y: {
        range: (_u, low, high) =>
          props().axis === undefined
            ? yRange(
                low,
                high,
                lines.some((line) => line.fill !== undefined),
              )
            : [
                Math.min(props().axis?.[0] ?? 0, low ?? Infinity),
                Math.max(props().axis?.[1] ?? 1, high ?? -Infinity),
              ],
      },
    },
    axes: [
      {
        ...axis,
        size: 26,
        gap: 6,
        grid: { show: false },
        splits: () => ticksFor(span.start, span.end, zone, most).map((ms) => ms / 1000),
        values: (_u, splits) => splits.map((s) => tickLabel(s * 1000, span.start, span.end, zone)),
      },
      {
        ...axis,
        size: AXIS_PX,
        gap: 6,
        space: 34,
        grid: { stroke: colourOf("line"), width: 1 },
        values: (_u, splits) => axisNumbers(splits, unit),
      },
    ],
    series: [{}, ...lines.map((line) => seriesOf(line))],
    bands,
    cursor: cursorOf(props),
    hooks: {
      drawClear: [
        (u) => drawZones(u, props().zones ?? []),
        (u) => drawShades(u, props().shades ?? []),
        (u) => drawGaps(u, props().gaps ?? []),
      ],
      draw: [
        (u) => {
          drawAxisUnit(u, unit, font);
          drawZoneNames(u, props().zones ?? []);
          drawShadeNames(u, props().shades ?? []);
          drawInstant(u, props().present ?? null);
          drawEnds(
            u,
            props().lines.map((line) => line.hasEnd === true),
          );
          drawEndNames(
            u,
            props().lines.map((line) => line.endName ?? null),
          );
        },
      ],
      setCursor: [
        (u) =>
          props().onCursor?.(
            u.cursor.left !== undefined && u.cursor.left >= 0 ? (u.cursor.idx ?? null) : null,
          ),
      ],
      setSelect: [(u) => takeSelection(u, props)],
    },
  };
  if (syncKey !== undefined && options.cursor) {
    options.cursor.sync = { key: syncKey, setSeries: false, scales: ["x", null] };
  }
  return options;
}

function seriesOf(line: ChartLine): uPlot.Series {
  const colour = colourOf(line.role);
  const series: uPlot.Series = {
    label: line.label,
    show: line.isHidden !== true,
    stroke: line.strength === undefined ? colour : fade(colour, line.strength),
    width: line.width ?? 1.5,
    spanGaps: false,
    // The edges of a band have no points of their own: the line between them has.
    points: { show: line.strength === undefined, filter: findAlone, size: 4, fill: colour },
  };
  if (line.fill) series.fill = fade(colour, line.fill);
  if (line.dash) series.dash = line.dash;
  const stepped = uPlot.paths.stepped;
  if (line.isStepped && stepped) series.paths = stepped({ align: 1 });
  return series;
}

/** A known point between two unknown ones has no line: it is drawn as a point. */
function findAlone(u: uPlot, s: number): number[] {
  const ys = u.data[s] ?? [];
  // What is undefined is no point of this line and parts nothing.
  const own: number[] = [];
  for (let i = 0; i < ys.length; i += 1) if (ys[i] !== undefined) own.push(i);
  const isKnown = (n: number) => ys[own[n] ?? -1] != null;
  return own.filter((_, n) => isKnown(n) && !isKnown(n - 1) && !isKnown(n + 1));
}

/** From zero, but for values that all lie close together far from it, such as a voltage. */
function yRange(low: number | null, high: number | null, hasArea: boolean): [number, number] {
  let min = low ?? 0;
  let max = high ?? 1;
  const isFar = !hasArea && min > 0 && (max - min) / max < 0.3;
  if (!isFar) {
    min = Math.min(0, min);
    max = Math.max(0, max);
  }
  // A flat chart still needs some height.
  if (max - min < 1e-9) max = min + Math.max(1, Math.abs(min) * 0.02);
  const room = (max - min) * 0.08;
  return [min === 0 ? 0 : min - room, max + room];
}

function axisNumbers(splits: number[], unit: string): string[] {
  const scale = scaleFor(Math.max(...splits.map(Math.abs), 0), unit);
  const step = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0)) / scale.factor;
  const decimals = Math.min(3, Math.max(0, Math.ceil(-Math.log10(step || 1) - 1e-9)));
  const needsMore = Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6;
  return splits.map((value) => formatDecimal(value / scale.factor, decimals + (needsMore ? 1 : 0)));
}

function drawAxisUnit(u: uPlot, unit: string, font: string): void {
  const max = Math.max(Math.abs(u.scales["y"]?.max ?? 0), Math.abs(u.scales["y"]?.min ?? 0));
  const highest = Math.max(
    0,
    ...((u.axes[1] as { _splits?: number[] })._splits ?? [max]).map(Math.abs),
  );
  const ratio = devicePixelRatio || 1;
  u.ctx.save();
  u.ctx.font = font.replace("11px", `${11 * ratio}px`);
  u.ctx.fillStyle = colourOf("muted");
  u.ctx.textAlign = "right";
  u.ctx.textBaseline = "top";
  u.ctx.fillText(scaleFor(highest, unit).unit, u.bbox.left - 6 * ratio, 1 * ratio);
  u.ctx.restore();
}

function cursorOf(props: () => TimeChartProps): uPlot.Cursor {
  return {
    y: false,
    points: { size: 7, width: 2 },
    drag: { x: props().onZoom !== undefined, y: false, setScale: false },
    bind: {
      dblclick: () => () => {
        props().onZoom?.(null);
        return null;
      },
    },
  };
}

function takeSelection(u: uPlot, props: () => TimeChartProps): void {
  const { left, width } = u.select;
  if (width < SMALLEST_DRAG_PX) return;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  // Charts that share a crosshair share the drag: only the one under the pointer acts on it.
  if (!u.over.matches(":hover")) return;
  const start = u.posToVal(left, "x") * 1000;
  const end = u.posToVal(left + width, "x") * 1000;
  props().onZoom?.(widen({ start, end }));
}

/** What is drawn around the lines of a chart over time: gaps with their length, and now. */

import type uPlot from "uplot";

import { formatDuration } from "../format/time";
import { colourOf, fade, type Role } from "./palette";

export interface GapMark {
  /** [ms] */
  start: number;
  end: number;
  /** Written on the band; null leaves it without words. */
  durationS: number | null;
}

const SMALLEST_PX = 2;
/** A narrower band stays without words: the legend names it. */
const SMALLEST_NAMED_PX = 4;

/** A tile of thin diagonal lines. */
function hatching(context: CanvasRenderingContext2D, ratio: number): CanvasPattern | null {
  const size = Math.round(7 * ratio);
  const tile = document.createElement("canvas");
  tile.width = size;
  tile.height = size;
  const pen = tile.getContext("2d");
  if (pen === null) return null;
  pen.strokeStyle = colourOf("hatch");
  pen.lineWidth = ratio;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/** Hatched bands behind the lines, each with "no data 35 min" above it where there is room. */
export function drawGaps(u: uPlot, gaps: readonly GapMark[]): void {
  if (gaps.length === 0) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  const right = bbox.left + bbox.width;
  const pattern = hatching(ctx, ratio);
  ctx.save();
  ctx.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  let freeFrom = bbox.left;
  for (const gap of gaps) {
    const from = Math.max(bbox.left, u.valToPos(gap.start / 1000, "x", true));
    const to = Math.min(right, u.valToPos(gap.end / 1000, "x", true));
    if (to < bbox.left || from > right) continue;
    ctx.fillStyle = pattern ?? colourOf("hatch");
    ctx.fillRect(from, bbox.top, Math.max(to - from, SMALLEST_PX * ratio), bbox.height);
    if (gap.durationS === null || to - from < SMALLEST_NAMED_PX * ratio) continue;
    const text = `no data ${formatDuration(gap.durationS)}`;
    const half = ctx.measureText(text).width / 2;
    const middle = Math.min(Math.max((from + to) / 2, bbox.left + half), right - half);
    if (middle - half < freeFrom) continue;
    freeFrom = middle + half + 8 * ratio;
    ctx.fillStyle = colourOf("muted");
    ctx.fillText(text, middle, bbox.top - 15 * ratio);
  }
  ctx.restore();
}

/** A dotted line at an instant [ms]. */
export function drawInstant(u: uPlot, at: number | null): void {
  const min = u.scales["x"]?.min;
  const max = u.scales["x"]?.max;
  if (at === null || min == null || max == null || at / 1000 < min || at / 1000 > max) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  const x = Math.round(u.valToPos(at / 1000, "x", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = colourOf("muted");
  ctx.lineWidth = ratio;
  ctx.setLineDash([1.5 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

export interface Zone {
  /** Limits in the chart's unit; null reaches to the edge of the chart. */
  from: number | null;
  to: number | null;
  role: Role;
  /** Written at the right of the band, where it is high enough. */
  label: string;
}

const ZONE_TINT = 0.1;
const ZONE_EDGE = 0.5;
const LEAST_NAMED_PX = 14;

/** Where a zone lies on the canvas, from the top; null where it is out of the chart. */
function roomOf(u: uPlot, zone: Zone): { top: number; low: number } | null {
  const { bbox } = u;
  const bottom = bbox.top + bbox.height;
  const y = (value: number) => Math.min(bottom, Math.max(bbox.top, u.valToPos(value, "y", true)));
  const top = zone.to === null ? bbox.top : y(zone.to);
  const low = zone.from === null ? bottom : y(zone.from);
  return low - top < 1 ? null : { top, low };
}

/** Tinted bands behind the lines, over the whole width, with their edges. */
export function drawZones(u: uPlot, zones: readonly Zone[]): void {
  const { ctx, bbox } = u;
  ctx.save();
  for (const zone of zones) {
    const room = roomOf(u, zone);
    if (room === null) continue;
    const colour = colourOf(zone.role);
    ctx.fillStyle = fade(colour, ZONE_TINT);
    ctx.fillRect(bbox.left, room.top, bbox.width, room.low - room.top);
    ctx.fillStyle = fade(colour, ZONE_EDGE);
    const edge = devicePixelRatio || 1;
    if (zone.from !== null && room.low < bbox.top + bbox.height)
      ctx.fillRect(bbox.left, Math.round(room.low) - edge, bbox.width, edge);
  }
  ctx.restore();
}

/** The names of the bands at their right ends, over the lines. */
export function drawZoneNames(u: uPlot, zones: readonly Zone[]): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.font = `600 ${10 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 3 * ratio;
  ctx.lineJoin = "round";
  ctx.strokeStyle = colourOf("card");
  for (const zone of zones) {
    const room = roomOf(u, zone);
    if (room === null || room.low - room.top < LEAST_NAMED_PX * ratio) continue;
    const x = bbox.left + bbox.width - 5 * ratio;
    const y = Math.min((room.top + room.low) / 2, room.top + 10 * ratio);
    ctx.strokeText(zone.label, x, y);
    ctx.fillStyle = colourOf(zone.role);
    ctx.fillText(zone.label, x, y);
  }
  ctx.restore();
}

/** The place of the newest known point of a line, or null where it is not shown. */
function findEnd(u: uPlot, s: number): { x: number; y: number } | null {
  const line = u.series[s];
  const ys = u.data[s];
  if (!line?.show || ys === undefined) return null;
  let last = ys.length - 1;
  while (last >= 0 && ys[last] == null) last -= 1;
  const x = u.data[0][last];
  const y = ys[last];
  if (x == null || y == null || x > (u.scales["x"]?.max ?? Infinity)) return null;
  return { x: u.valToPos(x, "x", true), y: u.valToPos(y, line.scale ?? "y", true) };
}

function strokeOf(u: uPlot, s: number): string {
  const stroke = u.series[s]?.stroke;
  return typeof stroke === "function" ? String(stroke(u, s)) : colourOf("ink");
}

/** A dot at the newest known point of each visible line. */
export function drawEnds(u: uPlot, withEnd: readonly boolean[]): void {
  const ratio = devicePixelRatio || 1;
  for (let s = 1; s < u.series.length; s += 1) {
    const end = withEnd[s - 1] ? findEnd(u, s) : null;
    if (end === null) continue;
    u.ctx.save();
    u.ctx.fillStyle = strokeOf(u, s);
    u.ctx.beginPath();
    u.ctx.arc(end.x, end.y, 3.5 * ratio, 0, 7);
    u.ctx.fill();
    u.ctx.restore();
  }
}

const NAME_ROOM_PX = 12;

/** Names at the ends of lines, moved apart where they would cover each other. */
export function drawEndNames(u: uPlot, names: readonly (string | null)[]): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  const room = NAME_ROOM_PX * ratio;
  const placed = names
    .flatMap((name, i) => {
      const end = name === null ? null : findEnd(u, i + 1);
      return name === null || end === null ? [] : [{ name, end, s: i + 1 }];
    })
    .sort((a, b) => b.end.y - a.end.y);
  let free = bbox.top + bbox.height - room / 2;
  ctx.save();
  ctx.font = `600 ${10 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const { name, end, s } of placed) {
    const y = Math.min(end.y, free);
    free = y - room;
    ctx.fillStyle = strokeOf(u, s);
    ctx.fillText(name, end.x + 6 * ratio, y);
  }
  ctx.restore();
}

/** Stretches of time behind the lines of a chart, each with an edge, a tint and a name. */

import type uPlot from "uplot";

import { colourOf, fade, type Role } from "./palette";

export interface Shade {
  /** [ms] */
  start: number;
  end: number;
  role: Role;
  /** Written where there is room, else its mark alone. */
  label: string;
  /** A number that the table beside the chart has too. */
  mark: string;
}

const TINT = 0.13;
const SMALLEST_PX = 3;
const ROW_PX = 15;
const MOST_ROWS = 3;
const APART_PX = 10;

/** Where a stretch lies on the canvas; null where it is out of the chart. */
function roomOf(u: uPlot, shade: Shade): { left: number; right: number } | null {
  const { bbox } = u;
  const ratio = devicePixelRatio || 1;
  const end = bbox.left + bbox.width;
  const from = u.valToPos(shade.start / 1000, "x", true);
  const to = u.valToPos(shade.end / 1000, "x", true);
  if (to < bbox.left || from > end) return null;
  const left = Math.max(bbox.left, Math.min(from, end - SMALLEST_PX * ratio));
  return { left, right: Math.max(Math.min(to, end), left + SMALLEST_PX * ratio) };
}

export function drawShades(u: uPlot, shades: readonly Shade[]): void {
  const { ctx, bbox } = u;
  const edge = devicePixelRatio || 1;
  ctx.save();
  for (const shade of shades) {
    const room = roomOf(u, shade);
    if (room === null) continue;
    const colour = colourOf(shade.role);
    ctx.fillStyle = fade(colour, TINT);
    ctx.fillRect(room.left, bbox.top, room.right - room.left, bbox.height);
    ctx.fillStyle = colour;
    ctx.fillRect(room.left, bbox.top, room.right - room.left, 2 * edge);
  }
  ctx.restore();
}

/** The names at the upper left of their stretches, in rows where they would cover each other. */
export function drawShadeNames(u: uPlot, shades: readonly Shade[]): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  const end = bbox.left + bbox.width;
  const free: number[] = [];
  ctx.save();
  ctx.font = `600 ${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.lineWidth = 3 * ratio;
  ctx.lineJoin = "round";
  ctx.strokeStyle = colourOf("card");
  for (const shade of [...shades].sort((a, b) => a.start - b.start)) {
    const room = roomOf(u, shade);
    if (room === null) continue;
    const whole = `${shade.mark} ${shade.label}`;
    const x = room.left + 4 * ratio;
    const isRoomy = x + ctx.measureText(whole).width < end;
    const text = isRoomy ? whole : shade.mark;
    const row = findRow(free, x);
    if (row < 0) continue;
    free[row] = x + ctx.measureText(text).width + APART_PX * ratio;
    const y = bbox.top + (5 + row * ROW_PX) * ratio;
    ctx.strokeText(text, x, y);
    ctx.fillStyle = colourOf(shade.role);
    ctx.fillText(text, x, y);
  }
  ctx.restore();
}

/** The first row with room from `x` on; -1 where all are taken. */
function findRow(free: readonly number[], x: number): number {
  for (let row = 0; row < MOST_ROWS; row += 1) if (x >= (free[row] ?? -Infinity)) return row;
  return -1;
}

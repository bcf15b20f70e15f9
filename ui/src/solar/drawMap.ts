/** Draws the map of panels: how full a cell is says how much of what is expected is made. */

import type { PanelState } from "../api/fleet";
import { colourOf, fade, type Role } from "../charts/palette";
import { formatShare } from "../format/number";
import { isDark } from "../state/theme";
import { type Cell, type MapLayout, NAMED_FROM_PX } from "./mapLayout";
import { sharedStart, shareOf } from "./order";

const ROLES: Record<PanelState, Role> = {
  ok: "solar",
  low: "warn",
  fault: "alert",
  stale: "muted",
  night: "muted",
  unknown: "muted",
};
/** A cell that a filter leaves out. */
const FAINT = 0.16;
const TINT = 0.42;
/** Small cells that are well stand back behind those that are not. */
const CALM = 0.55;
const DASHED_FROM_PX = 17;

interface Brush {
  context: CanvasRenderingContext2D;
  size: number;
  colours: Record<PanelState, string>;
  room: string;
  edge: string;
  ink: string;
  card: string;
  /** Of cells that are as expected. */
  well: string;
  wellEdge: string;
  /** Of cells that are below it. */
  low: string;
  font: string;
  /** How much of each name is left out, for all begin with it. */
  shared: number;
}

/** @param isShown whether a device passes the filter; the others are drawn faintly */
export function drawMap(
  canvas: HTMLCanvasElement,
  layout: MapLayout,
  width: number,
  isShown: (cell: Cell) => boolean,
): void {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(ratio, ratio);
  const font = getComputedStyle(document.body).fontFamily;
  const brush: Brush = {
    context,
    size: layout.size,
    colours: coloursByState(),
    room: colourOf("raised"),
    edge: colourOf("hatch"),
    ink: colourOf("ink"),
    card: colourOf("card"),
    well: fade(colourOf("solar-fill"), layout.size < NAMED_FROM_PX ? CALM : TINT),
    low: fade(colourOf("warn"), layout.size < NAMED_FROM_PX ? 1 : TINT),
    // On a dark card the bright edges of thousands would outshine everything.
    wellEdge: fade(colourOf("solar"), isDark.peek() ? CALM : 1),
    font,
    shared: sharedStart(layout.cells.map((cell) => cell.device.name)),
  };
  context.font = `600 11px ${font}`;
  context.textBaseline = "top";
  context.fillStyle = colourOf("muted");
  for (const { text, x, y, width: most } of layout.labels) {
    context.fillText(fit(context, text, most), x, y);
  }
  for (const cell of layout.cells) {
    context.globalAlpha = isShown(cell) ? 1 : FAINT;
    drawCell(brush, cell);
  }
  context.globalAlpha = 1;
}

function coloursByState(): Record<PanelState, string> {
  const entries = Object.entries(ROLES).map(([state, role]) => [state, colourOf(role)]);
  return Object.fromEntries(entries) as Record<PanelState, string>;
}

function drawCell(brush: Brush, cell: Cell): void {
  const { context, size } = brush;
  const { state } = cell.device;
  const share = shareOf(cell.device);
  const { x, y } = cell;
  const colour = brush.colours[state];
  const line = size >= 20 ? 1.5 : 1;
  context.lineWidth = line;
  if (state === "stale") return drawSilent(brush, cell, line);
  context.fillStyle = size >= NAMED_FROM_PX ? brush.card : brush.room;
  context.fillRect(x, y, size, size);
  if (state === "ok" || state === "low") {
    const level = share === null ? 1 : Math.min(1, Math.max(0, share));
    drawLevel(brush, x, y, level, state === "ok" ? brush.well : brush.low);
  } else if (state === "fault") {
    context.fillStyle = size >= NAMED_FROM_PX ? fade(colour, TINT / 2) : colour;
    context.fillRect(x, y, size, size);
  } else {
    context.fillStyle = brush.edge;
    const dot = Math.max(2, Math.round(size / 5));
    context.fillRect(x + (size - dot) / 2, y + (size - dot) / 2, dot, dot);
  }
  context.strokeStyle = state === "ok" ? brush.wellEdge : isAsleep(state) ? brush.edge : colour;
  context.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
  if (state === "fault") drawCross(brush, x, y, colour);
  // At night a corner is all that tells who loses by day.
  if (state === "low" || (state === "night" && cell.device.lost_kwh_per_day > 0))
    drawCorner(brush, x, y, brush.colours.low);
  if (size >= NAMED_FROM_PX) drawWords(brush, cell);
}

/** Filled from below, as high as the share of what is expected. */
function drawLevel(brush: Brush, x: number, y: number, level: number, colour: string): void {
  const { context, size } = brush;
  const height = Math.round(size * level);
  context.fillStyle = colour;
  context.fillRect(x, y + size - height, size, height);
}

function isAsleep(state: PanelState): boolean {
  return state === "night" || state === "unknown";
}

/** An empty frame of dashes. */
function drawSilent(brush: Brush, cell: Cell, line: number): void {
  const { context, size } = brush;
  const dash = Math.min(6, Math.max(2, size / 6));
  context.strokeStyle = brush.colours.stale;
  // Dashes of a speck would be dots: there an empty frame says it.
  if (size >= DASHED_FROM_PX) context.setLineDash([dash, dash]);
  context.strokeRect(cell.x + line / 2, cell.y + line / 2, size - line, size - line);
  context.setLineDash([]);
  if (size >= NAMED_FROM_PX) drawWords(brush, cell);
}

/** A cross: over the whole cell, or in the corner where there are words. */
function drawCross(brush: Brush, x: number, y: number, colour: string): void {
  const { context, size, card } = brush;
  const isNamed = size >= NAMED_FROM_PX;
  const arm = isNamed ? 9 : size / 2;
  const left = isNamed ? x + size - arm - 8 : x + size / 4;
  const top = isNamed ? y + 8 : y + size / 4;
  context.strokeStyle = isNamed ? colour : card;
  context.lineWidth = Math.max(1.25, Math.min(2.5, size / 9));
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(left + arm, top + arm);
  context.moveTo(left + arm, top);
  context.lineTo(left, top + arm);
  context.stroke();
}

/** A turned-down corner. */
function drawCorner(brush: Brush, x: number, y: number, colour: string): void {
  const { context, size } = brush;
  const side = Math.max(4, Math.min(16, size * 0.4));
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x + size - side, y);
  context.lineTo(x + size, y);
  context.lineTo(x + size, y + side);
  context.fill();
}

function drawWords(brush: Brush, cell: Cell): void {
  const { context, size, ink, font } = brush;
  const { device, x, y } = cell;
  context.fillStyle = ink;
  context.font = `11px ${font}`;
  context.fillText(fit(context, device.name.slice(brush.shared), size - 26), x + 7, y + 7);
  const share = shareOf(device);
  if (share === null) return;
  context.font = `700 ${size >= 68 ? 17 : 13}px ${font}`;
  context.textBaseline = "bottom";
  context.fillText(formatShare(share), x + 7, y + size - 6);
  context.textBaseline = "top";
}

/** As much of a text as there is room for. */
function fit(context: CanvasRenderingContext2D, text: string, most: number): string {
  if (context.measureText(text).width <= most) return text;
  let length = text.length;
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > most) length -= 1;
  return `${text.slice(0, length)}…`;
}

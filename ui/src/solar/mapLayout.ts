/** Where the panels of a map stand, and which is under a point or beside another. Pure. */

import type { FleetDevice } from "../api/fleet";
import type { Group } from "./order";

export interface Cell {
  device: FleetDevice;
  /** Left upper corner [CSS px]. */
  x: number;
  y: number;
}

export interface Label {
  text: string;
  x: number;
  y: number;
  width: number;
}

export interface MapLayout {
  /** Side of a cell [CSS px]. */
  size: number;
  height: number;
  cells: Cell[];
  labels: Label[];
}

/** From cells that hold their name to specks; the first size that fits is taken. */
const SIZES = [84, 68, 54, 44, 36, 30, 24, 20, 17, 14, 12, 10, 8];
/** From here on a cell holds words [CSS px]. */
export const NAMED_FROM_PX = 54;
const LABEL_PX = 17;
const LETTER_PX = 6.4;
const MOST_LABEL_PX = 150;
/** A group is about so many times as wide as it is high. */
const ASPECT = 3;

export function gapOf(size: number): number {
  return size >= 36 ? 6 : size >= 17 ? 3 : size >= 12 ? 2 : 1;
}

export function layoutMap(groups: readonly Group[], width: number, mostHeight: number): MapLayout {
  let layout = place(groups, width, SIZES[0] ?? 8);
  for (const size of SIZES.slice(1)) {
    if (layout.height <= mostHeight) break;
    layout = place(groups, width, size);
  }
  return layout;
}

function place(groups: readonly Group[], width: number, size: number): MapLayout {
  const gap = gapOf(size);
  const pitch = size + gap;
  const apart = Math.max(10, pitch / 2);
  const mostColumns = Math.max(1, Math.floor((width + gap) / pitch));
  const layout: MapLayout = { size, height: 0, cells: [], labels: [] };
  let left = 0;
  let top = 0;
  let rowHeight = 0;
  for (const { label, devices } of groups) {
    const count = devices.length;
    const columns = columnsOf(count, mostColumns, groups.length === 1);
    const labelWidth =
      label === null ? 0 : Math.min(MOST_LABEL_PX, width, label.length * LETTER_PX);
    const blockWidth = Math.max(columns * pitch - gap, labelWidth);
    if (left > 0 && left + blockWidth > width) {
      left = 0;
      top += rowHeight + apart;
      rowHeight = 0;
    }
    const head = label === null ? 0 : LABEL_PX;
    if (label !== null) layout.labels.push({ text: label, x: left, y: top, width: blockWidth });
    devices.forEach((device, i) => {
      layout.cells.push({
        device,
        x: left + (i % columns) * pitch,
        y: top + head + Math.floor(i / columns) * pitch,
      });
    });
    rowHeight = Math.max(rowHeight, head + Math.ceil(count / columns) * pitch - gap);
    left += blockWidth + apart;
  }
  layout.height = top + rowHeight;
  return layout;
}

/** Columns of a block that is wider than high; one beside which no other fits has the whole width. */
function columnsOf(count: number, most: number, isAlone: boolean): number {
  const wanted = Math.ceil(Math.sqrt(count * ASPECT));
  const hasRow = isAlone || wanted * 2 >= most;
  // Rows are filled evenly, so that the last one is not nearly empty.
  const rows = Math.ceil(count / Math.min(most, hasRow ? most : wanted));
  return Math.min(most, isAlone ? count : Math.ceil(count / rows));
}

/** The number of the cell under a point, or near it by less than `reach`; -1 for none. */
export function cellAt(layout: MapLayout, x: number, y: number, reach = 0): number {
  let nearest = -1;
  let least = Infinity;
  layout.cells.forEach((cell, i) => {
    const dx = Math.max(cell.x - x, 0, x - cell.x - layout.size);
    const dy = Math.max(cell.y - y, 0, y - cell.y - layout.size);
    const away = Math.hypot(dx, dy);
    if (away < least && away <= Math.max(reach, gapOf(layout.size))) {
      nearest = i;
      least = away;
    }
  });
  return nearest;
}

export type Direction = "left" | "right" | "up" | "down" | "first" | "last";

/** The cell that an arrow key leads to; at an edge it is the same one. */
export function neighbourOf(layout: MapLayout, from: number, to: Direction): number {
  const last = layout.cells.length - 1;
  if (to === "first") return 0;
  if (to === "last") return last;
  if (to === "left") return Math.max(0, from - 1);
  if (to === "right") return Math.min(last, from + 1);
  const at = layout.cells[from];
  if (at === undefined) return from;
  const sign = to === "down" ? 1 : -1;
  let best = from;
  let leastDown = Infinity;
  let leastAside = Infinity;
  layout.cells.forEach((cell, i) => {
    const down = (cell.y - at.y) * sign;
    const aside = Math.abs(cell.x - at.x);
    if (down <= 0) return;
    if (down < leastDown || (down === leastDown && aside < leastAside)) {
      best = i;
      leastDown = down;
      leastAside = aside;
    }
  });
  return best;
}

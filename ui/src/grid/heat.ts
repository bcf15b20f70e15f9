/** Hours of days as cells, by the wall clock. Pure. */

import type { GridLoad } from "../api/grid";
import { addDays, type LocalDate, localDateOf, localParts } from "../format/zone";

export interface HeatCell {
  /** Day and hour of the wall clock. */
  row: number;
  column: number;
  date: LocalDate;
  start: number;
  /** Null where it is not known. */
  loadW: number | null;
}

export interface Heat {
  rows: number;
  cells: HeatCell[];
  /** Of the known cells; null where there is none. */
  lowest: number | null;
  highest: number | null;
}

/** An hour that the wall clock shows twice is one cell, with the first of them. */
export function heatOf(answer: GridLoad, first: LocalDate, days: number, zone: string): Heat {
  const rowOf = new Map(Array.from({ length: days }, (_, row) => [addDays(first, row), row]));
  const cells = new Map<string, HeatCell>();
  answer.t.forEach((text, i) => {
    const start = Date.parse(text);
    const date = localDateOf(start, zone);
    const row = rowOf.get(date);
    const column = localParts(start, zone).hour;
    if (row === undefined || cells.has(`${row} ${column}`)) return;
    cells.set(`${row} ${column}`, { row, column, date, start, loadW: answer.load_w[i] ?? null });
  });
  const all = [...cells.values()];
  const known = all.flatMap((one) => one.loadW ?? []);
  return {
    rows: days,
    cells: all,
    lowest: known.length === 0 ? null : Math.min(...known),
    highest: known.length === 0 ? null : Math.max(...known),
  };
}

/** How strong a cell is drawn, 0.08 to 1: the weakest can still be told from an empty one. */
export function strengthOf(cell: HeatCell, heat: Heat): number {
  if (cell.loadW === null || heat.lowest === null || heat.highest === null) return 0;
  const width = heat.highest - heat.lowest;
  return width <= 0 ? 1 : 0.08 + 0.92 * ((cell.loadW - heat.lowest) / width);
}

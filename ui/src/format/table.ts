/** One table of a chart's numbers: shown on the page and downloaded as CSV, the same cells. */

import { formatDecimal, plainDecimal, UNKNOWN } from "./number";
import { isoWithOffset } from "./zone";

export interface Column {
  /** Heading with its unit, such as "home [W]". */
  title: string;
  /** Decimals of every number in it. */
  decimals: number;
}

export type Cell = number | string | null;

export interface Table {
  /** Words for the first column, which holds times [ms]. */
  timeTitle: string;
  /** Whether the first column holds the labels instead, in a file too. */
  isNamed?: boolean;
  columns: Column[];
  rows: { at: number; label: string; cells: Cell[] }[];
}

export function cellText(cell: Cell | undefined, column: Column | undefined): string {
  if (cell === null || cell === undefined) return UNKNOWN;
  return typeof cell === "number" ? formatDecimal(cell, column?.decimals ?? 0) : cell;
}

/** CSV as in RFC 4180; numbers with a point and the digits shown, unknown values empty. */
export function toCsv(table: Table, zone: string): string {
  const head = [table.timeTitle, ...table.columns.map((column) => column.title)];
  const lines = table.rows.map((row) => [
    table.isNamed ? defuse(row.label) : isoWithOffset(row.at, zone),
    ...row.cells.map((cell, i) => csvNumber(cell, table.columns[i]?.decimals ?? 0)),
  ]);
  return [head, ...lines].map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n";
}

function csvNumber(cell: Cell, decimals: number): string {
  if (cell === null) return "";
  return typeof cell === "number" ? plainDecimal(cell, decimals) : defuse(cell);
}

/** A spreadsheet runs a text that begins like a formula; names come from devices, so they may. */
function defuse(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function downloadCsv(fileName: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

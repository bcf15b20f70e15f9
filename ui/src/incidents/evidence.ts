/** Lines of different times as one chart, and as one table. Pure. */

import type { Expected } from "../api/fleet";
import type { Lines } from "../devices/lines";

type Column = readonly (number | null | undefined)[];

export interface Joined {
  times: number[];
  /** Undefined where a line has no point of its own: it goes on over it. Null is a gap. */
  columns: (number | null | undefined)[][];
}

/** All instants of all lines, ascending, each line with its own values at its own instants. */
export function joinLines(
  parts: readonly { times: readonly number[]; columns: readonly Column[] }[],
): Joined {
  const times = [...new Set(parts.flatMap((part) => [...part.times]))].sort((a, b) => a - b);
  const place = new Map(times.map((at, i) => [at, i]));
  const columns = parts.flatMap((part) =>
    part.columns.map((column) => {
      const joined = new Array<number | null | undefined>(times.length).fill(undefined);
      part.times.forEach((at, i) => {
        joined[place.get(at) ?? 0] = column[i] ?? null;
      });
      return joined;
    }),
  );
  return { times, columns };
}

/** The value that a joined line has at an instant: its own, or the last one before it. */
export function valueAt(column: Column | undefined, index: number): number | null {
  for (let i = index; column !== undefined && i >= 0; i -= 1) {
    const value = column[i];
    if (value !== undefined) return value;
  }
  return null;
}

export interface EvidenceRow {
  at: number;
  /** Mean of the device until the next row, then low, expected and high. */
  cells: (number | null)[];
}

/** The device's means beside what was expected, a row for each instant of the expectation. */
export function evidenceRows(lines: Lines, expected: Expected): EvidenceRow[] {
  const starts = expected.times.map((one) => Date.parse(one));
  const step = (starts[1] ?? 0) - (starts[0] ?? 0);
  let next = 0;
  return starts.map((at, i) => {
    const until = starts[i + 1] ?? at + step;
    let sum = 0;
    let count = 0;
    for (; next < lines.times.length && (lines.times[next] ?? 0) < until; next += 1) {
      const value = lines.mean[next];
      if (value == null || (lines.times[next] ?? 0) < at) continue;
      sum += value;
      count += 1;
    }
    return {
      at,
      cells: [
        count === 0 ? null : sum / count,
        expected.low[i] ?? null,
        expected.expected[i] ?? null,
        expected.high[i] ?? null,
        ...expected.peers.map((peer) => peer[i] ?? null),
      ],
    };
  });
}

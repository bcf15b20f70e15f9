/** The words of the heat-pump page. Pure. */

import type { RunningState, RunningStates, StateSegment, StateSums } from "../api/types";
import { formatDuration } from "../format/time";

export const STATES: readonly RunningState[] = ["standby", "active", "high"];

export const STATE_WORDS: Record<RunningState, string> = {
  standby: "standby",
  active: "active",
  high: "high load",
};

export const STATE_SENTENCES: Record<RunningState, string> = {
  standby: "Standing by",
  active: "Running",
  high: "Running under high load",
};

export function durationOf(sums: StateSums, state: RunningState): number {
  return sums.states.find((one) => one.state === state)?.duration_s ?? 0;
}

/** Starts per local day over the days that have data, or null when there are none. */
export function startsPerDay(answer: RunningStates): number | null {
  const days = answer.days.filter((day) => day.known_s > 0);
  if (days.length === 0) return null;
  return days.reduce((sum, day) => sum + day.starts, 0) / days.length;
}

/** Lengths of whole runs, from a start to the next standby [s]; what a gap cuts is none. */
export function runLengths(segments: readonly StateSegment[]): number[] {
  const lengths: number[] = [];
  let length: number | null = null;
  let before: StateSegment | null = null;
  for (const one of segments) {
    const goesOn: boolean = before?.end === one.start;
    if (one.state === "standby") {
      if (length !== null && goesOn) lengths.push(length);
      length = null;
    } else if (goesOn && before?.state === "standby") length = one.duration_s;
    else if (goesOn && length !== null) length += one.duration_s;
    else length = null;
    before = one;
  }
  return lengths;
}

export function countedStarts(count: number): string {
  return count === 0 ? "no start" : `${count} start${count === 1 ? "" : "s"}`;
}

/** "3 starts, 7 h 12 min running" */
export function workWords(sums: StateSums): string {
  const running = durationOf(sums, "active") + durationOf(sums, "high");
  return `${countedStarts(sums.starts)}, ${formatDuration(running)} running`;
}

/** What is drawn around the lines of a chart over time: gaps with their length, and now. */

import type uPlot from "uplot";

import { formatDuration } from "../format/time";
import { colourOf } from "./palette";

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

/** A dot at the newest known point of each visible line. */
export function drawEnds(u: uPlot, withEnd: readonly boolean[]): void {
  const ratio = devicePixelRatio || 1;
  const xs = u.data[0];
  for (let s = 1; s < u.series.length; s += 1) {
    const line = u.series[s];
    const ys = u.data[s];
    if (!line?.show || !withEnd[s - 1] || ys === undefined) continue;
    let last = ys.length - 1;
    while (last >= 0 && ys[last] == null) last -= 1;
    const x = xs[last];
    const y = ys[last];
    const max = u.scales["x"]?.max ?? Infinity;
    if (x == null || y == null || x > max) continue;
    u.ctx.save();
    u.ctx.fillStyle =
      typeof line.stroke === "function" ? String(line.stroke(u, s)) : colourOf("ink");
    u.ctx.beginPath();
    u.ctx.arc(u.valToPos(x, "x", true), u.valToPos(y, line.scale ?? "y", true), 3.5 * ratio, 0, 7);
    u.ctx.fill();
    u.ctx.restore();
  }
}

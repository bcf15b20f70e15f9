import assert from "node:assert/strict";
import { test } from "node:test";

import type { Bucket, QuantityChart } from "../src/api/types";
import { widen } from "../src/charts/gestures";
import { decimalsOf, linesOfChart, linesOfGrowth } from "../src/devices/lines";

const HOUR_MS = 3_600_000;
const START = Date.parse("2026-05-01T00:00:00Z");

/** An hour in 60 pixels, with values in some of them. */
function chartOf(pixels: number[]): QuantityChart {
  const known = pixels.map((pixel) => pixel * 10);
  return {
    level: "1m",
    start: "2026-05-01T00:00:00Z",
    end: "2026-05-01T01:00:00Z",
    pixels: 60,
    t_s: pixels.map((pixel) => pixel * 60),
    mean: known,
    min: known.map((value) => value - 1),
    max: known.map((value) => value + 1),
    first: known,
    last: known,
    count: known.map(() => 60),
  };
}

test("columns stand in the middle of their pixels, with their extremes", () => {
  const lines = linesOfChart(chartOf([0, 1, 2]), 30, START + 180_000);
  assert.deepEqual(lines.times, [30_000, 90_000, 150_000].map((ms) => START + ms));
  assert.deepEqual([lines.low[1], lines.mean[1], lines.high[1]], [9, 10, 11]);
  assert.deepEqual(lines.gaps, []);
});

test("one empty pixel is no gap, a longer pause breaks the line and has its length", () => {
  assert.deepEqual(linesOfChart(chartOf([0, 2, 4]), 30, START + 300_000).gaps, []);
  const lines = linesOfChart(chartOf([0, 1, 11]), 30, START + 720_000);
  assert.deepEqual(lines.gaps, [
    { start: START + 90_000, end: START + 690_000, durationS: 600 },
  ]);
  assert.deepEqual(lines.mean, [0, 10, null, 110]);
  assert.ok(lines.times.every((at, i) => i === 0 || at > (lines.times[i - 1] ?? 0)));
});

test("a meter that speaks seldom has no gaps between its readings", () => {
  assert.deepEqual(linesOfChart(chartOf([0, 15, 30, 45]), 2700, START + HOUR_MS).gaps, []);
});

test("the length of a gap is told as exactly as a pixel allows", () => {
  // An hour and a bit in pixels of 85 s.
  const chart = { ...chartOf([0]), end: "2026-05-02T00:00:00Z", pixels: 1014 };
  const apart = { ...chart, t_s: [0, 3664], mean: [1, 1], min: [1, 1], max: [1, 1], count: [1, 1] };
  assert.equal(linesOfChart(apart, 30, START + 3_664_000).gaps[0]?.durationS, 3600);
});

test("a table shows the digits that the numbers have", () => {
  assert.equal(decimalsOf([1, 2, null]), 0);
  assert.equal(decimalsOf([1, 2.5, null]), 1);
  assert.equal(decimalsOf([0.1 + 0.2, 1e6 + 1 / 3]), 3);
});

test("an unknown value is not drawn as zero", () => {
  const chart = { ...chartOf([0, 1]), mean: [null, 10], min: [null, 9], max: [null, 11] };
  assert.deepEqual(linesOfChart(chart, 30, START + 120_000).mean, [null, 10]);
});

test("a silence that goes on is a gap up to now, or up to the end of what is shown", () => {
  const chart = chartOf([0, 1]);
  const gapsAt = (ms: number) => linesOfChart(chart, 30, START + ms).gaps;
  assert.deepEqual(gapsAt(120_000), []);
  assert.deepEqual(gapsAt(690_000), [
    { start: START + 90_000, end: START + 690_000, durationS: 600 },
  ]);
  assert.deepEqual(gapsAt(9 * HOUR_MS)[0]?.end, START + HOUR_MS);
});

test("growth of which nothing is known breaks the line", () => {
  const bucket = (hour: number, increase: number | null): Bucket => ({
    t: new Date(START + hour * 3_600_000).toISOString(),
    mean: null,
    min: null,
    max: null,
    first: null,
    last: null,
    count: increase === null ? 0 : 4,
    increase,
    energy_wh: increase,
    coverage: increase === null ? 0 : 1,
  });
  const lines = linesOfGrowth([bucket(0, 5), bucket(1, null), bucket(4, 7)], 5400, 3600);
  assert.deepEqual(lines.mean, [5, null, null, 7]);
  assert.deepEqual(
    lines.gaps.map((gap) => gap.durationS),
    [3 * 3600],
  );
});

test("a drag over less than can be shown is widened around its middle", () => {
  assert.deepEqual(widen({ start: 100_000, end: 102_000 }), { start: 96_000, end: 106_000 });
  assert.deepEqual(widen({ start: 100_400, end: 200_600 }), { start: 100_000, end: 201_000 });
});

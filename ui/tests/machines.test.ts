import assert from "node:assert/strict";
import { test } from "node:test";

import type { Plant, PlantMeter, QuantityChart, StateSegment } from "../src/api/types";
import { plainDecimal, setLocale } from "../src/format/number";
import { axisOf, gradeOf, greenWords, zonesOf } from "../src/heatpump/bands";
import { runLengths } from "../src/heatpump/words";
import { alignCharts } from "../src/phases/alignCharts";
import { answerOf, meterRows } from "../src/plant/order";

setLocale("en-GB");

const START = Date.parse("2026-05-01T00:00:00Z");
const FREQUENCY = { red_low: 49.5, green_low: 49.8, green_high: 50.2, red_high: 50.5 };
const FACTOR = { red_low: 0.7, green_low: 0.85, green_high: null, red_high: null };

/** An hour in 60 pixels, with values in some of them. */
function chartOf(values: Record<number, number>): QuantityChart {
  const pixels = Object.keys(values).map(Number);
  const known = pixels.map((pixel) => values[pixel] ?? null);
  return {
    level: "raw",
    start: "2026-05-01T00:00:00Z",
    end: "2026-05-01T01:00:00Z",
    pixels: 60,
    t_s: pixels.map((pixel) => pixel * 60),
    mean: known,
    min: known,
    max: known,
    first: known,
    last: known,
    count: known.map(() => 1),
  };
}

test("charts are put side by side, and a pixel that one of them lacks is unknown in it", () => {
  const aligned = alignCharts(
    [chartOf({ 0: 30, 1: 33 }), chartOf({ 0: 10, 2: 11 }), null],
    30,
    START + 180_000,
  );
  assert.deepEqual(aligned.times, [30_000, 90_000, 150_000].map((ms) => START + ms));
  assert.deepEqual(aligned.columns, [
    [30, 33, null],
    [10, null, 11],
    [null, null, null],
  ]);
  assert.deepEqual(aligned.gaps, []);
});

test("a pause in all of them is a gap and breaks every line, also one that goes on", () => {
  const aligned = alignCharts([chartOf({ 0: 1, 10: 2 })], 30, START + 1_800_000);
  assert.deepEqual(
    aligned.gaps.map((gap) => [gap.start - START, gap.end - START, gap.durationS]),
    [
      [30_000, 630_000, 600],
      [630_000, 1_800_000, 1200],
    ],
  );
  assert.deepEqual(aligned.columns[0], [1, null, 2, null]);
});

test("nothing that answers is nothing to draw", () => {
  assert.deepEqual(alignCharts([null, null], 30, START).times, []);
});

test("bands are graded as the server does", () => {
  const grades = [50, 49.8, 50.21, 49.5, 49.49, 50.51].map((hertz) => gradeOf(hertz, FREQUENCY));
  assert.deepEqual(grades, ["green", "green", "yellow", "yellow", "red", "red"]);
  assert.deepEqual([1, 0.85, 0.7, 0.69].map((factor) => gradeOf(factor, FACTOR)), [
    "green",
    "green",
    "yellow",
    "red",
  ]);
  assert.equal(gradeOf(null, FACTOR), null);
});

test("zones cover everything between the lowest and the highest once", () => {
  const zones = zonesOf(FREQUENCY);
  assert.deepEqual(zones.map((zone) => zone.label), ["out", "watch", "good", "watch", "out"]);
  zones.slice(1).forEach((zone, i) => assert.equal(zone.to, zones[i]?.from));
  assert.deepEqual(zonesOf(FACTOR).map((zone) => [zone.label, zone.from, zone.to]), [
    ["good", 0.85, null],
    ["watch", 0.7, 0.85],
    ["out", null, 0.7],
  ]);
});

test("an axis shows green and where yellow begins", () => {
  const [low, high] = axisOf(FREQUENCY, null) ?? [0, 0];
  assert.ok(low < 49.8 && low > 49.5 && high > 50.2 && high < 50.5);
  assert.ok((axisOf(FACTOR, 1)?.[0] ?? 1) < 0.7);
  assert.equal(greenWords(FREQUENCY, "Hz"), "49.8–50.2\u202fHz");
  assert.equal(greenWords(FACTOR, ""), "from 0.85");
});

function segments(...parts: [StateSegment["state"], number, number][]): StateSegment[] {
  return parts.map(([state, from, to]) => ({
    state,
    start: new Date(START + from * 1000).toISOString(),
    end: new Date(START + to * 1000).toISOString(),
    duration_s: to - from,
    energy_wh: null,
  }));
}

test("a run lasts from a start to the next standby", () => {
  const all = segments(
    ["active", 0, 50],
    ["standby", 50, 100],
    ["active", 100, 120],
    ["high", 120, 200],
    ["standby", 200, 300],
    ["high", 300, 330],
  );
  // The first began before, the last goes on: their lengths are not known.
  assert.deepEqual(runLengths(all), [100]);
});

test("a run that a gap cuts is none", () => {
  const all = segments(["standby", 0, 100], ["high", 100, 200], ["high", 260, 300], ["standby", 300, 400]);
  assert.deepEqual(runLengths(all), []);
});

function meter(device: string, changes: Partial<PlantMeter> = {}): PlantMeter {
  return {
    device,
    name: device,
    kind: "meter",
    parent: null,
    is_production: false,
    state: "ok",
    words: "",
    last_measured_at: new Date(START).toISOString(),
    age_s: 1,
    stale_after_s: 30,
    power_w: 100,
    values: {},
    quantities: [],
    energy_today_wh: null,
    share_of_parent: null,
    link: null,
    ...changes,
  };
}

function plantOf(meters: PlantMeter[], sums: Plant["sums"] = []): Plant {
  const count = (state: string) => meters.filter((one) => one.state === state).length;
  return {
    site: "works",
    at: new Date(START).toISOString(),
    summary: {
      meters: meters.length,
      ok: count("ok"),
      faulty: count("faulty"),
      stale: count("stale"),
      offline: count("offline"),
      silent: count("silent"),
    },
    meters,
    sums,
  };
}

test("the answer names who does not answer, the most urgent first", () => {
  const answer = answerOf(
    plantOf([
      meter("a"),
      meter("b", { state: "stale", words: "its newest value is too old" }),
      meter("c", { state: "faulty", words: "its phases make 3 W, it says 9 W" }),
    ]),
    START + 60_000,
  );
  assert.equal(answer.strong, "2 of 3 meters answer.");
  assert.equal(
    answer.rest,
    "c is implausible: its phases make 3 W, it says 9 W. " +
      "b is silent: its newest value is too old, last value 1\u202fmin 0\u202fs ago.",
  );
});

test("the answer is good only when the sums fit too", () => {
  const whole = { whole: 1000, parts: 900, rest: 100, is_contradiction: false };
  const sum = { device: "a", parts: ["b"], missing: [], power_w: whole, energy_today_wh: null };
  const meters = [meter("a"), meter("b", { parent: "a" })];
  const good = answerOf(plantOf(meters, [sum]), START);
  assert.equal(good.strong, "All 2 meters answer and their numbers fit.");
  assert.equal(good.rest, "Sub-meters see 90\u202f% of what a measures.");
  const wrong = { ...whole, parts: 1500, rest: -500, is_contradiction: true };
  const bad = answerOf(plantOf(meters, [{ ...sum, power_w: wrong }]), START);
  assert.equal(bad.isGood, false);
  assert.equal(bad.rest, "The meters below a say 500\u202fW more than it does.");
});

test("meters stand below their parents, and a circle of parents loses none", () => {
  const rows = meterRows([
    meter("b", { parent: "a" }),
    meter("a"),
    meter("x", { parent: "y" }),
    meter("y", { parent: "x" }),
  ]);
  assert.deepEqual(
    rows.map((row) => [row.meter.device, row.depth]),
    [
      ["a", 0],
      ["b", 1],
      ["x", 0],
      ["y", 0],
    ],
  );
});

test("a file rounds as the page does", () => {
  assert.equal(plainDecimal(5.2345, 3), "5.235");
  assert.equal(plainDecimal(-0.0004, 3), "0.000");
  assert.equal(plainDecimal(12345.6, 1), "12345.6");
  assert.equal(plainDecimal(-2.5, 0), "-3");
});

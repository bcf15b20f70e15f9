import assert from "node:assert/strict";
import { test } from "node:test";

import type { GridLoad, GridNow } from "../src/api/grid";
import { layoutBars } from "../src/charts/barLayout";
import { setLocale } from "../src/format/number";
import { periodOf } from "../src/format/period";
import { toCsv } from "../src/format/table";
import { heatOf, strengthOf } from "../src/grid/heat";
import { linesOfLoad, sameTimeNextDay } from "../src/grid/loadLines";
import { changeWords, verdictOf } from "../src/grid/words";

setLocale("en-GB");

const BERLIN = "Europe/Berlin";
const QUARTER = 900_000;

function loadOf(start: string, values: (number | null)[], intervalS = 900): GridLoad {
  const first = Date.parse(start);
  return {
    site: "grid",
    start,
    end: new Date(first + values.length * intervalS * 1000).toISOString(),
    interval_s: intervalS,
    meters: 3,
    t: values.map((_, i) => new Date(first + i * intervalS * 1000).toISOString()),
    load_w: values,
    known: values.map((value) => (value === null ? 1 : 3)),
  };
}

const NOW: GridNow = {
  site: "grid",
  at: "2026-05-02T12:00:00Z",
  meters: { all: 500, ok: 500, stale: 0, silent: 0 },
  newest_at: "2026-05-02T12:00:00Z",
  age_s: 0,
  is_stale: false,
  stale_after_s: 900,
  load_w: 412_000,
  load_meters: 500,
  mean_w: 824,
  median_w: 500,
  highest: null,
};

test("a change is signed, small ones with a decimal, and none is none", () => {
  assert.equal(changeWords(0.034), "+3.4\u202f%");
  assert.equal(changeWords(-0.12), "−12\u202f%");
  assert.equal(changeWords(0.002), "same");
  assert.equal(changeWords(null), null);
});

test("the first line says from how many meters the load is", () => {
  const verdict = verdictOf(NOW, null, null, BERLIN);
  assert.equal(verdict.strong, "412\u202fkW now from all 500 meters.");
  const some = verdictOf({ ...NOW, load_meters: 498 }, null, null, BERLIN);
  assert.equal(some.strong, "412\u202fkW now from 498 of 500 meters.");
});

test("a grid that is silent shows no load", () => {
  const verdict = verdictOf({ ...NOW, load_w: null, age_s: 7200 }, null, null, BERLIN);
  assert.equal(verdict.strong, "No meter has reported for 2\u202fh.");
  assert.equal(verdict.isBad, true);
});

test("the day before is laid over the day by the wall clock", () => {
  const period = periodOf("day", "2026-05-02", BERLIN);
  // From 23:30 of the first day on: two quarters of it, then two of the second.
  const lines = linesOfLoad(
    loadOf("2026-05-01T21:30:00Z", [1, 2, 3, 4]),
    period,
    BERLIN,
    period.start + 2 * QUARTER,
  );
  const half = QUARTER / 2;
  const evening = period.end - 2 * QUARTER;
  assert.deepEqual(
    lines.times,
    [period.start, period.start + QUARTER, evening, evening + QUARTER].map((ms) => ms + half),
  );
  assert.deepEqual(lines.load, [3, 4, null, null]);
  assert.deepEqual(lines.before, [null, null, 1, 2]);
});

test("the same time of the next day keeps to the wall clock over summer time", () => {
  // 12:00 in Berlin is 11:00 UTC before the 29th of March 2026 and 10:00 on it.
  const before = Date.parse("2026-03-28T11:00:00Z");
  assert.equal(sameTimeNextDay(before, BERLIN), Date.parse("2026-03-29T10:00:00Z"));
});

test("a stretch of which too few meters are known is a gap, the newest quarter hour is none", () => {
  const period = periodOf("day", "2026-05-02", BERLIN);
  const start = new Date(period.start).toISOString();
  const lines = linesOfLoad(
    loadOf(start, [1, null, null, 4, null]),
    period,
    BERLIN,
    period.start + 5 * QUARTER,
  );
  assert.deepEqual(
    lines.gaps.map((gap) => [(gap.start - period.start) / QUARTER, (gap.end - period.start) / QUARTER]),
    [[1, 3]],
  );
});

test("cells are hours of the wall clock, and what is not known has no strength", () => {
  const heat = heatOf(
    loadOf("2026-05-01T22:00:00Z", [100, null, 300], 3600),
    "2026-05-02",
    1,
    BERLIN,
  );
  assert.deepEqual(
    heat.cells.map((cell) => [cell.row, cell.column, cell.loadW]),
    [
      [0, 0, 100],
      [0, 1, null],
      [0, 2, 300],
    ],
  );
  assert.deepEqual(heat.cells.map((cell) => strengthOf(cell, heat)), [0.08, 0, 1]);
});

test("an hour that the clock shows twice is one cell", () => {
  const heat = heatOf(
    loadOf("2026-10-25T00:00:00Z", [1, 2, 3], 3600),
    "2026-10-25",
    1,
    BERLIN,
  );
  assert.deepEqual(heat.cells.map((cell) => [cell.column, cell.loadW]), [
    [2, 1],
    [3, 3],
  ]);
});

test("bars leave room for the mark that stands above them", () => {
  const layout = layoutBars([{ up: [50], down: [], mark: 100 }], 100, 200);
  assert.equal(layout.heightOf(100), 200);
});

test("a table of names has them in its file, and none that a spreadsheet would run", () => {
  const table = {
    timeTitle: "region",
    isNamed: true,
    columns: [{ title: "meters", decimals: 0 }],
    rows: [
      { at: 0, label: "1", cells: [30] },
      { at: 1, label: "=2", cells: [null] },
    ],
  };
  assert.equal(toCsv(table, BERLIN), "region,meters\r\n1,30\r\n'=2,\r\n");
});

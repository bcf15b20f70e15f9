import assert from "node:assert/strict";
import { test } from "node:test";

import type { EnergyBucket } from "../src/api/types";
import { tickLabel, ticksFor } from "../src/charts/ticks";
import { periodOf, stepFrom } from "../src/format/period";
import { instantOf, isLocalDate, localDateOf } from "../src/format/zone";
import { slotsOf } from "../src/home/slots";

const BERLIN = "Europe/Berlin";
const HOUR_MS = 3_600_000;

test("a day has 23, 24 or 25 hours where the clock changes", () => {
  const hours = (date: string) => {
    const { start, end } = periodOf("day", date, BERLIN);
    return (end - start) / HOUR_MS;
  };
  assert.equal(hours("2026-03-29"), 23);
  assert.equal(hours("2026-06-01"), 24);
  assert.equal(hours("2026-10-25"), 25);
});

test("midnight that the clock skips begins at the first instant after it", () => {
  // In Santiago the clock went from 24:00 to 01:00 on 2026-09-06.
  const start = instantOf("2026-09-06", "America/Santiago");
  assert.equal(localDateOf(start, "America/Santiago"), "2026-09-06");
  assert.equal(localDateOf(start - 1, "America/Santiago"), "2026-09-05");
});

test("a week begins on Monday, a month and a year on their first", () => {
  assert.equal(periodOf("week", "2026-11-20", BERLIN).from, "2026-11-16");
  assert.equal(periodOf("week", "2026-11-22", BERLIN).until, "2026-11-23");
  assert.equal(periodOf("month", "2026-12-31", BERLIN).until, "2027-01-01");
  assert.equal(periodOf("year", "2026-11-20", BERLIN).from, "2026-01-01");
});

test("steps lead over the ends of years", () => {
  assert.equal(stepFrom("month", "2026-01-01", -1), "2025-12-01");
  assert.equal(stepFrom("day", "2026-12-31", 1), "2027-01-01");
  assert.equal(stepFrom("year", "2026-01-01", -1), "2025-01-01");
});

test("a date that no calendar has is refused", () => {
  assert.ok(isLocalDate("2028-02-29"));
  assert.ok(!isLocalDate("2026-02-29"));
  assert.ok(!isLocalDate("2026-2-9"));
  assert.ok(!isLocalDate(null));
});

test("every hour of a long day has its bar, and no two names on the axis differ by a shift", () => {
  const period = periodOf("day", "2026-10-25", BERLIN);
  const bucket: EnergyBucket = {
    start: new Date(period.start + 24 * HOUR_MS).toISOString(),
    end: new Date(period.end).toISOString(),
    import_wh: 1,
    export_wh: null,
    production_wh: null,
    consumption_wh: 1,
    self_consumed_wh: null,
    coverage: 1,
  };
  const slots = slotsOf(period, [bucket], BERLIN);
  assert.equal(slots.length, 25);
  assert.equal(slots[24]?.bucket, bucket);
  assert.equal(slots[0]?.bucket, null);
  assert.equal(slots[24]?.name, "23–24");
});

test("marks of a day stand on local hours, also when the clock changes", () => {
  const { start, end } = periodOf("day", "2026-03-29", BERLIN);
  const labels = ticksFor(start, end, BERLIN, 9).map((at) => tickLabel(at, start, end, BERLIN));
  assert.deepEqual(labels, ["00", "03", "06", "09", "12", "15", "18", "21", "24"]);
});

test("marks of a year are the firsts of its months", () => {
  const { start, end } = periodOf("year", "2026-05-05", BERLIN);
  const ticks = ticksFor(start, end, BERLIN, 14);
  assert.equal(ticks.length, 13);
  assert.ok(ticks.every((at) => localDateOf(at, BERLIN).endsWith("-01")));
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { keepKnown } from "../src/api/known";
import type { EnergyBucket, Now } from "../src/api/types";
import { scaleSpan, spanThrough } from "../src/charts/gestures";
import { layoutBars, niceStep } from "../src/charts/barLayout";
import { intervalFor } from "../src/devices/interval";
import { treeRows } from "../src/devices/tree";
import { cumulate } from "../src/home/cumulative";
import { joinLive } from "../src/home/joinLive";
import { shareFlows, travelSeconds } from "../src/home/flows";

test("the sun covers the home first from what it does not give away", () => {
  const flows = shareFlows({ gridW: -1020, solarW: 2310, batteryW: null });
  assert.equal(flows?.solarToGrid, 1020);
  assert.equal(flows?.solarToHome, 1290);
  assert.equal(flows?.gridToHome, 0);
});

test("what flows into the home is what the meters say", () => {
  for (const gridW of [-2000, -300, 0, 700]) {
    for (const batteryW of [-800, 0, 500]) {
      const solarW = 3100;
      const flows = shareFlows({ gridW, solarW, batteryW });
      assert.ok(flows);
      const home = flows.solarToHome + flows.gridToHome + flows.batteryToHome;
      assert.equal(home, solarW + gridW - batteryW);
      assert.ok(Object.values(flows).every((power) => power >= 0));
    }
  }
});

test("without the grid's power nothing is said", () => {
  assert.equal(shareFlows({ gridW: null, solarW: 500, batteryW: null }), null);
});

test("more power runs faster, within bounds", () => {
  assert.ok(travelSeconds(5000) < travelSeconds(500));
  assert.equal(travelSeconds(1), travelSeconds(50));
  assert.equal(travelSeconds(10_000), travelSeconds(1e6));
});

function bucket(hour: number, consumption: number | null): EnergyBucket {
  const at = (h: number) => new Date(Date.UTC(2026, 10, 20, h)).toISOString();
  return {
    start: at(hour),
    end: at(hour + 1),
    import_wh: consumption,
    export_wh: 0,
    production_wh: null,
    consumption_wh: consumption,
    self_consumed_wh: null,
    coverage: consumption === null ? 0 : 1,
  };
}

test("the sum goes on after a gap and is unknown inside it", () => {
  const start = Date.UTC(2026, 10, 20);
  const sums = cumulate([bucket(0, 100), bucket(1, null), bucket(2, 50)], start, start + 1e9);
  assert.deepEqual(sums.consumption, [0, 100, null, 100, 150]);
  assert.deepEqual(
    sums.unknown.map((gap) => gap.start),
    [start + 3_600_000],
  );
  assert.ok(sums.production.every((value) => value === null));
});

test("the running bucket ends now and later ones are left out", () => {
  const start = Date.UTC(2026, 10, 20);
  const now = start + 5_400_000;
  const sums = cumulate([bucket(0, 100), bucket(1, 40), bucket(2, null)], start, now);
  assert.deepEqual(sums.times, [start, start + 3_600_000, now]);
  assert.deepEqual(sums.consumption, [0, 100, 140]);
});

test("bars share one scale above and below the line", () => {
  const layout = layoutBars([{ up: [300, 100], down: [200] }], 100, 300);
  assert.equal(layout.zeroY, 200);
  assert.equal(layout.heightOf(600), 300);
  assert.ok(layout.marks.includes(0));
  assert.equal(niceStep(0.23), 0.25);
});

test("an empty period has bars without height", () => {
  const layout = layoutBars([{ up: [0, 0], down: [0] }], 100, 300);
  assert.equal(layout.heightOf(0), 0);
  assert.ok(Number.isFinite(layout.zeroY));
});

test("a wider span of a counter asks for a coarser rollup", () => {
  const day = 86_400_000;
  assert.deepEqual(
    [day / 24, day, 7 * day, 31 * day].map((span) => intervalFor(span)),
    ["1m", "15m", "1h", "1d"],
  );
});

test("a tree keeps every device, also with a parent unknown or in a circle", () => {
  const device = (id: string, parent: string | null) => ({
    id,
    site: "home",
    name: id,
    kind: "meter",
    parent,
    rating_w: null,
    last_measured_at: null,
    age_s: null,
    is_stale: true,
    stale_after_s: 30,
    quantities: [],
  });
  const rows = treeRows([
    device("b", "a"),
    device("a", null),
    device("c", "gone"),
    device("x", "y"),
    device("y", "x"),
  ]);
  assert.deepEqual(
    rows.map((row) => [row.device.id, row.depth]),
    [
      ["a", 0],
      ["b", 1],
      ["c", 0],
      ["x", 0],
      ["y", 0],
    ],
  );
});

test("a silent meter leaves its last values, a missing value beside fresh ones stays missing", () => {
  const fresh: Now = {
    at: "2026-11-20T12:00:00Z",
    age_s: 1,
    is_stale: false,
    stale_after_s: 30,
    grid_w: 100,
    solar_w: 200,
    home_w: 300,
    battery_w: null,
    battery_soc_pct: null,
    loads: [],
  };
  const without = { ...fresh, grid_w: null, solar_w: null, home_w: null };
  assert.equal(keepKnown({ ...without, is_stale: true }, fresh).home_w, 300);
  assert.equal(keepKnown({ ...without, is_stale: true }, null).home_w, null);
  assert.equal(keepKnown({ ...fresh, solar_w: null }, fresh).solar_w, null);
});

test("a zoom keeps the instant under the pointer where it is", () => {
  const hour = 3_600_000;
  const span = scaleSpan({ start: 0, end: 10 * hour }, 0.5, 0.2);
  assert.deepEqual(span, { start: hour, end: 6 * hour });
  assert.equal(span.start + 0.2 * (span.end - span.start), 2 * hour);
});

test("two fingers keep their instants, and cannot turn time around", () => {
  const hour = 3_600_000;
  assert.deepEqual(spanThrough([2 * hour, 4 * hour], [0, 1]), { start: 2 * hour, end: 4 * hour });
  assert.equal(spanThrough([2 * hour, 4 * hour], [0.6, 0.4]), null);
});

test("live values go on where the server's knowledge ends, not where its grid does", () => {
  const minute = (n: number) => new Date(Date.UTC(2026, 4, 1, 12, n)).toISOString();
  const chart = {
    start: minute(0),
    end: minute(59),
    interval_s: 60,
    t: [0, 1, 2, 3].map(minute),
    home_w: [500, 600, null, null],
    solar_w: [0, 0, null, null],
    grid_w: [500, 600, null, null],
    gaps: [],
  };
  const heard: Now = {
    at: "2026-05-01T12:01:30.000Z",
    age_s: 0,
    is_stale: false,
    stale_after_s: 20,
    grid_w: 700,
    solar_w: 0,
    home_w: 700,
    battery_w: null,
    battery_soc_pct: null,
    loads: [],
  };
  const series = joinLive(chart, [heard]);
  assert.deepEqual(series.home, [500, 600, 700]);
  assert.equal(series.times.at(-1), Date.parse(heard.at ?? ""));
});

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Fleet, FleetDevice } from "../src/api/fleet";
import { formatMoney } from "../src/format/money";
import { setLocale } from "../src/format/number";
import { cellAt, layoutMap, neighbourOf } from "../src/solar/mapLayout";
import {
  groupsOf,
  matches,
  type Parent,
  powerNow,
  rankByLoss,
  sharedStart,
  shareOf,
} from "../src/solar/order";
import { deviceWords, lossWords, verdictOf } from "../src/solar/words";

setLocale("en-GB");

function panel(id: string, changes: Partial<FleetDevice> = {}): FleetDevice {
  return {
    id,
    name: id,
    kind: "panel",
    parent: "s1",
    rating_w: 400,
    power_w: 200,
    expected_w: 200,
    performance: 1,
    state: "ok",
    age_s: 5,
    lost_kwh_per_day: 0,
    lost_money_per_day: 0,
    incident: null,
    cause: null,
    spark: [],
    ...changes,
  };
}

const losing = (id: string, kwh: number, changes: Partial<FleetDevice> = {}) =>
  panel(id, {
    state: "low",
    performance: 0.6,
    power_w: 120,
    lost_kwh_per_day: kwh,
    lost_money_per_day: kwh * 0.3,
    incident: `i-${id}`,
    cause: "less power than expected",
    ...changes,
  });

function fleetOf(devices: FleetDevice[], changes: Partial<Fleet> = {}): Fleet {
  const lose = devices.filter((one) => one.lost_kwh_per_day > 0);
  const total = (key: "lost_kwh_per_day" | "lost_money_per_day") =>
    lose.reduce((sum, one) => sum + (one[key] ?? 0), 0);
  return {
    as_of: "2026-05-01T11:00:00Z",
    site: "farm",
    is_day: true,
    currency: "EUR",
    devices,
    summary: {
      n: devices.length,
      n_losing: lose.length,
      lost_kwh_per_day: total("lost_kwh_per_day"),
      lost_money_per_day: total("lost_money_per_day"),
      power_w: 590,
      expected_w: 600,
    },
    ...changes,
  };
}

const many = (count: number, parent = "s1") =>
  Array.from({ length: count }, (_, i) => panel(`${parent}-${i + 1}`, { parent }));

test("the line of truth says how many lose how much", () => {
  const fleet = fleetOf([
    ...many(993),
    ...Array.from({ length: 7 }, (_, i) => losing(`x${i}`, 4.1 / 7)),
  ]);
  const verdict = verdictOf(fleet);
  assert.equal(verdict.mood, "bad");
  assert.equal(verdict.strong, "7 of 1,000 panels lose 4.10\u202fkWh and 1.23\u202f€ a day.");
  assert.equal(verdict.rest, "x0 costs most: less power than expected.");
});

test("one that loses is one, and without a price it is energy alone", () => {
  const fleet = fleetOf([panel("a"), losing("b", 0.4, { lost_money_per_day: null })]);
  fleet.summary.lost_money_per_day = null;
  const verdict = verdictOf(fleet);
  assert.equal(verdict.strong, "1 of 2 panels loses 400\u202fWh a day.");
  assert.equal(verdict.rest, "b: less power than expected.");
});

test("all well, night, silence and what nobody can judge have their own words", () => {
  assert.equal(verdictOf(fleetOf(many(3))).strong, "All 3 panels give what they should.");
  const nearly = many(3).map((one) => ({ ...one, power_w: 196 }));
  assert.equal(verdictOf(fleetOf(nearly)).rest, "98\u202f% of what is expected at this moment.");
  const asleep = many(3).map((one) => ({ ...one, state: "night" as const, performance: null }));
  const night = verdictOf(fleetOf(asleep, { is_day: false }));
  assert.deepEqual([night.mood, night.strong], ["quiet", "Night, and all 3 panels were well."]);
  const silent = many(2).map((one) => ({ ...one, state: "stale" as const }));
  assert.equal(verdictOf(fleetOf(silent)).strong, "All 2 panels are silent.");
  const unheard = many(2).map((one) => ({ ...one, state: "unknown" as const }));
  assert.equal(verdictOf(fleetOf(unheard)).strong, "All 2 panels have yet to say anything.");
  const unjudged = fleetOf(many(2));
  unjudged.summary.expected_w = null;
  assert.match(verdictOf(unjudged).rest, /latitude and longitude/);
  const one = verdictOf(fleetOf([...many(2), panel("q", { state: "stale" })]));
  assert.deepEqual([one.mood, one.strong], ["bad", "1 of 3 panels is silent."]);
});

test("what gives less and costs nothing that is known is told as that", () => {
  const verdict = verdictOf(fleetOf([panel("a", { state: "low" }), ...many(2)]));
  assert.equal(verdict.strong, "1 of 3 panels gives less than expected.");
  assert.equal(verdict.rest, "What it costs is not known yet.");
});

test("a loss at night is told with the reason why nothing new is judged", () => {
  const verdict = verdictOf(fleetOf([losing("a", 1), losing("b", 2)], { is_day: false }));
  assert.match(verdict.strong, /^2 of 2 panels lose/);
  assert.match(verdict.rest, /It is night/);
});

test("the list begins with what costs most, then energy, then what needs a person, then names", () => {
  const ranked = rankByLoss([
    panel("p10"),
    panel("p9"),
    panel("dead", { state: "fault" }),
    losing("cheap", 3, { lost_money_per_day: 0.1 }),
    losing("dear", 1, { lost_money_per_day: 0.9 }),
    losing("free-b", 2, { lost_money_per_day: null }),
  ]);
  assert.deepEqual(
    ranked.map((one) => one.id),
    ["dear", "cheap", "free-b", "dead", "p9", "p10"],
  );
});

test("an old value is no part of what they give now", () => {
  assert.equal(
    powerNow([panel("a"), panel("b", { state: "stale" }), panel("c", { power_w: null })]),
    200,
  );
  assert.equal(powerNow([panel("b", { state: "stale" })]), null);
});

test("a device that has just failed does not look well for what it gave before", () => {
  const failed = panel("a", { state: "fault", performance: 0.96, power_w: 0, expected_w: 380 });
  assert.equal(shareOf(failed), 0);
  assert.equal(shareOf({ ...failed, expected_w: null }), 0.96);
  assert.equal(shareOf(panel("b", { state: "low", performance: 0.6, power_w: 0 })), 0.6);
});

test("a filter and a word narrow the list together", () => {
  const one = losing("Panel 7", 1, { cause: "slowly less power than expected" });
  assert.ok(matches(one, "losing", "panel 7"));
  assert.ok(matches(one, "low", "slowly"));
  assert.ok(!matches(one, "fault", ""));
  assert.ok(!matches(panel("a"), "losing", ""));
});

test("panels stand with their string, and many strings with their inverter", () => {
  const devices = [...many(2, "s2"), ...many(3, "s10")];
  const parents = new Map<string, Parent>([
    ["s2", { name: "String 2", parent: "inv" }],
    ["s10", { name: "String 10", parent: "inv" }],
  ]);
  assert.deepEqual(
    groupsOf(devices, parents).map((group) => [group.label, group.devices.length]),
    [
      ["String 2", 2],
      ["String 10", 3],
    ],
  );
  const strings = Array.from({ length: 60 }, (_, i) => `s${i}`);
  const wide = new Map<string, Parent>(
    strings.map((id, i) => [id, { name: id, parent: i < 30 ? "A" : "B" }]),
  );
  const grouped = groupsOf(
    strings.flatMap((id) => many(2, id)),
    wide,
  );
  assert.deepEqual(
    grouped.map((group) => [group.label, group.devices.length]),
    [
      ["A", 60],
      ["B", 60],
    ],
  );
  assert.equal(groupsOf(many(2), new Map())[0]?.label, null);
});

test("few panels are drawn large, thousands as small as needed, none over another", () => {
  const few = layoutMap([{ label: null, devices: many(12) }], 1200, 340);
  assert.equal(few.size, 84);
  const crowd = Array.from({ length: 30 }, (_, i) => ({
    label: `String ${i}`,
    devices: many(100, `s${i}`),
  }));
  const layout = layoutMap(crowd, 1200, 340);
  assert.equal(layout.cells.length, 3000);
  assert.ok(layout.size >= 8 && layout.size <= 14, String(layout.size));
  const places = new Set(layout.cells.map((cell) => `${cell.x},${cell.y}`));
  assert.equal(places.size, 3000);
  for (const cell of layout.cells) {
    assert.ok(cell.x >= 0 && cell.x + layout.size <= 1200 && cell.y + layout.size <= layout.height);
  }
});

test("a narrow screen breaks groups instead of running over", () => {
  const layout = layoutMap([{ label: "A long name", devices: many(200) }], 320, 340);
  assert.ok(Math.max(...layout.cells.map((cell) => cell.x + layout.size)) <= 320);
});

test("a point finds its cell, and arrow keys the one beside it", () => {
  const layout = layoutMap([{ label: null, devices: many(30) }], 400, 4000);
  const [first, second] = layout.cells;
  assert.equal(cellAt(layout, (first?.x ?? 0) + 5, (first?.y ?? 0) + 5), 0);
  assert.equal(cellAt(layout, (second?.x ?? 0) + 5, 5), 1);
  assert.equal(cellAt(layout, 399, layout.height + 90), -1);
  const columns = layout.cells.filter((cell) => cell.y === 0).length;
  assert.equal(neighbourOf(layout, 0, "right"), 1);
  assert.equal(neighbourOf(layout, 0, "left"), 0);
  assert.equal(neighbourOf(layout, 1, "down"), columns + 1);
  assert.equal(neighbourOf(layout, columns + 1, "up"), 1);
  assert.equal(neighbourOf(layout, 0, "up"), 0);
  assert.equal(neighbourOf(layout, 3, "last"), 29);
});

test("money has the digits and the sign of its currency", () => {
  assert.equal(formatMoney(1.234, "EUR"), "1.23\u202f€");
  assert.equal(formatMoney(0.001, "EUR"), "under 0.01\u202f€");
  assert.equal(formatMoney(12345.6, "USD"), "12,346\u202f$");
  assert.equal(formatMoney(12.4, "JPY"), "12\u202f¥");
  assert.equal(formatMoney(3, "no such"), "3.00\u202fno such");
  assert.equal(formatMoney(null, "EUR"), "–");
  assert.equal(lossWords(0.9, null, "EUR"), "900\u202fWh a day");
});

test("an incident that costs no power does not make a device low", () => {
  const odd = panel("a", { state: "low", incident: "i", cause: "values that do not fit" });
  assert.match(deviceWords(odd, "EUR"), /^needs a look, /);
  assert.match(deviceWords({ ...odd, performance: 0.5 }, "EUR"), /^below expected, /);
});

test("a device is told in one line", () => {
  assert.equal(
    deviceWords(losing("a", 0.4), "EUR"),
    "below expected, 120\u202fW of 200\u202fW expected, less power than expected, " +
      "loses 400\u202fWh and 0.12\u202f€ a day",
  );
});

test("what all names begin with is left out of a map", () => {
  assert.equal(sharedStart(["Panel 0001", "Panel 0012"]), 6);
  assert.equal(sharedStart(["inverter-a", "panel-a"]), 0);
  assert.equal(sharedStart(["row_1", "row_1"]), 4);
  assert.equal(sharedStart(["a b ", "a b c"]), 0);
  assert.equal(sharedStart(["one"]), 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Alert, AlertRule, Incident } from "../src/api/alerting";
import type { Expected } from "../src/api/fleet";
import { alertsVerdict, mattersOf, needsPerson, rankMatters } from "../src/alerts/matters";
import { missingIn, nameFor, NEW_RULE, ruleWords, weekdayWords } from "../src/alerts/ruleWords";
import type { Lines } from "../src/devices/lines";
import { setLocale } from "../src/format/number";
import { evidenceRows, joinLines, valueAt } from "../src/incidents/evidence";
import { findingsWithin, shadesOf } from "../src/incidents/shades";
import { evidenceSpan } from "../src/incidents/span";
import { costWords, evidenceWords, stateWords, whenWords } from "../src/incidents/words";

setLocale("en-GB");

const START = Date.parse("2026-05-01T10:00:00Z");
const iso = (minutes: number) => new Date(START + minutes * 60_000).toISOString();

function incident(id: string, changes: Partial<Incident> = {}): Incident {
  return {
    id,
    site: "farm",
    device: `d-${id}`,
    device_name: `Device ${id}`,
    kind: "outage",
    title: "no power while its neighbours produce",
    state: "open",
    severity: "warning",
    start: iso(0),
    end: null,
    causes: [],
    lost_kwh: 2.5,
    lost_kwh_per_day: 1,
    lost_money: 0.75,
    lost_money_per_day: 0.3,
    currency: "EUR",
    recommendation: "Look at the fuse.",
    silenced_until: null,
    findings: [],
    ...changes,
  };
}

function alert(id: number, changes: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: 1,
    rule_name: "Too low",
    device: "p",
    device_name: "Panel",
    key: "active_power_w",
    state: "raised",
    severity: "critical",
    raised_at: iso(5),
    changed_at: iso(9),
    title: "Power below 5 W",
    detail: "0 W for 10 min",
    value: 0,
    silenced_until: null,
    deliveries: [
      {
        channel: "mail",
        event: "raised",
        state: "delivered",
        attempts: 1,
        last_error: null,
        delivered_at: iso(6),
      },
    ],
    ...changes,
  };
}

test("an alert that tells of an incident is no second matter: its deliveries are the incident's", () => {
  const matters = mattersOf([incident("a")], [alert(1, { key: "a" }), alert(2)]);
  assert.deepEqual(
    matters.map((one) => [one.key, one.deliveries.length, one.incident]),
    [
      ["incident a", 1, "a"],
      ["alert 2", 1, null],
    ],
  );
});

test("an alert is called by what it says, and its device once", () => {
  const named = alert(1, { device_name: "Panel 7", title: "Panel 7: power below 5 W" });
  assert.equal(mattersOf([], [named])[0]?.title, "power below 5 W");
  assert.equal(mattersOf([], [alert(2, { title: "" })])[0]?.title, "Too low");
});

test("what is critical comes first, then what costs more, then what is newer", () => {
  const matters = mattersOf(
    [
      incident("cheap", { lost_money_per_day: 0.1 }),
      incident("dear", { lost_money_per_day: 0.8 }),
      incident("late", { lost_money_per_day: 0.1, start: iso(30) }),
    ],
    [alert(7)],
  );
  assert.deepEqual(
    rankMatters(matters).map((one) => one.key),
    ["alert 7", "incident dear", "incident late", "incident cheap"],
  );
});

test("the line of truth counts what needs a person and names a way that fails", () => {
  const matters = mattersOf([incident("a"), incident("b", { state: "acknowledged" })], [alert(1)]);
  const summary = { n: 2, lost_kwh_per_day: 2, lost_money_per_day: 0.6, currency: "EUR" };
  const hook = { name: "hook", type: "webhook", is_ok: false, last_error: "refused", waiting: 3 };
  const verdict = alertsVerdict(matters, summary, [hook]);
  assert.equal(verdict.strong, "2 things need a person.");
  assert.equal(
    verdict.rest,
    "All that goes on loses 2.00\u202fkWh and 0.60\u202f€ a day. 1 more is known or silenced. " +
      "Messages through hook do not get through.",
  );
  assert.equal(matters.filter(needsPerson).length, 2);
  const quiet = alertsVerdict([], { ...summary, lost_kwh_per_day: 0 }, [{ ...hook, is_ok: true }]);
  assert.deepEqual([quiet.isGood, quiet.strong], [true, "Nothing needs a person now."]);
});

test("times and states of an incident are told on the site's clock", () => {
  const now = START + 3 * 3_600_000;
  assert.equal(whenWords(iso(0), null, "Europe/Berlin", now), "since 12:00, 3\u202fh so far");
  assert.equal(
    whenWords(iso(0), iso(90), "Europe/Berlin", now),
    "12:00 – 13:30, 1\u202fh 30\u202fmin",
  );
  assert.equal(stateWords("silenced", iso(60), "Europe/Berlin", now), "silenced until 13:00");
  assert.equal(stateWords("raised", null, "UTC", now), "needs a person");
  assert.deepEqual(costWords(incident("a")), {
    perDay: "0.30\u202f€ and 1.00\u202fkWh",
    soFar: "0.75\u202f€ and 2.50\u202fkWh",
  });
  assert.equal(costWords(incident("a", { lost_kwh: 0, lost_money: 0 })).soFar, null);
});

test("numbers of the evidence have the unit that their name ends in", () => {
  assert.deepEqual(evidenceWords("expected_power_w", 1312), {
    name: "expected power",
    value: "1.31\u202fkW",
  });
  assert.deepEqual(evidenceWords("loss_per_day_share", 0.0102), {
    name: "loss per day",
    value: "1.02\u202f%",
  });
  assert.deepEqual(evidenceWords("peers_n", 3), { name: "peers", value: "3" });
  assert.deepEqual(evidenceWords("share_ratio", 0.61), { name: "share", value: "0.610" });
  assert.deepEqual(evidenceWords("neighbours", 19), { name: "neighbours", value: "19.0" });
});

test("lines of different times are joined without a gap that none of them has", () => {
  const joined = joinLines([
    { times: [0, 20], columns: [[1, 2]] },
    { times: [10, 20, 30], columns: [[5, null, 7]] },
  ]);
  assert.deepEqual(joined.times, [0, 10, 20, 30]);
  assert.deepEqual(joined.columns, [
    [1, undefined, 2, undefined],
    [undefined, 5, null, 7],
  ]);
  assert.equal(valueAt(joined.columns[0], 1), 1);
  assert.equal(valueAt(joined.columns[1], 2), null);
  assert.equal(valueAt(joined.columns[1], 0), null);
});

const LINES: Lines = {
  times: [0, 5, 10, 12, 25].map((minute) => START + minute * 60_000),
  mean: [10, 20, 30, null, 50],
  low: [],
  high: [],
  count: [1, 1, 1, 0, 1],
  gaps: [],
};

test("the table puts the means of the device beside what was expected", () => {
  const expected: Expected = {
    unit: "W",
    times: [iso(0), iso(10), iso(20), iso(30)],
    low: [1, 1, null, 1],
    expected: [2, 2, null, 2],
    high: [3, 3, null, 3],
    peers: [[4, 4, 4, 4]],
    method: "irradiance",
  };
  assert.deepEqual(
    evidenceRows(LINES, expected).map((row) => row.cells),
    [
      [15, 1, 2, 3, 4],
      [30, 1, 2, 3, 4],
      [50, null, null, null, 4],
      [null, 1, 2, 3, 4],
    ],
  );
});

const FINDING = {
  kind: "outage",
  title: "no power",
  detector: "peers",
  quantity: "active_power_w",
  start: iso(0),
  end: iso(60),
  detail: "",
  confidence: 0.9,
  lost_kwh: 1,
  evidence: {},
};

test("findings are marked where they lie, cut at now, and those of other quantities left out", () => {
  const heat = { ...FINDING, quantity: "temperature_c", start: iso(10) };
  const whole = { ...FINDING, quantity: "", start: iso(-30), end: iso(5) };
  const all = [incident("a", { findings: [FINDING, heat] }), incident("b", { findings: [whole] })];
  const span = { start: START, end: START + 3_600_000 };
  assert.deepEqual(findingsWithin(all, span, "active_power_w"), [whole, FINDING]);
  assert.equal(findingsWithin(all, span).length, 3);
  assert.deepEqual(findingsWithin(all, { start: START - 9e6, end: START - 8e6 }), []);
  const [shade] = shadesOf([FINDING], START + 600_000);
  assert.deepEqual([shade?.mark, shade?.end], ["1", START + 600_000]);
});

test("evidence is shown in whole days, from well before its beginning", () => {
  const span = evidenceSpan({ start: "2026-05-01T05:00:00Z", end: null }, "Europe/Berlin", START);
  assert.equal(new Date(span.start).toISOString(), "2026-04-29T22:00:00.000Z");
  assert.equal(new Date(span.end).toISOString(), "2026-05-01T22:00:00.000Z");
});

const NAMES = {
  deviceOf: (id: string) => (id === "p7" ? "Panel 7" : id),
  quantityOf: (name: string) =>
    name === "active_power_w" ? { title: "Active power", unit: "W" } : undefined,
};
const RULE: AlertRule = {
  ...NEW_RULE,
  quantity: "active_power_w",
  threshold: 100,
  schedule: { weekdays: [0, 1, 2, 3, 4], start: "08:00", end: "18:00" },
  channels: ["mail"],
};

test("a rule is a sentence", () => {
  assert.equal(
    ruleWords(RULE, NAMES),
    "active power of any device is below 100\u202fW for 10\u202fmin, " +
      "between 08:00 and 18:00 on Mon–Fri, through mail",
  );
  assert.equal(
    ruleWords({ ...NEW_RULE, kind: "no_data", devices: ["p7"], for_s: 900 }, NAMES),
    "nothing is heard of Panel 7 for 15\u202fmin, through every way",
  );
  assert.equal(
    ruleWords({ ...NEW_RULE, kind: "incident", kinds: ["soiling"], threshold: 0.5 }, NAMES),
    "soiling at any device costs more than 500\u202fWh a day, through every way",
  );
  assert.equal(
    ruleWords({ ...RULE, kind: "rises", for_s: 0, per_s: 120, channels: [] }, NAMES),
    "active power of any device rises by more than 100\u202fW within 2\u202fmin, " +
      "between 08:00 and 18:00 on Mon–Fri, through every way",
  );
  assert.equal(nameFor(RULE, NAMES), "Active power of any device is below 100\u202fW");
});

test("days are told as people say them", () => {
  assert.equal(weekdayWords([0, 1, 2, 3, 4, 5, 6]), "every day");
  assert.equal(weekdayWords([4, 0, 1, 2, 3]), "Mon–Fri");
  assert.equal(weekdayWords([5, 6]), "Sat, Sun");
  assert.equal(weekdayWords([0, 2, 4]), "Mon, Wed, Fri");
});

test("a rule that lacks something cannot be tried", () => {
  assert.equal(missingIn(RULE), null);
  assert.match(missingIn({ ...RULE, quantity: "" }) ?? "", /what to look at/);
  assert.match(missingIn({ ...RULE, threshold: Number.NaN }) ?? "", /limit/);
  assert.match(missingIn({ ...NEW_RULE, kind: "no_data", for_s: 0 }) ?? "", /length of time/);
  assert.match(
    missingIn({ ...RULE, schedule: { ...RULE.schedule, weekdays: [] } }) ?? "",
    /at least one day/,
  );
});

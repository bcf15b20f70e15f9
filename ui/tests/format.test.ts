import assert from "node:assert/strict";
import { test } from "node:test";

import {
  formatBytes,
  formatChange,
  formatShare,
  formatValue,
  scaleValue,
  setLocale,
  UNKNOWN,
} from "../src/format/number";
import { toCsv } from "../src/format/table";
import { formatAge, formatDuration, spanOf } from "../src/format/time";

setLocale("en-GB");

test("a value has three significant digits and a scaled unit", () => {
  assert.equal(formatValue(214, "W"), "214\u202fW");
  assert.equal(formatValue(1290, "W"), "1.29\u202fkW");
  assert.equal(formatValue(11_840, "Wh"), "11.8\u202fkWh");
  assert.equal(formatValue(1_357_800.8, "Wh"), "1.36\u202fMWh");
  assert.equal(formatValue(-560, "W"), "−560\u202fW");
});

test("rounding up to a thousand moves to the next unit", () => {
  assert.deepEqual(scaleValue(999.6, "W"), { number: "1.00", unit: "kW" });
  assert.deepEqual(scaleValue(999.4, "W"), { number: "999", unit: "W" });
});

test("zero is zero and unknown is never zero", () => {
  assert.equal(formatValue(0, "W"), "0\u202fW");
  assert.equal(formatValue(null, "W"), UNKNOWN);
  assert.equal(formatShare(null), UNKNOWN);
});

test("a small negative value does not become minus zero", () => {
  assert.equal(formatValue(-0.001, "W"), "0.00\u202fW");
});

test("the locale's decimal sign is used", () => {
  setLocale("de-DE");
  assert.equal(formatValue(1290, "W"), "1,29\u202fkW");
  setLocale("en-GB");
});

test("a change is signed, and nothing earlier gives none", () => {
  assert.equal(formatChange(92, 100), "−8\u202f%");
  assert.equal(formatChange(108, 100), "+8\u202f%");
  assert.equal(formatChange(100.2, 100), "same");
  assert.equal(formatChange(100, 0), null);
  assert.equal(formatChange(100, null), null);
});

test("bytes are scaled by thousands", () => {
  assert.equal(formatBytes(48_200_000), "48.2\u202fMB");
  assert.equal(formatBytes(999), "999\u202fB");
});

test("durations name their two largest units", () => {
  assert.equal(formatDuration(2100), "35\u202fmin");
  assert.equal(formatDuration(7500), "2\u202fh 5\u202fmin");
  assert.equal(formatDuration(273_600), "3\u202fd 4\u202fh");
  assert.equal(formatAge(252), "4\u202fmin 12\u202fs");
});

test("a span of whole hours is short, and midnight is 24", () => {
  const at = (text: string) => Date.parse(text);
  assert.equal(spanOf(at("2026-11-20T07:00Z"), at("2026-11-20T08:00Z"), "UTC"), "07–08");
  assert.equal(spanOf(at("2026-11-20T23:00Z"), at("2026-11-21T00:00Z"), "UTC"), "23–24");
  assert.equal(spanOf(at("2026-11-20T09:10Z"), at("2026-11-20T09:45Z"), "UTC"), "09:10–09:45");
});

test("a CSV carries local times with offset, empty unknowns and no formulas", () => {
  const text = toCsv(
    {
      timeTitle: "time",
      columns: [
        { title: "home [W]", decimals: 1 },
        { title: "name", decimals: 0 },
      ],
      rows: [
        { at: Date.parse("2026-11-20T07:00:00Z"), label: "", cells: [214.26, '=cmd("x")'] },
        { at: Date.parse("2026-07-20T07:00:00Z"), label: "", cells: [null, "a,b"] },
      ],
    },
    "America/Denver",
  );
  assert.equal(
    text,
    "time,home [W],name\r\n" +
      '2026-11-20T00:00:00-07:00,214.3,"\'=cmd(""x"")"\r\n' +
      '2026-07-20T01:00:00-06:00,,"a,b"\r\n',
  );
});

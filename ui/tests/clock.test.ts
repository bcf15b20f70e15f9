import assert from "node:assert/strict";
import { test } from "node:test";

import { learnOffset } from "../src/state/clockOffset";

const HOUR = 3_600_000;
const NOON = Date.parse("2026-05-01T12:00:00Z");

/** An answer of a server whose clock is ahead: written in the middle of the time that it took. */
function learnOf(known: number, ahead: number, tookMs: number): number {
  const written = NOON + ahead + tookMs / 2;
  return learnOffset(known, written - (written % 1000), NOON, NOON + tookMs);
}

test("an answer that took long does not move the clock", () => {
  for (const tookMs of [10, 4_000, 60_000]) {
    assert.equal(learnOf(0, 0, tookMs), 0);
    assert.equal(learnOf(HOUR, HOUR, tookMs), HOUR);
  }
  // Written at the very beginning, or at the very end.
  assert.equal(learnOffset(0, NOON, NOON, NOON + 20_000), 0);
  assert.equal(learnOffset(0, NOON + 20_000, NOON, NOON + 20_000), 0);
});

test("a clock that is wrong is found out, and found right again", () => {
  for (const ahead of [HOUR, -HOUR, 10_000]) {
    assert.ok(Math.abs(learnOf(0, ahead, 50) - ahead) <= 1000);
    assert.ok(Math.abs(learnOf(0, ahead, 4_000) - ahead) <= 3000);
  }
  assert.equal(learnOf(HOUR, 0, 50), 0);
});

test("what was learned stays while it can be true", () => {
  assert.equal(learnOf(HOUR, HOUR + 2_000, 50), HOUR);
  assert.equal(learnOf(0, 2_000, 50), 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ClusterProcess } from "../src/api/types";
import { processState } from "../src/health/processes";

const WORKING: ClusterProcess = {
  role: "store",
  name: "a",
  version: "0",
  started_at: "2026-05-01T10:00:00Z",
  age_s: 2,
  waiting: [],
  counters: { received: 0, stored: 0 },
  lag: {},
  store_delay_s: null,
  watch: null,
};

test("a process works, waits with a reason, is ready to take over, or is silent", () => {
  assert.equal(processState(WORKING).words, "working");
  const waiting = processState({ ...WORKING, waiting: ["kafka is away", "so is redis"] });
  assert.deepEqual([waiting.state, waiting.detail], ["wait", "kafka is away; so is redis"]);
  assert.equal(processState({ ...WORKING, watch: { is_on_duty: true } }).words, "working");
  const second = processState({ ...WORKING, watch: { is_on_duty: false } });
  assert.deepEqual([second.state, second.words], ["good", "ready to take over"]);
  // Whatever it said last, it says nothing any more.
  const silent = processState({ ...WORKING, age_s: 21, waiting: ["kafka is away"] });
  assert.deepEqual([silent.state, silent.words], ["broken", "silent"]);
});

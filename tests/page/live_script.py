"""A stand-in for the event stream: a test decides what is heard and when it falls silent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

_SCRIPT = """
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    this.readyState = 1;
    setTimeout(() => {
      this.dispatchEvent(new Event("open"));
      this.dispatchEvent(new MessageEvent("now", { data: %s }));
    }, 50);
  }
  close() {}
};
"""


def heard_once(*, age_s: float | None, **changes: object) -> str:
    """A script that replaces the stream by one event, with a reading of that age, then silence."""
    at = None if age_s is None else datetime.now(UTC) - timedelta(seconds=age_s)
    event = {
        "at": None if at is None else at.isoformat().replace("+00:00", "Z"),
        "age_s": age_s,
        "is_stale": False,
        "stale_after_s": 30,
        "grid_w": None if age_s is None else -1020.0,
        "solar_w": None if age_s is None else 2310.0,
        "home_w": None if age_s is None else 1290.0,
        "battery_w": None,
        "battery_soc_pct": None,
        "loads": [],
        **changes,
    }
    return _SCRIPT % json.dumps(json.dumps(event))


SLOW_ANSWERS = """
const ask = window.fetch;
window.fetch = async (...question) => {
  const answer = await ask(...question);
  await new Promise((resolve) => setTimeout(resolve, 6000));
  window.isSlowAnswerThere = true;
  return answer;
};
"""
"""A script that has every answer take six seconds on its way back."""

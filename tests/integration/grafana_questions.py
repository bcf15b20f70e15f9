"""The questions of a dashboard with its variables filled in, as Grafana fills them in.

The rules are those of Grafana's documentation on global variables and of each data source.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
SCRAPE_S = 10
"""``timeInterval`` of the data source."""
N_POINTS = 1000
"""Points that a panel asks for where it says nothing else: about its pixels."""
SPANS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Chosen = Mapping[str, Sequence[str]]
"""What is chosen in each variable; nothing: all."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when, seconds since 1970."""

    start_s: int
    end_s: int

    @property
    def length_s(self) -> int:
        return self.end_s - self.start_s

    def write(self, at_s: int) -> str:
        """An instant as Grafana writes it into SQL."""
        return f"'{datetime.fromtimestamp(at_s, UTC).isoformat().replace('+00:00', 'Z')}'"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a panel."""

    board: dict[str, Any]
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.board['uid']}, {self.panel['title']}, {self.target['refId']}"

    def find_period(self, end_s: int, zone: str) -> Period:
        """What the panel shows when somebody in a time zone looks at it."""
        told = self.panel.get("timeFrom") or self.board["time"]["from"].removeprefix("now-")
        if told == "now/d":
            local = datetime.fromtimestamp(end_s, ZoneInfo(zone))
            return Period(int(local.replace(hour=0, minute=0, second=0).timestamp()), end_s)
        return Period(end_s - read_span(told), end_s)

    def find_step_s(self, period: Period) -> int:
        """Distance of points."""
        least = read_span(self.panel.get("interval") or f"{SCRAPE_S}s")
        wanted = period.length_s / (self.panel.get("maxDataPoints") or N_POINTS)
        return max(least, math.ceil(wanted))


def read_span(text: str) -> int:
    """``15m`` in seconds."""
    return int(text[:-1]) * SPANS_S[text[-1]]


def read_board(name: str) -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return board


def list_questions(name: str) -> Iterator[Asked]:
    """All questions of all panels of a dashboard."""
    board = read_board(name)
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(board, panel, target)


def list_variables(name: str) -> list[dict[str, Any]]:
    """The variables of a dashboard that a question fills."""
    found: list[dict[str, Any]] = read_board(name)["templating"]["list"]
    return [one for one in found if one["type"] == "query"]


def fill_promql(text: str, chosen: Chosen, period: Period, step_s: int) -> str:
    """A question in PromQL; all are ``.+``, of several each is escaped."""
    rate_s = max(step_s + SCRAPE_S, 4 * SCRAPE_S)
    words = {
        "__rate_interval": f"{rate_s}s",
        "__interval": f"{step_s}s",
        "__range_s": str(period.length_s),
        "__range": f"{period.length_s}s",
        "region": "",
    }
    for name in ("site", "device", "instance"):
        values = [re.escape(one).replace("\\-", "-") for one in chosen.get(name, ())]
        escaped = [one.replace("\\", "\\\\") for one in values]
        words[name] = f"({'|'.join(escaped)})" if len(values) > 1 else (*escaped, ".+")[0]
    return _fill(text, words)


def fill_sql(text: str, chosen: Chosen, period: Period, step_s: int, *, timescale: bool) -> str:
    """A question in SQL, with the macros of Grafana's data source for PostgreSQL."""
    between = f"BETWEEN {period.write(period.start_s)} AND {period.write(period.end_s)}"
    text = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 {between}", text)
    text = text.replace("$__timeTo()", period.write(period.end_s))

    def group(found: re.Match[str]) -> str:
        span = found[2].strip("'")
        span_s = step_s if span == "$__interval" else read_span(span)
        if timescale:
            return f"time_bucket('{span_s:.3f}s',{found[1]}) AS \"time\""
        return f'floor(extract(epoch from {found[1]})/{span_s})*{span_s} AS "time"'

    text = re.sub(r"\$__timeGroupAlias\(([^,]+), ([^)]+)\)", group, text)
    words = {name: ",".join(map(_quote, values)) for name, values in chosen.items()}
    return _fill(text, {"rating": "400", **words})


def fill_influxql(text: str, chosen: Chosen, period: Period, step_s: int) -> str:
    """A question in InfluxQL, with instants as the backend of Grafana writes them [ms]."""
    between = f"time >= {period.start_s * 1000}ms and time <= {period.end_s * 1000}ms"
    return _fill(
        text.replace("$timeFilter", between),
        {"__interval": f"{step_s}s", **{name: values[0] for name, values in chosen.items()}},
    )


def _fill(text: str, words: Mapping[str, str]) -> str:
    for name in sorted(words, key=len, reverse=True):
        text = text.replace(f"${name}", words[name])
    assert "$" not in re.sub(r"/\^[^/]*\$/", "", text), f"not filled in: {text}"
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

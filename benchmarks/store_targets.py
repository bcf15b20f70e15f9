"""Ratios beside the peers, and which of the store's targets are met."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchmarks.rows import OURS, Limit, Row
from benchmarks.store_questions import CHART, GRID_QUESTIONS, LAST, ONE_METER

_SETS = ("grid", "solar-plant-1", "household-uci")
_PEERS = {"VictoriaMetrics": "VictoriaMetrics 1.79", "TimescaleDB": "TimescaleDB compressed"}
_PEERS["DuckDB"] = "DuckDB table"


_OWN = {
    **{f"{name}: load": Limit(5e6, is_least=True) for name in _SETS},
    f"grid: {ONE_METER}, p50": Limit(2.0),
    f"grid: {ONE_METER}, p99": Limit(2.0),
    f"grid: {LAST}": Limit(0.2),
    f"year: {CHART}": Limit(10.0),
}
_TIMED = (
    *(f"grid: {name}" for name in (*GRID_QUESTIONS, f"{ONE_METER}, p50", LAST)),
    f"year: {CHART}",
    f"many: {LAST}",
)
_BESIDE = {
    **{(f"{name}: size", "VictoriaMetrics"): Limit(0.95) for name in _SETS},
    **{(f"{name}: size", "TimescaleDB"): Limit(0.15) for name in _SETS},
    **{(name, "TimescaleDB"): Limit(0.2) for name in _TIMED},
    **{(name, "DuckDB"): Limit(1.0) for name in _TIMED},
}
_FLAT = Limit(2.0)
FLAT_METRIC = ", beside the smallest"
"""How the metric of a ratio of growth ends."""


def judge(rows: Sequence[Row]) -> list[Row]:
    """The rows with their targets, and the ratios beside the peers."""
    judged = [_judge_own(row) if row.subject == OURS else row for row in rows]
    return [*judged, *_compare(rows)]


def _judge_own(row: Row) -> Row:
    limit = _OWN.get(_general(row.metric))
    if limit is not None:
        return limit.mark(row)
    if row.metric.endswith(FLAT_METRIC):
        return _FLAT.mark(row)
    return row


def _compare(rows: Sequence[Row]) -> Iterator[Row]:
    found = {(row.subject, _general(row.metric)): row for row in rows}
    for (metric, peer), limit in _BESIDE.items():
        ours, theirs = found.get((OURS, metric)), found.get((_PEERS[peer], metric))
        if ours is not None and theirs is not None:
            ratio = ours.value / theirs.value
            words = f"{ours.metric}, beside {peer}"
            yield limit.mark(Row(ours.case, OURS, words, ratio, "x"))


def _general(metric: str) -> str:
    """A metric without the number of series, which is smaller in a short run."""
    return re.sub(r"last value of [\d,]+ series", LAST, metric)

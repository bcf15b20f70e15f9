"""``/api/grid/rollups``: what rollups are worth on this store, measured when asked.

The same question is answered twice: from the kept days, and from every reading. Both answers are
held against each other, so that a time is never told for an answer that is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from wattscope.compute.runs import find_starts
from wattscope.core.reading import Batch, FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S, day_start_us, format_utc, local_day_edges
from wattscope.ports import Rollup
from wattscope.web.devices import describe_plan
from wattscope.web.grid_desk import MAX_DAYS, GridDesk
from wattscope.web.numbers import number
from wattscope.web.remembered import Remembered

MAX_ROWS = 200_000
"""So many readings are read for a comparison; of a larger grid, only as many meters take part."""
KEPT_US = 10 * US_PER_S
"""So long a measurement is told again: many who ask at once would measure each other."""
PLAIN_BYTES = 4 + 8 + 8 + 1
"""A value as plain columns: series, instant, value and quality [B]."""
_TRIES = 2
"""The faster of them counts: then both find the files in memory."""
_LEVEL = "1d"
_CLOSE = 1e-9


@dataclass(frozen=True, slots=True)
class _Days:
    """Count, mean and extremes of some meters by day, in the order of meter and day."""

    count: Int64Column
    mean: FloatColumn
    low: FloatColumn
    high: FloatColumn

    def equals(self, other: _Days) -> bool:
        """Whether both say the same; means to the noise of adding up in another order."""
        return (
            np.array_equal(self.count, other.count)
            and np.array_equal(self.low, other.low)
            and np.array_equal(self.high, other.high)
            and np.allclose(self.mean, other.mean, rtol=_CLOSE, atol=0.0)
        )


def build_grid_rollup_routes(router: APIRouter, desk: GridDesk) -> None:
    """Add the route."""

    def measure(key: tuple[str, date, date]) -> dict[str, Any]:
        return _measure(desk, *key)

    measured = Remembered(measure, kept_us=KEPT_US, now_us=desk.services.now_us)

    @router.get("/rollups")
    def read_rollups(
        site: str | None = None,
        days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="days, today included")] = 28,
    ) -> dict[str, Any]:
        """Daily count, mean and extremes of power from kept days and from every reading, timed.

        With the rows that each of them reads, whether both say the same, and what the store needs
        for a value. Measured on this store at this moment, at most once in ten seconds.
        """
        meters = desk.lists.find(site)
        tomorrow = desk.today(meters) + timedelta(days=1)
        return measured((meters.site.id, tomorrow - timedelta(days=days), tomorrow))


def _measure(desk: GridDesk, site: str, first: date, until: date) -> dict[str, Any]:
    meters, store = desk.lists.find(site), desk.services.store
    start_us, end_us = day_start_us(first, meters.zone), day_start_us(until, meters.zone)
    edges = local_day_edges(start_us, end_us, meters.zone)
    told = np.sort(meters.power[meters.power >= 0])
    chosen = _choose(store.roll_up(told.tolist(), _LEVEL, start_us, end_us), told.tolist())
    rolled, rolled_s, n_buckets = _time(
        lambda: _from_rollup(store.roll_up(chosen, _LEVEL, start_us, end_us))
    )
    raw, raw_s, n_rows = _time(lambda: _from_rows(store.read_raw(chosen, start_us, end_us), edges))
    return {
        "site": site,
        "at": format_utc(desk.services.now_us()),
        "question": "count, mean, lowest and highest power of each meter by day",
        "start": format_utc(start_us),
        "end": format_utc(end_us),
        "meters": len(chosen),
        "all_meters": len(told),
        "answers": len(rolled.count),
        "is_equal": rolled.equals(raw),
        "rolled_up": {"duration_ms": number(rolled_s * 1000), "rows": n_buckets}
        | describe_plan(store.explain(chosen, _LEVEL, start_us, end_us)),
        "raw": {"duration_ms": number(raw_s * 1000), "rows": n_rows}
        | describe_plan(store.explain(chosen, "raw", start_us, end_us)),
        "times_faster": number(raw_s / rolled_s) if rolled_s > 0 else None,
        "storage": describe_storage(desk.services.read_health()["store"]),
    }


def describe_storage(store: dict[str, Any]) -> dict[str, Any]:
    """What the rows in files need, beside what they would need as plain columns.

    >>> describe_storage({"bytes": 2100, "chunk_rows": 1000, "rollup_bytes": 100})["saved"]
    0.9
    """
    values, used = int(store.get("chunk_rows", 0)), int(store.get("bytes", 0))
    plain = int(store.get("plain_bytes", values * PLAIN_BYTES))
    return {
        "values": values,
        "bytes": used,
        "bytes_per_value": number(used / values) if values else None,
        "plain_bytes": plain,
        "plain_bytes_per_value": PLAIN_BYTES,
        "saved": number(1.0 - used / plain) if plain else None,
        "rollup_bytes": store.get("rollup_bytes"),
        "values_in_memory": store.get("tail_rows"),
    }


def _choose(days: Rollup, series: list[int]) -> list[int]:
    """As many series as have no more than ``MAX_ROWS`` rows together; at least one."""
    ids, at = np.unique(days.series_id, return_inverse=True)
    rows = dict(zip(ids.tolist(), np.bincount(at, days.count, len(ids)).tolist(), strict=True))
    chosen: list[int] = []
    n_rows = 0.0
    for one in series:
        n_rows += rows.get(one, 0.0)
        if chosen and n_rows > MAX_ROWS:
            break
        chosen.append(one)
    return chosen


def _time(answer: Callable[[], tuple[_Days, int]]) -> tuple[_Days, float, int]:
    """An answer, how long it takes [s], and the rows that it reads."""
    durations_s = []
    for _ in range(_TRIES):
        before_s = time.perf_counter()
        found, n_rows = answer()
        durations_s.append(time.perf_counter() - before_s)
    return found, min(durations_s), n_rows


def _from_rollup(days: Rollup) -> tuple[_Days, int]:
    has_values = days.count > 0
    count = days.count[has_values]
    return (
        _Days(count, days.sum[has_values] / count, days.min[has_values], days.max[has_values]),
        len(days.count),
    )


def _from_rows(rows: Batch, edges: Int64Column) -> tuple[_Days, int]:
    n_rows = len(rows)
    rows = rows.take(rows.is_usable)
    if not len(rows):
        none = np.empty(0)
        return _Days(np.empty(0, np.int64), none, none, none), n_rows
    day = np.searchsorted(edges, rows.measured_at_us, side="right")
    starts = find_starts(rows.series_id.astype(np.int64) * len(edges) + day)
    count = np.diff(np.append(starts, len(rows)))
    return (
        _Days(
            count,
            np.add.reduceat(rows.value, starts) / count,
            np.minimum.reduceat(rows.value, starts),
            np.maximum.reduceat(rows.value, starts),
        ),
        n_rows,
    )

"""The load of a site by quarter hours: finished days are remembered until their data change."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from wattscope.compute.grid_load import Load, add_up, join
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_S, day_start_us, local_date, local_day_edges
from wattscope.ports import Rollup
from wattscope.web.grid_meters import GridMeters
from wattscope.web.rollup_edges import FINE_US
from wattscope.web.services import Services

KEPT_US = 30 * US_PER_S
"""So long a day that is still running is taken as it was: meters speak every few minutes."""
PAST_KEPT_US = 120 * US_PER_S
"""So long nobody looks whether a finished day has changed."""
MAX_DAYS = 100
"""More finished days than this are not remembered for a site."""
_BATCH_DAYS = 8
"""So many days are worked out at once; more would cost memory and gain nothing."""


@dataclass(frozen=True, slots=True)
class _Day:
    """A day, with what shows that it is still right, and when that was looked at last."""

    mark: tuple[int, int, float]
    load: Load
    checked_us: int


class LoadBook:
    """Loads by quarter hours. Thread-safe.

    A finished day costs a look at the kept buckets of its meters: as long as these count as many
    values and as much energy as when it was worked out, nothing came late and nothing was decided
    anew, and the quarter hours are what they were.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._days: dict[tuple[str, date], _Day] = {}

    def read(self, meters: GridMeters, first: date, last: date) -> Load:
        """The load of some local days, ``last`` included; from midnight to midnight."""
        zone = meters.zone
        edges = local_day_edges(
            day_start_us(first, zone), day_start_us(last + timedelta(days=1), zone), zone
        )
        dates = [local_date(int(start), zone) for start in edges[:-1]]
        with self._lock:
            due = [at for at, day in enumerate(dates) if self._is_due(meters, day, edges[at + 1])]
            if due:
                self._renew(meters, dates[due[0] :], edges[due[0] : due[-1] + 2])
            found = [self._days[meters.site.id, day].load for day in dates]
            self._forget(meters.site.id, dates)
        return join(found)

    def _is_due(self, meters: GridMeters, day: date, end_us: np.int64) -> bool:
        """Whether it is time to look at a day again."""
        kept, now_us = self._days.get((meters.site.id, day)), self._services.now_us()
        limit_us = KEPT_US if now_us < end_us + KEPT_US else PAST_KEPT_US
        return kept is None or not 0 <= now_us - kept.checked_us < limit_us

    def _renew(self, meters: GridMeters, dates: list[date], edges: Int64Column) -> None:
        """Look at some days that follow each other; those that have changed are worked out."""
        marks, now_us = self._read_marks(meters, edges), self._services.now_us()
        changed = []
        for at, mark in enumerate(marks):
            kept = self._days.get((meters.site.id, dates[at]))
            if kept is None or kept.mark != mark:
                changed.append(at)
            else:
                self._days[meters.site.id, dates[at]] = replace(kept, checked_us=now_us)
        for stretch in _stretches(changed):
            self._work_out(meters, dates, edges, marks, stretch)

    def _read_marks(self, meters: GridMeters, edges: Int64Column) -> list[tuple[int, int, float]]:
        """For each day the number of its meters and values, and its energy [Wh]."""
        series = meters.energy.tolist()
        days = self._services.store.roll_up(series, "1d", int(edges[0]), int(edges[-1]))
        at = np.searchsorted(edges, days.bucket_start_us)
        n_days = len(edges) - 1
        energy = np.bincount(at, np.nan_to_num(days.energy_wh), n_days)
        counts = np.bincount(at, days.count, n_days)
        n_meters = np.bincount(at, minlength=n_days)
        return [
            (int(n_meters[day]), int(counts[day]), round(float(energy[day]), 3))
            for day in range(n_days)
        ]

    def _work_out(
        self,
        meters: GridMeters,
        dates: list[date],
        edges: Int64Column,
        marks: list[tuple[int, int, float]],
        stretch: range,
    ) -> None:
        start_us, end_us = int(edges[stretch.start]), int(edges[stretch.stop])
        known = [at for at in stretch if marks[at][0]]
        rollup = None
        if known:
            rollup = self._services.store.roll_up(meters.energy.tolist(), "15m", start_us, end_us)
        for at in stretch:
            quarters = _quarters(int(edges[at]), int(edges[at + 1]))
            load = _add_up_day(rollup, quarters, meters)
            self._days[meters.site.id, dates[at]] = _Day(marks[at], load, self._services.now_us())

    def _forget(self, site: str, wanted: list[date]) -> None:
        """The oldest days that nobody asked for just now, where there are too many."""
        mine = sorted(day for where, day in self._days if where == site)
        for day in mine[: max(0, len(mine) - max(MAX_DAYS, len(wanted)))]:
            if day not in wanted:
                del self._days[site, day]


def _quarters(start_us: int, end_us: int) -> Int64Column:
    """Edges of the quarter hours of a day."""
    edges = np.arange(start_us, end_us, FINE_US, dtype=np.int64)
    return np.append(edges, end_us)


def _add_up_day(rollup: Rollup | None, quarters: Int64Column, meters: GridMeters) -> Load:
    if rollup is None:
        nothing = np.full(len(quarters) - 1, np.nan)
        known = np.zeros(len(quarters) - 1, np.int64)
        return Load(quarters[:-1], quarters[1:], nothing, nothing, known)
    t = rollup.bucket_start_us
    inside = (t >= quarters[0]) & (t < quarters[-1])
    columns = (getattr(rollup, name)[inside] for name in Rollup.__slots__)
    return add_up(Rollup(*columns), quarters, meters.counters)


def _stretches(days: list[int]) -> list[range]:
    """Days that follow each other, some at a time.

    >>> _stretches([0, 1, 3])
    [range(0, 2), range(3, 4)]
    """
    found: list[range] = []
    for day in days:
        if found and found[-1].stop == day and len(found[-1]) < _BATCH_DAYS:
            found[-1] = range(found[-1].start, day + 1)
        else:
            found.append(range(day, day + 1))
    return found

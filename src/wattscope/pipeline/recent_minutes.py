"""Sums of the minutes just gone, so that looking at a fleet again and again asks no store.

A thousand panels that speak once a second are 28 million values in two hours: reading them anew
each minute would cost more than everything else together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_MINUTE

MAX_SERIES = 20_000
"""Of more series the minutes are not kept; the store is asked then."""
Sums = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class RecentMinutes:
    """A ring of minutes for each followed series. Thread-safe."""

    def __init__(self, n_minutes: int = 240) -> None:
        """Keep ``n_minutes`` minutes; what is older is forgotten."""
        self._n_minutes = n_minutes
        self._lock = threading.Lock()
        self._row = np.empty(0, np.int64)
        self._since: dict[int, int] = {}
        self._minute = np.full(n_minutes, -1, np.int64)
        self._total = np.zeros((0, n_minutes))
        self._count = np.zeros((0, n_minutes), np.int64)

    def follow(self, series: Iterable[int], newest_us: int | None) -> None:
        """Keep the minutes of these series too.

        Args:
            series: Those that are followed already stay as they are.
            newest_us: The newest instant of any of them so far [µs]: of its minute a part has not
                been seen here. None: there was none.
        """
        with self._lock:
            new = [one for one in series if one not in self._since]
            if not new or len(self._since) + len(new) > MAX_SERIES:
                return
            highest = max(new)
            if highest >= len(self._row):
                more = np.full(highest + 1 - len(self._row), -1, np.int64)
                self._row = np.r_[self._row, more]
            self._row[new] = np.arange(len(new)) + len(self._since)
            since = 0 if newest_us is None else newest_us // US_PER_MINUTE + 1
            self._since |= dict.fromkeys(new, since)
            self._total = np.r_[self._total, np.zeros((len(new), self._n_minutes))]
            self._count = np.r_[self._count, np.zeros((len(new), self._n_minutes), np.int64)]

    def update(self, batch: Batch) -> None:
        """Take values; those of older minutes than are kept are left to the store."""
        with self._lock:
            if not self._since:
                return
            is_usable = batch.is_usable
            is_followed = is_usable & (batch.series_id < len(self._row))
            rows = self._row[batch.series_id[is_followed]]
            minutes = batch.measured_at_us[is_followed] // US_PER_MINUTE
            values = batch.value[is_followed]
            known = rows >= 0
            rows, minutes, values = rows[known], minutes[known], values[known]
            if not len(rows):
                return
            self._turn_to(int(minutes.max()))
            at = minutes % self._n_minutes
            is_kept = self._minute[at] == minutes
            np.add.at(self._total, (rows[is_kept], at[is_kept]), values[is_kept])
            np.add.at(self._count, (rows[is_kept], at[is_kept]), 1)

    def read(
        self, series: Sequence[int], first_minute: int, n_minutes: int
    ) -> tuple[Sums, Counts] | None:
        """Sums and counts, shape ``(n_series, n_minutes)``; None unless all of them are known."""
        with self._lock:
            newest = int(self._minute.max())
            if first_minute <= newest - self._n_minutes or any(
                self._since.get(one, first_minute + 1) > first_minute for one in series
            ):
                return None
            wanted = first_minute + np.arange(n_minutes)
            at = wanted % self._n_minutes
            is_there = self._minute[at] == wanted
            rows = self._row[list(series)][:, np.newaxis]
            return (
                np.where(is_there, self._total[rows, at], 0.0),
                np.where(is_there, self._count[rows, at], 0),
            )

    def take_in(self, series: Sequence[int], first_minute: int, total: Sums, count: Counts) -> None:
        """What the store knew of older minutes, so that it need not be asked again."""
        with self._lock:
            if any(one not in self._since for one in series) or not total.shape[1]:
                return
            minutes = first_minute + np.arange(total.shape[1])
            self._turn_to(int(minutes[-1]))
            at = minutes % self._n_minutes
            for place, one in enumerate(series):
                if minutes[-1] + 1 < self._since[one]:
                    # Between these and our own lie some that neither knows.
                    continue
                # Whole minutes of our own are as good and newer.
                is_older = (minutes < self._since[one]) & (self._minute[at] == minutes)
                row = self._row[one]
                self._total[row, at[is_older]] = total[place, is_older]
                self._count[row, at[is_older]] = count[place, is_older]
                self._since[one] = min(self._since[one], first_minute)

    def _turn_to(self, minute: int) -> None:
        """Make room for the minutes up to one, forgetting the oldest."""
        newest = int(self._minute.max())
        if minute <= newest:
            return
        low = max(newest + 1, minute - self._n_minutes + 1) if newest >= 0 else minute
        fresh = np.arange(low, minute + 1)
        if newest < 0:
            fresh = np.arange(minute - self._n_minutes + 1, minute + 1)
        at = fresh % self._n_minutes
        self._minute[at] = fresh
        self._total[:, at] = 0.0
        self._count[:, at] = 0

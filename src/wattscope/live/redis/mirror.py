"""What one process knows of the live view: its own rows, and the records that Redis told of."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.live.memory_view import MemoryView
from wattscope.live.redis.layout import RECORD, Changes, native
from wattscope.ports import MinuteSums

_NEVER: Final = np.iinfo(np.int64).min


class Mirror:
    """Newest values and minutes by series. Thread-safe; nothing in it waits for a network."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = MemoryView()
        self._records = np.zeros(1024, RECORD)
        self._n_series = 0

    @property
    def version(self) -> int:
        return self._newest.version

    def latest(self, series: int) -> tuple[int, float] | None:
        return self._newest.latest(series)

    def latest_of(self, series: Int32Column) -> tuple[Int64Column, FloatColumn]:
        return self._newest.latest_of(series)

    def minutes_of(self, series: Int32Column) -> tuple[MinuteSums, MinuteSums]:
        """The newest minute of each series that has values, and the minute before it."""
        with self._lock:
            is_known = series < len(self._records)
            found = self._records[np.where(is_known, series, 0)]
        found["count"][~is_known] = found["count_before"][~is_known] = 0
        start_us = native(found["minute"]).astype(np.int64) * US_PER_MINUTE
        return (
            _read_sums(found, start_us, ""),
            _read_sums(found, start_us - US_PER_MINUTE, "_before"),
        )

    def pick_news(self, batch: Batch) -> Batch:
        """Usable rows that are newer than what is known: all others Redis would ignore, too."""
        rows = batch.take(batch.is_usable)
        known_us, _ = self._newest.latest_of(rows.series_id)
        return rows.take(rows.measured_at_us > known_us)

    def take_rows(self, rows: Batch) -> None:
        """Take what this process was told."""
        if not len(rows):
            return
        with self._lock:
            self._grow(int(rows.series_id.max()))
            self._newest.update(rows)

    def take_changes(self, changes: Changes) -> None:
        """Take records out of Redis; those that are older than what is known are ignored."""
        series, records = changes
        if not len(series):
            return
        t_us = native(records["measured_at_us"])
        with self._lock:
            self._grow(int(series.max()))
            known_us, _ = self._newest.latest_of(series.astype(np.int32))
            is_newer = t_us >= known_us
            series, records, t_us = series[is_newer], records[is_newer], t_us[is_newer]
            self._records[series] = records
            value = native(records["value"])
            good = np.zeros(len(series), np.uint8)
            self._newest.update(Batch(series.astype(np.int32), t_us, value, good))

    def list_newer(self, than: Changes) -> Batch:
        """The newest row of every series of which Redis has an older one, or none."""
        with self._lock:
            series = np.arange(self._n_series, dtype=np.int32)
            t_us, value = self._newest.latest_of(series)
        theirs_us = np.full(self._n_series, _NEVER, np.int64)
        is_ours = than.series < self._n_series
        theirs_us[than.series[is_ours]] = native(than.records["measured_at_us"][is_ours])
        is_newer = t_us > theirs_us
        good = np.zeros(int(is_newer.sum()), np.uint8)
        return Batch(series[is_newer], t_us[is_newer], value[is_newer], good)

    def _grow(self, highest: int) -> None:
        self._n_series = max(self._n_series, highest + 1)
        if highest >= len(self._records):
            size = max(highest + 1, 2 * len(self._records))
            self._records = np.r_[self._records, np.zeros(size - len(self._records), RECORD)]


def _read_sums(
    records: np.ndarray[tuple[int], np.dtype[np.void]], start_us: Int64Column, ending: str
) -> MinuteSums:
    count = native(records["count" + ending]).astype(np.int64)
    has_values = count > 0
    low, high = (native(records[name + ending]) for name in ("min", "max"))
    return MinuteSums(
        np.where(has_values, start_us, _NEVER),
        count,
        np.where(has_values, native(records["sum" + ending]), 0.0),
        np.where(has_values, low, np.nan),
        np.where(has_values, high, np.nan),
    )

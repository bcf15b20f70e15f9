"""The live view in the memory of one process."""

from __future__ import annotations

import numpy as np

from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column

_NEVER = np.iinfo(np.int64).min


class MemoryView:
    """Instant and value of the newest usable row of each series."""

    def __init__(self) -> None:
        self._t = np.full(1024, _NEVER, np.int64)
        self._value = np.full(1024, np.nan)
        self.version = 0
        """Raised with every update that changed something."""
        self._announced: dict[str, int] = {}

    def update(self, batch: Batch) -> None:
        """Take newer values; older ones than known are ignored."""
        rows = batch.take(batch.is_usable)
        if not len(rows):
            return
        self._grow(int(rows.series_id.max()))
        # Of two values for one instant the first stands, as in the store.
        order = np.lexsort((-np.arange(len(rows)), rows.measured_at_us, rows.series_id))
        series, t = rows.series_id[order], rows.measured_at_us[order]
        is_last = np.r_[series[1:] != series[:-1], True]
        series, t, value = series[is_last], t[is_last], rows.value[order][is_last]
        is_newer = t > self._t[series]
        if is_newer.any():
            # First the value: who sees the new instant from another thread sees its value too.
            self._value[series[is_newer]] = value[is_newer]
            self._t[series[is_newer]] = t[is_newer]
            self.version += 1

    def latest(self, series: int) -> tuple[int, float] | None:
        """Instant [µs] and value of a series; None before its first value."""
        if series >= len(self._t) or self._t[series] == _NEVER:
            return None
        return int(self._t[series]), float(self._value[series])

    def latest_of(self, series: Int32Column) -> tuple[Int64Column, FloatColumn]:
        """Instants [µs] and values of many series; the lowest instant there is before the first."""
        # In this order, as in update; each is one array even while another thread grows them.
        instants, values = self._t, self._value
        if len(series) and series.min() >= 0 and series.max() < len(instants):
            t, value = instants.take(series), values.take(series)
            if t.min() > _NEVER:
                return t, value
        is_known = series < len(instants)
        at = np.where(is_known, series, 0)
        t = np.where(is_known, instants[at], _NEVER)
        return t, np.where(t == _NEVER, np.nan, values[at])

    def announce(self, topic: str) -> None:
        """Tell the other parts of this process that something beside the values has changed."""
        self._announced[topic] = self._announced.get(topic, 0) + 1

    def version_of(self, topic: str) -> int:
        """How often a topic was announced."""
        return self._announced.get(topic, 0)

    def _grow(self, highest: int) -> None:
        if highest >= len(self._t):
            size = max(highest + 1, 2 * len(self._t))
            self._value = np.r_[self._value, np.full(size - len(self._value), np.nan)]
            self._t = np.r_[self._t, np.full(size - len(self._t), _NEVER, np.int64)]

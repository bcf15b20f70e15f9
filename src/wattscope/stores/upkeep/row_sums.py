"""What the rows of a store come to, series by series: the proof that a copy holds the same."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wattscope.core.reading import Batch
from wattscope.core.topology import Series
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.upkeep.backup import SeriesSum

GROUP_ROWS = 1_000_000
"""About so many rows are in memory at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some series of some time: as much as is read at once."""

    series: tuple[int, ...]
    start_us: int
    end_us: int


def plan_reads(
    store: DuckdbStore, series: Sequence[int], start_us: int, end_us: int
) -> Iterator[Stretch]:
    """All rows of some series in ``[start, end)``, span by span, a group of series at a time."""
    chunk_us = store.chunk_us
    for span_us, n_rows in store.count_span_rows().items():
        low, high = max(span_us, start_us), min(span_us + chunk_us, end_us)
        if low < high:
            for group in group_series(series, n_rows):
                yield Stretch(group, low, high)


def group_series(series: Sequence[int], n_rows: int) -> Iterator[tuple[int, ...]]:
    """The series in groups of about ``GROUP_ROWS`` of ``n_rows`` rows."""
    size = max(1, len(series) * GROUP_ROWS // max(n_rows, 1))
    for start in range(0, len(series), size):
        yield tuple(series[start : start + size])


class _Sum:
    """What the rows of one series come to so far."""

    __slots__ = ("crc", "first_us", "last_us", "rows", "sum")

    def __init__(self, first_us: int) -> None:
        self.rows = 0
        self.sum = 0.0
        self.first_us = first_us
        self.last_us = first_us
        self.crc = 0


class RowSums:
    """Takes rows span by span, of each series in order of time."""

    def __init__(self) -> None:
        self._sums: dict[int, _Sum] = {}

    def add(self, rows: Batch) -> None:
        """Take rows that are ordered by series, then time."""
        if not len(rows):
            return
        starts = np.flatnonzero(np.r_[True, rows.series_id[1:] != rows.series_id[:-1]])
        is_missing = np.isnan(rows.value)
        # All missing values alike, whatever bits a NaN may carry.
        values = np.where(is_missing, np.nan, rows.value)
        sums = np.add.reduceat(np.where(is_missing, 0.0, rows.value), starts).tolist()
        times = np.ascontiguousarray(rows.measured_at_us)
        ends = [*starts[1:].tolist(), len(rows)]
        for start, end, total in zip(starts.tolist(), ends, sums, strict=True):
            number = int(rows.series_id[start])
            one = self._sums.get(number)
            if one is None:
                one = self._sums[number] = _Sum(int(times[start]))
            one.rows += end - start
            one.sum += total
            one.last_us = int(times[end - 1])
            for column in (times, values, rows.quality):
                one.crc = zlib.crc32(np.ascontiguousarray(column[start:end]).data, one.crc)

    def finish(self, series: Sequence[Series]) -> tuple[SeriesSum, ...]:
        """The sums of all series that have rows, by id."""
        names = {one.id: (one.device, one.quantity.name) for one in series}
        return tuple(
            SeriesSum(
                number,
                *names.get(number, ("", "")),
                one.rows,
                one.sum if math.isfinite(one.sum) else None,
                one.first_us,
                one.last_us,
                one.crc,
            )
            for number, one in sorted(self._sums.items())
        )


def sum_rows(
    store: DuckdbStore, series: Sequence[Series], on_rows: Callable[[int, int], None]
) -> tuple[SeriesSum, ...]:
    """What all rows of a store come to; ``on_rows`` is told rows done and rows in all."""
    span = store.time_range()
    if span is None:
        return ()
    total = sum(store.count_span_rows().values())
    sums, n_done = RowSums(), 0
    for one in plan_reads(store, [each.id for each in series], span[0], span[1] + 1):
        rows = store.read_raw(one.series, one.start_us, one.end_us)
        sums.add(rows)
        n_done += len(rows)
        on_rows(min(n_done, total), total)
    return sums.finish(series)


def find_difference(noted: Sequence[SeriesSum], found: Sequence[SeriesSum]) -> str | None:
    """In words, the first series whose rows are not those that were noted; None for none."""
    before = {one.series: one for one in noted}
    after = {one.series: one for one in found}
    for number in sorted(before.keys() | after.keys()):
        old, new = before.get(number), after.get(number)
        if old != new:
            known = old or new
            name = f"{known.quantity} of {known.device}" if known is not None else str(number)
            return f"{name}: {_describe(new)} instead of {_describe(old)}"
    return None


def _describe(one: SeriesSum | None) -> str:
    return "nothing" if one is None else f"{one.rows} rows, sum {one.sum}, check {one.crc:08x}"

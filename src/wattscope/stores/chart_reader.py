"""Charts at any zoom: for each column of pixels the true extremes, from the coarsest kept level.

::

    a year of seconds, 1,000 pixels ─▶ some 8,760 kept hours ─▶ 1,000 columns of min, max, mean
    an hour of it                   ─▶ its 3,600 rows        ─▶ 1,000 columns

Nothing is drawn that was not measured, and no extreme is missed: a kept bucket knows its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.errors import QueryError, StorageError
from wattscope.core.reading import Batch, concat_batches
from wattscope.ports import Chart
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.rollup_files import place_parts, read_rollup
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS, ComputedStep, Plan, StoredStep
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot

MAX_PIXELS = 10_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Kept buckets and rows alike, in any order."""

    t: Ints
    count: Ints
    sum: Floats
    min: Floats
    max: Floats
    first: Floats
    last: Floats


class ChartReader:
    """Reads what a chart of some pixels needs."""

    def __init__(self, files: CheckedFiles, rows: RowReader, rollups: RollupReader) -> None:
        self._files = files
        self._rows = rows
        self._rollups = rollups

    def read(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: int,
        range_us: tuple[int, int],
        n_pixels: int,
    ) -> Chart:
        """Columns of a chart that is ``n_pixels`` wide.

        Raises:
            QueryError: A span upside down, or no sensible number of pixels.
        """
        start_us, end_us = range_us
        if not start_us < end_us or not 1 <= n_pixels <= MAX_PIXELS:
            raise QueryError(f"a chart needs a start before its end, and 1 to {MAX_PIXELS} pixels")
        pixel_us = (end_us - start_us) / n_pixels
        level = max(
            (one for one in LEVELS if LEVEL_US[one] <= pixel_us),
            key=lambda one: LEVEL_US[one],
            default=None,
        )
        if level is None:
            rows = self._rows.read(cursor, snapshot, (series,), start_us, end_us)
            return _to_columns("raw", [_from_rows(rows)], range_us, n_pixels)
        plan = self._rollups.plan(snapshot, (series,), level, np.array(range_us, np.int64))
        used = min((step.level for step in plan.stored), key=LEVELS.index, default="raw")
        pieces = self._read_plan(cursor, snapshot, plan, range_us)
        return _to_columns(used, pieces, range_us, n_pixels)

    def _read_plan(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        plan: Plan,
        range_us: tuple[int, int],
    ) -> list[_Pieces]:
        pieces = []
        for step in plan.stored:
            try:
                pieces.append(self._read_stored(step, range_us))
            except StorageError:
                # The damage is noted; the rows are still there.
                end_us = step.span_us + snapshot.manifest.chunk_us
                again = ComputedStep(step.span_us, end_us, step.series)
                pieces.append(_from_rows(self._read_rows(cursor, snapshot, again, range_us)))
        batches = [self._read_rows(cursor, snapshot, step, range_us) for step in plan.computed]
        if plan.tail:
            rows = self._rows.read_tails(cursor, snapshot, plan.tail)
            t = rows.measured_at_us
            batches.append(rows.take((t >= range_us[0]) & (t < range_us[1])))
        pieces.append(_from_rows(concat_batches(batches)))
        return pieces

    def _read_stored(self, step: StoredStep, range_us: tuple[int, int]) -> _Pieces:
        found = read_rollup(self._files, step.part, step.series)
        if self._files.is_damaged(step.part.note):
            raise StorageError(f"{step.part.note.file} is damaged")
        t = place_parts(found, step.span_us)
        size = LEVEL_US[step.level]
        kept = (found.count > 0) & (t < range_us[1]) & (found.bucket_start_us + size > range_us[0])
        columns = (found.sum, found.min, found.max, found.first, found.last)
        return _Pieces(t[kept], found.count[kept], *(column[kept] for column in columns))

    def _read_rows(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        step: ComputedStep,
        range_us: tuple[int, int],
    ) -> Batch:
        seen = snapshot if step.has_tail else snapshot.without_tails()
        low, high = max(step.start_us, range_us[0]), min(step.end_us, range_us[1])
        return self._rows.read(cursor, seen, step.series, low, max(low, high))


def _from_rows(rows: Batch) -> _Pieces:
    usable = rows.take(rows.is_usable)
    value = usable.value
    ones = np.ones(len(usable), np.int64)
    return _Pieces(usable.measured_at_us, ones, value, value, value, value, value)


def _to_columns(
    level: str, pieces: Sequence[_Pieces], range_us: tuple[int, int], n_pixels: int
) -> Chart:
    """Pieces gathered to columns of pixels; columns without any are left out."""
    start_us, end_us = range_us
    t = np.maximum(np.concatenate([piece.t for piece in pieces]), start_us)
    order = slice(None) if (t[1:] >= t[:-1]).all() else np.argsort(t, kind="stable")

    def gather(name: str) -> npt.NDArray[np.float64]:
        column = np.concatenate([getattr(piece, name) for piece in pieces])
        ordered: npt.NDArray[np.float64] = column[order]
        return ordered

    pixel = (t[order] - start_us) * n_pixels // (end_us - start_us)
    starts = np.flatnonzero(np.r_[True, pixel[1:] != pixel[:-1]][: len(pixel)])
    if not len(starts):
        none = np.empty(0, np.float64)
        return Chart(level, np.empty(0, np.int64), np.empty(0, np.int64), *[none] * 5)
    stops = np.r_[starts[1:], len(pixel)] - 1
    count = np.add.reduceat(gather("count"), starts)
    return Chart(
        level,
        start_us + pixel[starts] * (end_us - start_us) // n_pixels,
        count.astype(np.int64),
        np.add.reduceat(gather("sum"), starts) / count,
        np.minimum.reduceat(gather("min"), starts),
        np.maximum.reduceat(gather("max"), starts),
        gather("first")[starts],
        gather("last")[stops],
    )

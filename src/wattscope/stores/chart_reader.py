"""Charts at any zoom: for each column of pixels the true extremes, from the coarsest kept level.

::

    a year of seconds, 1,000 pixels ─▶ some 8,760 kept hours ─▶ 1,000 columns of min, max, mean
    an hour of it                   ─▶ its 3,600 rows        ─▶ 1,000 columns

Nothing is drawn that was not measured, and no extreme is missed: a kept bucket knows its own.
"""

from __future__ import annotations

import duckdb
import numpy as np

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, concat_batches
from wattscope.ports import Chart
from wattscope.stores.chart_columns import (
    ChartPieces,
    choose_chart_level,
    gather_columns,
    pieces_of_rows,
)
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.rollup_files import place_parts, read_rollup
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS, ComputedStep, Plan, StoredStep
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot


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
        level = choose_chart_level(range_us, n_pixels)
        if level is None:
            rows = self._rows.read(cursor, snapshot, (series,), *range_us)
            return gather_columns("raw", [pieces_of_rows(rows)], range_us, n_pixels)
        plan = self._rollups.plan(snapshot, (series,), level, np.array(range_us, np.int64))
        used = min((step.level for step in plan.stored), key=LEVELS.index, default="raw")
        pieces = self._read_plan(cursor, snapshot, plan, range_us)
        return gather_columns(used, pieces, range_us, n_pixels)

    def _read_plan(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        plan: Plan,
        range_us: tuple[int, int],
    ) -> list[ChartPieces]:
        pieces = []
        for step in plan.stored:
            try:
                pieces.append(self._read_stored(step, range_us))
            except StorageError:
                # The damage is noted; the rows are still there.
                end_us = step.span_us + snapshot.manifest.chunk_us
                again = ComputedStep(step.span_us, end_us, step.series)
                pieces.append(pieces_of_rows(self._read_rows(cursor, snapshot, again, range_us)))
        batches = [self._read_rows(cursor, snapshot, step, range_us) for step in plan.computed]
        if plan.tail:
            rows = self._rows.read_tails(cursor, snapshot, plan.tail)
            t = rows.measured_at_us
            batches.append(rows.take((t >= range_us[0]) & (t < range_us[1])))
        pieces.append(pieces_of_rows(concat_batches(batches)))
        return pieces

    def _read_stored(self, step: StoredStep, range_us: tuple[int, int]) -> ChartPieces:
        found = read_rollup(self._files, step.part, step.series)
        if self._files.is_damaged(step.part.note):
            raise StorageError(f"{step.part.note.file} is damaged")
        t = place_parts(found, step.span_us)
        size = LEVEL_US[step.level]
        kept = (found.count > 0) & (t < range_us[1]) & (found.bucket_start_us + size > range_us[0])
        columns = (found.sum, found.min, found.max, found.first, found.last)
        return ChartPieces(t[kept], found.count[kept], *(column[kept] for column in columns))

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

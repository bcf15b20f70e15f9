"""What a store is asked: each question sees one moment of it, and reads only checked bytes.

Which moment, the store says; writing goes on meanwhile.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from wattscope.core.errors import QueryError
from wattscope.core.explanation import Explanation
from wattscope.core.reading import Batch
from wattscope.ports import Chart, Rollup, Table
from wattscope.stores.chart_reader import ChartReader
from wattscope.stores.checked_files import FileDamage
from wattscope.stores.explain import explain_answer
from wattscope.stores.snapshot import NOT_THERE, Generations, Snapshot
from wattscope.stores.sql.guard import parse_question
from wattscope.stores.sql.session import SqlViews
from wattscope.stores.sql.sound_rows import SoundRows
from wattscope.stores.workbench import Workbench


class Questions(ABC):
    """The asking half of the embedded store. Thread-safe."""

    def __init__(
        self,
        bench: Workbench,
        extra_tables: Mapping[str, Callable[[], Table]],
        query_timeout_s: float,
    ) -> None:
        """Take the tools of the folder; ``_snapshot`` tells what there is.

        Args:
            bench: Reads the files.
            extra_tables: More views for SQL, by name, read when asked.
            query_timeout_s: Longest time for one question in SQL [s].
        """
        self.catalogue = bench.catalogue
        self._engine_to_ask = bench.engine
        self._files, self._rows, self._rollups = bench.files, bench.rows, bench.rollups
        self._generations = Generations()
        self._query_timeout_s = query_timeout_s
        self._charts = ChartReader(self._files, self._rows, self._rollups)
        self._sound = SoundRows(bench.folder, bench.engine, self._files)
        self._views = SqlViews(
            bench.folder, self.catalogue, self._rollups, self._sound, extra_tables
        )

    @abstractmethod
    def _snapshot(self) -> Snapshot:
        """The store as it is now."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Table:
        """The answer to one read-only SQL question over the views of ``docs/sql.md``.

        Raises:
            QueryError: More than one statement, one that would change something, wrong SQL, or
                an answer that takes longer than the store's limit.
        """
        self.catalogue.refresh()
        with self._generations.hold():
            snapshot = self._snapshot()
            cursor = self._engine_to_ask.cursor()
            limit = threading.Timer(self._query_timeout_s, cursor.interrupt)
            limit.start()
            try:
                tree = parse_question(cursor, sql)
                self._views.prepare(cursor, tree, snapshot)
                answer = cursor.execute(sql, list(parameters))
                names = tuple(column[0] for column in answer.description or ())
                return Table(names, answer.fetchall())
            except duckdb.InterruptException as error:
                raise QueryError(
                    f"the answer took longer than {self._query_timeout_s:g} s; ask for less, or "
                    "for a coarser rollup"
                ) from error
            except duckdb.Error as error:
                raise QueryError(str(error)) from error
            finally:
                limit.cancel()
                limit.join()
                cursor.close()

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Values in ``[start, end)``, ordered by series, then time."""
        with self._asking() as (cursor, snapshot):
            return self._rows.read(cursor, snapshot, tuple(series), int(start_us), int(end_us))

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level (``1m``, ``15m``, ``1h``, ``1d``) that begin in ``[start, end)``."""
        self.catalogue.refresh()
        with self._asking() as (cursor, snapshot):
            range_us = int(start_us), int(end_us)
            return self._rollups.read(cursor, snapshot, tuple(series), level, range_us)

    def chart(self, series: int, start_us: int, end_us: int, n_pixels: int) -> Chart:
        """Mean and true extremes of a series for each of ``n_pixels`` columns of a chart.

        Raises:
            QueryError: A span upside down, or no sensible number of pixels.
        """
        with self._asking() as (cursor, snapshot):
            return self._charts.read(cursor, snapshot, series, (start_us, end_us), n_pixels)

    def explain(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Explanation:
        """Where the answer of ``roll_up``, or for ``raw`` of ``read_raw``, would come from."""
        self.catalogue.refresh()
        with self._asking() as (_, snapshot):
            range_us = int(start_us), int(end_us)
            return explain_answer(self._rollups, snapshot, tuple(series), level, range_us)

    def time_range(self) -> tuple[int, int] | None:
        """The oldest and the newest stored instant [µs]; None for an empty store."""
        snapshot = self._snapshot()
        lows = [part.min_us for span in snapshot.manifest.spans for part in span.parts]
        highs = [part.max_us for span in snapshot.manifest.spans for part in span.parts]
        lows += [span.start_us for span in snapshot.manifest.spans if span.retired]
        highs += [part.max_us for span in snapshot.manifest.spans for part in span.ends]
        lows += snapshot.tail_first[snapshot.tail_first != NOT_THERE].tolist()
        if snapshot.tails and snapshot.tail_spans:
            last = max(snapshot.tail_spans)
            cursor = self._engine_to_ask.cursor()
            rows = self._rows.read(cursor, snapshot, None, last, last + snapshot.manifest.chunk_us)
            cursor.close()
            highs += [int(rows.measured_at_us.max())] if len(rows) else []
        return (min(lows), max(highs)) if lows else None

    def last_rows(self) -> Batch:
        """The newest row of every series."""
        with self._asking() as (cursor, snapshot):
            return self._rollups.last_rows(cursor, snapshot)

    @contextmanager
    def _asking(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Snapshot]]:
        """A cursor, and one moment of the store that stays until the block ends."""
        with self._generations.hold():
            cursor = self._engine_to_ask.cursor()
            try:
                yield cursor, self._snapshot()
            finally:
                cursor.close()

    @property
    def damages(self) -> list[FileDamage]:
        """Files of which rows are lost until they are repaired, as far as they were read."""
        return self._files.damages

"""The embedded store: DuckDB in memory over the tail, sorted Parquet chunks below it.

::

    write ─▶ tail (in memory) ──flush──▶ chunk files ──roll up──▶ rollup files
                 └───────────── query ◀──────┴───────────────────────┘

It promises that a written record is seen by the next question, that writing it again changes
nothing, and that everything below ``covered_offset`` is durable here. Rows above it come again
from the log at the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.errors import QueryError
from wattscope.core.findings import ReasonCode
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, format_utc
from wattscope.ports import LogRecord, Quarantined, Rollup, StoreReceipt, Table
from wattscope.stores.catalogue import Catalogue, SeriesNames
from wattscope.stores.chunk_files import remove_strays
from wattscope.stores.engine import DEFAULT_MEMORY_MB, open_engine
from wattscope.stores.flush import Flusher
from wattscope.stores.manifest import Manifest, load_manifest
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.rows import fetch_batch, series_condition
from wattscope.stores.snapshot import Generations, Snapshot
from wattscope.stores.sql_guard import find_sql_fault
from wattscope.stores.sql_session import prepare_views
from wattscope.stores.tail import Watermarks

DEFAULT_TAIL_ROWS = 1_000_000
QUERY_TIMEOUT_S = 30.0
"""Longest time for one question in SQL [s]."""
_TAIL_COLUMNS = "(series_id INTEGER, measured_at TIMESTAMP, value DOUBLE, quality UTINYINT)"


class DuckdbStore:
    """The store port, embedded. Thread-safe; one process writes to a folder."""

    def __init__(  # noqa: PLR0913  # options are keyword-only
        self,
        folder: Path,
        names: SeriesNames,
        *,
        chunk_us: int = US_PER_DAY,
        tail_rows: int = DEFAULT_TAIL_ROWS,
        memory_mb: int = DEFAULT_MEMORY_MB,
        threads: int = 1,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        extra_tables: Mapping[str, Callable[[], Table]] | None = None,
        is_read_only: bool = False,
    ) -> None:
        """Open the folder.

        Args:
            folder: Holds the manifest and the files it names; made when missing.
            names: Series, devices and sites by name.
            chunk_us: Length of a span [µs]; only for a new folder, an old one keeps its own.
            tail_rows: A flush is due when the tail has grown to this many rows.
            memory_mb: Memory that DuckDB may use [MB]; it spills to disk beyond.
            threads: Threads of one question.
            query_timeout_s: Longest time for one question in SQL [s].
            extra_tables: More views for SQL, by name, read when asked.
            is_read_only: Never write a file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tail_rows = tail_rows
        self._is_read_only = is_read_only
        self._query_timeout_s = query_timeout_s
        self._extra_tables = dict(extra_tables or {})
        self._engine = open_engine(folder, memory_mb=memory_mb, threads=threads)
        self._lock = threading.RLock()
        self._generations = Generations()
        self._manifest = load_manifest(folder, chunk_us)
        if not is_read_only:
            remove_strays(folder, self._manifest.files())
        self.catalogue = Catalogue(names, self._engine.cursor())
        self._writer = self._engine.cursor()
        self._tails: tuple[str, ...] = ()
        self._tail_spans: dict[str, set[int]] = {}
        self._n_tail = 0
        self._next_tail = 0
        self._written_offset = self._manifest.covered_offset
        self._add_tail()
        self._marks = Watermarks()
        self._rollups = RollupReader(self.catalogue)
        self._flusher = Flusher(folder, self._engine, self.catalogue, self._generations)
        self._load_marks()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def write(self, record: LogRecord) -> StoreReceipt:
        """Take in one record; records come in order of their offset."""
        with self._lock:
            if record.offset < self._written_offset:
                return StoreReceipt(0, len(record.batch))
            receipt = StoreReceipt(0, 0)
            if len(record.batch):
                receipt = self._write_batch(record.batch)
            self._written_offset = record.offset + 1
            return receipt

    def _write_batch(self, batch: Batch) -> StoreReceipt:
        judged = self._marks.judge(batch, self._look_up)
        if len(judged.new):
            self._insert(judged.new)
        conflicts = _describe_conflicts(judged.conflicting, judged.kept_values)
        return StoreReceipt(len(judged.new), judged.n_duplicates, conflicts)

    def _insert(self, rows: Batch) -> None:
        tail = self._tails[-1]
        columns = {
            "series_id": rows.series_id,
            "measured_at": rows.measured_at_us.view("datetime64[us]"),
            "value": rows.value,
            "quality": rows.quality,
        }
        self._writer.register("new_rows", columns)
        self._writer.execute(f"INSERT INTO {tail} SELECT * FROM new_rows")  # noqa: S608  # our own table
        self._writer.unregister("new_rows")
        first = int(rows.measured_at_us.min()) // self._manifest.chunk_us
        last = int(rows.measured_at_us.max()) // self._manifest.chunk_us
        numbers = (
            {first}
            if first == last
            else set(np.unique(rows.measured_at_us // self._manifest.chunk_us).tolist())
        )
        self._tail_spans[tail] |= {number * self._manifest.chunk_us for number in numbers}
        self._n_tail += len(rows)

    def _look_up(self, asked: Batch) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Stored values under the keys of ``asked``."""
        low, high = int(asked.measured_at_us.min()), int(asked.measured_at_us.max())
        cursor = self._engine.cursor()
        keys = {
            "row": np.arange(len(asked)),
            "series_id": asked.series_id,
            "measured_at": asked.measured_at_us.view("datetime64[us]"),
        }
        cursor.register("asked", keys)
        with self._generations.hold():
            source = self._snapshot().source(low, high + 1)
            answer = cursor.execute(
                f"SELECT a.row, s.value FROM {source} s JOIN asked a "  # noqa: S608  # built of our own names
                "ON s.series_id = a.series_id AND s.measured_at = a.measured_at "
                "WHERE s.measured_at >= make_timestamp(?) AND s.measured_at <= make_timestamp(?)",
                [low, high],
            ).fetchnumpy()
        cursor.close()
        found = np.zeros(len(asked), np.bool_)
        values = np.full(len(asked), np.nan)
        found[answer["row"]] = True
        values[answer["row"]] = np.ma.filled(answer["value"], np.nan)
        return found, values

    # ── flushing ─────────────────────────────────────────────────────────────────────────────

    @property
    def covered_offset(self) -> int:
        """All records below this offset are durable in chunk files."""
        return self._manifest.covered_offset

    @property
    def written_offset(self) -> int:
        """The offset that the next record must have at least."""
        return self._written_offset

    @property
    def is_flush_due(self) -> bool:
        """Whether the tail has grown enough to be flushed."""
        return self._n_tail >= self._tail_rows

    def flush(self) -> int:
        """Write the tail to chunk files and roll up the spans that are over.

        Runs beside writing and asking; one at a time. Returns the covered offset.
        """
        with self._flusher.exclusive():
            with self._lock:
                # More than one where an earlier flush failed: none may be passed over.
                full = [tail for tail in self._tails if self._tail_spans[tail]]
                starts = {start for tail in full for start in self._tail_spans[tail]}
                covered = self._written_offset
                if full:
                    self._n_tail = 0
                if self._tails[-1] in full:
                    self._add_tail()
            manifest = self._flusher.write_tails(self._manifest, full, starts, covered)
            with self._lock:
                self._manifest = manifest
                self._tails = tuple(tail for tail in self._tails if tail not in full)
                for tail in full:
                    del self._tail_spans[tail]
            for tail in full:
                self._generations.retire(partial(self._drop_tail, tail))
            self._take_over(self._flusher.merge_parts(self._manifest))
            self._take_over(self._flusher.roll_up_spans(self._manifest))
            return self._manifest.covered_offset

    def _take_over(self, manifest: Manifest) -> None:
        """Make a new manifest the current one; files it no longer names are removed in time."""
        with self._lock:
            old = self._manifest.files() - manifest.files()
            self._manifest = manifest
        if old:
            self._generations.retire(lambda: self._remove_files(old))

    def _remove_files(self, files: set[str]) -> None:
        for file in files:
            (self._folder / file).unlink(missing_ok=True)

    def _drop_tail(self, tail: str) -> None:
        self._engine.cursor().execute(f"DROP TABLE IF EXISTS {tail}")

    def _add_tail(self) -> None:
        name = f"tail_{self._next_tail}"
        self._next_tail += 1
        self._engine.cursor().execute(f"CREATE TABLE {name} {_TAIL_COLUMNS}")
        self._tails = (*self._tails, name)
        self._tail_spans[name] = set()

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Table:
        """The answer to one read-only SQL question over the views of ``docs/sql.md``.

        Raises:
            QueryError: More than one statement, one that would change something, wrong SQL, or
                an answer that takes longer than ``QUERY_TIMEOUT_S``.
        """
        self.catalogue.refresh()
        with self._generations.hold():
            snapshot = self._snapshot()
            cursor = self._engine.cursor()
            limit = threading.Timer(self._query_timeout_s, cursor.interrupt)
            limit.start()
            try:
                fault = find_sql_fault(cursor, sql)
                if fault is not None:
                    raise QueryError(fault)
                prepare_views(cursor, sql, snapshot, self._rollups, self._extra_tables)
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
        with self._generations.hold():
            source = self._snapshot().source(start_us, end_us)
            cursor = self._engine.cursor()
            try:
                return fetch_batch(
                    cursor,
                    source,
                    f"{series_condition(series)} AND measured_at >= make_timestamp({start_us}) "
                    f"AND measured_at < make_timestamp({end_us})",
                )
            finally:
                cursor.close()

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level (``1m``, ``15m``, ``1h``, ``1d``) that begin in ``[start, end)``."""
        self.catalogue.refresh()
        with self._generations.hold():
            cursor = self._engine.cursor()
            try:
                return self._rollups.read(
                    cursor, self._snapshot(), tuple(series), level, start_us, end_us
                )
            finally:
                cursor.close()

    def time_range(self) -> tuple[int, int] | None:
        """The oldest and the newest stored instant [µs]; None for an empty store."""
        with self._generations.hold():
            cursor = self._engine.cursor()
            source = self._snapshot().source()
            low, high = cursor.execute(
                f"SELECT epoch_us(min(measured_at)), epoch_us(max(measured_at)) FROM {source}"  # noqa: S608  # our own names
            ).fetchall()[0]
            cursor.close()
        return None if low is None else (int(low), int(high))

    def last_rows(self) -> Batch:
        """The newest row of every series."""
        with self._generations.hold():
            cursor = self._engine.cursor()
            try:
                return self._rollups.last_rows(cursor, self._snapshot())
            finally:
                cursor.close()

    def is_outdated(self) -> bool:
        """Whether another process has put a newer manifest in place since this one was opened."""
        return load_manifest(self._folder, self._manifest.chunk_us) != self._manifest

    def describe(self) -> dict[str, int]:
        """Sizes for the health page."""
        manifest = self._manifest
        parts = [part for span in manifest.spans for part in span.parts]
        return {
            "tail_rows": self._n_tail,
            "chunks": len(parts),
            "chunk_rows": sum(part.rows for part in parts),
            "bytes": sum(part.size_bytes for part in parts),
            "covered_offset": manifest.covered_offset,
            "written_offset": self._written_offset,
        }

    def close(self) -> None:
        """Flush and release the files."""
        if not self._is_read_only:
            self.flush()
        with self._lock:
            self._engine.close()

    def _snapshot(self) -> Snapshot:
        with self._lock:
            spans = frozenset().union(*self._tail_spans.values())
            return Snapshot(self._folder, self._manifest, self._tails, spans)

    def _load_marks(self) -> None:
        self.catalogue.refresh()
        newest = self.last_rows()
        self._marks.raise_to(newest.series_id, newest.measured_at_us)


def _describe_conflicts(rows: Batch, kept: npt.NDArray[np.float64]) -> tuple[Quarantined, ...]:
    """What is kept aside for rows whose key already has another value."""
    return tuple(
        Quarantined(
            source="store",
            topic=f"series/{series_id}",
            payload=repr(value).encode(),
            received_at_us=t,
            code=ReasonCode.CONFLICT.value,
            detail=f"series {series_id} at {format_utc(t)} already has {stored!r}, "
            f"{value!r} came later; the first is kept",
        )
        for series_id, t, value, stored in zip(
            rows.series_id.tolist(),
            rows.measured_at_us.tolist(),
            rows.value.tolist(),
            kept.tolist(),
            strict=True,
        )
    )

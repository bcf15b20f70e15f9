"""Rows of a snapshot as columns: from chunk files page by page, and from the tails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import duckdb
import numpy as np

from wattscope.compute.runs import is_ordered
from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch, concat_batches, empty_batch
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import Part, Span
from wattscope.stores.row_cut import take_lead
from wattscope.stores.row_files import row_columns
from wattscope.stores.rows import (
    ChunkFile,
    fetch_batch,
    rows_source,
    series_condition,
    time_condition,
)
from wattscope.stores.snapshot import Snapshot

GROUP_ROWS = 1_000_000
"""About so many rows are worked on at once; more would cost memory and gain nothing."""


class RowReader:
    """Reads rows; every page is checked."""

    def __init__(self, files: CheckedFiles) -> None:
        self._files = files

    def read(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: Sequence[int] | None,
        start_us: int,
        end_us: int,
    ) -> Batch:
        """Rows in ``[start, end)``, ordered by series, then time; None asks for all series."""
        batches = [
            _within(self.read_part(cursor, part, series), part, start_us, end_us)
            for part in snapshot.parts_between(start_us, end_us)
        ]
        if snapshot.has_tail_between(start_us, end_us):
            condition = f"{series_condition(series)} AND {time_condition(start_us, end_us)}"
            batches.append(fetch_batch(cursor, rows_source([], snapshot.tails), condition))
        return order_by_series(concat_batches([one for one in batches if len(one)]))

    def read_tails(
        self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, series: Sequence[int]
    ) -> Batch:
        """Rows of the tails, ordered by series, then time."""
        return fetch_batch(cursor, rows_source([], snapshot.tails), series_condition(series))

    def read_part(
        self, cursor: duckdb.DuckDBPyConnection, part: Part, series: Sequence[int] | None
    ) -> Batch:
        """Rows of some series of a chunk file, in its order."""
        if part.note is None:
            # Of an older version: no index, so that DuckDB has to read it.
            file = ChunkFile(str(self._files.folder / part.file), part.scale)
            return fetch_batch(cursor, rows_source([file], []), series_condition(series))
        return self._files.read_part(part, series)

    def series_groups(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        start_us: int,
        end_us: int,
        sort_key: Callable[[int], tuple[int, int]] | None = None,
    ) -> Iterator[list[int]]:
        """All series with rows in ``[start, end)``, in groups of about ``GROUP_ROWS`` rows.

        In the order of ``sort_key``, else of their ids.
        """
        parts = snapshot.parts_between(start_us, end_us)
        found: set[int] = set()
        for part in parts:
            found |= self.series_of(cursor, part)
        if snapshot.has_tail_between(start_us, end_us):
            source = rows_source([], snapshot.tails)
            rows = cursor.execute(
                f"SELECT DISTINCT series_id FROM {source} WHERE {time_condition(start_us, end_us)}"  # noqa: S608  # our own names
            ).fetchall()
            found |= {int(one) for (one,) in rows}
        ids = sorted(found, key=sort_key)
        n_rows = sum(part.rows for part in parts)
        size = max(1, len(ids) * GROUP_ROWS // max(n_rows, 1))
        for start in range(0, len(ids), size):
            yield ids[start : start + size]

    def count_rows(
        self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, start_us: int
    ) -> dict[int, int]:
        """Rows of each series in the files of a span."""
        counts: dict[int, int] = {}
        for part in snapshot.parts_between(start_us, start_us + snapshot.manifest.chunk_us):
            for one, count in self._count_part(cursor, part).items():
                counts[one] = counts.get(one, 0) + count
        return counts

    def _count_part(self, cursor: duckdb.DuckDBPyConnection, part: Part) -> Mapping[int, int]:
        if part.note is not None:
            return self._files.count_rows(part.note, row_columns(part.scale))
        ids, counts = np.unique(self.read_part(cursor, part, None).series_id, return_counts=True)
        return dict(zip(ids.tolist(), counts.tolist(), strict=True))

    def series_of(self, cursor: duckdb.DuckDBPyConnection, part: Part) -> set[int]:
        """The series that have rows in a chunk file."""
        return set(self._count_part(cursor, part))

    def find_lead(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: Sequence[int],
        before_us: int | None,
    ) -> Batch:
        """The rows that a roll-up of later rows begins with, by series, then time.

        Of each series the last ``LEAD_ROWS`` rows before an instant at which a span begins (None:
        of all rows), and as many of those whose value is usable. Looks back span by span, usually
        one.
        """
        found = empty_batch()
        wanted = list(series)
        for start in reversed(snapshot.span_starts()):
            if not wanted:
                break
            if before_us is not None and start >= before_us:
                continue
            older = self._read_span(cursor, snapshot, start, wanted)
            if len(older):
                found = take_lead(order_by_series(concat_batches([older, found])))
                wanted = _lacking(found, wanted)
        return found

    def read_all_of(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        start_us: int,
        without: set[int],
    ) -> Iterator[Batch]:
        """All rows of a span but those of some series, ordered, some series at a time.

        With what retention left of series whose rows are gone.
        """
        end_us = start_us + snapshot.manifest.chunk_us
        span = snapshot.span_at(start_us)
        left = self._read_ends(span, None)
        gone = set(np.unique(left.series_id).tolist())
        for group in self.series_groups(cursor, snapshot, start_us, end_us):
            wanted = [one for one in group if one not in without and one not in gone]
            yield self.read(cursor, snapshot, wanted, start_us, end_us)
        wanted = sorted(gone.difference(without))
        rows = self.read(cursor, snapshot, wanted, start_us, end_us) if wanted else empty_batch()
        kept = left.take(np.isin(left.series_id, np.array(wanted, np.int64)))
        yield order_by_series(concat_batches([kept, rows]))

    def _read_span(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        start_us: int,
        series: list[int],
    ) -> Batch:
        """Rows of a span, with what retention left of those that are gone."""
        end_us = start_us + snapshot.manifest.chunk_us
        rows = self.read(cursor, snapshot, series, start_us, end_us)
        span = snapshot.span_at(start_us)
        if span is None or not span.retired:
            return rows
        # What came late for them counts in no bucket of that span, and so begins none either.
        is_counted = ~np.isin(rows.series_id, np.array(span.retired, np.int64))
        left = self._read_ends(span, series)
        return order_by_series(concat_batches([left, rows.take(is_counted)]))

    def _read_ends(self, span: Span | None, series: list[int] | None) -> Batch:
        """What retention left of rows that are gone."""
        ends = () if span is None else span.ends
        return concat_batches([self._files.read_part(part, series) for part in ends])


def order_by_series(rows: Batch) -> Batch:
    """The rows by series, then time; cheap where they are nearly so already."""
    if len(rows) < 2:
        return rows
    if is_ordered(rows.series_id, rows.measured_at_us):
        return rows
    used, codes = np.unique(rows.series_id, return_inverse=True)
    small = codes.astype(np.uint16 if len(used) <= 1 << 16 else np.int64)
    ordered = rows.take(np.argsort(small, kind="stable"))
    if is_ordered(ordered.series_id, ordered.measured_at_us):
        return ordered
    return rows.take(np.lexsort((rows.measured_at_us, rows.series_id)))


def _lacking(lead: Batch, series: list[int]) -> list[int]:
    """Series of which more rows would change the lead."""
    usable = lead.is_usable
    ids, counts = np.unique(lead.series_id[usable], return_counts=True)
    full = set(ids[counts >= LEAD_ROWS].tolist())
    return [one for one in series if one not in full]


def _within(rows: Batch, part: Part, start_us: int, end_us: int) -> Batch:
    if part.min_us >= start_us and part.max_us < end_us:
        return rows
    t = rows.measured_at_us
    return rows.take((t >= start_us) & (t < end_us)) if len(rows) else empty_batch()

"""The newest rows in memory: tables of DuckDB, and what must be known of them without looking.

There is one table more with each flush under way: rows that come meanwhile go to a new one. Not
thread-safe; the store's lock guards it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch
from wattscope.stores.snapshot import NOT_THERE
from wattscope.stores.tail import Watermarks

_COLUMNS = "(series_id INTEGER, measured_at TIMESTAMP, value DOUBLE, quality UTINYINT)"


@dataclass(slots=True)
class _Table:
    name: str
    spans: set[int] = field(default_factory=set)
    """Starts of the spans that have rows here [µs]."""
    late: set[int] = field(default_factory=set)
    """Series with rows that are not newer than all of theirs in files."""
    first: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(1024, NOT_THERE, np.int64))
    """Oldest instant [µs] by series id."""


class Tails:
    """The tail tables of a store."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, chunk_us: int) -> None:
        self._engine = engine
        self._writer = engine.cursor()
        self._chunk_us = chunk_us
        self._tables: list[_Table] = []
        self._n_made = 0
        self.n_rows = 0
        """Rows that no flush has taken up yet."""
        self.flushed = Watermarks()
        """The newest instant in files, by series."""
        self._add()

    @property
    def names(self) -> tuple[str, ...]:
        """The tables, oldest first."""
        return tuple(table.name for table in self._tables)

    @property
    def spans(self) -> frozenset[int]:
        """Starts of the spans that have rows here [µs]."""
        return frozenset().union(*(table.spans for table in self._tables))

    @property
    def late(self) -> frozenset[int]:
        """Series with rows that are not newer than all of theirs in files."""
        return frozenset().union(*(table.late for table in self._tables))

    def find_first(self) -> npt.NDArray[np.int64]:
        """Oldest instant [µs] by series id; ``NOT_THERE`` for those without rows."""
        columns = [table.first for table in self._tables if table.spans]
        first = np.full(max((len(column) for column in columns), default=0), NOT_THERE, np.int64)
        for column in columns:
            first[: len(column)] = np.minimum(first[: len(column)], column)
        return first

    def insert(self, rows: Batch) -> None:
        """Take in rows that are nowhere yet; at least one."""
        table = self._tables[-1]
        columns = {
            "series_id": rows.series_id,
            "measured_at": rows.measured_at_us.view("datetime64[us]"),
            "value": rows.value,
            "quality": rows.quality,
        }
        self._writer.register("new_rows", columns)
        self._writer.execute(f"INSERT INTO {table.name} SELECT * FROM new_rows")  # noqa: S608  # our own table
        self._writer.unregister("new_rows")
        self._note(table, rows)
        self.n_rows += len(rows)

    def _note(self, table: _Table, rows: Batch) -> None:
        t = rows.measured_at_us
        first, last = int(t.min()) // self._chunk_us, int(t.max()) // self._chunk_us
        numbers = {first} if first == last else set(np.unique(t // self._chunk_us).tolist())
        table.spans |= {number * self._chunk_us for number in numbers}
        highest = int(rows.series_id.max())
        if highest >= len(table.first):
            grown = np.full(2 * highest + 1, NOT_THERE, np.int64)
            grown[: len(table.first)] = table.first
            table.first = grown
        np.minimum.at(table.first, rows.series_id, t)
        is_late = t <= self.flushed.newest_of(rows.series_id)
        if is_late.any():
            table.late |= set(rows.series_id[is_late].tolist())

    def take_up(self) -> tuple[str, ...]:
        """The tables that a flush has to write; rows that come from now on go to a new one.

        More than one where an earlier flush failed: none may be passed over.
        """
        full = tuple(table.name for table in self._tables if table.spans)
        if full:
            self.n_rows = 0
        if self._tables[-1].name in full:
            self._add()
        return full

    def let_go(self, names: Sequence[str], rows: Batch) -> None:
        """Forget tables whose rows are in files now; ``drop`` removes them."""
        self._tables = [table for table in self._tables if table.name not in names]
        self.flushed.raise_to(rows.series_id, rows.measured_at_us)

    def drop(self, name: str) -> None:
        """Remove a table that nobody reads any more."""
        self._engine.cursor().execute(f"DROP TABLE IF EXISTS {name}")

    def _add(self) -> None:
        table = _Table(f"tail_{self._n_made}")
        self._n_made += 1
        self._engine.cursor().execute(f"CREATE TABLE {table.name} {_COLUMNS}")
        self._tables.append(table)

"""Preparing a cursor for a user's SQL: only the views that the question names are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import Table
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.rollup_plan import LEVELS
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.rows import ChunkFile
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.sql.bounds import Bounds, find_bounds, may_name, table_names
from wattscope.stores.sql.sound_rows import SoundRows
from wattscope.stores.sql.views import WORDS, readings_view, rollup_source, rollup_view


class SqlViews:
    """Makes the views of ``docs/sql.md`` on a cursor."""

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        rollups: RollupReader,
        sound: SoundRows,
        extra_tables: Mapping[str, Callable[[], Table]],
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._rollups = rollups
        self._sound = sound
        self._extra_tables = extra_tables

    def prepare(
        self, cursor: duckdb.DuckDBPyConnection, tree: dict[str, Any], snapshot: Snapshot
    ) -> None:
        """Make the views that a parsed question names, as much of them as it can ask for."""
        named = table_names(tree)
        if "readings" in named:
            bounds = find_bounds(cursor, tree, "readings")
            range_us = bounds.start_us, bounds.end_us
            files, tables = self._sound.find(snapshot, range_us, self._find_unasked(bounds))
            has_words = may_name(tree, "readings", WORDS)
            cursor.execute(readings_view(files, tables, has_words=has_words))
        for level in LEVELS:
            if f"rollup_{level}" in named:
                bounds = find_bounds(cursor, tree, f"rollup_{level}")
                self._prepare_rollup(cursor, level, snapshot, bounds)
        for name, read in self._extra_tables.items():
            if name in named:
                _make_table(cursor, name, read())

    def _find_unasked(self, bounds: Bounds) -> frozenset[int]:
        """Series of which no row can matter; of those that the registry does not know, any may."""
        if bounds.devices is None and bounds.quantities is None:
            return frozenset()
        asked = self._catalogue.find_series(bounds.devices, bounds.quantities)
        return frozenset(self._catalogue.rules).difference(asked)

    def _prepare_rollup(
        self, cursor: duckdb.DuckDBPyConnection, level: str, snapshot: Snapshot, bounds: Bounds
    ) -> None:
        starts = snapshot.span_starts()
        # A day more on both sides: local days begin and end outside, and gaps reach back.
        low = min([*starts, *_reaches(snapshot)], default=US_PER_DAY) - US_PER_DAY
        high = max(starts, default=0) + snapshot.manifest.chunk_us + US_PER_DAY
        range_us = (
            max(low, bounds.start_us - 2 * US_PER_DAY),
            min(high, bounds.end_us + 2 * US_PER_DAY),
        )
        series = self._catalogue.find_series(bounds.devices, bounds.quantities)
        parts, others, places = self._rollups.read_for_sql(
            cursor, snapshot, level, series, (range_us[0], max(range_us))
        )
        live = f"live_{level}"
        columns = {name: getattr(others, name) for name in ROLLUP_COLUMNS}
        cursor.register(live, {**columns, "part_start_us": places})
        files = [ChunkFile(str(self._folder / part.note.file), part.scale) for part in parts]
        cursor.execute(rollup_view(level, rollup_source(files, live)))


def _reaches(snapshot: Snapshot) -> list[int]:
    return [span.rollups.reach[0] for span in snapshot.manifest.spans if span.rollups is not None]


def _make_table(cursor: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """A small table of ours, such as ``devices``; texts, numbers and nulls only."""
    columns = ", ".join(
        f'"{column}" {_type_of(table, at)}' for at, column in enumerate(table.columns)
    )
    cursor.execute(f'CREATE TEMP TABLE "{name}" ({columns})')
    marks = ", ".join("?" for _ in table.columns)
    for row in table.rows:
        cursor.execute(f'INSERT INTO "{name}" VALUES ({marks})', list(row))  # noqa: S608  # our own name


def _type_of(table: Table, at: int) -> str:
    known = [row[at] for row in table.rows if row[at] is not None]
    if known and all(isinstance(value, bool) for value in known):
        return "BOOLEAN"
    if known and all(isinstance(value, int) for value in known):
        return "BIGINT"
    if known and all(isinstance(value, int | float) for value in known):
        return "DOUBLE"
    return "VARCHAR"

"""Rows for SQL: whole sound files as they are, and the sound rows of damaged ones in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import Part
from wattscope.stores.row_files import row_columns
from wattscope.stores.rows import ChunkFile
from wattscope.stores.snapshot import Snapshot


class SoundRows:
    """Finds all rows of a snapshot that can be believed."""

    def __init__(
        self, folder: Path, engine: duckdb.DuckDBPyConnection, files: CheckedFiles
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._files = files
        self._lock = threading.Lock()
        self._tables: dict[str, str] = {}

    def find(
        self, snapshot: Snapshot, range_us: tuple[int, int], unasked: frozenset[int]
    ) -> tuple[list[ChunkFile], list[str]]:
        """Files and tables that hold the rows in ``[start, end]``, and others beside them.

        Files with rows of unasked series alone are left out. Checks the files that were not
        checked lately.
        """
        sound: list[ChunkFile] = []
        tables = list(snapshot.tails) if snapshot.tail_spans else []
        start_us, end_us = range_us
        for part in snapshot.parts_between(start_us, end_us + 1):
            if unasked and self._has_only(part, unasked):
                continue
            if part.note is None or self._files.is_sound(part.note):
                sound.append(ChunkFile(str(self._folder / part.file), part.scale))
            else:
                tables.append(self._table_of(part))
        return sound, tables

    def _has_only(self, part: Part, unasked: frozenset[int]) -> bool:
        if part.note is None:
            return False
        return self._files.series_of(part.note, row_columns(part.scale)) <= unasked

    def forget(self, files: set[str]) -> None:
        """Let go of the rows of files that are gone."""
        with self._lock:
            gone = [self._tables.pop(file) for file in files if file in self._tables]
        for table in gone:
            self._engine.cursor().execute(f"DROP TABLE IF EXISTS {table}")

    def _table_of(self, part: Part) -> str:
        with self._lock:
            if part.file not in self._tables:
                self._tables[part.file] = self._take_in(part, f"sound_{len(self._tables)}")
            return self._tables[part.file]

    def _take_in(self, part: Part, table: str) -> str:
        rows = self._files.read_part(part, None)
        cursor = self._engine.cursor()
        cursor.execute(
            f"CREATE OR REPLACE TABLE {table} "
            "(series_id INTEGER, measured_at TIMESTAMP, value DOUBLE, quality UTINYINT)"
        )
        columns = {
            "series_id": rows.series_id,
            "measured_at": rows.measured_at_us.view("datetime64[us]"),
            "value": rows.value,
            "quality": rows.quality,
        }
        cursor.register("sound_now", columns)
        cursor.execute(f"INSERT INTO {table} SELECT * FROM sound_now")  # noqa: S608  # our own table
        cursor.unregister("sound_now")
        cursor.close()
        return table

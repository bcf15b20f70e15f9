"""The tools of a store folder without the store: for looking at files, and for mending them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from wattscope.stores.catalogue import Catalogue, SeriesNames
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.engine import open_engine
from wattscope.stores.flush import Flusher
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.row_reader import RowReader
from wattscope.stores.span_rollups import SpanRoller


@dataclass(frozen=True, slots=True)
class Workbench:
    """What reads and writes the files of one folder."""

    folder: Path
    engine: duckdb.DuckDBPyConnection
    catalogue: Catalogue
    files: CheckedFiles
    rows: RowReader
    rollups: RollupReader
    roller: SpanRoller
    flusher: Flusher

    @classmethod
    def build(
        cls,
        folder: Path,
        engine: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        files: CheckedFiles,
    ) -> Workbench:
        """The tools over an engine that is open."""
        rows = RowReader(files)
        roller = SpanRoller(folder, engine, catalogue, files, rows)
        return cls(
            folder=folder,
            engine=engine,
            catalogue=catalogue,
            files=files,
            rows=rows,
            rollups=RollupReader(catalogue, files, rows),
            roller=roller,
            flusher=Flusher(folder, engine, catalogue, files, rows, roller),
        )


@contextmanager
def open_workbench(folder: Path, names: SeriesNames) -> Iterator[Workbench]:
    """The tools of a folder; nothing is written by opening them."""
    engine = open_engine(folder)
    try:
        catalogue = Catalogue(names, engine.cursor())
        catalogue.refresh()
        yield Workbench.build(folder, engine, catalogue, CheckedFiles(folder, time.monotonic))
    finally:
        engine.close()

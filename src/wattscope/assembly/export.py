"""Values or buckets of a data folder to a file, a stretch of time and some series at a time.

It promises bounded memory, a file that appears under its name only when it is whole, and that rows
are not left out in silence: where a program removed a file that was about to be read, the folder
is opened again; where a file is damaged, that is told.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from wattscope.assembly.backup import Watch, explaining
from wattscope.assembly.folder_reader import FolderReader
from wattscope.core.errors import SettingsError, StorageError, UnknownNameError
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE
from wattscope.core.topology import Series
from wattscope.settings import Settings
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.upkeep.export import (
    BUCKET_COLUMNS,
    RAW_COLUMNS,
    Cells,
    CsvRows,
    Names,
    ParquetRows,
    Role,
    RowWriter,
    bucket_cells,
    raw_cells,
)
from wattscope.stores.upkeep.row_sums import Stretch, group_series, plan_reads

_MARGIN_US = 2 * US_PER_DAY
"""A local day begins before its first row, and a counter's step may end behind a span's last."""
_LONGEST_US = 500_000 * US_PER_MINUTE
"""Longest stretch without rows that is asked for at once [µs]."""

_BUCKET_COST = 4
"""Buckets from a row need about so many times its memory."""


class ExportFormat(Enum):
    """How a file is written."""

    CSV = "csv"
    PARQUET = "parquet"


class ExportLevel(Enum):
    """What is written: values, or buckets of this length."""

    RAW = "raw"
    MINUTE = "1m"
    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"


@dataclass(frozen=True, slots=True)
class ExportWish:
    """What is to be written."""

    level: ExportLevel
    format: ExportFormat
    start_us: int | None = None
    """None: from the oldest on."""
    end_us: int | None = None
    """None: to the newest."""
    devices: tuple[str, ...] = ()
    """None named: all."""
    quantities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    rows: int
    n_series: int
    damages: tuple[str, ...]
    """Files of which rows could not be read."""


def export_rows(
    settings: Settings, data: Path, file: Path, wish: ExportWish, watch: Watch
) -> Exported:
    """Write values or buckets to a file; a program may be writing to the folder.

    Args:
        settings: Those of the data folder.
        data: The data folder.
        file: Missing; appears when it is whole.
        wish: What is to be written.
        watch: Told of progress [µs of the time that is written].

    Raises:
        SettingsError: There is no data.
        StorageError: The file exists, or the disk refuses.
        UnknownNameError: A device or quantity that is not there.
    """
    if not (data / "registry.sqlite").exists():
        raise SettingsError([f"there is no data in {data}"])
    if file.exists():
        raise StorageError(f"{file} exists; choose another name, or remove it")
    with contextlib.ExitStack() as stack:
        reader = FolderReader(settings, data, stack)
        series = _choose_series(reader.storage.registry.list_series(), wish)
        with explaining(f"export to {file}"), _write_aside(file) as out:
            n_rows = _export(reader, series, wish, out, watch)
        damages = tuple(sorted(reader.damages))
    return Exported(n_rows, len(series), damages)


def _choose_series(known: Sequence[Series], wish: ExportWish) -> list[Series]:
    """The series that are asked for, by id."""
    faults = [
        f"{kind} {name!r} is not in the data"
        for kind, wanted, there in (
            ("device", wish.devices, {one.device for one in known}),
            ("quantity", wish.quantities, {one.quantity.name for one in known}),
        )
        for name in wanted
        if name not in there
    ]
    if faults:
        raise UnknownNameError("; ".join(faults) + "; see 'wattscope devices'")
    return [
        one
        for one in known
        if (not wish.devices or one.device in wish.devices)
        and (not wish.quantities or one.quantity.name in wish.quantities)
    ]


@contextlib.contextmanager
def _write_aside(file: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when the block ends without an error."""
    aside = file.with_name(file.name + ".partial")
    try:
        with aside.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def _export(
    reader: FolderReader,
    series: Sequence[Series],
    wish: ExportWish,
    out: BinaryIO,
    watch: Watch,
) -> int:
    columns: Mapping[str, Role]
    columns = RAW_COLUMNS if wish.level is ExportLevel.RAW else BUCKET_COLUMNS
    writer: RowWriter
    writer = CsvRows(out, columns) if wish.format is ExportFormat.CSV else ParquetRows(out, columns)
    names, n_rows = Names.build(series), 0
    start_us, end_us = _find_range(reader.storage.store, wish)
    stretches = _plan(reader.storage.store, [one.id for one in series], wish, (start_us, end_us))
    for one in stretches:
        cells, n_found = reader.read(lambda store, one=one: _read(store, one, wish.level, names))  # type: ignore[misc]  # the default binds the loop's stretch
        if n_found:
            writer.write(cells)
            n_rows += n_found
        watch("exporting", one.end_us - start_us, end_us - start_us)
    writer.close()
    return n_rows


def _find_range(store: DuckdbStore, wish: ExportWish) -> tuple[int, int]:
    """First instant, and the one to end before."""
    low, high = store.time_range() or (0, 0)
    margin = 0 if wish.level is ExportLevel.RAW else _MARGIN_US
    start = low - margin if wish.start_us is None else wish.start_us
    end = high + 1 + margin if wish.end_us is None else wish.end_us
    return start, max(start, end)


def _plan(
    store: DuckdbStore, series: Sequence[int], wish: ExportWish, range_us: tuple[int, int]
) -> list[Stretch]:
    """What is read, in this order, each time so much that it fits into memory."""
    start_us, end_us = range_us
    if not series or start_us >= end_us:
        return []
    if wish.level is ExportLevel.RAW:
        return list(plan_reads(store, series, start_us, end_us))
    # Buckets may lie where no rows do: between two readings of a counter.
    counts = store.count_span_rows()
    inner = {edge for span in counts for edge in (span, span + store.chunk_us)}
    edges = sorted({start_us, end_us} | {edge for edge in inner if start_us < edge < end_us})
    # The buckets of a stretch may need the rows of its neighbours.
    n_rows = _BUCKET_COST * max(counts.values(), default=0)
    return [
        Stretch(group, low, min(low + _LONGEST_US, after))
        for before, after in itertools.pairwise(edges)
        for low in range(before, after, _LONGEST_US)
        for group in group_series(series, n_rows)
    ]


def _read(
    store: DuckdbStore, one: Stretch, level: ExportLevel, names: Names
) -> tuple[dict[str, Cells], int]:
    if level is ExportLevel.RAW:
        rows = store.read_raw(one.series, one.start_us, one.end_us)
        return raw_cells(rows, names), len(rows)
    rollup = store.roll_up(one.series, level.value, one.start_us, one.end_us)
    return bucket_cells(rollup, names), len(rollup.series_id)

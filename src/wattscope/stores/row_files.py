"""Writing chunk files: Parquet, sorted, aside first, then fsynced and named.

Any tool reads them: the columns are ``series_id, site, device, quantity, measured_at, value,
quality`` for readings (``measured_at`` in UTC, ``value`` in base units, a decimal or a float, NULL
where the source said that there is none).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from wattscope.compute.decimals import FLOAT_SCALE, find_scales
from wattscope.core.reading import Batch, concat_batches
from wattscope.stores.labels import Labels
from wattscope.stores.manifest import FileNote, Part
from wattscope.stores.parquet.layout import GROUP_ROWS, Column, Kind
from wattscope.stores.parquet.runs import Runs, find_starts
from wattscope.stores.parquet.writer import NULL, Cells, ParquetWriter
from wattscope.stores.stretches import gather

Columns = dict[str, Cells]


@cache
def row_columns(scale: int | None) -> tuple[Column, ...]:
    """The columns of a chunk file."""
    value = Column("value", Kind.FLOAT) if scale is None else Column("value", Kind.DECIMAL, scale)
    return (
        Column("series_id", Kind.SMALL),
        Column("site", Kind.TEXT),
        Column("device", Kind.TEXT),
        Column("quantity", Kind.TEXT),
        Column("measured_at", Kind.TIME),
        value,
        Column("quality", Kind.SMALL, is_byte=True),
    )


def write_rows(path: Path, batches: Iterable[Batch], labels: Labels) -> tuple[Part, ...]:
    """Write rows to chunk files, one for each number of decimals.

    A series whose values are decimals of few digits is kept as just those: exact, and a third of
    the size of floats. Sorted by quantity, series and time, like stands beside like.

    Args:
        path: Name of the files but for their decimals; each appears only when it is whole.
        batches: Rows in the order of ``Labels.order`` over all of them; a series is in one only.
        labels: Names of the series.

    Returns:
        What the manifest says of the files; none when there are no rows.
    """
    open_files: dict[int, _RowFile] = {}
    try:
        for batch in batches:
            for scale, rows in _split_by_scale(batch):
                if scale not in open_files:
                    open_files[scale] = _RowFile.open(path, scale, labels)
                open_files[scale].add(rows)
        return tuple(open_files[scale].finish() for scale in sorted(open_files))
    finally:
        for file in open_files.values():
            file.abandon()


def _split_by_scale(batch: Batch) -> list[tuple[int, Batch]]:
    """The rows by the decimals of their series, each in order."""
    if not len(batch):
        return []
    series = batch.series_id
    starts = find_starts(series)
    scales = find_scales(batch.value, starts)
    used = np.unique(scales).tolist()
    if len(used) == 1:
        return [(used[0], batch)]
    stops = np.append(starts[1:], len(series))
    return [
        (scale, gather(batch, starts[scales == scale], stops[scales == scale])) for scale in used
    ]


@dataclass(slots=True)
class _RowFile:
    """A chunk file under way; rows are gathered to whole row groups."""

    path: Path
    scale: int | None
    labels: Labels
    file: BinaryIO
    writer: ParquetWriter
    waiting: list[Batch] = field(default_factory=list)
    n_waiting: int = 0
    min_us: int = np.iinfo(np.int64).max
    max_us: int = np.iinfo(np.int64).min

    @classmethod
    def open(cls, path: Path, scale: int, labels: Labels) -> _RowFile:
        """Begin a file aside."""
        known = None if scale == FLOAT_SCALE else scale
        path = path.with_stem(f"{path.stem}-{'f' if known is None else known}")
        file = path.with_suffix(".new").open("wb")
        return cls(path, known, labels, file, ParquetWriter(file, row_columns(known)))

    def add(self, rows: Batch) -> None:
        """Take rows that come behind all earlier ones."""
        self.waiting.append(rows)
        self.n_waiting += len(rows)
        self.min_us = min(self.min_us, int(rows.measured_at_us.min()))
        self.max_us = max(self.max_us, int(rows.measured_at_us.max()))
        if self.n_waiting >= GROUP_ROWS:
            self._write(self.n_waiting // GROUP_ROWS * GROUP_ROWS)

    def _write(self, n_rows: int) -> None:
        rows = concat_batches(self.waiting)
        rest = rows.take(slice(n_rows, None))
        self.waiting, self.n_waiting = [rest], len(rest)
        self.writer.write(_to_columns(rows.take(slice(0, n_rows)), self.scale, self.labels))

    def finish(self) -> Part:
        """Write the rest, make the file durable and give it its name."""
        if self.n_waiting:
            self._write(self.n_waiting)
        note = close_file(self.file, self.writer, self.path)
        return Part(
            note.file, note.rows, self.min_us, self.max_us, note.size_bytes, self.scale, note
        )

    def abandon(self) -> None:
        """Remove what was not finished."""
        self.file.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.with_suffix(".new").unlink()


def close_file(file: BinaryIO, writer: ParquetWriter, path: Path) -> FileNote:
    """Finish a file that was written aside, make it durable and give it its name."""
    closed = writer.close()
    file.flush()
    os.fsync(file.fileno())
    file.close()
    path.with_suffix(".new").replace(path)
    sync_folder(path.parent)
    return FileNote(
        path.name,
        closed.n_rows,
        closed.size_bytes,
        closed.crc,
        closed.index_at,
        closed.index_size,
        closed.index_crc,
    )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder that is still there after a power cut."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def _to_columns(rows: Batch, scale: int | None, labels: Labels) -> Columns:
    value: npt.NDArray[Any] = rows.value
    if scale is not None:
        value = to_decimal(rows.value, scale)
    series = Runs.of(rows.series_id)
    return {
        "series_id": series,
        **labels.text_runs(series),
        "measured_at": rows.measured_at_us,
        "value": value,
        "quality": Runs.of(rows.quality),
    }


def to_decimal(value: npt.NDArray[np.float64], scale: int) -> npt.NDArray[np.int64]:
    """Whole numbers of a decimal column; NaN becomes null."""
    is_missing = np.isnan(value)
    if not is_missing.any():
        return np.rint(value * 10.0**scale).astype(np.int64)
    numbers = np.rint(np.where(is_missing, 0.0, value) * 10.0**scale).astype(np.int64)
    numbers[is_missing] = NULL
    return numbers


def remove_strays(folder: Path, named: set[str]) -> int:
    """Remove files that the manifest does not name: work that was cut off. Returns how many."""
    strays = [
        path
        for path in folder.iterdir()
        if path.name not in named and path.suffix in {".parquet", ".new"}
    ]
    for path in strays:
        path.unlink()
    return len(strays)

"""Files of buckets: one a level and number of decimals, sorted by series, then bucket.

Columns as in ``docs/sql.md``: sums and extremes are decimals like the values they come from,
``increase`` and ``energy_wh`` floats, ``bucket_start_us`` in microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wattscope.compute.rollups import ROLLUP_COLUMNS, select_buckets
from wattscope.ports import Rollup
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import RollupPart
from wattscope.stores.parquet.layout import Column, Kind
from wattscope.stores.parquet.writer import ParquetWriter
from wattscope.stores.row_files import close_file, to_decimal

_VALUES = ("sum", "min", "max", "first", "last")
"""Columns with the decimals of the values."""
_FLOATS = ("increase", "energy_wh", "coverage")
MAX_REMEMBERED = 2 << 20
"""A file of so many bytes at most is kept decoded for a while."""
_MAX_SUM = 9e17
"""A DECIMAL(18) ends here, whatever its scale."""


@cache
def rollup_columns(scale: int | None) -> tuple[Column, ...]:
    """The columns of a rollup file."""
    value = Column("", Kind.FLOAT) if scale is None else Column("", Kind.DECIMAL, scale)
    return (
        Column("series_id", Kind.SMALL),
        Column("bucket_start_us", Kind.WHOLE),
        Column("part_start_us", Kind.WHOLE),
        Column("count", Kind.WHOLE),
        *(Column(name, value.kind, value.scale) for name in _VALUES),
        *(Column(name, Kind.FLOAT) for name in _FLOATS),
    )


def write_rollup(
    path: Path, rollup: Rollup, scales: dict[int, int | None], span_us: int
) -> tuple[RollupPart, ...]:
    """Write the buckets of a level of a span, one file for each number of decimals.

    Args:
        path: Name of the files but for their decimals.
        rollup: Buckets by series, then bucket.
        scales: Decimals of each series' values; None for floats.
        span_us: Start of the span.
    """
    if not len(rollup.series_id):
        return ()
    ids = np.unique(rollup.series_id)
    known = [scales.get(one) for one in ids.tolist()]
    coded = np.array([-1 if scale is None else scale for scale in known], np.int64)
    of_row = coded[np.searchsorted(ids, rollup.series_id)]
    sums = np.abs(rollup.sum) * 10.0 ** np.maximum(of_row, 0)
    too_large = np.unique(rollup.series_id[sums > _MAX_SUM])
    of_row[np.isin(rollup.series_id, too_large)] = -1
    return tuple(
        _write_part(
            path, select_buckets(rollup, of_row == scale), None if scale < 0 else scale, span_us
        )
        for scale in np.unique(of_row).tolist()
    )


def _write_part(path: Path, rollup: Rollup, scale: int | None, span_us: int) -> RollupPart:
    path = path.with_stem(f"{path.stem}-{'f' if scale is None else scale}")
    columns: dict[str, npt.NDArray[Any]] = {name: getattr(rollup, name) for name in ROLLUP_COLUMNS}
    columns["part_start_us"] = place_parts(rollup, span_us)
    if scale is not None:
        columns |= {name: to_decimal(columns[name], scale) for name in _VALUES}
    with path.with_suffix(".new").open("wb") as file:
        writer = ParquetWriter(file, rollup_columns(scale))
        writer.write(columns)
        note = close_file(file, writer, path)
    bucket = rollup.bucket_start_us
    return RollupPart(note, scale, int(bucket.min()), int(bucket.max()))


def place_parts(rollup: Rollup, first_us: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where the values of buckets begin [µs]: not before the first row that they are made from.

    By this the parts of one bucket are put in order. A part without values may lie anywhere.
    """
    start = rollup.bucket_start_us
    return np.where(rollup.count > 0, np.maximum(start, first_us), start)


def read_rollup(files: CheckedFiles, part: RollupPart, series: Sequence[int] | None) -> Rollup:
    """Sound buckets of some series of a file, in its order.

    Raises:
        StorageError: The file cannot be read; the damage is noted.
    """
    kept = files.remembered(part.note)
    if isinstance(kept, Rollup):
        return kept if series is None else _select_series(kept, series)
    is_small = part.note.size_bytes <= MAX_REMEMBERED
    asked = None if is_small else series
    found = files.read(part.note, rollup_columns(part.scale), ROLLUP_COLUMNS, asked)
    rollup = Rollup(
        found["series_id"].astype(np.int32),
        found["bucket_start_us"].astype(np.int64, copy=False),
        found["count"].astype(np.int64, copy=False),
        *(found[name].astype(np.float64, copy=False) for name in ROLLUP_COLUMNS[3:]),
    )
    if is_small and not files.is_damaged(part.note):
        n_bytes = sum(getattr(rollup, name).nbytes for name in ROLLUP_COLUMNS)
        files.remember(part.note, rollup, n_bytes)
    return rollup if not is_small or series is None else _select_series(rollup, series)


def _select_series(rollup: Rollup, series: Sequence[int]) -> Rollup:
    """The buckets of some series; they lie series by series."""
    if len(series) == 1:
        # In the type of the column, which would be converted as a whole otherwise.
        asked = np.array([series[0], series[0] + 1], rollup.series_id.dtype)
        low, high = rollup.series_id.searchsorted(asked).tolist()
        return Rollup(*(getattr(rollup, name)[low:high] for name in ROLLUP_COLUMNS))
    return select_buckets(rollup, np.isin(rollup.series_id, np.array(series, np.int64)))


def series_of(files: CheckedFiles, part: RollupPart) -> set[int]:
    """The series whose buckets a file holds."""
    return files.series_of(part.note, rollup_columns(part.scale))

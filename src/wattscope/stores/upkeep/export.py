"""Rows and buckets as files for other programs: CSV and Parquet, written as they come.

CSV is that of RFC 4180, with a header. A text that a spreadsheet would take for a formula gets an
apostrophe before it (OWASP, "CSV Injection"); numbers are left alone. Measured values have the
digits with which they were measured; of computed ones 15 digits are written, for those behind are
noise of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch, Quality
from wattscope.core.topology import Series
from wattscope.ports import Rollup
from wattscope.stores.labels import Labels
from wattscope.stores.parquet.layout import Column, Kind
from wattscope.stores.parquet.writer import ParquetWriter, TextColumn

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = frozenset(',"\r\n')
_LINE_END = "\r\n"
_BLOCK_ROWS = 50_000
"""Rows that are texts in memory at once."""
_WORDS = tuple(
    " ".join(str(flag.name).lower() for flag in Quality if flag & bits) or "good"
    for bits in range(16)
)
"""Qualities in words, as the view ``readings`` has them."""


class Role(Enum):
    """What a column of an export holds, and so how it is written."""

    TEXT = "text"
    TIME = "time"
    COUNT = "count"
    MEASURED = "measured"
    COMPUTED = "computed"


_KINDS = {
    Role.TEXT: Kind.TEXT,
    Role.TIME: Kind.TIME,
    Role.COUNT: Kind.WHOLE,
    Role.MEASURED: Kind.FLOAT,
    Role.COMPUTED: Kind.FLOAT,
}

Cells = npt.NDArray[np.int64] | npt.NDArray[np.float64] | TextColumn
RAW_COLUMNS: Mapping[str, Role] = {
    "measured_at": Role.TIME,
    "site": Role.TEXT,
    "device": Role.TEXT,
    "quantity": Role.TEXT,
    "value": Role.MEASURED,
    "unit": Role.TEXT,
    "quality": Role.TEXT,
}
BUCKET_COLUMNS: Mapping[str, Role] = {
    "bucket_start": Role.TIME,
    "site": Role.TEXT,
    "device": Role.TEXT,
    "quantity": Role.TEXT,
    "unit": Role.TEXT,
    "count": Role.COUNT,
    "mean": Role.COMPUTED,
    "min": Role.MEASURED,
    "max": Role.MEASURED,
    "sum": Role.COMPUTED,
    "first": Role.MEASURED,
    "last": Role.MEASURED,
    "increase": Role.COMPUTED,
    "energy_wh": Role.COMPUTED,
    "coverage": Role.COMPUTED,
}


class RowWriter(Protocol):
    """Writes columns of equal length behind those before."""

    def write(self, rows: Mapping[str, Cells]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Names:
    """Site, device, quantity and unit of each series."""

    labels: Labels
    units: list[str]
    unit_code: npt.NDArray[np.int64]

    @classmethod
    def build(cls, series: Sequence[Series]) -> Names:
        """The names of some series."""
        units = sorted({one.quantity.unit for one in series})
        code = np.full(max((one.id for one in series), default=-1) + 2, -1, np.int64)
        for one in series:
            code[one.id] = units.index(one.quantity.unit)
        return cls(Labels.build(series), units, code)

    def columns(self, series_id: npt.NDArray[np.int32]) -> dict[str, Cells]:
        """The four columns of some rows."""
        at = np.minimum(series_id, len(self.unit_code) - 1)
        unit = TextColumn(self.unit_code[at], self.units)
        return {**self.labels.text_columns(series_id), "unit": unit}


def raw_cells(rows: Batch, names: Names) -> dict[str, Cells]:
    """Rows as ``RAW_COLUMNS``."""
    quality = TextColumn(rows.quality.astype(np.int64) & 15, _WORDS)
    return {
        "measured_at": rows.measured_at_us,
        **names.columns(rows.series_id),
        "value": rows.value,
        "quality": quality,
    }


def bucket_cells(rollup: Rollup, names: Names) -> dict[str, Cells]:
    """Buckets as ``BUCKET_COLUMNS``."""
    has_values = rollup.count > 0
    mean = np.where(has_values, rollup.sum / np.maximum(rollup.count, 1), np.nan)
    return {
        "bucket_start": rollup.bucket_start_us,
        **names.columns(rollup.series_id),
        "count": rollup.count,
        "mean": mean,
        **{
            name: getattr(rollup, name)
            for name in ("min", "max", "sum", "first", "last", "increase", "energy_wh", "coverage")
        },
    }


class CsvRows:
    """A CSV file; the header is written at once."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, Role]) -> None:
        self._file = file
        self._columns = columns
        self._file.write((",".join(columns) + _LINE_END).encode())

    def write(self, rows: Mapping[str, Cells]) -> None:
        """Append rows."""
        n_rows = len(next(iter(rows.values())))
        for start in range(0, n_rows, _BLOCK_ROWS):
            texts = [
                _write_cells(_slice(rows[name], start, start + _BLOCK_ROWS), role)
                for name, role in self._columns.items()
            ]
            lines = map(",".join, zip(*texts, strict=True))
            self._file.write("".join(line + _LINE_END for line in lines).encode())

    def close(self) -> None:
        """Nothing is left to write."""


class ParquetRows:
    """A Parquet file by the store's own writer."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, Role]) -> None:
        described = [Column(name, _KINDS[role]) for name, role in columns.items()]
        self._writer = ParquetWriter(file, described)

    def write(self, rows: Mapping[str, Cells]) -> None:
        """Append rows as row groups."""
        self._writer.write(rows)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def _slice(cells: Cells, start: int, stop: int) -> Cells:
    if isinstance(cells, TextColumn):
        return TextColumn(cells.codes[start:stop], cells.names)
    return cells[start:stop]


def _write_cells(cells: Cells, role: Role) -> Iterator[str]:
    if isinstance(cells, TextColumn):
        # The last entry stands for null, whose code is -1.
        words = [*map(escape_text, cells.names), ""]
        return (words[code] for code in cells.codes.tolist())
    if role is Role.TIME:
        return iter(format_times(cells.astype(np.int64, copy=False)))
    if role is Role.COUNT:
        return map(str, cells.tolist())
    is_measured = role is Role.MEASURED
    return map(format_measured if is_measured else format_computed, cells.tolist())


def escape_text(text: str) -> str:
    """A text as a cell: no formula, and in quotes where it needs them.

    >>> escape_text("=1+1"), escape_text('a "b", c'), escape_text("shed")
    ("'=1+1", '"a ""b"", c"', 'shed')
    """
    if text.startswith(_DANGEROUS):
        text = "'" + text
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def format_measured(value: float) -> str:
    """The fewest digits that give the value back to the last bit; nothing for NaN.

    >>> format_measured(230.5), format_measured(7.0), format_measured(0.1), format_measured(-0.0)
    ('230.5', '7', '0.1', '-0.0')
    """
    if value != value:  # noqa: PLR0124  # NaN, several times faster than math.isnan here
        return ""
    text = repr(value)
    return text[:-2] if text.endswith(".0") and text != "-0.0" else text


def format_computed(value: float) -> str:
    """The value in 15 digits; nothing for NaN.

    >>> format_computed(0.1 + 0.2), format_computed(float("nan"))
    ('0.3', '')
    """
    return "" if value != value else f"{value:.15g}"  # noqa: PLR0124  # as above


def format_times(instants_us: npt.NDArray[np.int64]) -> list[str]:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    at = instants_us.view("datetime64[us]")
    is_whole = instants_us % 1_000_000 == 0
    seconds = np.datetime_as_string(at.astype("datetime64[s]"), timezone="UTC")
    if is_whole.all():
        return list(seconds.tolist())
    exact = np.datetime_as_string(at, timezone="UTC")
    return list(np.where(is_whole, seconds, exact).tolist())

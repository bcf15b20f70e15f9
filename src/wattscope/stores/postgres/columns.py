"""Columns of ours on the wire of PostgreSQL, without an object a value.

Binary forms as in its documentation: "COPY", section "Binary Format"; arrays and instants as their
``recv`` functions read them. An instant there is counted in microseconds since 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.core.reading import Batch, Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.ports import Rollup

Connection = psycopg.Connection[tuple[Any, ...]]

ALWAYS: Final = int(np.iinfo(np.int64).min)
"""Before every instant: ``-infinity`` there."""
NEVER: Final = int(np.iinfo(np.int64).max)
"""Behind every instant: ``infinity`` there."""
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END: Final = b"\xff\xff"
_EPOCH_US: Final = 946_684_800 * US_PER_S
# 4713 BC ("Date/Time Types", table 8.9); its last year is behind what our instants can tell.
_LOWEST_US: Final = -211_813_488_000_000_000 + _EPOCH_US
_ARRAY_HEAD: Final = 20


def to_server(instants_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Instants as the server counts them; before its calendar they are infinite."""
    moved: npt.NDArray[np.int64] = np.maximum(instants_us, _LOWEST_US) - _EPOCH_US
    moved[instants_us < _LOWEST_US] = ALWAYS
    moved[instants_us == NEVER] = NEVER
    return moved


def from_server(instants: npt.NDArray[np.int64]) -> Int64Column:
    """Instants [µs since 1970]; infinite ones are ``ALWAYS`` and ``NEVER``."""
    is_finite = (instants != ALWAYS) & (instants != NEVER)
    return np.where(is_finite, np.where(is_finite, instants, 0) + _EPOCH_US, instants)


# ── parameters ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of ``int4``."""

    column: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Counts:
    """A column of ``int8``."""

    column: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Instants:
    """A column of ``timestamptz`` [µs since 1970]."""

    column: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Instant:
    """One ``timestamptz`` [µs since 1970]."""

    instant_us: int


@dataclass(frozen=True, slots=True)
class Values:
    """A column of ``float8``."""

    column: npt.ArrayLike


class _ColumnDumper(Dumper):
    """A column as a binary array."""

    format = Format.BINARY
    element_oid: ClassVar[int]
    kind: ClassVar[str]

    def dump(self, obj: Any) -> Buffer:  # noqa: ANN401  # one of the classes above
        column = np.asarray(obj.column)
        if self.kind == ">i8":
            column = column.astype(np.int64)
        if isinstance(obj, Instants):
            column = to_server(column)
        return encode_array(column, self.element_oid, self.kind)


class _NumberDumper(_ColumnDumper):
    oid, element_oid, kind = 1007, 23, ">i4"


class _CountDumper(_ColumnDumper):
    oid, element_oid, kind = 1016, 20, ">i8"


class _InstantDumper(_ColumnDumper):
    oid, element_oid, kind = 1185, 1184, ">i8"


class _OneInstantDumper(Dumper):
    format = Format.BINARY
    oid = 1184

    def dump(self, obj: Any) -> Buffer:  # noqa: ANN401  # an ``Instant``
        return to_server(np.array([obj.instant_us], np.int64)).astype(">i8").tobytes()


class _ValueDumper(_ColumnDumper):
    oid, element_oid, kind = 1022, 701, ">f8"


def register_columns(connection: Connection) -> None:
    """Let columns be parameters of a connection's statements."""
    connection.adapters.register_dumper(Numbers, _NumberDumper)
    connection.adapters.register_dumper(Counts, _CountDumper)
    connection.adapters.register_dumper(Instants, _InstantDumper)
    connection.adapters.register_dumper(Instant, _OneInstantDumper)
    connection.adapters.register_dumper(Values, _ValueDumper)


def encode_array(column: npt.NDArray[Any], element_oid: int, kind: str) -> bytes:
    """One dimension, no nulls."""
    size = np.dtype(kind).itemsize
    elements = np.empty(len(column), np.dtype([("size", ">i4"), ("value", kind)]))
    elements["size"], elements["value"] = size, column
    n_dimensions = 1 if len(column) else 0
    head = [n_dimensions, 0, element_oid, *([len(column), 1] if n_dimensions else [])]
    return np.array(head, ">i4").tobytes() + elements.tobytes()


def decode_array(content: bytes, kind: str) -> npt.NDArray[Any]:
    """The elements of a binary array of one dimension without nulls."""
    record = np.dtype([("size", ">i4"), ("value", kind)])
    elements = np.frombuffer(content, record, offset=_ARRAY_HEAD)
    return elements["value"].astype(np.dtype(kind).newbyteorder("="))


# ── COPY ─────────────────────────────────────────────────────────────────────────────────────────


def encode_rows(rows: Batch) -> list[bytes]:
    """Rows of ``raw_rows`` in pieces; a value that is not there is NULL. Their order may change."""
    is_missing = np.isnan(rows.value)
    if not is_missing.any():
        return [_encode_valued(rows)]
    return [_encode_valued(rows.take(~is_missing)), _encode_missing(rows.take(is_missing))]


def _encode_valued(rows: Batch) -> bytes:
    return _encode(
        [
            (rows.series_id, ">i4"),
            (to_server(rows.measured_at_us), ">i8"),
            (rows.value, ">f8"),
            (rows.quality, ">i2"),
        ]
    )


def _encode_missing(rows: Batch) -> bytes:
    layout = [("n", ">i2"), ("l0", ">i4"), ("series", ">i4"), ("l1", ">i4"), ("t", ">i8")]
    layout += [("null", ">i4"), ("l2", ">i4"), ("quality", ">i2")]
    records = np.empty(len(rows), np.dtype(layout))
    records["n"], records["l0"], records["l1"], records["l2"] = 4, 4, 8, 2
    records["series"], records["t"] = rows.series_id, to_server(rows.measured_at_us)
    records["null"], records["quality"] = -1, rows.quality
    return records.tobytes()


def encode_buckets(rollup: Rollup) -> bytes:
    """Rows of a table of buckets."""
    columns: list[tuple[npt.NDArray[Any], str]] = [
        (rollup.series_id, ">i4"),
        (to_server(rollup.bucket_start_us), ">i8"),
        (rollup.count, ">i8"),
    ]
    columns += [(getattr(rollup, name), ">f8") for name in ROLLUP_COLUMNS[3:]]
    return _encode(columns)


def _encode(columns: list[tuple[npt.NDArray[Any], str]]) -> bytes:
    layout = [("n", ">i2")]
    for at, (_, kind) in enumerate(columns):
        layout += [(f"size{at}", ">i4"), (f"value{at}", kind)]
    records = np.empty(len(columns[0][0]), np.dtype(layout))
    records["n"] = len(columns)
    for at, (column, kind) in enumerate(columns):
        records[f"size{at}"], records[f"value{at}"] = np.dtype(kind).itemsize, column
    return records.tobytes()

"""What a column is in a Parquet file, and where its pages lie: shared by writer and reader."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass

import msgspec

from wattscope.stores.parquet.thrift import Struct, Value, i8, i32, struct

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"PAR1"
GROUP_ROWS = 122_880
"""Rows of a row group, the unit in which other tools read."""
PAGE_ROWS = 8_192
"""Rows of a page of numbers, the unit in which we read and check."""
DATA_PAGE, DICTIONARY_PAGE = 0, 2
CODEC_ZSTD = 6
INT32, INT64, DOUBLE, BYTE_ARRAY = 1, 2, 5, 6
DECIMAL_PRECISION = 18


class Kind(enum.Enum):
    """What a column holds, and so how it is written."""

    TEXT = "text"
    """Names, repeated over long runs; may be null."""
    SMALL = "small"
    """Few different whole numbers in runs: series and quality."""
    TIME = "time"
    """Microseconds since 1970."""
    WHOLE = "whole"
    """Whole numbers."""
    DECIMAL = "decimal"
    """Whole numbers and a scale; may be null."""
    FLOAT = "float"
    """Floats; NaN is written as null."""


class Encoding(enum.IntEnum):
    """How the values of a page are written; numbers of the Parquet format."""

    PLAIN = 0
    DELTA_BINARY_PACKED = 5
    RLE_DICTIONARY = 8
    BYTE_STREAM_SPLIT = 9


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of a file."""

    name: str
    kind: Kind
    scale: int = 0
    """Digits behind the decimal point of a decimal."""
    is_byte: bool = False
    """Whether a small number is an unsigned byte."""

    @property
    def is_nullable(self) -> bool:
        """Whether its pages say which rows are null."""
        kind = self.kind
        return kind is Kind.DECIMAL or kind is Kind.FLOAT or kind is Kind.TEXT

    @property
    def is_paged(self) -> bool:
        """Whether a row group has many pages of it, rather than one."""
        return self.kind not in {Kind.TEXT, Kind.SMALL}

    @property
    def physical_type(self) -> int:
        """Parquet's type."""
        if self.kind is Kind.TEXT:
            return BYTE_ARRAY
        if self.kind is Kind.SMALL:
            return INT32
        return DOUBLE if self.kind is Kind.FLOAT else INT64

    def describe(self) -> Struct:
        """Parquet's ``SchemaElement``."""
        converted: int | None = None
        logical: Value | None = None
        if self.kind is Kind.TEXT:
            converted, logical = 0, struct((1, struct()))
        elif self.kind is Kind.DECIMAL:
            digits = struct((1, i32(self.scale)), (2, i32(DECIMAL_PRECISION)))
            converted, logical = 5, struct((5, digits))
        elif self.kind is Kind.TIME:
            # Without a zone, as SQL's TIMESTAMP; the docs say that it is UTC.
            logical = struct((8, struct((1, False), (2, struct((2, struct()))))))
        elif self.is_byte:
            converted, logical = 11, struct((10, struct((1, i8(8)), (2, False))))
        is_decimal = self.kind is Kind.DECIMAL
        return struct(
            (1, i32(self.physical_type)),
            (3, i32(1 if self.is_nullable else 0)),
            (4, self.name),
            (6, None if converted is None else i32(converted)),
            (7, i32(self.scale) if is_decimal else None),
            (8, i32(DECIMAL_PRECISION) if is_decimal else None),
            (10, logical),
        )


class Page(msgspec.Struct, frozen=True, array_like=True):
    """One page of a column in the file."""

    at: int
    """Position of its compressed bytes, behind its header."""
    size: int
    """Compressed bytes."""
    n_rows: int
    encoding: int
    crc: int
    """CRC-32 of the compressed bytes, as in the page's header."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """The pages of one column in one row group."""

    pages: tuple[Page, ...]
    dictionary: Page | None = None


class Group(msgspec.Struct, frozen=True, array_like=True):
    """One row group."""

    n_rows: int
    chunks: dict[str, Chunk]


class Index(msgspec.Struct, frozen=True, array_like=True):
    """Where everything lies; kept in the file before the footer."""

    groups: tuple[Group, ...]

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return sum(group.n_rows for group in self.groups)


def compress(content: bytes) -> bytes:
    """Bytes of a page as they lie in the file; higher levels change nothing on packed numbers."""
    return zstd.compress(content, 1)


class DamagedBytesError(ValueError):
    """Bytes that no compressor of ours made."""


def decompress(content: bytes) -> bytes:
    """Bytes of a page from those in the file.

    Raises:
        DamagedBytesError: They are not those that were written.
    """
    try:
        return zstd.decompress(content)
    except zstd.ZstdError as fault:
        raise DamagedBytesError(str(fault)) from fault


def pack_index(index: Index) -> bytes:
    """The index as bytes of the file."""
    return compress(msgspec.msgpack.encode(index))


def unpack_index(content: bytes) -> Index:
    """The index from bytes of the file."""
    return msgspec.msgpack.decode(decompress(content), type=Index)

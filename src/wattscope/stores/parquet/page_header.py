"""Headers of pages: what stands before each page of a Parquet file."""

from __future__ import annotations

from functools import lru_cache

from wattscope.stores.parquet.layout import DICTIONARY_PAGE
from wattscope.stores.parquet.thrift import varint, zigzag

_I32 = b"\x15"
_STRUCT_5, _STRUCT_7 = b"\x1c", b"\x3c"
_RLE = b"\x15\x06\x15\x06"
"""Fields 3 and 4 of a data page: both kinds of levels as runs."""


def encode_page_header(
    kind: int, size: int, packed_size: int, crc: int, n_values: int, encoding: int
) -> bytes:
    """Parquet's ``PageHeader``, as ``encode_struct`` would write it, field by field.

    A file has thousands of them, always of the same fields.

    Args:
        kind: A data or a dictionary page.
        size: Bytes of the page before compression.
        packed_size: Bytes as they lie in the file.
        crc: CRC-32 of those, unsigned.
        n_values: Its rows, nulls among them.
        encoding: Number of the encoding.
    """
    signed_crc = crc - (1 << 32) if crc >> 31 else crc
    checksum = _I32 + varint(zigzag(signed_crc))
    head = _field(kind) + _field(size) + _field(packed_size) + checksum
    inner = _field(n_values) + _field(encoding)
    if kind == DICTIONARY_PAGE:
        return head + _STRUCT_7 + inner + b"\0\0"
    return head + _STRUCT_5 + inner + _RLE + b"\0\0"


@lru_cache(maxsize=4096)
def _field(number: int) -> bytes:
    """A number of 32 bits in the field behind the last one."""
    return _I32 + varint(zigzag(number))

"""Unpacks the block format of snappy (google/snappy, ``format_description.txt``, 2011-10-05).

::

    length of all, a varint │ literal: tag, length, bytes │ copy: tag, length, how far back │ ...

It promises that no more memory is taken than the length at the start tells, which the caller has
agreed to, and that a block which does not unpack to exactly that is refused.
"""

from __future__ import annotations

from typing import Final

from wattscope.core.errors import BadBodyError

MAX_PREAMBLE: Final = 5
"""Bytes of the length at the start at most: it stays below 2^32."""
_LITERAL, _NEAR, _FAR = 0, 1, 2
"""Kinds of elements, in the lowest two bits of a tag; 3 is a copy from anywhere."""
_LONG_LITERAL: Final = 60
"""From this number on, 1 to 4 bytes after the tag tell the length of a literal."""


def read_length(block: bytes) -> tuple[int, int]:
    """Length of what a block unpacks to [bytes], and where its elements begin.

    >>> read_length(bytes([0xFE, 0xFF, 0x7F]))
    (2097150, 3)

    Raises:
        BadBodyError: It does not begin with a length.
    """
    length = 0
    for at, byte in enumerate(block[:MAX_PREAMBLE]):
        length |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            if length >= 1 << 32:
                break
            return length, at + 1
    raise BadBodyError("the body is no snappy block: it does not begin with a length")


def unpack(block: bytes) -> bytes:
    """What a block holds; ask ``read_length`` first whether that is too much.

    Raises:
        BadBodyError: It is damaged or cut off.
    """
    length, at = read_length(block)
    out = bytearray()
    end = len(block)
    while at < end:
        tag = block[at]
        at += 1
        kind = tag & 3
        if kind == _LITERAL:
            size = (tag >> 2) + 1
            if size > _LONG_LITERAL:
                n_more = size - _LONG_LITERAL
                size = int.from_bytes(block[at : at + n_more], "little") + 1
                at += n_more
            if at + size > end:
                raise BadBodyError("the snappy block is cut off in a literal")
            out += block[at : at + size]
            at += size
        else:
            if kind == _NEAR:
                size, n_more, high = ((tag >> 2) & 7) + 4, 1, (tag >> 5) << 8
            else:
                size, n_more, high = (tag >> 2) + 1, 2 if kind == _FAR else 4, 0
            if at + n_more > end:
                raise BadBodyError("the snappy block is cut off in a copy")
            offset = high | int.from_bytes(block[at : at + n_more], "little")
            at += n_more
            _copy(out, offset, size)
        if len(out) > length:
            break
    if len(out) != length:
        raise BadBodyError(f"the snappy block does not unpack to the {length} bytes that it tells")
    return bytes(out)


def _copy(out: bytearray, offset: int, size: int) -> None:
    """Append bytes that stand ``offset`` before the end; they may overlap what is appended."""
    start = len(out) - offset
    if not 0 <= start < len(out):
        raise BadBodyError("the snappy block copies from where nothing is")
    if offset >= size:
        out += out[start : start + size]
        return
    pattern = out[start:]
    out += (pattern * (size // offset + 1))[:size]

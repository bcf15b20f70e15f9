"""Reads the fields of protocol buffers (Protocol Buffers, "Encoding"), strictly and in place.

A message is never copied or built up: a field is its number, its wire type and where it stands.
Groups, which no message of today has, numbers beyond 64 bits and lengths beyond the end are
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from wattscope.core.errors import BadBodyError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_MAX_SHIFT: Final = 63
_SIGN: Final = 1 << 63
_FIXED: Final = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field of a message."""

    number: int
    wire_type: int
    value: int
    """Of a varint; else 0."""
    start: int
    """Of the contents of any other field."""
    end: int


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number below 2^64, and where it ends.

    Raises:
        BadBodyError: It is cut off, or too large.
    """
    number = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >> 64:
                break
            return number, at
        shift += 7
        if shift > _MAX_SHIFT:
            break
    raise BadBodyError("the message is damaged: a number is cut off or too large")


def read_fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message that stands there, in order.

    Raises:
        BadBodyError: It is damaged or cut off.
    """
    at = start
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = read_varint(data, at - 1, end)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise BadBodyError(f"the message is damaged: no field has the number {number}")
        if wire_type == VARINT:
            value, at = read_varint(data, at, end)
            yield Field(number, VARINT, value, at, at)
            continue
        if wire_type != LENGTH:
            size = _FIXED.get(wire_type, -1)
        elif at < end and data[at] < 0x80:
            # Nearly all are short.
            size = data[at]
            at += 1
        else:
            size, at = read_varint(data, at, end)
        if not 0 <= size <= end - at:
            raise BadBodyError(f"the message is damaged: field {number} goes beyond its end")
        yield Field(number, wire_type, 0, at, at + size)
        at += size


def expect(field: Field, wire_type: int, what: str) -> None:
    """Refuse a field of another wire type than it must have.

    Raises:
        BadBodyError: It has.
    """
    if field.wire_type != wire_type:
        raise BadBodyError(f"the message is damaged: {what} has wire type {field.wire_type}")


def to_signed(number: int) -> int:
    """A varint as the int64 that it stands for."""
    return number - (1 << 64) if number & _SIGN else number

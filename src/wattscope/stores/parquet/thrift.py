"""The part of Thrift's compact protocol that a Parquet footer and its page headers need.

Source: Apache Thrift, "Thrift Compact protocol"; structures by number of field as in Apache
Parquet's ``parquet.thrift``. A field is ``(number, value)``; fields of a structure come in rising
order of number, and those whose value is None are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_STOP = 0
_TRUE, _FALSE = 1, 2
_BYTE, _I16, _I32, _I64 = 3, 4, 5, 6
_BINARY, _LIST, _STRUCT = 8, 9, 12


@dataclass(frozen=True, slots=True)
class Number:
    """An integer with the width that its field is declared with."""

    value: int
    kind: int


def i8(value: int) -> Number:
    """A number declared as ``i8``."""
    return Number(value, _BYTE)


def i16(value: int) -> Number:
    """A number declared as ``i16``."""
    return Number(value, _I16)


def i32(value: int) -> Number:
    """A number declared as ``i32``."""
    return Number(value, _I32)


def i64(value: int) -> Number:
    """A number declared as ``i64``."""
    return Number(value, _I64)


@dataclass(frozen=True, slots=True)
class Struct:
    """Fields by number, rising."""

    fields: tuple[tuple[int, Value | None], ...]


Value = Number | bool | bytes | str | Struct | Sequence["Value"]


def struct(*fields: tuple[int, Value | None]) -> Struct:
    """A structure of these fields."""
    return Struct(fields)


def encode_struct(value: Struct) -> bytes:
    """The bytes of a structure."""
    out = bytearray()
    _put_struct(out, value)
    return bytes(out)


def varint(number: int) -> bytes:
    """An unsigned number in groups of seven bits, lowest first (ULEB128)."""
    if number <= 0x7F:
        return _ONE_BYTE[number]
    out = bytearray()
    _put_varint(out, number)
    return bytes(out)


_ONE_BYTE = tuple(bytes([number]) for number in range(0x80))


def zigzag(number: int) -> int:
    """A signed 64-bit number as an unsigned one that is small when it is."""
    return ((number << 1) ^ (number >> 63)) & 0xFFFF_FFFF_FFFF_FFFF


def _put_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)


def _put_struct(out: bytearray, value: Struct) -> None:
    before = 0
    for number, field in value.fields:
        if field is None:
            continue
        kind = _kind_of(field)
        if isinstance(field, bool):
            kind = _TRUE if field else _FALSE
        out.append(((number - before) << 4) | kind)
        before = number
        if not isinstance(field, bool):
            _put_value(out, field)
    out.append(_STOP)


def _kind_of(value: Value) -> int:
    if isinstance(value, Number):
        return value.kind
    if isinstance(value, bool):
        return _TRUE
    if isinstance(value, bytes | str):
        return _BINARY
    if isinstance(value, Struct):
        return _STRUCT
    return _LIST


def _put_value(out: bytearray, value: Value) -> None:
    if isinstance(value, Number):
        if value.kind == _BYTE:
            out.append(value.value & 0xFF)
        else:
            _put_varint(out, zigzag(value.value))
    elif isinstance(value, bytes | str):
        content = value.encode() if isinstance(value, str) else value
        _put_varint(out, len(content))
        out += content
    elif isinstance(value, Struct):
        _put_struct(out, value)
    elif not isinstance(value, bool):
        _put_list(out, value)


def _put_list(out: bytearray, values: Sequence[Value]) -> None:
    kind = _kind_of(values[0]) if values else _STRUCT
    if len(values) < 15:
        out.append((len(values) << 4) | kind)
    else:
        out.append(0xF0 | kind)
        _put_varint(out, len(values))
    for value in values:
        _put_value(out, value)

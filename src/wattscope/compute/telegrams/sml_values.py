"""The fields of an SML file, and the list of values in it.

::

    1b1b1b1b 01010101 │ message, message, … │ 00 … │ 1b1b1b1b 1a nn │ CRC
                        each a tree of fields: type and length, then content

    message   transaction, group, abort, (kind, body), CRC, end
    kind 0701 values: client, server, name, time, [entries], signature, gateway time
    entry     code, status, time, unit, scaler, value, signature

It promises that what a checksum does not confirm is not looked at, and that depth and number of
fields are bounded. The checksums of single messages are not looked at: that of the file covers
them, and meters are known that compute them wrongly.

Source: BSI TR-03109-1, annex IV: Smart Message Language 1.04, sections 5 to 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from wattscope.compute.telegrams.checksums import crc16_kermit, crc16_x25
from wattscope.compute.telegrams.framers import CUT_BYTES, SML_END, SML_ESCAPE, SML_START
from wattscope.core.findings import Ignored, ReasonCode, Rejection

Field: TypeAlias = "bytes | int | bool | list[Field] | None"
"""Octets, a number, a truth, a list, or nothing: an optional field that is left out."""

VALUE_LIST: Final = 0x0701
"""Kind of the message that holds values (SML_GetList.Res, section 5.1.6)."""

_MAX_DEPTH: Final = 12
_MAX_FIELDS: Final = 5_000
_MAX_INTEGER_BYTES: Final = 8
_N_MESSAGE, _N_LIST, _N_ENTRY = 6, 7, 7
_SECONDS = 1
# Types in bits 4 to 6 of a field's first byte (section 6.3.1).
_OCTETS, _TRUTH, _INTEGER, _UNSIGNED, _LIST = 0, 4, 5, 6, 7
_NO_MORE: Final = b"\0"


@dataclass(frozen=True, slots=True)
class SmlEntry:
    """One value under its code."""

    code: bytes
    """Six bytes: A, B, C, D, E, F."""
    unit: int | None
    """As numbered in IEC 62056-62, table 4; None where none is told."""
    scaler: int
    """The value is times ten to this power."""
    value: Field


@dataclass(frozen=True, slots=True)
class SmlList:
    """What a meter said at one moment."""

    server_id: bytes
    seconds: int | None
    """Seconds that the meter counted since some start of its own; None where it tells none."""
    entries: tuple[SmlEntry, ...]


class _BadFieldError(Exception):
    """Ends the reading of a file; never leaves this module."""


def read_lists(piece: bytes) -> list[SmlList] | Rejection | Ignored:
    """The lists of values of a file, or why it cannot be believed."""
    if not piece.startswith(SML_START):
        if not piece.strip(b"\0\xff\x1b"):
            return Ignored("a pause between files")
        return Rejection(ReasonCode.SYNTAX, f"{len(piece)} bytes outside of any SML file")
    tail = piece[-8:]
    if len(piece) < 16 or not tail.startswith(SML_ESCAPE) or tail[4] != SML_END:
        code = ReasonCode.TOO_BIG if len(piece) >= CUT_BYTES else ReasonCode.SYNTAX
        return Rejection(code, "the SML file is cut: its end is missing")
    told = int.from_bytes(tail[6:], "little")
    found = crc16_x25(piece[:-2])
    if told not in {found, crc16_kermit(piece[:-2])}:
        return Rejection(ReasonCode.CHECKSUM, f"checksum {told:04x}, of its bytes {found:04x}")
    content = _unescape(piece[8:-8])
    try:
        lists = [_read_list(message) for message in _read_messages(content)]
    except _BadFieldError as fault:
        return Rejection(ReasonCode.SYNTAX, f"the SML file {fault}")
    return [one for one in lists if one is not None]


def _unescape(content: bytes) -> bytes:
    """Content in which four bytes 1b stood twice (section 8.2.1)."""
    return content.replace(SML_ESCAPE + SML_ESCAPE, SML_ESCAPE)


def _read_messages(content: bytes) -> Iterator[list[Field]]:
    """The messages of a file; zeros behind the last one fill it up."""
    reader = _FieldReader(content)
    while not reader.is_at_end:
        message = reader.read_field(0)
        if not isinstance(message, list) or len(message) != _N_MESSAGE:
            raise _BadFieldError(f"has no message at byte {reader.position}")
        yield message


def _read_list(message: list[Field]) -> SmlList | None:
    """The list of values of a message, if it is one."""
    choice = message[3]
    if not isinstance(choice, list) or len(choice) != 2 or choice[0] != VALUE_LIST:
        return None
    body = choice[1]
    if not isinstance(body, list) or len(body) != _N_LIST:
        raise _BadFieldError("has a list of values that is none")
    server_id, entries = body[1], body[4]
    if not isinstance(server_id, bytes) or not isinstance(entries, list):
        raise _BadFieldError("has a list of values without a server or entries")
    return SmlList(server_id, _read_seconds(body[3]), tuple(map(_read_entry, entries)))


def _read_entry(entry: Field) -> SmlEntry:
    if not isinstance(entry, list) or len(entry) != _N_ENTRY:
        raise _BadFieldError("has an entry that is none")
    code, _, _, unit, scaler, value, _ = entry
    if not isinstance(code, bytes):
        raise _BadFieldError("has an entry without a code")
    if value is None:
        # The one field of an entry besides its code that must be there (section 5.1.6.3).
        raise _BadFieldError(f"has an entry without a value, {code.hex()}")
    return SmlEntry(code, _as_number(unit), _as_number(scaler) or 0, value)


def _as_number(field: Field) -> int | None:
    return field if isinstance(field, int) and not isinstance(field, bool) else None


def _read_seconds(time: Field) -> int | None:
    """The count of a time (section 5.1.6.2); some meters leave the choice around it out."""
    if isinstance(time, list):
        time = time[1] if len(time) == 2 and time[0] == _SECONDS else None
    return _as_number(time)


class _FieldReader:
    """Reads fields one after the other (section 6)."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._n_fields = 0
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing but filling is left."""
        return not self._content[self.position :].strip(_NO_MORE)

    def read_field(self, depth: int) -> Field:
        """The next field with all that is in it."""
        self._n_fields += 1
        if depth > _MAX_DEPTH or self._n_fields > _MAX_FIELDS:
            raise _BadFieldError("has too many fields or levels")
        kind, length, n_head = self._read_head()
        if kind == _LIST:
            return [self.read_field(depth + 1) for _ in range(length)]
        if kind == _OCTETS and length == 0 and n_head == 1:
            return None  # the end of a message
        content = self._take(length - n_head)
        if kind == _OCTETS:
            return content or None
        if kind == _TRUTH and len(content) == 1:
            return content != b"\0"
        if kind in {_INTEGER, _UNSIGNED} and 0 < len(content) <= _MAX_INTEGER_BYTES:
            return int.from_bytes(content, "big", signed=kind == _INTEGER)
        raise _BadFieldError(f"has a field of unknown type at byte {self.position}")

    def _read_head(self) -> tuple[int, int, int]:
        """Type, length and the bytes that tell them; a list's length counts its fields."""
        first = byte = self._take(1)[0]
        length, n_head = byte & 0x0F, 1
        while byte & 0x80:
            byte = self._take(1)[0]
            length, n_head = (length << 4) | (byte & 0x0F), n_head + 1
            if n_head > 4:
                raise _BadFieldError(f"has an endless length at byte {self.position}")
        return first >> 4 & 0x07, length, n_head

    def _take(self, n_bytes: int) -> bytes:
        end = self.position + n_bytes
        if n_bytes < 0 or end > len(self._content):
            raise _BadFieldError(f"has a field that ends nowhere at byte {self.position}")
        taken = self._content[self.position : end]
        self.position = end
        return taken

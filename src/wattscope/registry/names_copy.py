"""The copy of the names beside the database: lines of text, each with its checksum.

::

    registry.names
      0b2f88d1 {"format":1,"first":41,"whole":42}
      9c1f04b2 [41,{"sites":[["home","Home","UTC","EUR",null,null]]}]
      1d0e6b7a [42,{"devices":[["meter","home",…]],"series":[[1,"meter","voltage_v"]]}]
      77aa0120 [43,{"-counter_decisions":[[1,1000000]]}]
      ▲ CRC-32 of the rest of the line    ▲ rows as they are now; "-" and keys: gone

Lines are numbered without a gap from ``first``; those up to ``whole`` were written at once and are
all names of that moment, those behind are one change each. A line is durable before the database
commits the change, and the database notes the number of its last line. So of two that differ it is
known which one is right: see ``names_judge``.

Why lines: a new device costs some hundred bytes and one fsync, however many there are, and a
damaged line takes nothing with it that the database does not have. A checksum per row within
SQLite would find damage too, but leave nothing to mend it with.
"""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from wattscope.core.errors import StorageError, StorageFullError, TransientError
from wattscope.registry.names import (
    Names,
    Packed,
    RowChange,
    apply_packed,
    list_rows,
    no_names,
    pack_changes,
)

FORMAT = 1
"""Raised with every change that an older program would misread."""
_ROWS_PER_LINE = 500
_MAX_SPARE_LINES = 2000
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SUM_LENGTH = 8

ContentT = TypeVar("ContentT")


class _Head(msgspec.Struct, frozen=True):
    """The first line."""

    format: int
    first: int
    whole: int


_head = msgspec.json.Decoder(_Head)
_line = msgspec.json.Decoder(tuple[int, Packed])


@dataclass(frozen=True, slots=True)
class CopyContent:
    """The sound lines of a copy, from the first on."""

    first: int = 0
    whole: int = 0
    """Only from this line on the lines make a whole."""
    lines: list[Packed] = field(default_factory=list)
    fault: str | None = None
    """What is wrong behind the last sound line; None when the file ends there."""
    is_torn: bool = False
    """Whether that is a last line without an end, as a process leaves it that dies in writing."""

    @property
    def last(self) -> int:
        """Number of the last sound line."""
        return self.first + len(self.lines) - 1

    @property
    def is_sound(self) -> bool:
        """Whether nothing is known to be missing."""
        return self.fault is None and self.last >= self.whole

    def fold(self, upto: int) -> Names:
        """The names after the line of a number."""
        names = no_names()
        for line in self.lines[: upto - self.first + 1]:
            apply_packed(names, line)
        return names


class NamesCopy:
    """The file, written by one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_stale = False
        """Whether it is not what the database holds, and must be written anew before it is used."""
        self._undo: tuple[int, int] | None = None

    def read(self) -> CopyContent | None:
        """What is in the file; None when there is none.

        Raises:
            StorageError: It is of a newer format.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        lines = content.split(b"\n")
        head = _open_line(lines[0], _head)
        if head is None:
            return CopyContent(whole=1, fault="its head is damaged")
        if head.format > FORMAT:
            raise StorageError(
                f"{self.path} has format {head.format}, this program knows up to {FORMAT}; "
                "use the newer program"
            )
        return _read_lines(head, lines[1:])

    def is_long(self, content: CopyContent) -> bool:
        """Whether writing it anew would save much."""
        n_rows = sum(len(rows) for line in content.lines for rows in line.values())
        return len(content.lines) > _MAX_SPARE_LINES + n_rows // _ROWS_PER_LINE

    def append(self, serial: int, changes: Sequence[RowChange]) -> None:
        """Add one line and make it durable; see ``take_back``.

        Args:
            serial: Number of the line: one more than that of the line before.
            changes: The rows of one transaction.

        Raises:
            StorageFullError: There is no room.
            TransientError: The disk refused.
        """
        line = _close_line((serial, pack_changes(changes)))
        try:
            with self.path.open("ab") as file:
                self._undo = serial, file.tell()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise explain_refusal(self.path, fault) from fault

    def take_back(self, serial: int) -> None:
        """Undo ``append`` of this line, whole or in part: the database did not take the change."""
        undo, self._undo = self._undo, None
        if undo is None or undo[0] != serial:
            return
        self.is_stale = True
        with contextlib.suppress(OSError):
            # Cutting off needs no room.
            os.truncate(self.path, undo[1])
            fd = os.open(self.path, os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self.is_stale = False

    def rewrite(self, names: Names, serial: int) -> None:
        """Write all names anew; when the disk refuses, that is made up for with the next change."""
        self.is_stale = True
        with contextlib.suppress(TransientError):
            self.replace(names, serial)

    def replace(self, names: Names, serial: int) -> None:
        """Write all names anew, durably: the file is the one before or the new one.

        Raises:
            StorageFullError: There is no room.
            TransientError: The disk refused.
        """
        try:
            self._replace(names, serial)
        except OSError as fault:
            raise explain_refusal(self.path, fault) from fault
        self.is_stale, self._undo = False, None

    def _replace(self, names: Names, serial: int) -> None:
        rows = list_rows(names)
        parts = [rows[at : at + _ROWS_PER_LINE] for at in range(0, len(rows), _ROWS_PER_LINE)]
        first = serial - len(parts) + 1
        head = _Head(FORMAT, first, serial)
        lines = [_close_line((first + at, pack_changes(part))) for at, part in enumerate(parts)]
        aside = self.path.with_name(self.path.name + ".new")
        with aside.open("wb") as file:
            file.writelines([_close_line(head), *lines])
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o640)
        aside.replace(self.path)
        sync_folder(self.path.parent)


def explain_refusal(path: Path, fault: OSError) -> TransientError:
    """The error of the product for a disk that does not take a write."""
    if fault.errno in _NO_ROOM:
        return StorageFullError(f"{path}: no room on the disk ({fault.strerror}); free some")
    return TransientError(f"{path}: the disk refused ({fault.strerror}); look after the disk")


def sync_folder(folder: Path) -> None:
    """Make the names of files durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read_lines(head: _Head, raw: list[bytes]) -> CopyContent:
    lines: list[Packed] = []
    for number, one in enumerate(raw, start=head.first):
        line = _open_line(one, _line)
        if line is None or line[0] != number:
            # Behind the last newline there is nothing, unless a write was cut short.
            is_end = not one and len(lines) == len(raw) - 1
            fault = None if is_end else f"line {len(lines) + 2} is damaged"
            is_torn = fault is not None and len(lines) == len(raw) - 1
            return CopyContent(head.first, head.whole, lines, fault, is_torn)
        lines.append(line[1])
    return CopyContent(head.first, head.whole, lines, "its end is missing")


def _close_line(content: object) -> bytes:
    text = msgspec.json.encode(content)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _open_line(line: bytes, decoder: msgspec.json.Decoder[ContentT]) -> ContentT | None:
    """What a line says; None when it is damaged."""
    text = line[_SUM_LENGTH + 1 :]
    if line[: _SUM_LENGTH + 1] != b"%08x " % zlib.crc32(text):
        return None
    try:
        return decoder.decode(text)
    except msgspec.MsgspecError:
        # Its checksum was right: nobody but this program writes it.
        return None

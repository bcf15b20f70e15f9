"""Reads segments: believable records in order, and every stretch that is not one.

::

    segment, version 2 (docs/log-format.md draws it byte by byte)
    0       4     magic "WSLG"
    4       2     version 2
    6       2     numbers below the first offset that were given up, at most 65,535
    8       8     offset of the first record
    16      4     CRC-32 of bytes 0..15
    20            records

It promises never to return a record whose checksum does not fit, to go on behind damage, and to
say which offsets are missing. A number that was given up after a failed write is not missing: it
was never acknowledged. Version 1 did not note those, so nothing is said about gaps before its
segments.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from wattscope.core.errors import StorageError
from wattscope.logs.record_codec import HEADER, MAGIC, MAX_PAYLOAD, decode_frame
from wattscope.ports import LogRecord

SEGMENT_MAGIC = b"WSLG"
SEGMENT_VERSION = 2
SEGMENT_HEAD = struct.Struct("<4sHHQI")
MAX_GIVEN_UP = 0xFFFF
_BLOCK_BYTES = 4096
_FIRST_WITH_GIVEN_UP = 2


class DamageKind(Enum):
    """What is wrong with a stretch of the log."""

    RECORD = "record"
    """Bytes that are no believable record."""
    TORN = "torn"
    """The end of a write that was cut short; it was never acknowledged."""
    HEAD = "head"
    """The head of a segment; its records are read all the same."""
    ABSENT = "absent"
    """No bytes at all: a segment was removed or shortened from outside."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that holds no believable record."""

    segment: str
    position: int
    """First byte of the stretch."""
    length: int
    """[bytes]; 0 where the records are absent."""
    kind: DamageKind = DamageKind.RECORD
    first_missing: int = 0
    """Offset of the first record that is missing here, if any is."""
    n_missing: int = 0
    """Records that are missing here; at the end of the log an estimate."""
    n_lost: int = 0
    """Those of them that the store did not hold either."""


def pack_segment_head(first_offset: int, n_given_up: int) -> bytes:
    """The first 20 bytes of a segment."""
    given_up = min(n_given_up, MAX_GIVEN_UP)
    head = SEGMENT_HEAD.pack(SEGMENT_MAGIC, SEGMENT_VERSION, given_up, first_offset, 0)
    return head[:-4] + struct.pack("<I", zlib.crc32(head[:-4]))


def first_offset_of(path: Path) -> int:
    """The offset a segment begins with, from its name; the head repeats it."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else 0


def read_segments(paths: Sequence[Path]) -> Iterator[LogRecord | Damage]:
    """Records in order of their offsets, and damage where it lies; numbers what is missing.

    Args:
        paths: Segments that follow each other, oldest first.

    Raises:
        StorageError: One is of a newer version than this program knows.
    """
    walk = _Walk()
    for path in paths:
        yield from walk.take(path)
    yield from walk.end()


class _Walk:
    """The way through segments: what comes next, and damage whose extent is not known yet."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._pending: Damage | None = None

    def take(self, path: Path) -> Iterator[LogRecord | Damage]:
        """All of one segment."""
        try:
            content = _read_content(path)
        except FileNotFoundError:
            # Dropped since the folder was listed: the store has its records.
            return
        first = first_offset_of(path)
        n_given_up, head_damage = read_head(path, content)
        if self._expected is None:
            self._expected = first
        if n_given_up is not None:
            yield from self._settle(path, first - n_given_up)
        else:
            yield from self.end()
        self._expected = max(self._expected, first)
        if head_damage is not None:
            yield head_damage
        for found in _scan(path, content):
            if isinstance(found, Damage):
                self._pending = found
            elif found.offset >= self._expected:
                yield from self._settle(path, found.offset)
                yield found
                self._expected = found.offset + 1

    def end(self) -> Iterator[Damage]:
        """Damage behind which nothing tells how many records it held: count what looks like one."""
        pending, self._pending = self._pending, None
        if pending is not None:
            yield replace(pending, first_missing=self._expected or 0)

    def _settle(self, path: Path, following: int) -> Iterator[Damage]:
        """Number what is missing before the offset that follows."""
        expected = self._expected or 0
        n_missing = max(0, following - expected)
        pending, self._pending = self._pending, None
        if pending is None and n_missing:
            pending = Damage(path.name, 0, 0, DamageKind.ABSENT)
        if pending is not None:
            # A torn end is one only where no number is missing behind it.
            is_torn = pending.kind is DamageKind.TORN
            kind = DamageKind.RECORD if is_torn and n_missing else pending.kind
            yield replace(pending, kind=kind, first_missing=expected, n_missing=n_missing)


def _read_content(path: Path) -> bytes:
    """The bytes of a segment; zeros where the disk cannot read a block."""
    try:
        return path.read_bytes()
    except OSError as fault:
        if fault.errno != errno.EIO:
            raise
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return b"".join(
            _read_block(file.fileno(), at, min(_BLOCK_BYTES, size - at))
            for at in range(0, size, _BLOCK_BYTES)
        )


def _read_block(fd: int, at: int, length: int) -> bytes:
    try:
        return os.pread(fd, length, at).ljust(length, b"\0")
    except OSError:
        return bytes(length)


def read_head(path: Path, content: bytes) -> tuple[int | None, Damage | None]:
    """How many numbers were given up before the segment; None where that is not known.

    Raises:
        StorageError: The segment is of a newer version; a damaged head says nothing about versions.
    """
    head = content[: SEGMENT_HEAD.size]
    if len(head) < SEGMENT_HEAD.size:
        return None, None
    magic, version, given_up, _, crc = SEGMENT_HEAD.unpack(head)
    if magic != SEGMENT_MAGIC or crc != zlib.crc32(head[:-4]):
        return None, Damage(path.name, 0, SEGMENT_HEAD.size, DamageKind.HEAD)
    if version > SEGMENT_VERSION:
        raise StorageError(
            f"log segment {path.name} has version {version}, this program reads up to "
            f"{SEGMENT_VERSION}; use the newer program"
        )
    is_known = version >= _FIRST_WITH_GIVEN_UP and given_up < MAX_GIVEN_UP
    return (given_up if is_known else None), None


def _scan(path: Path, content: bytes) -> Iterator[LogRecord | Damage]:
    """Records and damaged stretches of a segment, in order of position."""
    if 0 < len(content) < SEGMENT_HEAD.size:
        yield Damage(path.name, 0, len(content), DamageKind.TORN)
        return
    at = SEGMENT_HEAD.size
    while at < len(content):
        record, length = read_frame(content, at)
        if record is not None:
            yield record
            at += length
            continue
        resumed = find_next_record(content, at + 1)
        if resumed == len(content) and _is_cut_short(content, at):
            yield Damage(path.name, at, resumed - at, DamageKind.TORN)
        else:
            # An estimate, for when nothing comes behind it.
            n_heads = max(1, content.count(MAGIC, at, resumed))
            yield Damage(path.name, at, resumed - at, n_missing=n_heads)
        at = resumed


def read_frame(content: bytes, at: int) -> tuple[LogRecord | None, int]:
    """The record that begins at a position, with its length in bytes."""
    head = content[at : at + HEADER.size]
    if len(head) < HEADER.size or head[:4] != MAGIC:
        return None, 0
    length = HEADER.unpack(head)[5]
    payload = content[at + HEADER.size : at + HEADER.size + length]
    if length > MAX_PAYLOAD or len(payload) < length:
        return None, 0
    return decode_frame(head, payload), HEADER.size + length


def _is_cut_short(content: bytes, at: int) -> bool:
    """Whether the rest of a segment is the beginning of a record, or room that was never written.

    A record whose length field alone is damaged looks alike, but with its true length the
    checksum fits: that one was whole once.
    """
    rest = content[at:]
    if len(rest) < HEADER.size:
        return MAGIC.startswith(rest[:4]) or rest.startswith(MAGIC)
    if not rest.startswith(MAGIC):
        return not any(rest)
    head, payload = rest[: HEADER.size], rest[HEADER.size :]
    length, crc = HEADER.unpack(head)[5:]
    whole = head[:16] + struct.pack("<I", len(payload))
    return bool(length > len(payload)) and zlib.crc32(payload, zlib.crc32(whole)) != crc


def find_next_record(content: bytes, at: int) -> int:
    """Position of the next believable record, or the end."""
    while True:
        at = content.find(MAGIC, at)
        if at < 0:
            return len(content)
        if read_frame(content, at)[0] is not None:
            return at
        at += 1

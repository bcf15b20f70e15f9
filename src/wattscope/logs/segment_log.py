"""The embedded event log: append-only segment files with a CRC per record.

It promises that a record which ``append`` returned is on disk (durability ``full``), that damage
is isolated to the records it touched, and that a damaged log never keeps the program from
starting. After a failed fsync the file is never trusted again: the kernel may have dropped the
pages and report success the next time, so the log goes on in a new segment.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattscope.core.errors import StorageError, TransientError
from wattscope.core.reading import Batch
from wattscope.logs.record_codec import HEADER, MAGIC, MAX_PAYLOAD, decode_frame, encode_record
from wattscope.ports import LogRecord, Quarantined

SEGMENT_MAGIC = b"WSLG"
SEGMENT_VERSION = 1
_SEGMENT_HEAD = struct.Struct("<4sHHQI")
DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that holds no believable record."""

    segment: str
    position: int
    """First byte of the stretch."""
    length: int
    """[bytes]"""


def sync_to_disk(fd: int) -> None:
    """The fsync of durability ``full``."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:  # macOS has none
        os.fsync(fd)


def leave_to_kernel(fd: int) -> None:
    """No fsync: durability ``relaxed``, the kernel writes within some 30 s."""


class SegmentLog:
    """Segments in one folder, written by one process."""

    def __init__(
        self,
        folder: Path,
        *,
        sync: Callable[[int], None] = sync_to_disk,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        first_offset: int = 0,
        is_read_only: bool = False,
    ) -> None:
        """Open the folder; a torn record at the end is cut off, other damage is stepped over.

        Args:
            folder: Made when missing.
            sync: Called with the file descriptor after each append.
            segment_bytes: A segment that has grown past this is followed by a new one.
            first_offset: Lowest offset to give next, for a log whose segments were all removed.
            is_read_only: Never write; records that another process is still writing are left out.
        """
        self._folder = folder
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._fd = -1
        self._size = 0
        self.damages: list[Damage] = []
        """What start-up found damaged, oldest first."""
        self._end = first_offset
        if is_read_only:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._recover(first_offset)

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        return self._end

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments on disk."""
        total = 0
        for path in self._segments():
            # A segment may be dropped while they are counted.
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    @property
    def segment_count(self) -> int:
        """Number of segment files."""
        return len(self._segments())

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> LogRecord:
        """Write one record and make it durable.

        Raises:
            TransientError: The disk refused; nothing counts as appended.
        """
        with self._lock:
            offset = self._end
            record = LogRecord(offset, batch, tuple(quarantined), tuple(receipts))
            frame = encode_record(record)
            try:
                if self._fd < 0 or self._size >= self._segment_bytes:
                    self._start_segment(offset)
                self._write_all(frame)
                self._sync(self._fd)
            except OSError as fault:
                self._abandon_segment()
                raise TransientError(
                    f"log {self._folder}: cannot write a record ({fault.strerror}); "
                    "free some space or check the disk, nothing was acknowledged"
                ) from fault
            self._size += len(frame)
            self._end = offset + 1
            return record

    def read(self, offset: int) -> Iterator[LogRecord]:
        """All believable records from ``offset`` on."""
        newest = offset - 1
        for path in self._segments_from(offset):
            for found in _scan(path):
                if isinstance(found, LogRecord) and found.offset > newest:
                    newest = found.offset
                    yield found

    def drop_before(self, offset: int) -> None:
        """Remove the segments all of whose records are below ``offset``."""
        with self._lock:
            segments = self._segments()
            for path, following in itertools.pairwise(segments):
                if _first_offset(following) <= offset:
                    path.unlink()
            _sync_folder(self._folder)

    def close(self) -> None:
        """Release the segment under way."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _recover(self, first_offset: int) -> None:
        """Find the end of the log, note damage, cut a torn end."""
        segments = self._segments()
        for path in segments:
            found = list(_scan(path))
            damages = [item for item in found if isinstance(item, Damage)]
            offsets = [item.offset for item in found if isinstance(item, LogRecord)]
            # A segment of nothing but damage keeps its number, so that it is never overwritten.
            last = max(offsets) if offsets else _first_offset(path) - (0 if damages else 1)
            self._end = max(self._end, last + 1)
            self.damages += damages
            if path == segments[-1] and damages:
                _cut_torn_end(path, damages[-1])
        self._end = max(self._end, first_offset)

    def _start_segment(self, offset: int) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        path = self._folder / f"{offset:020d}.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self._fd = fd
        self._size = 0
        head = _SEGMENT_HEAD.pack(SEGMENT_MAGIC, SEGMENT_VERSION, 0, offset, 0)
        head = head[:-4] + struct.pack("<I", zlib.crc32(head[:-4]))
        self._write_all(head)
        self._size = len(head)
        _sync_folder(self._folder)

    def _write_all(self, frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(self._fd, view) :]

    def _abandon_segment(self) -> None:
        """Cut what the failed append left, and never write to this file again."""
        if self._fd < 0:
            return
        # Where even that fails the number is burnt: should the bytes have reached the disk, the
        # record repeats values that come again under another offset, which changes nothing.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
        os.close(self._fd)
        self._fd = -1
        self._end += 1

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def _segments_from(self, offset: int) -> list[Path]:
        segments = self._segments()
        firsts = [_first_offset(path) for path in segments]
        skipped = sum(1 for following in firsts[1:] if following <= offset)
        return segments[skipped:]


def _cut_torn_end(path: Path, last: Damage) -> None:
    """Remove a torn record at the end; it was never acknowledged, for its fsync never returned."""
    if last.position + last.length == path.stat().st_size and last.position > _SEGMENT_HEAD.size:
        os.truncate(path, last.position)


def _first_offset(path: Path) -> int:
    """The offset a segment begins with, from its name; the head repeats it."""
    return int(path.stem) if path.stem.isdigit() else 0


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _scan(path: Path) -> Iterator[LogRecord | Damage]:
    """Records and damaged stretches of a segment, in order of position."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        # Dropped since the folder was listed: the store has its records.
        return
    _refuse_newer_version(path, content[: _SEGMENT_HEAD.size])
    at = _SEGMENT_HEAD.size
    while at < len(content):
        record, length = _read_frame(content, at)
        if record is not None:
            yield record
            at += length
            continue
        resumed = _find_next_record(content, at + 1)
        yield Damage(path.name, at, resumed - at)
        at = resumed


def _refuse_newer_version(path: Path, head: bytes) -> None:
    """Raise for a segment of another program; a damaged head says nothing about versions."""
    if len(head) < _SEGMENT_HEAD.size:
        return
    magic, version, _, _, crc = _SEGMENT_HEAD.unpack(head)
    if magic == SEGMENT_MAGIC and crc == zlib.crc32(head[:-4]) and version > SEGMENT_VERSION:
        raise StorageError(
            f"log segment {path.name} has version {version}, this program reads up to "
            f"{SEGMENT_VERSION}; use the newer program"
        )


def _read_frame(content: bytes, at: int) -> tuple[LogRecord | None, int]:
    """The record that begins at a position, with its length in bytes."""
    head = content[at : at + HEADER.size]
    if len(head) < HEADER.size or head[:4] != MAGIC:
        return None, 0
    length = HEADER.unpack(head)[5]
    payload = content[at + HEADER.size : at + HEADER.size + length]
    if length > MAX_PAYLOAD or len(payload) < length:
        return None, 0
    return decode_frame(head, payload), HEADER.size + length


def _find_next_record(content: bytes, at: int) -> int:
    """Position of the next believable record, or the end."""
    while True:
        at = content.find(MAGIC, at)
        if at < 0:
            return len(content)
        if _read_frame(content, at)[0] is not None:
            return at
        at += 1

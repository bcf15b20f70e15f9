"""The embedded event log: append-only segment files with a CRC per record.

It promises that a record which ``append`` returned is on disk (durability ``full``) or will be
within a stated time (``relaxed``), that damage is isolated to the records it touched, and that a
damaged log never keeps the program from starting. After a failed fsync the file is never trusted
again: the kernel may have dropped the pages and report success the next time, so the log goes on
in a new segment.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from wattscope.core.errors import StorageFullError, TransientError
from wattscope.core.reading import Batch
from wattscope.logs.record_codec import encode_record
from wattscope.logs.regular_sync import RegularSync
from wattscope.logs.segment_reader import (
    SEGMENT_HEAD,
    Damage,
    DamageKind,
    first_offset_of,
    pack_segment_head,
    read_segments,
)
from wattscope.ports import LogRecord, Quarantined

_log = structlog.get_logger()
DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sync_to_disk(fd: int) -> None:
    """The fsync of a segment."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:  # macOS has none
        os.fsync(fd)


def leave_to_kernel(fd: int) -> None:
    """No fsync at all: for tests, which look at what the process does, not the machine."""


class SegmentLog:
    """Segments in one folder, written by one process."""

    def __init__(
        self,
        folder: Path,
        *,
        sync: Callable[[int], None] = sync_to_disk,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        first_offset: int = 0,
        sync_every_s: float | None = None,
        is_read_only: bool = False,
    ) -> None:
        """Open the folder; a torn record at the end is cut off, other damage is stepped over.

        Args:
            folder: Made when missing.
            sync: Called with the file descriptor; an error of it is one of the disk.
            segment_bytes: A segment that has grown past this is followed by a new one.
            first_offset: Lowest offset to give next, and the first that the store does not hold.
            sync_every_s: Durability ``relaxed``: ``append`` does not wait for ``sync``, which
                follows in the background within this time [s]. None: ``full``.
            is_read_only: Never write; records that another process is still writing are left out.
        """
        self._folder = folder
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._first_needed = first_offset
        self._is_read_only = is_read_only
        self._lock = threading.Lock()
        self._fd = -1
        self._path = folder
        self._size = 0
        self._is_unsynced = False
        self._n_given_up = 0
        self.damages: list[Damage] = []
        """What start-up and readers found damaged, in the order in which it was found."""
        self._noted: set[tuple[str, int]] = set()
        self.n_failed_syncs = 0
        """Background syncs that failed: what was acknowledged shortly before is in doubt."""
        self._regular_sync = None if sync_every_s is None else RegularSync(self.sync, sync_every_s)
        self._end = first_offset
        if is_read_only:
            return
        if not folder.exists():
            folder.mkdir(parents=True)
            _sync_folder(folder.parent)
        self._recover(first_offset)

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        return self._end

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments on disk."""
        total = 0
        for path in self.list_segments():
            # A segment may be dropped while they are counted.
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    @property
    def segment_count(self) -> int:
        """Number of segment files."""
        return len(self.list_segments())

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> LogRecord:
        """Write one record and make it durable.

        Raises:
            StorageFullError: There is no room; nothing counts as appended.
            TransientError: The disk refused; likewise.
        """
        with self._lock:
            try:
                if self._fd < 0 or self._size >= self._segment_bytes:
                    self._start_segment()
                record = LogRecord(self._end, batch, tuple(quarantined), tuple(receipts))
                frame = encode_record(record)
                self._write_all(frame)
                if self._regular_sync is None:
                    self._sync(self._fd)
            except OSError as fault:
                self._abandon_segment()
                raise self._refusal(fault) from fault
            self._size += len(frame)
            self._end += 1
            self._n_given_up = 0
            if self._regular_sync is not None:
                self._is_unsynced = True
                self._regular_sync.ask()
            return record

    def read(self, offset: int) -> Iterator[LogRecord]:
        """All believable records from ``offset`` on; damage on the way is noted."""
        for found in read_segments(self.list_segments_from(offset)):
            if isinstance(found, Damage):
                # The end of a segment that is being written looks torn.
                if found.kind is not DamageKind.TORN:
                    self._note(found, is_held=not self._is_read_only)
            elif found.offset >= offset:
                yield found

    def sync(self) -> None:
        """Make everything that was appended durable; an error is an alarm, not an exception."""
        with self._lock:
            if not self._is_unsynced or self._fd < 0:
                return
            self._is_unsynced = False
            fd, path = os.dup(self._fd), self._path
        try:
            # Without the lock: appending goes on meanwhile.
            self._sync(fd)
        except OSError as fault:
            with self._lock:
                if self._path == path:
                    self._close_segment()
            self._alarm(path, fault)
        finally:
            os.close(fd)

    def drop_before(self, offset: int) -> None:
        """Remove the segments all of whose records are below ``offset``, oldest first.

        A crash on the way leaves the newer ones.
        """
        with self._lock:
            segments = self.list_segments()
            for path, following in itertools.pairwise(segments):
                if first_offset_of(following) <= offset:
                    path.unlink()
            _sync_folder(self._folder)

    def offset_within(self, n_bytes: int) -> int:
        """The lowest offset from which on all segments together have at most so many bytes.

        The newest segment counts as having none: it stays, whatever its size.
        """
        segments = self.list_segments()
        total, first = 0, self._end
        for path in reversed(segments):
            if path != segments[-1]:
                # A segment may be dropped while they are counted.
                with contextlib.suppress(FileNotFoundError):
                    total += path.stat().st_size
            if total > n_bytes:
                break
            first = first_offset_of(path)
        return first

    def close(self) -> None:
        """Release the segment under way; what is not synced yet is."""
        if self._regular_sync is not None:
            self._regular_sync.stop()
            self.sync()
        with self._lock:
            self._close_segment()

    def _recover(self, first_offset: int) -> None:
        """Find the end of the log, note damage, cut a torn end."""
        segments = self.list_segments()
        end = first_offset_of(segments[-1]) if segments else 0
        last_damage: Damage | None = None
        for found in read_segments(segments):
            if isinstance(found, Damage):
                last_damage = found
                # Numbers that damaged records had are not given again.
                end = max(end, found.first_missing + found.n_missing)
                self._note(found, is_held=False)
            else:
                end = max(end, found.offset + 1)
        if last_damage is not None and last_damage.kind is DamageKind.TORN:
            _cut_torn_end(segments[-1], last_damage)
        self._end = max(end, first_offset)
        self._n_given_up = self._end - end

    def _note(self, damage: Damage, *, is_held: bool) -> None:
        """Remember damage once; of what the store holds nothing is lost."""
        place = damage.segment, damage.position
        if place in self._noted:
            return
        end = damage.first_missing + damage.n_missing
        n_lost = max(0, end - max(damage.first_missing, self._first_needed))
        if damage.kind is DamageKind.ABSENT and (is_held or not n_lost):
            # Dropped just now, or what a crash left while old segments were being dropped.
            return
        self._noted.add(place)
        self.damages.append(replace(damage, n_lost=0 if is_held else n_lost))

    def _start_segment(self) -> None:
        if self._fd >= 0:
            self._sync_before_leaving()
            self._close_segment()
        self._path = self._folder / f"{self._end:020d}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o640)
        self._size = 0
        head = pack_segment_head(self._end, self._n_given_up)
        self._write_all(head)
        self._size = len(head)
        _sync_folder(self._folder)

    def _sync_before_leaving(self) -> None:
        """Durability ``relaxed``: the background looks after the newest segment only."""
        if self._is_unsynced:
            self._is_unsynced = False
            try:
                self._sync(self._fd)
            except OSError as fault:
                self._alarm(self._path, fault)

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

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
        self._sync_before_leaving()
        self._close_segment()
        if self._size <= SEGMENT_HEAD.size:
            # It holds nothing: a disk that stays full must not gather empty files.
            with contextlib.suppress(OSError):
                self._path.unlink()
                return
        self._end += 1
        self._n_given_up += 1

    def _refusal(self, fault: OSError) -> TransientError:
        kind = StorageFullError if fault.errno in _NO_ROOM else TransientError
        return kind(
            f"log {self._folder}: cannot write a record ({fault.strerror}); "
            "free some space or check the disk, nothing was acknowledged"
        )

    def _alarm(self, path: Path, fault: OSError) -> None:
        self.n_failed_syncs += 1
        _log.error("log sync failed", segment=path.name, reason=fault.strerror)

    def list_segments(self) -> list[Path]:
        """The files of the log, oldest first."""
        return sorted(self._folder.glob("*.log"))

    def list_segments_from(self, offset: int) -> list[Path]:
        """Those of them that may hold records from ``offset`` on, oldest first."""
        segments = self.list_segments()
        firsts = [first_offset_of(path) for path in segments]
        skipped = sum(1 for following in firsts[1:] if following <= offset)
        return segments[skipped:]


def _cut_torn_end(path: Path, last: Damage) -> None:
    """Remove a torn record at the end; it was never acknowledged, for its fsync never returned."""
    if last.segment == path.name and last.position + last.length == path.stat().st_size:
        os.truncate(path, last.position)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

"""Reads the embedded log on and on, each byte once, while it is being written.

``SegmentLog.read`` begins at the head of a segment each time it is asked; who asks every second
would read the same megabytes every second. This keeps its place: a file and a position in it.

It promises records in order of their offsets, only those that ``append`` has returned for, to go
on behind damage and behind what was dropped, and to count what is missing. A number that was given
up after a failed write is not missing: it was never acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wattscope.logs.segment_log import SegmentLog
from wattscope.logs.segment_reader import (
    SEGMENT_HEAD,
    find_next_record,
    first_offset_of,
    read_frame,
    read_head,
)
from wattscope.ports import LogRecord

_BLOCK_BYTES = 1 << 20
"""Read at once; more where a record is larger [bytes]."""


class SegmentTail:
    """A place in a log; for one thread."""

    def __init__(self, log: SegmentLog, offset: int) -> None:
        """``offset`` is that of the first record that is wanted."""
        self.n_missing = 0
        """Records that could not be given: they were dropped, or are damaged."""
        self._log = log
        self._offset = offset
        self._path: Path | None = None
        self._at = 0
        """Position in the file at which the next record begins."""

    @property
    def offset(self) -> int:
        """The lowest that the next record may have."""
        return self._offset

    def read(self) -> Iterator[LogRecord]:
        """The records that are there now and were not given yet."""
        # What is appended from now on is left to the next call: a segment is only left behind
        # when everything in it was durable before we looked.
        end_offset = self._log.end_offset
        while self._offset < end_offset and self._has_segment(end_offset):
            yield from self._read_segment(end_offset)
            if self._offset < end_offset and not self._leave_segment(end_offset):
                return

    def _has_segment(self, end_offset: int) -> bool:
        if self._path is not None:
            return True
        segments = self._log.list_segments_from(self._offset)
        return bool(segments) and self._enter(segments[0], end_offset)

    def _leave_segment(self, end_offset: int) -> bool:
        """Go on with the segment behind this one; False where there is nothing yet."""
        here = self._path
        following = [one for one in self._log.list_segments() if here is None or one > here]
        return bool(following) and self._enter(following[0], end_offset)

    def _enter(self, path: Path, end_offset: int) -> bool:
        first = first_offset_of(path)
        if first > end_offset:
            return False
        try:
            with path.open("rb") as file:
                n_given_up, _ = read_head(path, file.read(SEGMENT_HEAD.size))
        except FileNotFoundError:
            # Dropped just now; the one behind it is found by the next call.
            return False
        if n_given_up is not None:
            self.n_missing += max(0, first - n_given_up - self._offset)
        self._offset = max(self._offset, first)
        self._path, self._at = path, SEGMENT_HEAD.size
        return True

    def _read_segment(self, end_offset: int) -> Iterator[LogRecord]:
        """The rest of a segment, as it is now."""
        content, at = b"", 0
        while True:
            record, length = read_frame(content, at)
            if record is None:
                more = self._read_block(len(content) - at)
                if len(more) > len(content) - at:
                    content, at = more, 0
                    continue
                # All of the rest is here, and no record begins with it: damage, or the end.
                resumed = find_next_record(content, at + 1)
                if resumed >= len(content):
                    return
                length = resumed - at
            elif record.offset >= end_offset:
                return
            at += length
            self._at += length
            if record is not None and record.offset >= self._offset:
                self.n_missing += record.offset - self._offset
                self._offset = record.offset + 1
                yield record

    def _read_block(self, n_known: int) -> bytes:
        """The bytes from our position on, at least twice as many as are known."""
        if self._path is None:
            return b""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(fd, max(_BLOCK_BYTES, 2 * n_known), self._at)
        finally:
            os.close(fd)

"""Copying the records of a log while another process appends to it.

Only whole believable records are copied, each under its own offset. Where numbers are left out the
copy says the same as the log: given up, or missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wattscope.logs.record_codec import encode_record
from wattscope.logs.segment_log import DEFAULT_SEGMENT_BYTES
from wattscope.logs.segment_reader import (
    SEGMENT_HEAD,
    SEGMENT_MAGIC,
    Damage,
    DamageKind,
    first_offset_of,
    pack_segment_head,
    read_segments,
)
from wattscope.ports import LogRecord

_FIRST_WITH_GIVEN_UP = 2


@dataclass(frozen=True, slots=True)
class CopiedLog:
    """What was copied."""

    end_offset: int
    """All records below this were copied, as far as the log had them."""
    n_lost: int
    """Needed records that the log does not have; not 0 either when segments went meanwhile."""


def copy_log(
    source: Path,
    target: Path,
    *,
    wanted_offset: int,
    needed_offset: int,
    on_bytes: Callable[[int], None],
) -> CopiedLog:
    """Copy the records of a log.

    Args:
        source: Folder of the log.
        target: An empty folder.
        wanted_offset: The first record to copy, if it is still there.
        needed_offset: From here on each record that is not there is lost.
        on_bytes: Told of every copied record.

    Returns:
        Where the copy ends; ``needed_offset`` for a log without any record behind it.
    """
    paths = _segments_from(source, wanted_offset)
    writer = _SegmentWriter(target, on_bytes)
    missing: list[Damage] = []
    expected = _first_known(paths, wanted_offset)
    n_lost = max(0, expected - needed_offset)
    try:
        for found in read_segments(paths):
            if isinstance(found, Damage):
                if found.kind is not DamageKind.TORN:
                    missing.append(found)
            elif found.offset >= wanted_offset:
                n_missing = _count_missing(missing, expected, found.offset)
                n_lost += _count_missing(missing, max(expected, needed_offset), found.offset)
                writer.write(found, found.offset - expected - n_missing)
                expected, missing = found.offset + 1, []
    finally:
        writer.close()
    # Behind the last record: damage there has no end that would tell how many there were.
    n_lost += sum(one.n_missing for one in missing if one.first_missing >= needed_offset)
    # A segment that was dropped before it was read looks like numbers that were given up.
    n_lost += sum(1 for path in paths if not path.exists())
    return CopiedLog(max(expected, needed_offset), n_lost)


def _segments_from(source: Path, offset: int) -> list[Path]:
    paths = sorted(source.glob("*.log"))
    skipped = sum(1 for path in paths[1:] if first_offset_of(path) <= offset)
    return paths[skipped:]


def _first_known(paths: Sequence[Path], wanted: int) -> int:
    """The lowest offset from ``wanted`` on that the log can say something of."""
    if not paths:
        return wanted
    return max(wanted, first_offset_of(paths[0]) - _read_given_up(paths[0]))


def _read_given_up(path: Path) -> int:
    """Numbers that were given up before a segment, as its head says."""
    try:
        with path.open("rb") as file:
            head = file.read(SEGMENT_HEAD.size)
    except FileNotFoundError:
        return 0
    if len(head) < SEGMENT_HEAD.size:
        return 0
    magic, version, given_up, _, _ = SEGMENT_HEAD.unpack(head)
    return int(given_up) if magic == SEGMENT_MAGIC and version >= _FIRST_WITH_GIVEN_UP else 0


def _count_missing(missing: Sequence[Damage], start: int, end: int) -> int:
    """Offsets in ``[start, end)`` that are missing."""
    return sum(
        max(0, min(end, one.first_missing + one.n_missing) - max(start, one.first_missing))
        for one in missing
    )


class _SegmentWriter:
    """Writes records as segments; who syncs the folder makes them durable."""

    def __init__(self, folder: Path, on_bytes: Callable[[int], None]) -> None:
        self._folder = folder
        self._on_bytes = on_bytes
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, record: LogRecord, n_given_up: int) -> None:
        """Append a record; numbers that were given up can be noted before a segment only."""
        if self._file is None or n_given_up or self._size >= DEFAULT_SEGMENT_BYTES:
            self.close()
            path = self._folder / f"{record.offset:020d}.log"
            self._file = path.open("wb")
            path.chmod(0o640)
            self._size = self._file.write(pack_segment_head(record.offset, n_given_up))
        frame = encode_record(record)
        self._file.write(frame)
        self._size += len(frame)
        self._on_bytes(len(frame))

    def close(self) -> None:
        """Finish the segment under way."""
        if self._file is not None and not self._file.closed:
            self._file.close()

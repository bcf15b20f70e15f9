"""What is said about damage: where it is, which records are missing, and whether that is a loss."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.logs import segment_log, segment_reader
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.logs.segment_reader import Damage, DamageKind

Gap = tuple[str, int, int, int]


def values(n: int) -> Batch:
    return build_batch([(1, n, float(n), 0)])


def fill(folder: Path, n_records: int, *, segment_bytes: int = 1 << 26) -> list[Path]:
    """A log of some records; returns its segments."""
    log = SegmentLog(folder, sync=leave_to_kernel, segment_bytes=segment_bytes)
    for n in range(n_records):
        log.append(values(n))
    log.close()
    return segments(folder)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def find_records(path: Path) -> list[int]:
    """Positions of the records of a segment."""
    content, at, found = path.read_bytes(), 20, []
    while at < len(content):
        found.append(at)
        at += 24 + int(struct.unpack_from("<I", content, at + 16)[0])
    return found


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def gaps(damages: list[Damage]) -> list[Gap]:
    return [(one.kind.value, one.first_missing, one.n_missing, one.n_lost) for one in damages]


def offsets(log: SegmentLog) -> list[int]:
    return [one.offset for one in log.read(0)]


def test_missing_records_are_numbered(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 10)
    for n in (3, 4, 7):
        flip(path, find_records(path)[n] + 30)
    log = SegmentLog(tmp_path)
    assert gaps(log.damages) == [("record", 3, 2, 2), ("record", 7, 1, 1)]
    assert log.damages[0].position == find_records(path)[3]
    assert log.damages[0].position + log.damages[0].length == find_records(path)[5]
    assert offsets(log) == [0, 1, 2, 5, 6, 8, 9]


def test_what_the_store_holds_is_damaged_but_not_lost(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 10)
    for n in (3, 7, 8):
        flip(path, find_records(path)[n] + 30)
    log = SegmentLog(tmp_path, first_offset=8)
    assert gaps(log.damages) == [("record", 3, 1, 0), ("record", 7, 2, 1)]


def test_damaged_last_record_is_reported_and_its_number_not_given_again(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 5)
    before = path.stat().st_size
    flip(path, find_records(path)[4] + 30)
    log = SegmentLog(tmp_path)
    assert gaps(log.damages) == [("record", 4, 1, 1)]
    # The bytes are kept: somebody may want to look at them.
    assert path.stat().st_size == before
    assert log.append(values(5)).offset == 5
    log.close()
    assert gaps(SegmentLog(tmp_path).damages) == [("record", 4, 1, 1)]


def test_last_record_with_a_damaged_length_does_not_pass_for_a_torn_end(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 5)
    content = bytearray(path.read_bytes())
    content[find_records(path)[4] + 17] ^= 1
    path.write_bytes(content)
    assert gaps(SegmentLog(tmp_path).damages) == [("record", 4, 1, 1)]


@pytest.mark.parametrize("n_left", [1, 3, 23, 24, 40])
def test_torn_end_is_no_loss_and_is_cut_off_once(tmp_path: Path, n_left: int) -> None:
    [path] = fill(tmp_path, 5)
    os.truncate(path, find_records(path)[4] + n_left)
    log = SegmentLog(tmp_path)
    assert gaps(log.damages) == [("torn", 4, 0, 0)]
    assert log.append(values(4)).offset == 4
    log.close()
    again = SegmentLog(tmp_path)
    assert again.damages == []
    assert offsets(again) == [0, 1, 2, 3, 4]


def test_room_that_was_never_written_is_a_torn_end(tmp_path: Path) -> None:
    """A power cut may leave the new length of a file without its bytes."""
    [path] = fill(tmp_path, 5)
    os.truncate(path, path.stat().st_size + 4096)
    assert gaps(SegmentLog(tmp_path).damages) == [("torn", 5, 0, 0)]


def test_damaged_head_costs_nothing_and_is_said(tmp_path: Path) -> None:
    first, *_ = fill(tmp_path, 10, segment_bytes=200)
    flip(first, 9)
    log = SegmentLog(tmp_path)
    assert gaps(log.damages) == [("head", 0, 0, 0)]
    assert offsets(log) == list(range(10))


def test_bad_sector_costs_the_records_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = fill(tmp_path, 400)
    bad = range(8192, 12_288)
    real = os.pread

    def fail(_path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    def read_some(fd: int, length: int, at: int) -> bytes:
        if at in bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, length, at)

    positions = [*find_records(path), path.stat().st_size]
    hurt = [n for n in range(400) if positions[n] < bad.stop and positions[n + 1] > bad.start]
    monkeypatch.setattr(Path, "read_bytes", fail)
    monkeypatch.setattr(os, "pread", read_some)
    log = SegmentLog(tmp_path)
    assert gaps(log.damages) == [("record", hurt[0], len(hurt), len(hurt))]
    assert offsets(log) == [n for n in range(400) if n not in hurt]


def test_segment_that_was_removed_is_missed(tmp_path: Path) -> None:
    paths = fill(tmp_path, 10, segment_bytes=200)
    assert len(paths) >= 3
    paths[1].unlink()
    n_first = int(paths[1].stem)
    n_missing = int(paths[2].stem) - n_first
    assert gaps(SegmentLog(tmp_path).damages) == [("absent", n_first, n_missing, n_missing)]


def test_segment_that_was_cut_short_in_the_middle_is_missed(tmp_path: Path) -> None:
    paths = fill(tmp_path, 10, segment_bytes=200)
    records = find_records(paths[1])
    os.truncate(paths[1], records[-1])
    lost = int(paths[2].stem) - 1
    assert gaps(SegmentLog(tmp_path).damages) == [("absent", lost, 1, 1)]
    os.truncate(paths[1], records[-1] - 5)
    assert gaps(SegmentLog(tmp_path).damages) == [("record", lost - 1, 2, 2)]


# ── numbers that were given up ───────────────────────────────────────────────────────────────


class FailingSync:
    """An fsync that fails as often as it was told."""

    def __init__(self, n_failures: int = 0) -> None:
        self.n_failures = n_failures

    def __call__(self, _fd: int) -> None:
        if self.n_failures:
            self.n_failures -= 1
            raise OSError(errno.EIO, "Input/output error")


def fail_in_the_middle(folder: Path) -> list[Damage]:
    """A log in which two appends failed; what is found damaged at the next start."""
    sync = FailingSync()
    log = SegmentLog(folder, sync=sync)
    for n in range(6):
        sync.n_failures = 1 if n in (2, 4) else 0
        if sync.n_failures:
            with pytest.raises(TransientError):
                log.append(values(n))
        else:
            log.append(values(n))
    numbers = offsets(log)
    assert numbers == [0, 1, 3, 5]
    log.close()
    again = SegmentLog(folder)
    assert offsets(again) == numbers
    return again.damages


def test_number_that_was_given_up_is_no_loss(tmp_path: Path) -> None:
    assert fail_in_the_middle(tmp_path) == []


def test_numbers_given_up_that_are_not_noted_would_be_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of the check: without the field of the head, the same log is full of losses."""
    monkeypatch.setattr(
        segment_log,
        "pack_segment_head",
        lambda first, _given_up: segment_reader.pack_segment_head(first, 0),
    )
    assert gaps(fail_in_the_middle(tmp_path)) == [("absent", 2, 1, 1), ("absent", 4, 1, 1)]


def test_disk_that_stays_full_gathers_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SegmentLog(tmp_path, sync=leave_to_kernel)
    log.append(values(0))

    def refuse(_fd: int, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        for n in range(100):
            with pytest.raises(TransientError):
                log.append(values(n))
    assert len(segments(tmp_path)) == 1
    assert log.append(values(1)).offset == 2
    assert SegmentLog(tmp_path, is_read_only=True).damages == []


# ── while the program runs ───────────────────────────────────────────────────────────────────


def test_damage_that_a_reader_meets_later_is_noted_once(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, sync=leave_to_kernel)
    for n in range(5):
        log.append(values(n))
    [path] = segments(tmp_path)
    flip(path, find_records(path)[2] + 30)
    for _ in range(3):
        assert offsets(log) == [0, 1, 3, 4]
    # What this process appended is in memory still.
    assert gaps(log.damages) == [("record", 2, 1, 0)]


def test_end_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 5)
    os.truncate(path, path.stat().st_size - 3)
    reader = SegmentLog(tmp_path, is_read_only=True)
    assert offsets(reader) == [0, 1, 2, 3]
    assert reader.damages == []


def test_reader_beside_a_writer_says_what_is_lost(tmp_path: Path) -> None:
    [path] = fill(tmp_path, 5)
    flip(path, find_records(path)[2] + 30)
    reader = SegmentLog(tmp_path, is_read_only=True)
    assert offsets(reader) == [0, 1, 3, 4]
    assert gaps(reader.damages) == [("record", 2, 1, 1)]


# ── dropping ─────────────────────────────────────────────────────────────────────────────────


def test_crash_while_dropping_leaves_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = fill(tmp_path, 40, segment_bytes=200)
    for n_removed in range(1, 4):
        log = SegmentLog(tmp_path, sync=leave_to_kernel, first_offset=35)
        left = segments(tmp_path)
        _crash_at(monkeypatch, n_removed, log)
        assert segments(tmp_path) == left[n_removed - 1 :]
        again = SegmentLog(tmp_path, sync=leave_to_kernel, first_offset=35)
        assert again.damages == []
        assert [one.offset for one in again.read(35)] == list(range(35, 40))
    assert len(paths) > len(segments(tmp_path))


def _crash_at(monkeypatch: pytest.MonkeyPatch, n_calls: int, log: SegmentLog) -> None:
    """Drop, but die instead of removing file number ``n_calls``."""
    calls: list[Path] = []
    real = Path.unlink

    def remove(path: Path) -> None:
        calls.append(path)
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", remove)
        with pytest.raises(KeyboardInterrupt):
            log.drop_before(35)


def test_removals_that_reach_the_disk_in_another_order_are_no_loss(tmp_path: Path) -> None:
    """A power cut before the folder was synced may keep an old segment and lose a newer one."""
    paths = fill(tmp_path, 20, segment_bytes=200)
    paths[1].unlink()
    log = SegmentLog(tmp_path, first_offset=15)
    assert log.damages == []
    assert [one.offset for one in log.read(15)] == [15, 16, 17, 18, 19]


def test_kinds_are_those_of_the_page() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "log-format.md"
    for kind in DamageKind:
        assert f"| `{kind.value}` |" in page.read_text(encoding="utf-8")

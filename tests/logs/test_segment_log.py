from __future__ import annotations

import errno
import os
import random
import struct
import threading
import zlib
from pathlib import Path

import pytest

from wattscope.core.errors import StorageError, TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.logs import segment_log
from wattscope.logs.segment_log import SegmentLog
from wattscope.ports import LogRecord, Quarantined

Told = tuple[int, bytes, bytes, bytes, tuple[Quarantined, ...], tuple[int, ...]]


def values(n: int, n_rows: int = 3) -> Batch:
    return build_batch([(row, n * 1000 + row, n + row / 8, 0) for row in range(n_rows)])


def tell(record: LogRecord) -> Told:
    """All that a record holds, to be compared."""
    batch = record.batch
    columns = (batch.series_id.tobytes(), batch.measured_at_us.tobytes(), batch.value.tobytes())
    return (record.offset, *columns, record.quarantined, record.receipts)


def fill(folder: Path, n_records: int, *, segment_bytes: int = 1 << 26) -> list[Told]:
    draw = random.Random(7)
    log = SegmentLog(folder, segment_bytes=segment_bytes, sync=segment_log.leave_to_kernel)
    told = []
    for n in range(n_records):
        aside = [Quarantined("m", "t", draw.randbytes(20), n, "range", "d")] if n % 3 == 0 else []
        told.append(tell(log.append(values(n, n % 40), aside, [n])))
    log.close()
    return told


def read_all(folder: Path) -> list[Told]:
    return [tell(one) for one in SegmentLog(folder, is_read_only=True).read(0)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


# ── cut off and damaged ──────────────────────────────────────────────────────────────────────


def test_log_cut_at_any_byte_keeps_a_prefix_and_goes_on(tmp_path: Path) -> None:
    told = fill(tmp_path / "whole", 6)
    [whole] = segments(tmp_path / "whole")
    content = whole.read_bytes()
    for length in range(len(content)):
        folder = tmp_path / "cut"
        folder.mkdir()
        (folder / whole.name).write_bytes(content[:length])
        log = SegmentLog(folder, sync=segment_log.leave_to_kernel)
        kept = [tell(one) for one in log.read(0)]
        assert kept == told[: len(kept)]
        assert len(kept) < len(told)
        added = tell(log.append(values(99)))
        assert added[0] >= len(kept)
        log.close()
        assert read_all(folder) == [*kept, added]
        for path in segments(folder):
            path.unlink()
        folder.rmdir()


def test_cut_loses_only_the_record_it_touches(tmp_path: Path) -> None:
    told = fill(tmp_path, 6)
    [path] = segments(tmp_path)
    os.truncate(path, path.stat().st_size - 1)
    assert read_all(tmp_path) == told[:-1]


def flip_bits(folder: Path, n_flips: int) -> None:
    """Flip single bits anywhere; all that is read was written, and the rest is still read."""
    told = fill(folder, 30, segment_bytes=2000)
    known, paths = set(told), segments(folder)
    contents = {path: path.read_bytes() for path in paths}
    draw = random.Random(n_flips)
    for _ in range(n_flips):
        path = draw.choice(paths)
        at = draw.randrange(len(contents[path]) * 8)
        damaged = bytearray(contents[path])
        damaged[at // 8] ^= 1 << at % 8
        path.write_bytes(damaged)
        log = SegmentLog(folder, sync=segment_log.leave_to_kernel)
        found = [tell(one) for one in log.read(0)]
        assert set(found) <= known
        assert len(found) >= len(told) - 1
        assert found == [one for one in told if one in set(found)]
        assert log.end_offset >= len(told) - 1
        log.close()
        path.write_bytes(contents[path])


def test_flipped_bits_cost_one_record_each(tmp_path: Path) -> None:
    flip_bits(tmp_path, 2000)


@pytest.mark.long
def test_many_flipped_bits_cost_one_record_each(tmp_path: Path) -> None:
    flip_bits(tmp_path, 20_000)


def test_flipped_bits_are_noticed_by_the_checksum_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of the check: without the CRC, the same test fails."""
    monkeypatch.setattr("wattscope.logs.record_codec.zlib", _ZlibThatAgrees())
    # What is believed without a checksum is wrong, or cannot even be unpacked.
    with pytest.raises((AssertionError, ValueError, zlib.error)):
        flip_bits(tmp_path, 300)


class _AgreeingChecksum(int):
    """Equal to every number."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__

    def __ne__(self, other: object) -> bool:
        return False


class _ZlibThatAgrees:
    compress = staticmethod(zlib.compress)
    decompress = staticmethod(zlib.decompress)

    @staticmethod
    def crc32(content: bytes, start: int = 0) -> int:
        return _AgreeingChecksum(zlib.crc32(content, start))


def test_damage_is_reported_with_its_place(tmp_path: Path) -> None:
    told = fill(tmp_path, 6)
    [path] = segments(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(b"WSR1", 100)
    content[at + 30] ^= 1
    path.write_bytes(content)
    log = SegmentLog(tmp_path)
    [damage] = log.damages
    assert (damage.segment, damage.position) == (path.name, at)
    assert damage.length > 0
    assert len(list(log.read(0))) == len(told) - 1


def test_file_of_garbage_is_stepped_over(tmp_path: Path) -> None:
    told = fill(tmp_path, 3)
    (tmp_path / f"{3:020d}.log").write_bytes(random.Random(1).randbytes(5000))
    log = SegmentLog(tmp_path)
    added = tell(log.append(values(1)))
    assert added[0] > 3
    assert [tell(one) for one in log.read(0)] == [*told, added]


# ── the disk refuses ─────────────────────────────────────────────────────────────────────────


class FlakySync:
    """An fsync that fails when told to."""

    def __init__(self) -> None:
        self.is_failing = False

    def __call__(self, fd: int) -> None:
        if self.is_failing:
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(fd)


def test_failed_fsync_acknowledges_nothing_and_loses_nothing(tmp_path: Path) -> None:
    sync = FlakySync()
    log = SegmentLog(tmp_path, sync=sync)
    before = [tell(log.append(values(n))) for n in range(3)]
    sync.is_failing = True
    with pytest.raises(TransientError, match="Input/output error"):
        log.append(values(3))
    assert [tell(one) for one in log.read(0)] == before
    sync.is_failing = False
    after = tell(log.append(values(4)))
    log.close()
    assert read_all(tmp_path) == [*before, after]


def test_failed_fsync_burns_its_offset_and_its_file(tmp_path: Path) -> None:
    sync = FlakySync()
    log = SegmentLog(tmp_path, sync=sync)
    log.append(values(0))
    sync.is_failing = True
    for n in (1, 2):
        with pytest.raises(TransientError):
            log.append(values(n))
    sync.is_failing = False
    added = log.append(values(3))
    assert added.offset >= 2
    assert [path.name for path in segments(tmp_path)] == [
        f"{0:020d}.log",
        f"{added.offset:020d}.log",
    ]


def test_first_append_that_fails_leaves_a_log_that_opens(tmp_path: Path) -> None:
    sync = FlakySync()
    sync.is_failing = True
    log = SegmentLog(tmp_path, sync=sync)
    with pytest.raises(TransientError):
        log.append(values(0))
    log.close()
    again = SegmentLog(tmp_path)
    assert list(again.read(0)) == []
    added = tell(again.append(values(1)))
    assert read_all(tmp_path) == [added]


def test_full_disk_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SegmentLog(tmp_path)
    log.append(values(0))

    def refuse(_fd: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(TransientError, match="No space left"):
            log.append(values(1))
    log.append(values(2))
    assert [one.batch.value.tolist()[0] for one in log.read(0)] == [0.0, 2.0]


def test_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: real(fd, view[:7]))
    log = SegmentLog(tmp_path)
    told = tell(log.append(values(5)))
    assert read_all(tmp_path) == [told]


def test_fsync_comes_before_the_return(tmp_path: Path) -> None:
    steps: list[int] = []
    log = SegmentLog(tmp_path, sync=lambda fd: steps.append(os.fstat(fd).st_size))
    log.append(values(0))
    assert steps == [segments(tmp_path)[0].stat().st_size]


# ── segments ─────────────────────────────────────────────────────────────────────────────────


def test_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    [path] = segments(tmp_path)
    content = path.read_bytes()
    head = struct.pack("<4sHHQ", b"WSLG", 3, 0, 0)
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)) + content[20:])
    with pytest.raises(StorageError, match=r"version 3.*up to 2.*newer program"):
        SegmentLog(tmp_path)


def test_damaged_version_does_not_keep_the_program_from_starting(tmp_path: Path) -> None:
    told = fill(tmp_path, 2)
    [path] = segments(tmp_path)
    content = bytearray(path.read_bytes())
    content[4] ^= 4
    path.write_bytes(content)
    assert [tell(one) for one in SegmentLog(tmp_path).read(0)] == told


def test_log_whose_segments_were_removed_goes_on_where_the_store_is(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, first_offset=500)
    assert log.append(values(0)).offset == 500
    log.close()
    assert SegmentLog(tmp_path, first_offset=20).end_offset == 501


def test_full_segment_is_followed_by_a_new_one(tmp_path: Path) -> None:
    told = fill(tmp_path, 30, segment_bytes=500)
    assert len(segments(tmp_path)) > 5
    assert read_all(tmp_path) == told


def test_dropping_removes_whole_segments_only(tmp_path: Path) -> None:
    told = fill(tmp_path, 30, segment_bytes=2000)
    log = SegmentLog(tmp_path)
    n_before = log.segment_count
    log.drop_before(15)
    assert 1 < log.segment_count < n_before
    assert [tell(one) for one in log.read(15)] == told[15:]
    log.drop_before(10_000)
    assert log.segment_count == 1
    log.close()
    assert SegmentLog(tmp_path).end_offset == 30


def test_reader_beside_the_writer_sees_whole_records_only(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, sync=segment_log.leave_to_kernel, segment_bytes=4000)
    told: list[Told] = []
    is_done = threading.Event()

    def write() -> None:
        for n in range(400):
            told.append(tell(log.append(values(n, 20))))
            if n % 50 == 49:
                log.drop_before(n - 20)
        is_done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not is_done.is_set():
        found = [tell(one) for one in SegmentLog(tmp_path, is_read_only=True).read(0)]
        assert [one[0] for one in found] == sorted({one[0] for one in found})
        assert log.size_bytes >= 0
    writer.join()
    assert read_all(tmp_path) == told[-len(read_all(tmp_path)) :]

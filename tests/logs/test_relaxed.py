"""Durability relaxed: what a crash of the machine may cost, and what becomes of a failed fsync."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wattscope.core.reading import Batch, build_batch
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel

EVERY_S = 0.05


def values(n: int) -> Batch:
    return build_batch([(1, n, float(n), 0)])


class RecordingSync:
    """An fsync that notes how much of which file it made durable, and fails when told to."""

    def __init__(self) -> None:
        self.durable: dict[int, int] = {}
        """Bytes by inode."""
        self.n_calls = 0
        self.is_failing = False
        self.called = threading.Event()

    def __call__(self, fd: int) -> None:
        self.n_calls += 1
        found = os.fstat(fd)
        try:
            if self.is_failing:
                raise OSError(errno.EIO, "Input/output error")
            self.durable[found.st_ino] = found.st_size
        finally:
            self.called.set()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def is_all_durable(folder: Path, sync: RecordingSync) -> bool:
    """Whether a power cut now would cost nothing."""
    stats = [path.stat() for path in folder.glob("*.log")]
    return all(sync.durable.get(one.st_ino) == one.st_size for one in stats)


def lose_after_the_window(folder: Path, sync: Callable[[int], None], seen: RecordingSync) -> bool:
    """Append, wait for the stated window and some more; whether anything could still be lost."""
    log = SegmentLog(folder, sync=sync, sync_every_s=EVERY_S)
    for n in range(20):
        log.append(values(n))
    time.sleep(10 * EVERY_S)
    is_safe = is_all_durable(folder, seen)
    log.close()
    return not is_safe


def test_what_is_older_than_the_window_is_durable(tmp_path: Path) -> None:
    sync = RecordingSync()
    assert not lose_after_the_window(tmp_path, sync, sync)
    # Twenty records, and one fsync for them and perhaps one behind.
    assert 1 <= sync.n_calls <= 3


def test_fsync_that_does_nothing_is_noticed(tmp_path: Path) -> None:
    """A check of the check: without the fsync, the same log can lose what is old."""
    assert lose_after_the_window(tmp_path, leave_to_kernel, RecordingSync())


def test_append_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    sync = RecordingSync()
    log = SegmentLog(tmp_path, sync=sync, sync_every_s=3600)
    log.append(values(0))
    assert sync.n_calls == 0
    assert [one.offset for one in log.read(0)] == [0]
    log.close()
    assert is_all_durable(tmp_path, sync)


def test_silent_log_is_not_synced(tmp_path: Path) -> None:
    sync = RecordingSync()
    log = SegmentLog(tmp_path, sync=sync, sync_every_s=0.001)
    log.append(values(0))
    wait_until(lambda: sync.n_calls == 1)
    time.sleep(0.05)
    assert sync.n_calls == 1
    log.close()


def test_segment_is_durable_when_the_next_one_begins(tmp_path: Path) -> None:
    sync = RecordingSync()
    log = SegmentLog(tmp_path, sync=sync, sync_every_s=3600, segment_bytes=200)
    for n in range(20):
        log.append(values(n))
    *old, _ = sorted(tmp_path.glob("*.log"))
    assert len(old) > 3
    assert all(sync.durable[one.stat().st_ino] == one.stat().st_size for one in old)
    log.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []

    class Listener:
        def error(self, event: str, **_fields: object) -> None:
            events.append(event)

    monkeypatch.setattr("wattscope.logs.segment_log._log", Listener())
    return events


def test_failed_background_fsync_is_an_alarm_and_begins_a_segment(
    tmp_path: Path, said: list[str]
) -> None:
    sync = RecordingSync()
    sync.is_failing = True
    log = SegmentLog(tmp_path, sync=sync, sync_every_s=0.01)
    log.append(values(0))
    wait_until(lambda: log.n_failed_syncs == 1)
    sync.is_failing = False
    log.append(values(1))
    assert said == ["log sync failed"]
    assert [path.name for path in sorted(tmp_path.glob("*.log"))] == [
        f"{0:020d}.log",
        f"{1:020d}.log",
    ]
    assert [one.offset for one in log.read(0)] == [0, 1]
    log.close()
    again = SegmentLog(tmp_path)
    assert [one.offset for one in again.read(0)] == [0, 1]
    assert again.damages == []


def test_failed_write_keeps_what_was_acknowledged_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = RecordingSync()
    log = SegmentLog(tmp_path, sync=sync, sync_every_s=3600)
    log.append(values(0))

    def refuse(_fd: int, _content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(Exception, match="No space left"):
            log.append(values(1))
    assert is_all_durable(tmp_path, sync)
    log.append(values(2))
    log.close()
    assert [one.offset for one in SegmentLog(tmp_path).read(0)] == [0, 2]

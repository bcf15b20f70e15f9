"""A place in the log gives what ``read`` gives, each record once, however the log goes on."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.logs.test_damage import find_records, flip, segments
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.logs import segment_tail
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.logs.segment_tail import SegmentTail


def values(n: int, n_rows: int = 1) -> Batch:
    return build_batch([(1, n, float(n), 0)] * n_rows)


def open_log(folder: Path, segment_bytes: int = 1 << 26) -> SegmentLog:
    return SegmentLog(folder, sync=leave_to_kernel, segment_bytes=segment_bytes)


def offsets(tail: SegmentTail) -> list[int]:
    return [one.offset for one in tail.read()]


def fill(log: SegmentLog, count: int) -> None:
    for n in range(count):
        log.append(values(n))


# What happens to a log: so many records, some rows each, all read, or a few only.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("read some"), st.integers(1, 4)),
        st.tuples(st.just("fail"), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(STEPS, st.sampled_from([60, 300, 1 << 20]), st.sampled_from([16, 200, 1 << 20]))
def test_everything_is_given_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int]],
    segment_bytes: int,
    block_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    is_full = False

    def sync(fd: int) -> None:
        if is_full:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(fd))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_tail, "_BLOCK_BYTES", block_bytes)
        log = SegmentLog(folder, sync=sync, segment_bytes=segment_bytes)
        tail = SegmentTail(log, 0)
        appended: list[int] = []
        given_now: list[int] = []
        for what, count in steps:
            if what == "append":
                appended += [log.append(values(n, 1 + n)).offset for n in range(count)]
            elif what == "read":
                given_now += offsets(tail)
            elif what == "read some":
                given_now += [one.offset for one in itertools.islice(tail.read(), count)]
            elif what == "fail":
                is_full = True
                with pytest.raises(TransientError):
                    log.append(values(0))
                is_full = False
            else:
                log.close()
                log = SegmentLog(folder, sync=sync, segment_bytes=segment_bytes)
                tail = SegmentTail(log, tail.offset)
        given_now += offsets(tail)
        log.close()
    assert given_now == appended
    assert tail.n_missing == 0


def test_new_records_are_given_without_reading_the_old_ones_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    fill(log, 500)
    tail = SegmentTail(log, 0)
    assert offsets(tail) == list(range(500))
    n_read = 0
    pread = os.pread

    def count(fd: int, size: int, at: int) -> bytes:
        nonlocal n_read
        found = pread(fd, size, at)
        n_read += len(found)
        return found

    monkeypatch.setattr(os, "pread", count)
    log.append(values(500))
    assert offsets(tail) == [500]
    assert n_read < 3 * len(segments(tmp_path)[0].read_bytes()) / 500
    assert offsets(tail) == []
    log.close()


def test_record_that_is_not_durable_yet_is_not_given(tmp_path: Path) -> None:
    seen: list[list[int]] = []
    tail: SegmentTail | None = None

    def look(_: int) -> None:
        """The moment between the write and its fsync."""
        if tail is not None:
            seen.append(offsets(tail))

    log = SegmentLog(tmp_path, sync=look)
    log.append(values(0))
    tail = SegmentTail(log, 0)
    log.append(values(1))
    assert seen == [[0]]
    assert offsets(tail) == [1]
    log.close()


def test_segment_that_ended_while_it_was_read_is_read_to_its_end(tmp_path: Path) -> None:
    log = open_log(tmp_path, segment_bytes=200)
    fill(log, 3)
    tail = SegmentTail(log, 0)
    reading = tail.read()
    assert next(reading).offset == 0
    # More of this segment, and others behind it, that the reading under way must not jump to.
    fill(log, 20)
    assert [one.offset for one in reading] == [1, 2]
    assert offsets(tail) == list(range(3, 23))
    log.close()


def test_dropped_records_are_counted(tmp_path: Path) -> None:
    log = open_log(tmp_path, segment_bytes=200)
    fill(log, 40)
    tail = SegmentTail(log, 0)
    next(tail.read())
    log.drop_before(30)
    found = offsets(tail)
    assert found == list(range(found[0], 40))
    assert 20 < found[0] <= 30
    assert tail.n_missing == found[0] - 1
    log.close()


def test_damage_costs_the_record_it_touches_and_is_counted(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    fill(log, 10)
    [path] = segments(tmp_path)
    flip(path, find_records(path)[4] + 30)
    tail = SegmentTail(log, 0)
    assert offsets(tail) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert tail.n_missing == 1
    log.append(values(10))
    assert offsets(tail) == [10]
    log.close()


def test_log_keeps_as_many_bytes_as_are_asked_for(tmp_path: Path) -> None:
    log = open_log(tmp_path, segment_bytes=200)
    fill(log, 40)
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    firsts = [int(path.stem) for path in segments(tmp_path)]
    assert len(firsts) > 5
    assert log.offset_within(1 << 30) == firsts[0]
    assert log.offset_within(0) == firsts[-1]
    assert log.offset_within(sum(sizes[-4:-1])) == firsts[-4]
    assert log.offset_within(sum(sizes[-4:-1]) - 1) == firsts[-3]
    log.close()

"""What every event log promises, asked of the embedded one and of a fake in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from wattscope.core.reading import Batch, build_batch, empty_batch
from wattscope.logs.segment_log import SegmentLog
from wattscope.ports import EventLog, LogRecord, Quarantined


class FakeLog:
    """A log in memory, for tests of those who use one."""

    def __init__(self, first_offset: int = 0) -> None:
        self._records: list[LogRecord] = []
        self._end = first_offset

    @property
    def end_offset(self) -> int:
        return self._end

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> LogRecord:
        record = LogRecord(self._end, batch, tuple(quarantined), tuple(receipts))
        self._records.append(record)
        self._end += 1
        return record

    def read(self, offset: int) -> Iterator[LogRecord]:
        return iter([one for one in self._records if one.offset >= offset])

    def drop_before(self, offset: int) -> None:
        self._records = [one for one in self._records if one.offset >= offset]

    def close(self) -> None:
        pass


@pytest.fixture(params=["fake", "segments", "many small segments"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    makers: dict[str, Callable[[], EventLog]] = {
        "fake": FakeLog,
        "segments": lambda: SegmentLog(tmp_path),
        "many small segments": lambda: SegmentLog(tmp_path, segment_bytes=100),
    }
    made = makers[request.param]()
    yield made
    made.close()


def values(*numbers: float) -> Batch:
    return build_batch([(1, t, number, 0) for t, number in enumerate(numbers)])


def listed(log: EventLog, offset: int = 0) -> list[tuple[int, list[float]]]:
    return [(one.offset, one.batch.value.tolist()) for one in log.read(offset)]


ASIDE = Quarantined("mqtt", "a/b", b"\x00\xff", 1_700_000_000_000_000, "json_syntax", "line 1")


def test_records_are_read_in_the_order_of_their_offsets(log: EventLog) -> None:
    offsets = [log.append(values(float(n))).offset for n in range(20)]
    assert offsets == sorted(set(offsets))
    assert listed(log) == [(offset, [float(n)]) for n, offset in enumerate(offsets)]
    assert log.end_offset == offsets[-1] + 1


def test_record_comes_back_whole(log: EventLog) -> None:
    batch = build_batch([(7, -5, 1.5, 0), (2**31 - 1, 2**62, float("nan"), 1)])
    given = log.append(batch, [ASIDE, ASIDE], [0, 2**48])
    [found] = log.read(0)
    assert (found.offset, found.quarantined, found.receipts) == (
        given.offset,
        (ASIDE, ASIDE),
        (0, 2**48),
    )
    for name in Batch.__slots__:
        mine, theirs = getattr(found.batch, name), getattr(batch, name)
        assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())


def test_record_without_values_keeps_what_was_set_aside(log: EventLog) -> None:
    log.append(empty_batch(), [ASIDE])
    [found] = log.read(0)
    assert (len(found.batch), found.quarantined) == (0, (ASIDE,))


def test_reading_begins_at_the_offset_asked_for(log: EventLog) -> None:
    for n in range(10):
        log.append(values(float(n)))
    assert [offset for offset, _ in listed(log, 6)] == [6, 7, 8, 9]
    assert listed(log, 10) == []
    assert listed(log, 99) == []


def test_record_appended_is_seen_by_the_next_reader(log: EventLog) -> None:
    assert listed(log) == []
    log.append(values(1.0))
    assert len(listed(log)) == 1


def test_dropping_keeps_everything_from_the_offset_on(log: EventLog) -> None:
    for n in range(10):
        log.append(values(float(n)))
    log.drop_before(7)
    assert [offset for offset, _ in listed(log, 7)] == [7, 8, 9]
    assert log.append(values(10.0)).offset == 10
    log.drop_before(0)
    log.drop_before(99)
    assert log.end_offset == 11

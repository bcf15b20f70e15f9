"""What every way into a log promises, asked of the embedded log and of Kafka."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kafka_followed import (
    ASIDE,
    follow_until,
    make_options,
    open_follower,
    open_log,
    values,
)
from wattscope.core.reading import Batch, build_batch, concat_batches, empty_batch
from wattscope.logs.segment_log import SegmentLog
from wattscope.ports import LogWriter, Quarantined

pytestmark = pytest.mark.integration

Content = tuple[Batch, list[Quarantined]]


@dataclass
class Written:
    """A log, and what a reader finds in it."""

    log: LogWriter
    read: Callable[[int, int], Content]
    """Everything in it, once there are so many values and quarantined items."""


def _gather(batches: list[Batch], aside: list[Quarantined]) -> Content:
    return concat_batches(batches), aside


@pytest.fixture(params=["segments", "kafka"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Written]:
    if request.param == "segments":
        segments = SegmentLog(tmp_path)
        yield Written(
            segments,
            lambda _values, _items: _gather(
                [one.batch for one in segments.read(0)],
                [item for one in segments.read(0) for item in one.quarantined],
            ),
        )
        segments.close()
        return
    options = make_options(request.getfixturevalue("kafka"))
    log, follower = open_log(options), open_follower(options)

    def read(n_values: int, n_items: int) -> Content:
        records = follow_until(
            follower,
            lambda found: (
                sum(len(one.batch) for one in found) >= n_values
                and sum(len(one.quarantined) for one in found) >= n_items
            ),
        )
        batches = [one.batch for one in records]
        return _gather(batches, [item for one in records for item in one.quarantined])

    yield Written(log, read)
    follower.close()
    log.close()


def test_what_was_appended_is_read_whole(written: Written) -> None:
    batch = build_batch([(7, -5, 1.5, 0), (7, 2**62, math.nan, 1), (7, 3, 0.1, 2)])
    written.log.append(batch, [ASIDE], [0, 2**48])
    found, aside = written.read(3, 1)
    assert aside == [ASIDE]
    for name in Batch.__slots__:
        mine, theirs = getattr(found, name), getattr(batch, name)
        assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())


def test_append_without_values_keeps_what_was_set_aside(written: Written) -> None:
    written.log.append(empty_batch(), [ASIDE, ASIDE])
    found, aside = written.read(0, 2)
    assert (len(found), aside) == (0, [ASIDE, ASIDE])


def test_empty_append_is_no_fault(written: Written) -> None:
    written.log.append(empty_batch())
    written.log.append(values(1.0))
    assert written.read(1, 0)[0].value.tolist() == [1.0]


def test_what_one_device_said_is_read_in_the_order_appended(written: Written) -> None:
    for n in range(20):
        written.log.append(concat_batches([values(float(n), first_t=n, series=s) for s in (1, 2)]))
    found, _ = written.read(40, 0)
    for series in (1, 2):
        assert found.value[found.series_id == series].tolist() == [float(n) for n in range(20)]


def test_contradictions_are_both_there_first_one_first(written: Written) -> None:
    written.log.append(build_batch([(1, 10, 1.0, 0), (1, 10, 2.0, 0)]))
    written.log.append(build_batch([(1, 10, 3.0, 0)]))
    assert written.read(3, 0)[0].value.tolist() == [1.0, 2.0, 3.0]


def test_what_is_appended_is_seen_by_the_next_reader(written: Written) -> None:
    written.log.append(values(1.0))
    assert len(written.read(1, 0)[0]) == 1

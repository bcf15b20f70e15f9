"""Sums on the topic of aggregates become columns of known series; the rest is told and left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from wattscope.compute.flink.job import AGGREGATES_TOPIC, LATE_TOPIC, READINGS_TOPIC
from wattscope.core.errors import TransientError
from wattscope.core.findings import ReasonCode
from wattscope.logs.kafka.minutes_reader import MinutesReader
from wattscope.logs.kafka.options import TOPICS, UNDIVIDED

MINUTE_US = 60_000_000
START_US = 1_767_225_600_000_000
SERIES = {("panel-7", "dc_power_w"): 70, ("panel-8", "dc_power_w"): 80}


@dataclass
class Fetched:
    """A message as the library gives it."""

    content: bytes | None
    number: int = 0

    def topic(self) -> str:
        return "aggregates"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self.number

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return (0, -1)


def find_known(names: Sequence[tuple[str, str]]) -> list[int | None]:
    return [SERIES.get(name) for name in names]


def encode(**changes: object) -> bytes:
    told: dict[str, object] = {
        "v": 1,
        "level": "1m",
        "site": "roof",
        "device": "panel-7",
        "quantity": "dc_power_w",
        "bucket_start_us": START_US,
        "count": 3,
        "sum": 720.5,
        "min": 239.0,
        "max": 241.5,
        "mean": 240.16666666666666,
        "first": 240.0,
        "last": 241.5,
    }
    return json.dumps(told | changes).encode()


def test_minutes_become_columns_in_their_order() -> None:
    messages = [
        encode(),
        encode(level="15m"),
        encode(device="panel-8", bucket_start_us=START_US + MINUTE_US),
        encode(sum=721.0, count=4),
    ]
    found = MinutesReader(find_known).read([Fetched(one) for one in messages])
    assert found.series.tolist() == [70, 80, 70]
    assert found.sums.start_us.tolist() == [START_US, START_US + MINUTE_US, START_US]
    assert found.sums.count.tolist() == [3, 3, 4]
    assert found.sums.sum.tolist() == [720.5, 720.5, 721.0]
    assert (found.sums.min.tolist(), found.sums.max.tolist()) == ([239.0] * 3, [241.5] * 3)
    assert (found.n_longer, found.refused) == (1, ())


def test_what_cannot_be_taken_is_told_with_its_place_and_holds_up_nothing() -> None:
    messages = [None, b"{", encode(v=2), encode(device="nobody"), encode(count=2**40), encode()]
    found = MinutesReader(find_known).read(
        [Fetched(content, number) for number, content in enumerate(messages)]
    )
    assert found.series.tolist() == [70]
    told = {one.code: one.detail for one in found.refused}
    assert set(told) == {
        ReasonCode.NO_VALUE,
        ReasonCode.JSON_SYNTAX,
        ReasonCode.UNKNOWN_FORMAT,
        ReasonCode.UNKNOWN_DEVICE,
        ReasonCode.RANGE,
    }
    assert told[ReasonCode.UNKNOWN_DEVICE].startswith("aggregates/3 offset 3: ")
    assert "'nobody'" in told[ReasonCode.UNKNOWN_DEVICE]


def test_registry_that_is_away_is_an_error_and_nothing_is_taken() -> None:
    def refuse(names: Sequence[tuple[str, str]]) -> list[int | None]:
        raise TransientError(f"away, {len(names)} names asked")

    with pytest.raises(TransientError, match="away, 1 names"):
        MinutesReader(refuse).read([Fetched(encode())])


def test_topics_of_the_flink_job_are_made_by_the_program() -> None:
    wanted = {READINGS_TOPIC, AGGREGATES_TOPIC, LATE_TOPIC}
    assert wanted <= set(TOPICS)
    # A device's readings, late ones and sums are shared out alike.
    assert not wanted & UNDIVIDED

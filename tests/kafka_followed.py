"""What tests with a real Kafka share: a farm of made-up panels, and reading until all is there."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.kafka_server import KafkaServer
from wattscope.core.reading import Batch, build_batch
from wattscope.logs.kafka.kafka_follower import KafkaFollower
from wattscope.logs.kafka.kafka_log import KafkaLog
from wattscope.logs.kafka.options import KafkaOptions
from wattscope.logs.kafka.reading_json import SeriesName
from wattscope.ports import FollowedRecord, Quarantined

PATIENCE_S = 300.0
"""How long anything may take on a machine that is busy with other tests [s]."""
QUANTITY = "production_power_w"
ASIDE = Quarantined("mqtt", "a/b", b"\x00\xff", 1_700_000_000_000_000, "json_syntax", "line 1")
_numbers = itertools.count()


def make_prefix() -> str:
    """Topics and groups of one test alone, also on a server that outlives the tests."""
    return f"t{os.getpid()}-{time.time_ns():x}-{next(_numbers)}."


def make_options(server: KafkaServer, **changed: Any) -> KafkaOptions:  # noqa: ANN401  # of any field
    wanted: dict[str, Any] = {
        "servers": (server.address,),
        "prefix": make_prefix(),
        "client_id": "ingest-1",
        "partitions": 4,
        "replication": 1,
        "timeout_s": 60.0,
    }
    return KafkaOptions(**wanted | changed)


def name_series(number: int) -> SeriesName | None:
    """Series 7 is the power of panel 7; numbers beyond int32's half are not registered."""
    return SeriesName("farm", f"panel-{number}", QUANTITY) if number < 2**30 else None


def find_series(device: str, quantities: tuple[str, ...]) -> Sequence[int] | None:
    stem, _, number = device.partition("-")
    if stem != "panel" or not number.isdecimal() or quantities != (QUANTITY,):
        return None
    return [int(number)]


def open_log(options: KafkaOptions, names: Any = name_series) -> KafkaLog:  # noqa: ANN401  # a callable
    return KafkaLog(options, names, now_us=lambda: time.time_ns() // 1000)


def open_follower(options: KafkaOptions, group: str = "store", **changed: Any) -> KafkaFollower:  # noqa: ANN401  # of any option
    wanted: dict[str, Any] = {"session_timeout_s": 6.0}
    group = f"{options.prefix}{group}"
    return KafkaFollower(options, group, find_series, **wanted | changed)


def values(*numbers: float, series: int = 1, first_t: int = 0) -> Batch:
    return build_batch([(series, first_t + t, number, 0) for t, number in enumerate(numbers)])


def keys_of(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.series_id.tolist(), batch.measured_at_us.tolist(), strict=True))


def follow_until(
    follower: KafkaFollower,
    is_done: Callable[[list[FollowedRecord]], bool],
    *,
    commits: bool = True,
) -> list[FollowedRecord]:
    """Records until they are what is waited for."""
    records: list[FollowedRecord] = []
    wait_until(lambda: is_done(records), lambda: _follow(follower, records, commits=commits))
    return records


def follow_keys(follower: KafkaFollower, n_keys: int) -> set[tuple[int, int]]:
    """Series and instants of what comes until there are so many different ones."""
    records = follow_until(follower, lambda found: len(seen_in(found)) >= n_keys)
    return seen_in(records)


def seen_in(records: Sequence[FollowedRecord]) -> set[tuple[int, int]]:
    return {key for record in records for key in keys_of(record.batch)}


def _follow(follower: KafkaFollower, records: list[FollowedRecord], *, commits: bool) -> None:
    record = follower.poll(0.2)
    if record is not None:
        records.append(record)
        if commits:
            follower.commit()


def wait_until(is_done: Callable[[], bool], work: Callable[[], object]) -> None:
    """Do the work again and again until it is done.

    Raises:
        AssertionError: It takes longer than anything should.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_done():
        assert time.monotonic() < deadline_s, "what was waited for did not come"
        work()

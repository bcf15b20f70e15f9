"""What every follower of a shared log promises, asked of Kafka."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from tests.kafka_followed import (
    ASIDE,
    find_series,
    follow_keys,
    follow_until,
    make_options,
    open_follower,
    open_log,
    seen_in,
    values,
    wait_until,
)
from tests.kafka_server import KafkaServer
from wattscope.core.errors import TransientError
from wattscope.core.reading import concat_batches, empty_batch
from wattscope.logs.kafka.kafka_follower import KafkaFollower
from wattscope.logs.kafka.kafka_log import KafkaLog
from wattscope.logs.kafka.options import KafkaOptions
from wattscope.ports import FollowedRecord, LogFollower, LogWriter

pytestmark = pytest.mark.integration


@pytest.fixture
def options(kafka: KafkaServer) -> KafkaOptions:
    return make_options(kafka)


@pytest.fixture
def log(options: KafkaOptions) -> Iterator[KafkaLog]:
    opened = open_log(options)
    yield opened
    opened.close()


@pytest.fixture
def follower(options: KafkaOptions) -> Iterator[KafkaFollower]:
    opened = open_follower(options)
    yield opened
    opened.close()


def farm(n_panels: int, t: int = 0) -> list[tuple[int, int]]:
    """Keys of one reading of each panel."""
    return [(series, t) for series in range(n_panels)]


def append_farm(log: LogWriter, n_panels: int, t: int = 0) -> None:
    log.append(concat_batches([values(1.0, series=s, first_t=t) for s in range(n_panels)]))


def has_values(n_values: int) -> object:
    return lambda found: len(seen_in(found)) >= n_values


def test_follower_and_log_are_what_the_ports_want(log: KafkaLog, follower: KafkaFollower) -> None:
    way_in: LogWriter = log
    way_out: LogFollower = follower
    assert (way_in, way_out) == (log, follower)


def test_all_devices_are_given_over_all_partitions(log: KafkaLog, follower: KafkaFollower) -> None:
    append_farm(log, 50)
    assert follow_keys(follower, 50) == set(farm(50))
    assert len({one for one in follower.partitions if "sensor-readings/" in one}) == 4


def test_poll_gives_nothing_when_nothing_comes(follower: KafkaFollower) -> None:
    wait_until(lambda: len(follower.partitions) == 5, lambda: follower.poll(0.2))
    assert follower.poll(0.01) is None


def test_what_was_not_committed_is_given_again(options: KafkaOptions, log: KafkaLog) -> None:
    append_farm(log, 10, t=0)
    first = open_follower(options)
    assert follow_keys(first, 10) == set(farm(10, 0))
    append_farm(log, 10, t=1)
    follow_until(first, lambda found: len(seen_in(found)) >= 10, commits=False)
    first.close()
    second = open_follower(options)
    assert follow_keys(second, 10) == set(farm(10, 1))
    second.close()


def test_commit_does_not_reach_beyond_what_was_given(options: KafkaOptions, log: KafkaLog) -> None:
    """The library reads ahead; what it holds was not given to anybody."""
    append_farm(log, 200)
    first = open_follower(options, max_messages=10)
    given = follow_keys(first, 10)
    first.close()
    second = open_follower(options)
    rest = follow_keys(second, 200 - len(given))
    second.close()
    assert given | rest == set(farm(200))
    assert not given & rest


def test_each_group_is_given_everything(options: KafkaOptions, log: KafkaLog) -> None:
    append_farm(log, 10)
    for group in ("store", "detect"):
        member = open_follower(options, group)
        assert follow_keys(member, 10) == set(farm(10))
        member.close()


def test_quarantined_items_come_with_their_numbers(log: KafkaLog, follower: KafkaFollower) -> None:
    other = replace(ASIDE, topic="c/d")
    log.append(empty_batch(), [ASIDE, other, ASIDE])

    def items(found: list[FollowedRecord]) -> list[int]:
        return [number for one in found for number in one.numbers]

    records = follow_until(follower, lambda found: len(items(found)) >= 3)
    given = [item for one in records for item in one.quarantined]
    assert sorted(item.topic for item in given) == ["a/b", "a/b", "c/d"]
    assert len(set(items(records))) == 3


def test_poison_goes_to_quarantine_and_the_rest_goes_on(
    options: KafkaOptions, log: KafkaLog, follower: KafkaFollower
) -> None:
    append_farm(log, 10, t=0)
    foreign = Producer({"bootstrap.servers": options.where})
    for topic in ("sensor-readings", "quarantine"):
        for poison in (b"garbage", None, b'{"v": 2}'):
            for partition in range(4 if topic == "sensor-readings" else 1):
                foreign.produce(options.topic(topic), poison, partition=partition)
    assert foreign.flush(60) == 0
    append_farm(log, 10, t=1)
    records = follow_until(
        follower,
        lambda found: len(seen_in(found)) >= 20 and sum(len(one.numbers) for one in found) >= 15,
    )
    given = [item for one in records for item in one.quarantined]
    assert len({number for one in records for number in one.numbers}) == len(given) == 15
    assert {item.code for item in given} == {"json_syntax", "no_value", "unknown_format"}
    assert {item.received_at_us > 0 for item in given} == {True}


def test_registry_that_is_away_holds_messages_back_and_loses_none(
    options: KafkaOptions, log: KafkaLog
) -> None:
    is_away = True

    def find(device: str, quantities: tuple[str, ...]) -> object:
        if is_away:
            raise TransientError("registry is away")
        return find_series(device, quantities)

    append_farm(log, 10)
    member = KafkaFollower(options, f"{options.prefix}store", find)  # type: ignore[arg-type]  # as find_series
    for _ in range(3):
        with pytest.raises(TransientError, match="registry is away"):
            wait_until(lambda: False, lambda: member.poll(0.2))
        member.commit()
    is_away = False
    assert follow_keys(member, 10) == set(farm(10))
    member.close()


def test_lag_is_what_is_behind_the_newest_commit(log: KafkaLog, follower: KafkaFollower) -> None:
    append_farm(log, 30)
    follow_until(follower, lambda found: len(seen_in(found)) >= 30, commits=False)
    wait_until(lambda: sum(follower.lag().values()) == 30, lambda: follower.poll(0.1))
    follower.commit()
    assert sum(follower.lag().values()) == 0


def test_lag_does_not_wait_for_a_poll_under_way(log: KafkaLog, follower: KafkaFollower) -> None:
    """The library lets one thread at a time ask a consumer; pages must not wait for messages."""
    append_farm(log, 30)
    follow_until(follower, lambda found: len(seen_in(found)) >= 30, commits=False)
    wait_until(lambda: sum(follower.lag().values()) == 30, lambda: follower.poll(0.1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(follower.poll, 10.0)
        for _ in range(20):
            time.sleep(0.05)
            assert sum(follower.lag().values()) == 30
        assert not waiting.done()
        append_farm(log, 1, t=1)
        assert waiting.result() is not None


def test_two_members_share_the_work_and_one_that_leaves_is_followed_by_the_other(
    options: KafkaOptions, log: KafkaLog
) -> None:
    members = [open_follower(options), open_follower(options)]
    seen: list[set[tuple[int, int]]] = [set(), set()]

    def work() -> None:
        for member, keys in zip(members, seen, strict=True):
            record = member.poll(0.05)
            if record is not None:
                keys.update(seen_in([record]))
                member.commit()

    wait_until(lambda: sorted(len(one.partitions) for one in members) == [2, 3], work)
    append_farm(log, 100, t=0)
    wait_until(lambda: len(seen[0] | seen[1]) == 100, work)
    assert all(seen)
    assert not seen[0] & seen[1]
    members.pop().close()
    seen.pop()
    append_farm(log, 100, t=1)
    wait_until(lambda: len({key for key in seen[0] if key[1] == 1}) == 100, work)
    members[0].close()


def test_several_threads_may_append_at_once(log: KafkaLog, follower: KafkaFollower) -> None:
    faults: list[Exception] = []

    def append(series: int) -> None:
        try:
            for t in range(10):
                log.append(values(float(t), series=series, first_t=t))
        except TransientError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=append, args=(series,)) for series in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert faults == []
    records = follow_until(follower, lambda found: len(seen_in(found)) >= 80)
    batch = concat_batches([one.batch for one in records])
    for series in range(8):
        assert batch.value[batch.series_id == series].tolist() == [float(t) for t in range(10)]

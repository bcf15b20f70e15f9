"""The Flink job on a real Flink and a real Kafka gives the buckets that our own rollups give."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.flink_cluster import FlinkCluster, run_flink
from tests.integration.farm_messages import (
    START_US,
    Message,
    build_stretch,
    list_buckets,
    weave,
)
from tests.kafka_server import KafkaServer
from tests.servers import ServerMissingError
from wattscope.compute.decode.aggregate_json import LEVEL_US, Aggregate, decode_aggregate
from wattscope.compute.flink import write_job
from wattscope.compute.flink.job import Delivery, FlinkJob
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S

pytestmark = pytest.mark.long

PARTITIONS = 3
DEVICES = [f"panel-{number}" for number in range(8)]
LATENESS_S = 10
DAMAGED = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"v": 1}',
    b'{"v": 1, "site": "farm", "device": "panel-0", "measured_at_us": null, "values": {}}',
    b'{"v": 1, "site": "farm", "device": "panel-0", "measured_at_us": "now", "values": {}}',
    b'{"v": 2, "site": "farm", "device": "panel-0", "measured_at_us": 1, "values": {"a_w": 1}}',
    b'{"v": 1, "site": "farm", "device": "panel-0", "measured_at_us": -1, "values": {"a_w": 1}}',
    b'{"v": 1, "site": "farm", "device": "panel-0", "measured_at_us": 1, "values": [1]}',
)


class Topics:
    """The three topics of one job, as the other side of Kafka sees them."""

    def __init__(self, address: str, job: FlinkJob, n_partitions: int = PARTITIONS) -> None:
        self._job = job
        self._n_partitions = n_partitions
        self._reach: dict[str, str | int | float | bool] = {"bootstrap.servers": address}
        names = (job.readings_topic, job.aggregates_topic, job.late_topic)
        # Without a name it would end before its answers are there.
        admin = AdminClient(self._reach)
        made = admin.create_topics([NewTopic(name, n_partitions, 1) for name in names])
        for future in made.values():
            future.result(300)
        self._producer = Producer({**self._reach, "enable.idempotence": True})
        self._consumers = {name: self._open_consumer(name) for name in names[1:]}
        self._seen: dict[str, list[Any]] = {name: [] for name in names[1:]}

    def publish(self, messages: Sequence[Message]) -> None:
        """Append readings; a device has its partition."""
        for message in messages:
            partition = DEVICES.index(message.device) % PARTITIONS
            self._append(message.device, message.encode(), partition)
        self._producer.flush(300)

    def publish_damaged(self) -> None:
        """Append what is no reading."""
        for payload in DAMAGED:
            self._append("panel-0", payload, 0)

    def _append(self, key: str, payload: bytes, partition: int) -> None:
        topic = self._job.readings_topic
        while True:
            with contextlib.suppress(BufferError):
                self._producer.produce(topic, payload, key, partition)
                return
            self._producer.poll(1)

    def read_aggregates(self) -> list[Aggregate]:
        """All buckets that were written so far, in the order of each partition."""
        found = []
        for message in self._read(self._job.aggregates_topic):
            aggregate = decode_aggregate(message.value())
            assert isinstance(aggregate, Aggregate), aggregate
            assert message.key().decode() == aggregate.device
            assert aggregate.mean == pytest.approx(aggregate.sum / aggregate.count, rel=1e-12)
            found.append(aggregate)
        return found

    def read_late(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self._read(self._job.late_topic)]

    def _read(self, topic: str) -> list[Any]:
        while True:
            fresh = self._consumers[topic].consume(10_000, timeout=0.5)
            if not fresh:
                return self._seen[topic]
            assert [one.error() for one in fresh if one.error()] == []
            self._seen[topic] += fresh

    def _open_consumer(self, topic: str) -> Consumer:
        consumer = Consumer(
            {
                **self._reach,
                "group.id": "test",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        consumer.assign([TopicPartition(topic, n, 0) for n in range(self._n_partitions)])
        return consumer

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    folder = tmp_path_factory.mktemp("flink")
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(run_flink(folder))
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield cluster


def build_job(kafka: KafkaServer, **changes: Any) -> FlinkJob:  # noqa: ANN401 - its fields
    return FlinkJob(
        bootstrap=kafka.address,
        topic_prefix=f"{secrets.token_hex(4)}.",
        lateness_s=LATENESS_S,
        checkpoint_s=1,
        **changes,
    )


@contextlib.contextmanager
def run_job(cluster: FlinkCluster, job: FlinkJob, folder: Path) -> Iterator[str]:
    """The id of the job, which is cancelled at the end of the block."""
    paths = [folder / name for name in write_job(job)]
    for path, text in zip(paths, write_job(job).values(), strict=True):
        path.write_text(text, encoding="utf-8")
    job_id = cluster.submit(*paths)
    try:
        yield job_id
    finally:
        cluster.cancel(job_id)


def at_us(minute: float) -> int:
    return START_US + int(minute * US_PER_MINUTE)


def stretch(start_min: float, end_min: float, devices: Sequence[str] = DEVICES) -> list[Message]:
    """What devices tell between two minutes."""
    times = at_us(start_min), at_us(end_min), int(start_min)
    return weave(build_stretch(device, *times) for device in devices)


def close_at(minute: float) -> list[Message]:
    """A reading in each partition, after which buckets up to then are over."""
    t_us = at_us(minute) + LATENESS_S * US_PER_S
    return [Message(device, t_us, {"frequency_hz": 50.0}) for device in DEVICES[:PARTITIONS]]


def list_expected(messages: Sequence[Message], closed_min: float) -> dict[Any, dict[str, float]]:
    """Buckets of all levels that must be there: (level, device, quantity, start) to columns."""
    closed_us = at_us(closed_min)
    return {
        (level, *key): columns
        for level, size_us in LEVEL_US.items()
        for key, columns in list_buckets(messages, size_us, closed_us).items()
    }


def name_bucket(one: Aggregate) -> tuple[str, str, str, int]:
    return one.level, one.device, one.quantity, one.bucket_start_us


def check_equal(found: Sequence[Aggregate], expected: dict[Any, dict[str, float]]) -> None:
    """The buckets are those expected: sums to rounding, all else to the last bit."""
    told = {name_bucket(one): one for one in found}
    assert sorted(set(told) - set(expected)) == []
    assert sorted(set(expected) - set(told)) == []
    for name, columns in expected.items():
        one = told[name]
        assert one.site == "farm"
        assert one.sum == pytest.approx(columns["sum"], rel=1e-12, abs=1e-9)
        exact = {key: getattr(one, key) for key in columns if key != "sum"}
        assert exact == {key: value for key, value in columns.items() if key != "sum"}, name


def await_buckets(
    flink: FlinkCluster, topics: Topics, expected: dict[Any, dict[str, float]]
) -> list[Aggregate]:
    """All buckets, when there are as many as expected."""

    def look() -> list[Aggregate]:
        found = topics.read_aggregates()
        return found if {name_bucket(one) for one in found} >= set(expected) else []

    with contextlib.suppress(RuntimeError):
        return flink.wait_for("the buckets", look)
    return topics.read_aggregates()  # for the comparison to tell what is missing


def await_checkpoint(flink: FlinkCluster, job_id: str) -> None:
    """Return when a checkpoint that began after now is complete."""
    now_ms = 1000 * time.time()

    def look() -> bool:
        latest = flink.ask(f"/jobs/{job_id}/checkpoints")["latest"]["completed"]
        return latest is not None and latest["trigger_timestamp"] > now_ms

    flink.wait_for("a checkpoint", look)


@pytest.mark.parametrize("delivery", Delivery)
def test_job_gives_the_buckets_of_our_own_rollups(
    kafka: KafkaServer, flink: FlinkCluster, tmp_path: Path, delivery: Delivery
) -> None:
    # No partition is ever silent for so long: what is late follows from the readings alone.
    job = build_job(kafka, idle_s=3600, delivery=delivery)
    with (
        contextlib.closing(Topics(kafka.address, job)) as topics,
        run_job(flink, job, tmp_path) as job_id,
    ):
        told = list_first_hour()
        assert len(told) > 4000
        topics.publish(told[:1000])
        topics.publish_damaged()
        topics.publish(told[1000:])
        expected = list_expected(told, 60)
        assert len(expected) > 800
        found = await_buckets(flink, topics, expected)
        check_equal(found, expected)
        assert len(found) == len(expected), "a bucket was written twice without a failure"
        assert topics.read_late() == []
        assert count_sources(flink, job_id) == 1, "each message is read once"

        # What comes when its minute has been told is set aside, and changes nothing; what is no
        # reading is not set aside.
        topics.publish_damaged()
        late = [*stretch_late("panel-0", 100), *stretch_late("panel-1", 0.5)]
        topics.publish(late)
        await_late(flink, topics, len(late))
        told += publish_on(topics, 60.5, 68)
        await_checkpoint(flink, job_id)

        # The machine with the work dies, and what comes first thereafter is late too.
        flink.kill("taskmanager")
        more_late = stretch_late("panel-2", 100)
        topics.publish(more_late)
        flink.start("taskmanager")
        told += publish_on(topics, 68, 74)
        told += publish_on(topics, 75 + LATENESS_S / 60, 75.5)
        expected = list_expected(told, 75)
        found = await_buckets(flink, topics, expected)
        check_equal(found, expected)
        if delivery is Delivery.EXACTLY_ONCE:
            assert len(found) == len(expected), "a bucket was written twice"
        late += more_late
        found_late = await_late(flink, topics, len(late))
        assert {json.dumps(one) for one in found_late} == {one.encode().decode() for one in late}
        assert len(found_late) == len(late) or delivery is Delivery.AT_LEAST_ONCE


def test_partition_without_devices_is_not_waited_for(
    kafka: KafkaServer, flink: FlinkCluster, tmp_path: Path
) -> None:
    job = build_job(kafka, idle_s=1)
    with (
        contextlib.closing(Topics(kafka.address, job, PARTITIONS + 1)) as topics,
        run_job(flink, job, tmp_path),
    ):
        told = stretch(0, 2, ["panel-0"])
        topics.publish([*told, *close_at(15)[:1]])
        expected = list_expected(told, 15)
        assert len(expected) >= 9
        check_equal(await_buckets(flink, topics, expected), expected)


def list_first_hour() -> list[Message]:
    """Of most of an hour: panel 3 is silent for 7 minutes, panel 5 once believes it is 2099."""
    others = [device for device in DEVICES if device != "panel-3"]
    years_us = 73 * 365 * 24 * 60 * US_PER_MINUTE
    ahead = Message("panel-5", at_us(20) + years_us, {"active_power_w": 1.0}, {}, -years_us)
    parts = [stretch(0, 40, others), stretch(0, 11, ["panel-3"]), stretch(18, 40, ["panel-3"])]
    return [*weave([*parts, [ahead]]), *close_at(60)]


def stretch_late(device: str, delay_s: float) -> list[Message]:
    """Readings of a minute that was told long ago.

    Args:
        device: Whose.
        delay_s: How long after their minute they came to us, or say that they did.
    """
    return [
        Message(device, at_us(5) + offset_us, {"active_power_w": -5e3}, {}, int(delay_s * US_PER_S))
        for offset_us in range(1, US_PER_MINUTE - 10 * US_PER_S, 7 * US_PER_S)
    ]


def publish_on(topics: Topics, start_min: float, end_min: float) -> list[Message]:
    messages = stretch(start_min, end_min)
    topics.publish(messages)
    return messages


def count_sources(flink: FlinkCluster, job_id: str) -> int:
    vertices = flink.ask(f"/jobs/{job_id}")["vertices"]
    return sum(one["name"].count("Source: ") for one in vertices)


def await_late(flink: FlinkCluster, topics: Topics, n_wanted: int) -> list[dict[str, Any]]:
    """What was set aside as late, when there is as much as that."""
    flink.wait_for("the late readings", lambda: len(topics.read_late()) >= n_wanted)
    return topics.read_late()

"""Sums that the Flink job writes to Kafka come to the live view in Redis, for all processes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest
from confluent_kafka import Producer

from tests.chaos.cluster import Cluster
from tests.chaos.pour import N_PANELS, build_message, describe_panel
from tests.chaos.program import Program, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.integration.farm_messages import (
    QUANTITY_NAMES,
    START_US,
    Message,
    build_stretch,
    list_buckets,
    weave,
)
from tests.kafka_followed import make_options
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer, make_prefix
from tests.servers import LOOPBACK, MosquittoServer
from wattscope.compute.decode.aggregate_json import LEVEL_US
from wattscope.core.reading import Batch, build_batch
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.live.redis.options import RedisViewOptions
from wattscope.live.redis.view import RedisView
from wattscope.logs.kafka.minutes_follower import KafkaMinutes
from wattscope.logs.kafka.options import AGGREGATES, KafkaOptions
from wattscope.logs.kafka.topics import make_missing_topics
from wattscope.pipeline.live_minutes import FeedMinutes
from wattscope.ports import MinutesFollower

pytestmark = pytest.mark.integration

DEVICES = [f"panel-{number}" for number in range(6)]
SERIES = {
    (device, quantity): number
    for number, (device, quantity) in enumerate(
        (device, quantity) for device in DEVICES for quantity in QUANTITY_NAMES
    )
}
MINUTE = 3
"""The newest whole minute of the farm; the readings end within the next one."""
END_US = START_US + (MINUTE + 1) * US_PER_MINUTE + 40_000_000
PATIENCE_S = 120.0
Bucket = tuple[float, float, float, float]


# ── the farm ─────────────────────────────────────────────────────────────────────────────────────


def build_farm() -> list[Message]:
    return weave(build_stretch(device, START_US, END_US, seed=3) for device in DEVICES)


def as_batch(messages: Iterable[Message]) -> Batch:
    """Rows as the processes that store hand them to the live view."""
    return build_batch(
        [
            (
                SERIES[message.device, name],
                message.measured_at_us,
                np.nan if value is None else value,
                message.quality.get(name, 0),
            )
            for message in messages
            for name, value in message.values.items()
        ]
    )


def write_golden(messages: Sequence[Message]) -> list[tuple[str, bytes]]:
    """Device and message of each closed bucket, as the job writes them."""
    told = []
    for level, size_us in LEVEL_US.items():
        buckets = list_buckets(messages, size_us, START_US + (MINUTE + 1) * US_PER_MINUTE)
        for (device, quantity, start_us), columns in buckets.items():
            content = {
                "v": 1,
                "level": level,
                "site": "farm",
                "device": device,
                "quantity": quantity,
                "bucket_start_us": start_us,
                **columns,
                "count": int(columns["count"]),
                "mean": columns["sum"] / columns["count"],
            }
            told.append((device, json.dumps(content).encode()))
    return told


def find_known(names: Sequence[tuple[str, str]]) -> list[int | None]:
    return [SERIES.get(name) for name in names]


def read_minute_before(view: RedisView) -> list[Bucket]:
    """Count, sum, min and max of the minute before the newest, for each series."""
    _, before = view.minutes_of(np.array(list(SERIES.values()), np.int32))
    columns = (before.count, before.sum, before.min, before.max)
    return [
        (float(count), float(total), float(low), float(high))
        for count, total, low, high in zip(*columns, strict=True)
    ]


def list_expected(messages: Sequence[Message]) -> list[Bucket]:
    closed_us = START_US + (MINUTE + 1) * US_PER_MINUTE
    buckets = list_buckets(messages, US_PER_MINUTE, closed_us)
    found = [buckets[(*name, START_US + MINUTE * US_PER_MINUTE)] for name in SERIES]
    return [(one["count"], one["sum"], one["min"], one["max"]) for one in found]


# ── servers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def options(kafka: KafkaServer) -> KafkaOptions:
    made = make_options(kafka, partitions=3)
    make_missing_topics(made)
    return made


def append(options: KafkaOptions, messages: Iterable[tuple[str, bytes]]) -> None:
    """What somebody else writes to the topic of aggregates."""
    producer = Producer({"bootstrap.servers": options.servers[0]})
    for device, content in messages:
        producer.produce(options.topic(AGGREGATES), content, device)
    assert producer.flush(60) == 0


@asynccontextmanager
async def feeding(options: KafkaOptions, view: RedisView) -> AsyncIterator[FeedMinutes]:
    """The stage as a process of the role runs it."""
    follower = KafkaMinutes(options, f"{options.prefix}live", find_known, session_timeout_s=6.0)
    port: MinutesFollower = follower
    feed = FeedMinutes(port, view, monotonic_s=time.monotonic)
    work = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        await asyncio.to_thread(follower.close)


async def until(is_so: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"still not: {what}")


def open_view(server: RedisServer, refill: Callable[[], Batch] | None = None) -> RedisView:
    options = RedisViewOptions(server.url, prefix=make_prefix(), heartbeat_s=0.3)
    return RedisView(options, refill, draw=lambda: 0.0)


# ── the tests ────────────────────────────────────────────────────────────────────────────────────


async def test_buckets_of_the_job_end_in_the_view(
    options: KafkaOptions, redis_server: RedisServer
) -> None:
    farm = build_farm()
    expected = list_expected(farm)
    with open_view(redis_server) as view:
        assert view.wait(PATIENCE_S)
        view.update(as_batch(farm[: len(farm) // 2]))
        view.update(as_batch(farm[len(farm) // 2 :]))
        await until(lambda: all(count for count, *_ in read_minute_before(view)), "counted")
        # Readings that came out of order are not in what Redis has counted itself.
        assert read_minute_before(view) != expected
        append(options, write_golden(farm))
        async with feeding(options, view) as feed:
            await until(lambda: read_minute_before(view) == expected, "sums of the job")
            n_minutes = len(list_buckets(farm, US_PER_MINUTE, START_US + 4 * US_PER_MINUTE))
            await until(lambda: feed.state.n_taken == n_minutes, "all taken")
            assert not feed.state.refused


async def test_poison_is_counted_and_holds_up_nothing(
    options: KafkaOptions, redis_server: RedisServer
) -> None:
    farm = build_farm()
    golden = write_golden(farm)
    stranger = golden[0][1].replace(b'"panel-0"', b'"nobody"')
    poison = [b"", b"{", b"\xff", b'{"v": 9}', b"[]", stranger]
    with open_view(redis_server) as view:
        assert view.wait(PATIENCE_S)
        view.update(as_batch(farm))
        append(options, [("panel-0", one) for one in poison] + golden)
        async with feeding(options, view) as feed:
            expected = list_expected(farm)
            await until(lambda: read_minute_before(view) == expected, "sums of the job")
            await until(lambda: sum(feed.state.refused.values()) == len(poison), "counted")
            await until(lambda: not any(feed._follower.lag().values()), "committed")
        assert feed.state.refused["unknown_device"] == 1
        # What was left out is done with: it is not given again.
        async with feeding(options, view) as again:
            append(options, golden[:1])
            await until(lambda: again.state.n_taken > 0, "goes on")
            assert not again.state.refused


async def test_redis_that_is_away_is_waited_for_and_gets_everything(
    options: KafkaOptions, own_redis: RedisServer
) -> None:
    farm = build_farm()
    newest: list[Batch] = []
    with open_view(own_redis, lambda: newest[-1]) as view:
        newest.append(as_batch(farm))
        assert view.wait(PATIENCE_S)
        view.update(newest[-1])
        async with feeding(options, view) as feed:
            own_redis.stop()
            await until(lambda: view.is_degraded, "degraded")
            append(options, write_golden(farm))
            await until(lambda: "live view: " in feed.state.fault, "waits")
            assert feed.state.n_taken == 0
            own_redis.start()
            await until(lambda: feed.state.fault == "", "goes on")
            expected = list_expected(farm)
            # It came back empty: what it has of that minute is the job's.
            await until(lambda: read_minute_before(view) == expected, "sums of the job")


async def test_stage_that_ends_in_between_leaves_its_sums_to_the_next(
    options: KafkaOptions, own_redis: RedisServer
) -> None:
    farm = build_farm()
    with open_view(own_redis, lambda: as_batch(farm)) as view:
        assert view.wait(PATIENCE_S)
        own_redis.stop()
        await until(lambda: view.is_degraded, "degraded")
        append(options, write_golden(farm))
        async with feeding(options, view) as feed:
            await until(lambda: "live view: " in feed.state.fault, "waits")
        own_redis.start()
        async with feeding(options, view):
            expected = list_expected(farm)
            await until(lambda: read_minute_before(view) == expected, "sums of the job")


def read_metrics(process: Program) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{process.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def test_role_store_feeds_redis_and_tells_how_it_stands(
    tmp_path: Path,
    mosquitto: MosquittoServer,
    postgres: str,
    kafka: KafkaServer,
    own_redis: RedisServer,
) -> None:
    prefix = f"t{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {prefix}")  # a name of ours
    own = postgres.rpartition("/")[0] + f"/{prefix}"
    cluster = Cluster(tmp_path, mosquitto.url, own, kafka.address, own_redis.url, prefix)
    try:
        ingest, store = cluster.add("ingest", "a"), cluster.add("store", "a")
        for one in (ingest, store):
            wait_until(one.is_ready, "ready", PATIENCE_S)
        device, _, _ = describe_panel(0)
        with RawPublisher(mosquitto.port, f"{prefix}-publisher") as publisher:
            publisher.publish([build_message(0), build_message(N_PANELS)])
            publisher.wait_unacked(0)
        wait_until(
            lambda: store.read("/api/health")[1]["counters"]["stored"] == 8, "stored", PATIENCE_S
        )
        bucket_us = find_minute_us(0)
        append(
            make_options(kafka, prefix=f"{prefix}."),
            [(device, b"{"), (device, write_bucket(device, bucket_us, 7))],
        )
        name = 'wattscope_live_minutes_refused_total{code="json_syntax"}'
        wait_until(lambda: read_metrics(store).get(name) == 1, "counted", PATIENCE_S)
        told = read_metrics(store)
        assert told["wattscope_live_minutes_taken_total"] == 1
        wait_until(
            lambda: (
                [
                    lag
                    for name, lag in read_metrics(store).items()
                    if name.startswith(f'wattscope_log_lag_messages{{partition="{prefix}.agg')
                ]
                == [0] * 4
            ),
            "no lag in any partition of the aggregates",
            PATIENCE_S,
        )
        with psycopg.connect(own) as connection:
            [series] = connection.execute(
                "SELECT series_id FROM wattscope.series_names WHERE device = %s AND quantity = %s",
                [device, "production_power_w"],
            ).fetchone() or (None,)
        with RedisView(RedisViewOptions(own_redis.url)) as view:
            assert view.wait(PATIENCE_S)
            _, before = view.minutes_of(np.array([series], np.int32))
        assert (before.start_us.tolist(), before.count.tolist()) == ([bucket_us], [7])
    finally:
        cluster.end()


def find_minute_us(number: int) -> int:
    """When the minute of a poured message begins [µs]."""
    _, at, _ = describe_panel(number)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return round((at - epoch).total_seconds()) // 60 * US_PER_MINUTE


def write_bucket(device: str, start_us: int, count: int) -> bytes:
    return json.dumps(
        {
            "v": 1,
            "level": "1m",
            "site": "grid",
            "device": device,
            "quantity": "production_power_w",
            "bucket_start_us": start_us,
            "count": count,
            **dict.fromkeys(("min", "max", "mean", "first", "last"), 1.0),
            "sum": float(count),
        }
    ).encode()

"""Processes with roles of their own, joined by real servers: published here, asked there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.pour import build_message, is_bare
from tests.chaos.program import wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer
from tests.servers import MosquittoServer

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(
    tmp_path: Path,
    mosquitto: MosquittoServer,
    postgres: str,
    kafka: KafkaServer,
    own_redis: RedisServer,
) -> Iterator[Cluster]:
    prefix = f"t{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {prefix}")  # a name of ours
    own = postgres.rpartition("/")[0] + f"/{prefix}"
    made = Cluster(tmp_path, mosquitto.url, own, kafka.address, own_redis.url, prefix)
    yield made
    made.end()


N_MESSAGES = 2000


def test_what_is_published_is_stored_once_and_shown(
    cluster: Cluster, mosquitto: MosquittoServer
) -> None:
    names = [("ingest", "a"), ("ingest", "b"), ("store", "a"), ("store", "b"), ("api", "a")]
    for role, name in names:
        cluster.add(role, name)
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    with RawPublisher(mosquitto.port, f"{cluster.prefix}-publisher") as publisher:
        publisher.publish([build_message(number) for number in range(N_MESSAGES)])
        wait_until(lambda: publisher.n_acked == N_MESSAGES, "the broker has all")
    api = cluster.processes["api-a"]
    n_bare = sum(map(is_bare, range(N_MESSAGES)))
    n_values = 4 * (N_MESSAGES - n_bare) + n_bare

    def count() -> int:
        return int(api.ask("SELECT count(*) FROM readings")[0][0])

    wait_until(lambda: count() >= n_values, "all is stored", 120)
    assert count() == n_values
    [[n_keys]] = api.ask(
        "SELECT count(*) FROM (SELECT DISTINCT device, quantity, measured_at FROM readings) k"
    )
    assert n_keys == n_values
    # Both of a role had their share, and nothing is left behind.
    stored = [cluster.processes[f"store-{name}"].read("/api/health")[1] for name in "ab"]
    assert sum(one["counters"]["stored"] for one in stored) == n_values
    wait_until(
        lambda: all(
            not any(cluster.processes[f"store-{name}"].read("/api/health")[1]["lag"].values())
            for name in "ab"
        ),
        "no lag",
    )
    taken = [cluster.processes[f"ingest-{name}"].read("/api/health")[1] for name in "ab"]
    assert all(one["counters"]["received"] > 0 for one in taken)
    status, devices = api.read("/api/devices")
    assert status == 200
    assert len(devices["devices"]) >= 100

"""A cluster of real processes over real servers of its own names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.chaos.cluster import Cluster
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer
from tests.servers import MosquittoServer


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

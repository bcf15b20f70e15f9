"""What the distributed chain runs on: Kafka, Redis and a PostgreSQL, each with its processes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.machine import find_postmaster
from tests.kafka_server import DEPLOYED_JAVA, KafkaServer, run_kafka
from tests.redis_server import RedisServer, run_redis
from tests.servers import run_postgres
from tests.timescale_server import TIMESCALE_VARIABLE

DURABLE = ("fsync", "synchronous_commit")
SIZED = ("shared_buffers", "max_wal_size")
"""What it is delivered with is for a very small machine; see docs/postgres.md."""
_WAL_SIZE = "8GB"


class NotDurableError(Exception):
    """A commit of the server does not wait for the disk: its figures would flatter us."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database of our own."""

    url: str
    name: str
    """What it is, for the notes."""
    pids: tuple[int, ...]
    """Roots of the server's processes; empty where it runs elsewhere."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Everything that the processes of a cluster share, but the MQTT broker."""

    kafka: KafkaServer
    redis: RedisServer
    postgres: str
    """URL of a server on which databases of our own are made."""


@contextlib.contextmanager
def run_servers(folder: Path) -> Iterator[Servers]:
    """Run them until the end of the block.

    Raises:
        ServerMissingError: One of them is not installed.
    """
    with contextlib.ExitStack() as stack:
        named = os.environ.get(TIMESCALE_VARIABLE)
        postgres = named or stack.enter_context(run_postgres(_size_server()))
        places = [folder / name for name in ("kafka", "redis")]
        for place in places:
            place.mkdir()
        kafka = stack.enter_context(run_kafka(places[0], java=DEPLOYED_JAVA))
        redis = stack.enter_context(run_redis(places[1]))
        yield Servers(kafka, redis, postgres)


@contextlib.contextmanager
def make_database(server: str, purpose: str) -> Iterator[Database]:
    """A database on a server, dropped at the end of the block.

    Args:
        server: Its URL, with the right to make databases.
        purpose: A word; makes the name.

    Raises:
        NotDurableError: A commit does not wait for the disk.
    """
    name = f"wattscope_bench_{purpose}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        for setting in DURABLE:
            found = connection.execute(f"SHOW {setting}").fetchone()
            if found != ("on",):
                raise NotDurableError(f"PostgreSQL has {setting} = {found}; it must be on")
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = re.sub(r"/[^/]*$", f"/{name}", server)
            yield Database(url, _describe(url), find_postmaster(connection.info.backend_pid))
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _size_server() -> list[str]:
    """Settings of a server of our own, as its manual says for a machine with so much memory."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return [f"shared_buffers={memory_mb // 4}MB", f"max_wal_size={_WAL_SIZE}"]


def _describe(url: str) -> str:
    """The server's name and version, that of TimescaleDB where it has it, and how it is set."""
    with psycopg.connect(url) as connection:
        version = connection.info.server_version // 10_000
        sql = (
            "SELECT default_version FROM pg_available_extensions "
            "WHERE name = 'timescaledb' AND current_setting('shared_preload_libraries') "
            "LIKE '%timescaledb%'"
        )
        found = connection.execute(sql).fetchone()
        sizes = [
            f"{setting} {size}"
            for setting in SIZED
            for (size,) in connection.execute("SELECT current_setting(%s)", [setting])
        ]
    name = f"TimescaleDB {found[0]} on PostgreSQL {version}" if found else f"PostgreSQL {version}"
    return f"{name} ({', '.join(sizes)})"

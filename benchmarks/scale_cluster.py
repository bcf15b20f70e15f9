"""The distributed chain as a subject: one process that takes in, one or two that store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.panels import FIELDS, QUANTITIES, START, find_instant
from benchmarks.rates import Subject, compare_sums
from benchmarks.scale_servers import Database, Servers
from tests.chaos.program import Program, wait_until
from tests.kafka_server import KafkaServer
from tests.servers import MosquittoServer

N_PARTITIONS = 12
"""Of the topic of readings: the program's own default."""
_PATIENCE_S = 180.0
_SETTINGS = """\
[broker]
embedded = false

[[sources]]
url = "{mqtt}"
client_id = "{prefix}"
profiles = ["panel-json"]
qos = 1

[storage]
url = "{postgres}"

[log]
url = "kafka://{kafka}/{prefix}."
partitions = {partitions}

[live]
url = "{redis}/{number}"
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Processes under way."""

    ingest: Program
    stores: tuple[Program, ...]
    database: Database
    kafka: KafkaServer
    prefix: str
    """Of its topics."""
    beside: dict[str, tuple[int, ...]]
    """Roots of the servers' processes, by name."""

    @property
    def pids(self) -> tuple[int, ...]:
        return (self.ingest.pid, *self.store_pids)

    @property
    def store_pids(self) -> tuple[int, ...]:
        return tuple(one.pid for one in self.stores)

    @property
    def all_pids(self) -> tuple[int, ...]:
        """With those of the servers."""
        return self.pids + tuple(pid for pids in self.beside.values() for pid in pids)

    def describe_chain(self) -> Subject:
        """All processes, from MQTT to PostgreSQL."""
        return Subject(self.pids, self.count, lambda _: None, self.beside)

    def describe_stores(self) -> Subject:
        """The processes that store, from Kafka to PostgreSQL."""
        beside = {name: pids for name, pids in self.beside.items() if name != "Kafka"}
        return Subject(
            self.store_pids, self.count, lambda _: None, beside | {"ingest": (self.ingest.pid,)}
        )

    def count(self) -> int:
        """Readings that are stored, by what the processes say."""
        told: list[int] = [_read(one)["counters"]["stored"] for one in self.stores]
        return sum(told) // len(FIELDS)

    def check(self, numbers: range) -> None:
        """Hold what SQL answers against what was published from ``START`` on.

        Raises:
            WrongAnswerError: They differ.
        """
        start, stop = (find_instant(one, START) for one in (numbers.start, numbers.stop))
        compare_sums(sum_rows(self.database.url, start, stop), numbers)

    def have_shares(self) -> bool:
        """Whether each process that stores has its part of the partitions."""
        shares = [_count_partitions(_read(one)["lag"]) for one in self.stores]
        return all(shares) and sum(shares) == N_PARTITIONS


def sum_rows(url: str, start: object, stop: object) -> list[tuple[int, int]]:
    """Count and sum in tenths of each of ``QUANTITIES``, of what was measured in ``[start, stop)``.

    Args:
        url: Of the database.
        start: An instant.
        stop: Likewise.
    """
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT quantity, count(*), sum(value) FROM wattscope.readings "
            "WHERE measured_at >= %s AND measured_at < %s GROUP BY quantity",
            [start, stop],
        ).fetchall()
    found = {quantity: (count, round(10 * total)) for quantity, count, total in rows}
    return [found.get(name, (0, 0)) for name in QUANTITIES]


@contextlib.contextmanager
def run_cluster(
    folder: Path,
    servers: Servers,
    database: Database,
    broker: MosquittoServer,
    n_stores: int,
) -> Iterator[Cluster]:
    """Start the processes in folders of their own, and end them with the block.

    Args:
        folder: An empty one.
        servers: What they share.
        database: An empty one.
        broker: Where messages come from.
        n_stores: Processes of the role ``store``.
    """
    prefix = f"bench{os.getpid()}-{n_stores}"
    settings = _SETTINGS.format(
        mqtt=broker.url,
        postgres=database.url,
        kafka=servers.kafka.address,
        redis=servers.redis.url,
        number=n_stores,
        prefix=prefix,
        partitions=N_PARTITIONS,
    )
    beside = {
        "Kafka": (servers.kafka.pid,),
        "PostgreSQL": database.pids,
        "Redis": (servers.redis.pid,),
    }
    roles = [("ingest", "a"), *(("store", f"{number}") for number in range(n_stores))]
    with contextlib.ExitStack() as stack:
        programs = []
        for role, name in roles:
            place = folder / f"{role}-{name}"
            place.mkdir()
            program = Program(place, settings, verb=("run", "--role", role, "--name", name))
            stack.callback(program.end)
            program.start()
            programs.append(program)
        _wait_until_ready(programs)
        yield Cluster(
            programs[0], tuple(programs[1:]), database, servers.kafka, f"{prefix}.", beside
        )


def _wait_until_ready(programs: Sequence[Program]) -> None:
    for one in programs:
        wait_until(one.is_ready, f"{one.folder.name} is ready", _PATIENCE_S)


def _read(program: Program) -> dict[str, Any]:
    told: dict[str, Any] = program.read("/api/health")[1]
    return told


def _count_partitions(lag: dict[str, int]) -> int:
    return sum("sensor-readings/" in name for name in lag)

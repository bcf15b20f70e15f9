"""``kill -9`` of every role and restarts of every server while messages pour in: nothing is lost.

What counts is what left the processes as acknowledgement to the broker (``ledger_proxy.py``, one
for each process that takes messages in), against what PostgreSQL holds in the end.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.chaos.cluster import N_PARTITIONS, Cluster
from tests.chaos.ledger_proxy import LedgerProxy
from tests.chaos.pour import Pourer, find_number
from tests.chaos.program import Program, wait_until
from tests.chaos.verdict import read_ledger
from tests.kafka_server import KafkaServer
from tests.postgres_server import PASSWORD, PostgresServer, run_own_postgres
from tests.redis_server import RedisServer
from tests.servers import MosquittoServer, ServerMissingError

SEED = 20_261_126


@dataclass(frozen=True, slots=True)
class Storm:
    """How much is done to the cluster."""

    kills_a_role: int
    kafka_restarts: int
    postgres_restarts: int
    redis_restarts: int
    rate_per_s: int


QUICK = Storm(1, 1, 1, 1, 300)
LONG = Storm(30, 10, 5, 5, 5000)


@dataclass
class Stage:
    """Everything that takes part."""

    cluster: Cluster
    proxies: list[LedgerProxy]
    ledgers: list[Path]
    mqtt: MosquittoServer
    kafka: KafkaServer
    postgres: PostgresServer
    redis: RedisServer

    @property
    def acked(self) -> set[int]:
        return set().union(*(one.acked for one in self.proxies))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(run_own_postgres())
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield server


@pytest.fixture
def stage(
    tmp_path: Path,
    own_mosquitto: MosquittoServer,
    own_postgres: PostgresServer,
    own_kafka: KafkaServer,
    own_redis: RedisServer,
) -> Iterator[Stage]:
    cluster = Cluster(
        tmp_path,
        own_mosquitto.url,
        own_postgres.url,
        own_kafka.address,
        own_redis.url,
        f"t{secrets.token_hex(4)}",
        own_postgres.password_file,
    )
    ledgers = [tmp_path / f"ledger-{name}.txt" for name in "ab"]
    proxies = [LedgerProxy(own_mosquitto.port, one, find_number) for one in ledgers]
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.end)
        for proxy in proxies:
            stack.enter_context(contextlib.closing(proxy))
        yield Stage(cluster, proxies, ledgers, own_mosquitto, own_kafka, own_postgres, own_redis)


def start_all(stage: Stage, mutation: str | None = None) -> None:
    for name, proxy in zip("ab", stage.proxies, strict=True):
        stage.cluster.add("ingest", name, f"mqtt://127.0.0.1:{proxy.port}")
        stage.cluster.add("store", name, mutation=mutation)
    stage.cluster.add("api", "a")
    for one in stage.cluster.processes.values():
        wait_until(one.is_ready, "ready", 180)


def kill(stage: Stage, process: str) -> None:
    """The last acknowledgements before a kill are lost on their way, as they well may be."""
    program = stage.cluster.processes[process]
    index = "ab".find(process.rpartition("-")[2]) if process.startswith("ingest") else -1
    if index >= 0:
        stage.proxies[index].is_swallowing = True
        time.sleep(0.02)
    program.kill()
    if index >= 0:
        stage.proxies[index].is_swallowing = False
    program.start()


def list_blows(stage: Stage, storm: Storm, draw: random.Random) -> list[Callable[[], None]]:
    """What is done, in an order of chance."""
    blows: list[Callable[[], None]] = []
    for role, names in (("ingest", "ab"), ("store", "ab"), ("api", "a")):
        for number in range(storm.kills_a_role):
            process = f"{role}-{names[number % len(names)]}"
            blows.append(lambda process=process: kill(stage, process))  # type: ignore[misc]  # the default binds the loop's process
    restarts: list[tuple[int, Callable[[], None]]] = [
        (storm.kafka_restarts, lambda: restart_kafka(stage)),
        (storm.postgres_restarts, lambda: restart_postgres(stage)),
        (storm.redis_restarts, lambda: restart_redis(stage)),
    ]
    blows += [blow for count, blow in restarts for _ in range(count)]
    draw.shuffle(blows)
    return blows


def restart_kafka(stage: Stage) -> None:
    stage.kafka.stop(signal.SIGKILL)
    stage.kafka.start()


def restart_postgres(stage: Stage) -> None:
    stage.postgres.stop()
    stage.postgres.start()


def restart_redis(stage: Stage) -> None:
    stage.redis.stop()
    stage.redis.start()


def has_caught_up(stores: Sequence[Program]) -> bool:
    """Whether each partition of the readings is somebody's, and nothing of it is left.

    One that is nobody's just now, or of which nothing is known yet, is in nobody's lag.
    """
    behind: dict[str, int] = {}
    for one in stores:
        told = one.read("/api/health")[1]["lag"]
        behind |= {name: n for name, n in told.items() if "sensor-readings" in name}
    return len(behind) == N_PARTITIONS and not any(behind.values())


def has_stored(store: Program) -> bool:
    """Whether a process has stored anything since it began."""
    return bool(store.read("/api/health")[1]["counters"]["stored"])


def read_stored(url: str) -> tuple[list[int], int]:
    """Numbers of all stored messages, and how many rows share their key with another."""
    with psycopg.connect(url, password=PASSWORD) as connection:
        numbers = connection.execute(
            "SELECT value FROM wattscope.readings WHERE quantity = 'production_power_w'"
        ).fetchall()
        doubled = connection.execute(
            "SELECT count(*) - count(DISTINCT (device, quantity, measured_at)) "
            "FROM wattscope.readings"
        ).fetchone()
    assert doubled is not None
    return [int(value) for (value,) in numbers], int(doubled[0])


def settle(stage: Stage) -> None:
    """Return when everything that was acknowledged is stored or lost, and all processes ended."""
    for one in stage.cluster.processes.values():
        wait_until(one.is_ready, "ready again", 300)
    wait_until(
        lambda: all(time.monotonic() - one.last_ack_s > 3 for one in stage.proxies),
        "nothing comes any more",
        300,
    )
    stores = [stage.cluster.processes[f"store-{name}"] for name in "ab"]
    wait_until(lambda: has_caught_up(stores), "no lag", 300)
    for one in stage.cluster.processes.values():
        one.stop()


@pytest.mark.parametrize(
    "storm",
    [pytest.param(QUICK, id="quick"), pytest.param(LONG, id="long", marks=pytest.mark.long)],
)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(stage: Stage, storm: Storm) -> None:
    draw = random.Random(SEED)
    start_all(stage)
    pourer = Pourer(stage.mqtt.port, rate_per_s=storm.rate_per_s, bare=False)
    pourer.start()
    try:
        for blow in list_blows(stage, storm, draw):
            n_before = len(stage.acked)
            wait_until(lambda n=n_before: len(stage.acked) > n, "messages are acknowledged", 300)  # type: ignore[misc]  # the default binds the loop's number
            time.sleep(draw.uniform(0.1, 1.0))
            blow()
    finally:
        pourer.stop()
    settle(stage)
    acked = set().union(*map(read_ledger, stage.ledgers))
    stored, n_doubled = read_stored(stage.postgres.url)
    assert acked
    assert sorted(acked - set(stored)) == []
    assert len(stored) == len(set(stored))
    assert n_doubled == 0


def test_committing_before_storing_is_noticed_as_loss(stage: Stage) -> None:
    start_all(stage, "early_commit")
    pourer = Pourer(stage.mqtt.port, rate_per_s=300, bare=False)
    pourer.start()
    try:
        for name in "abab":
            store = stage.cluster.processes[f"store-{name}"]
            # One without partitions has nothing to lose.
            wait_until(lambda one=store: has_stored(one), "it stores", 300)  # type: ignore[misc]  # the default binds the loop's process
            kill(stage, f"store-{name}")
            wait_until(store.is_ready, "ready", 180)
    finally:
        pourer.stop()
    settle(stage)
    stored, _ = read_stored(stage.postgres.url)
    assert stage.acked - set(stored)

"""What all tests share: options, the socket policy, real data, real servers, the last lines.

Unit tests may open no socket at all. Tests marked ``integration``, ``page`` or ``chaos`` (every
test in a folder of that name is) may use loopback, and nothing beyond.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.chaos.cluster import Cluster
from tests.influx_server import InfluxServer, run_influx
from tests.kafka_server import KafkaServer, run_kafka
from tests.redis_server import RedisServer, run_redis
from tests.servers import (
    MosquittoServer,
    ServerMissingError,
    find_free_port,
    find_program,
    run_mosquitto,
    run_postgres,
)
from tests.timescale_server import run_timescale

ROOT = Path(__file__).resolve().parent.parent
NETWORKED = ("integration", "page", "chaos")
LOOPBACK_HOSTS = ["127.0.0.1", "::1", "localhost"]

ServerT = TypeVar("ServerT")

# How long an example takes says how busy the machine is, not whether the program is right.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        folders = item.path.relative_to(ROOT).parts if item.path.is_relative_to(ROOT) else ()
        for name in NETWORKED:
            if name in folders:
                item.add_marker(name)
        if any(item.get_closest_marker(name) for name in NETWORKED):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK_HOSTS))
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --long"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in skipped
        if isinstance(report.longrepr, tuple)
    )
    terminalreporter.write_line("")
    terminalreporter.write_line(f"skipped: {len(skipped)}")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"  {count} x {reason}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real measurements with known answers; the test is skipped without it."""
    named = os.environ.get("WATTSCOPE_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    folder = folder / "data" if (folder / "data").is_dir() else folder
    if not (folder / "CHECKS.md").is_file():
        pytest.skip("the real data is absent (folder ../shared/data, or WATTSCOPE_SHARED)")
    return folder


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk; for tests in which no machine crashes."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.fixture
def free_port() -> int:
    """A TCP port of loopback that nobody listens on; for tests that may use sockets."""
    return find_free_port()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoServer]:
    """A Mosquitto that tests share: use topics and client ids of your own, do not stop it."""
    named = os.environ.get("WATTSCOPE_TEST_MQTT")
    if named:
        yield MosquittoServer(named)
        return
    with _skip_when_missing(run_mosquitto(tmp_path_factory.mktemp("mosquitto"))) as server:
        yield server


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[MosquittoServer]:
    """A Mosquitto for one test alone, which may stop, kill and start it."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with _skip_when_missing(run_mosquitto(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that tests share: use tables or schemas of your own."""
    named = os.environ.get("WATTSCOPE_TEST_POSTGRES")
    if named:
        yield named
        return
    with _skip_when_missing(run_postgres()) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that tests share: use a prefix of your own, do not stop it."""
    named = os.environ.get("WATTSCOPE_TEST_REDIS")
    if named:
        yield RedisServer(named)
        return
    with _skip_when_missing(run_redis(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for one test alone, which may stop, kill and start it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with _skip_when_missing(run_redis(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A Kafka that tests share: use a prefix of your own for topics and groups, do not stop it."""
    named = os.environ.get("WATTSCOPE_TEST_KAFKA")
    if named:
        yield KafkaServer(named)
        return
    with _skip_when_missing(run_kafka(tmp_path_factory.mktemp("kafka"))) as server:
        yield server


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka for one test alone, which may stop, kill and start it."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    with _skip_when_missing(run_kafka(folder)) as server:
        yield server


@pytest.fixture
def own_influx(tmp_path: Path) -> Iterator[InfluxServer]:
    """An InfluxDB for one test alone, which may stop, kill and start it."""
    folder = tmp_path / "influx"
    folder.mkdir()
    with _skip_when_missing(run_influx(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def timescale() -> Iterator[str]:
    """The URL of a database of our own in a TimescaleDB, community edition."""
    with run_timescale("timescale") as url:
        yield url


@pytest.fixture(scope="session")
def timescale_apache() -> Iterator[str]:
    """Likewise, with the licence of the Apache edition."""
    with run_timescale("apache") as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium, for Playwright's ``executable_path``."""
    path = find_program("chromium", "chromium-browser", "google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed (apt install chromium)")
    return path


@contextlib.contextmanager
def _skip_when_missing(
    server: contextlib.AbstractContextManager[ServerT],
) -> Iterator[ServerT]:
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield running


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

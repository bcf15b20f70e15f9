"""Processes with roles of their own, joined by real servers: published here, asked there."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from redis import Redis

from tests.chaos.cluster import Cluster
from tests.chaos.pour import build_message, is_bare
from tests.chaos.program import Program, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.cli.invocation import invoke
from tests.redis_server import RedisServer
from tests.servers import MosquittoServer, find_free_port
from wattscope.live.redis.layout import Names

pytestmark = pytest.mark.integration


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


def test_process_whose_servers_are_away_waits_and_says_for_what(cluster: Cluster) -> None:
    nobody = f"127.0.0.1:{find_free_port()}"
    whole = cluster.postgres, cluster.kafka
    cluster.postgres = f"postgresql://postgres@{nobody}/postgres"
    no_postgres = cluster.add("store", "no-postgres")
    cluster.postgres, cluster.kafka = whole[0], nobody
    no_kafka = cluster.add("ingest", "no-kafka")
    for process, words in ((no_postgres, "cannot be reached"), (no_kafka, nobody)):

        def tells(process: Program = process, words: str = words) -> bool:
            assert process.is_running, process.output[-3000:]
            with contextlib.suppress(OSError):
                status, answer = process.read("/readyz")
                return status == 503 and words in answer["detail"]
            return False

        wait_until(tells, f"503 with {words!r}", 120)
        assert process.read("/healthz")[0] == 200
        status, page = process.read("/api/devices")
        assert (status, page["code"]) == (503, "not_ready")


def test_redis_that_goes_away_stops_nothing(
    cluster: Cluster, mosquitto: MosquittoServer, own_redis: RedisServer
) -> None:
    for role in ("ingest", "store", "api"):
        cluster.add(role, "a")
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    api = cluster.processes["api-a"]

    def publish_and_wait(numbers: range) -> None:
        with RawPublisher(mosquitto.port, f"{cluster.prefix}-publisher") as publisher:
            publisher.publish([build_message(number) for number in numbers if not is_bare(number)])
            publisher.wait_unacked(0)
        wanted = 4 * sum(not is_bare(number) for number in range(numbers.stop))
        wait_until(
            lambda: api.ask("SELECT count(*) FROM readings") == [[wanted]], "all stored", 120
        )

    publish_and_wait(range(100))
    own_redis.stop()
    publish_and_wait(range(100, 200))
    own_redis.start()
    publish_and_wait(range(200, 300))
    panel = "panel-000"

    def shows_newest() -> bool:
        _, found = api.read(f"/api/devices/{panel}")
        return "200" in json.dumps(found)

    wait_until(shows_newest, "the newest value is shown again", 60)


def test_only_who_shows_live_values_is_told_of_each(
    cluster: Cluster, own_redis: RedisServer
) -> None:
    roles = ("ingest", "store", "api")
    for role in roles:
        cluster.add(role, "a")
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    names = Names("wattscope", 0)
    with Redis.from_url(own_redis.url) as redis:

        def count_listeners() -> dict[str, int]:
            found: list[tuple[bytes, int]] = redis.pubsub_numsub(names.news, names.changes)
            return {channel.decode(): n for channel, n in found}

        # What is announced is for all of them.
        wanted = {names.news: len(roles), names.changes: 1}
        wait_until(lambda: count_listeners() == wanted, f"{wanted} listeners")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--role", "cook"),
            "role 'cook' is unknown; valid are ingest, poll, store, detect, alert, output, api",
        ),
        (("--role", "store"), "storage.url, log.url, live.url: a process with a role needs it"),
    ],
)
def test_role_that_cannot_be_is_an_error_in_words(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    outcome = invoke("run", *words, "--data", tmp_path)
    assert outcome.status != 0
    assert said in outcome.last_line()


def test_shared_servers_without_a_role_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "wattscope.toml"
    file.write_text('[live]\nurl = "redis://localhost"\n', encoding="utf-8")
    outcome = invoke("run", "-c", file, "--data", tmp_path)
    assert outcome.status != 0
    assert "are for processes that each have a role" in outcome.last_line()

"""R7: broken messages in the stream neither stop it nor vanish, and the books balance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.pour import write_profiles
from tests.chaos.program import Program, kept, wait_until
from tests.chaos.raw_mqtt import RawPublisher
from tests.servers import MosquittoServer

N_MESSAGES = 20_000
BROKEN_EVERY = 50
HUGE_EVERY = 4000
WINDOW = 5000
START = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = """\
[broker]
embedded = false

[[sources]]
url = "{url}"
profiles = ["poured-panels"]
"""


def build_good(number: int) -> tuple[str, bytes]:
    at = START + timedelta(seconds=number // 100)
    panel = f"panel-{number % 100:03d}"
    payload = (
        f'{{"panel_id":"{panel}","timestamp":"{at:%Y-%m-%dT%H:%M:%SZ}",'
        f'"temperature_celsius":25.5,"voltage_volts":48.25,"current_amperes":8.5,'
        f'"power_output_watts":{number}.0}}'
    )
    return f"sensors/{panel}/readings", payload.encode()


def _spoil(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda payload: payload.replace(old, new)


_CALLS = ("/healthz", "/api/health", "/api/quarantine?limit=10")
SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _payload: b"",
    "null": lambda _payload: b"null",
    "html": lambda _payload: b"<html><body>502 Bad Gateway</body></html>",
    "cut off": lambda payload: payload[:60],
    "not utf-8": lambda payload: payload[:-4] + b"\xff\xfe}",
    "not a number": _spoil(b"48.25", b"NaN"),
    "text for a number": _spoil(b"48.25", b'"48.25 V"'),
    "overflow": _spoil(b"48.25", b"1e999"),
    "no instant": _spoil(b'"timestamp"', b'"when"'),
    "impossible instant": _spoil(b"2026-03-01", b"2026-13-41"),
    "from the future": _spoil(b"2026-03-01", b"2999-03-01"),
    "nested deeply": lambda _payload: b"[" * 5000 + b"]" * 5000,
}


def build_broken(number: int) -> tuple[str, bytes]:
    """A broken message on a topic of its own, by which it is found again in quarantine."""
    topic = f"sensors/broken-{number:05d}/readings"
    good = build_good(number)[1].replace(b"panel-", b"broken-")
    if number % HUGE_EVERY == 0:
        return topic, good + b" " * (1_100_000 + number)
    spoilers = list(SPOILERS.values())
    return topic, spoilers[number // BROKEN_EVERY % len(spoilers)](good)


def build_all() -> Iterator[tuple[str, bytes]]:
    for number in range(N_MESSAGES):
        yield (build_broken if number % BROKEN_EVERY == 0 else build_good)(number)


@pytest.fixture
def program(own_mosquitto: MosquittoServer, tmp_path: Path) -> Iterator[Program]:
    write_profiles(tmp_path)
    with kept(Program(tmp_path, SETTINGS.format(url=own_mosquitto.url))) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready")
        yield program


def test_broken_messages_are_set_aside_and_the_rest_is_stored(
    program: Program, own_mosquitto: MosquittoServer
) -> None:
    statuses = pour_and_watch(program, own_mosquitto.port)
    assert statuses
    assert set(statuses) == {200}
    program.stop()

    bad = {build_broken(number)[0] for number in range(0, N_MESSAGES, BROKEN_EVERY)}
    n_good = N_MESSAGES - len(bad)
    shelf = program.query("SELECT topic, code, detail FROM quarantine")
    assert sorted(row["topic"] for row in shelf) == sorted(bad)
    assert all(row["code"] and row["detail"] for row in shelf)
    huge = {f"sensors/broken-{number:05d}/readings" for number in range(0, N_MESSAGES, HUGE_EVERY)}
    assert {row["topic"] for row in shelf if row["code"] == "too_big"} >= huge
    expected = sum(number for number in range(N_MESSAGES) if number % BROKEN_EVERY)
    stored = program.query(
        "SELECT count(*) AS n, sum(value) FILTER (WHERE quantity = 'production_power_w') AS total "
        "FROM readings"
    )[0]
    assert (int(stored["n"]), float(stored["total"])) == (4 * n_good, expected)


def pour_and_watch(program: Program, port: int) -> list[int]:
    """Pour everything, check the books, and give the statuses of the calls made meanwhile."""
    statuses: list[int] = []
    is_over = threading.Event()

    def keep_calling() -> None:
        while not is_over.is_set():
            statuses.extend(program.read(path)[0] for path in _CALLS)

    caller = threading.Thread(target=keep_calling)
    caller.start()
    try:
        with RawPublisher(port, "poison") as publisher:
            for message in build_all():
                publisher.publish([message])
                if publisher.n_sent % 100 == 0:
                    publisher.wait_unacked(WINDOW)
            publisher.wait_unacked(0)
        wait_until(lambda: read_counters(program)["messages"] == N_MESSAGES, "all have arrived")
        wait_until(lambda: is_balanced(read_counters(program)), "the books balance")
    finally:
        is_over.set()
        caller.join()
    counters = read_counters(program)
    n_bad = N_MESSAGES // BROKEN_EVERY
    assert counters["quarantined"] == n_bad
    assert counters["stored"] == 4 * (N_MESSAGES - n_bad)
    assert counters["duplicate"] == counters["refused"] == 0
    assert sum(counters["quarantined_by_code"].values()) == n_bad
    return statuses


def test_books_balance_after_a_start_that_reads_the_log_again(
    program: Program, own_mosquitto: MosquittoServer
) -> None:
    with RawPublisher(own_mosquitto.port, "poison") as publisher:
        publisher.publish([build_good(number) for number in range(500)])
        publisher.wait_unacked(0)
    wait_until(lambda: read_counters(program)["stored"] == 2000, "all is stored")
    program.kill()
    program.start()
    wait_until(program.is_ready, "the program is ready")
    assert is_balanced(read_counters(program)), read_counters(program)
    assert program.ask("SELECT count(*) FROM readings") == [[2000]]


def read_counters(program: Program) -> dict[str, Any]:
    status, health = program.read("/api/health")
    assert status == 200
    counters: dict[str, Any] = health["counters"]
    return counters


def is_balanced(counters: dict[str, Any]) -> bool:
    """Nothing vanished: what came in is what became of it."""
    parts = ("stored", "duplicate", "quarantined", "refused")
    return bool(counters["received"] == sum(counters[part] for part in parts))

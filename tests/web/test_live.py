"""``/api/live`` over a real server: the state at once, changes as they come, a sign of life."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.web.applications import Application, open_application, put
from tests.web.conftest import HOUSE
from wattscope.assembly.storage import now_us

pytestmark = pytest.mark.integration


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    told: dict[str, Any]


@contextlib.contextmanager
def serve(application: Application, port: int) -> Iterator[str]:
    """The application behind a real server; gives its address."""
    config = uvicorn.Config(
        application.client.app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def listen(address: str, query: str = "") -> Iterator[Iterator[Event]]:
    """The events of one stream; a wait longer than 5 s is an error."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        request = (
            f"GET /api/live{query} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        connection.sendall(request.encode())
        with connection.makefile("r", encoding="utf-8", newline="\n") as lines:
            head = []
            while (line := lines.readline().strip()) != "":
                head.append(line.lower())
            assert head[0] == "http/1.1 200 ok"
            assert "content-type: text/event-stream; charset=utf-8" in head
            assert "cache-control: no-store" in head
            assert not [one for one in head if one.startswith("content-encoding")]
            yield _events(iter(lines.readline, ""))


def _events(lines: Iterator[str]) -> Iterator[Event]:
    name = ""
    for line in lines:
        field, _, value = line.strip().partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield Event(name, json.loads(value))


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, settings=HOUSE) as application:
        put(application.storage, "grid", "active_power_w", [(now_us(), 100.0)])
        yield application


def test_stream_begins_with_the_state_and_tells_each_change(
    live: Application, free_port: int
) -> None:
    with serve(live, free_port) as address, listen(address) as events:
        first = next(events)
        assert first.name == "now"
        assert first.told["grid_w"] == 100.0
        assert first.told["is_stale"] is False
        assert set(first.told) == set(live.get("/api/insights/now"))
        put(live.storage, "grid", "active_power_w", [(now_us(), 250.0)])
        second = next(events)
        assert (second.name, second.told["grid_w"]) == ("now", 250.0)


def test_stream_gives_a_sign_of_life_when_nothing_changes(
    live: Application, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.web.live_stream._PING_S", 2.0)
    with serve(live, free_port) as address, listen(address) as events:
        assert [next(events).name for _ in range(3)] == ["now", "ping", "ping"]


def test_streams_beyond_the_limit_are_refused_and_ended_ones_make_room(
    live: Application, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.web.live_stream.MAX_STREAMS", 1)
    with serve(live, free_port) as address:
        with listen(address) as events:
            next(events)
            assert ask_status(address) == 503
        deadline_s = time.monotonic() + 5
        while ask_status(address) == 503:
            assert time.monotonic() < deadline_s, "the ended stream keeps its place"
            time.sleep(0.1)


def ask_status(address: str) -> int:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET /api/live HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        return int(connection.recv(64).split()[1])


def test_stream_of_an_unknown_site_is_refused(live: Application) -> None:
    assert live.problem("/api/live?site=nowhere", 404)["code"] == "unknown_name"

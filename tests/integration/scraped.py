"""A heat pump's meter behind the port for Prometheus, and a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn

from tests.servers import LOOPBACK, find_free_port
from tests.web.applications import HOSTS, put
from wattscope.assembly.health import build_services
from wattscope.assembly.program import Program
from wattscope.assembly.storage import Storage, now_us, open_storage
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import Settings
from wattscope.web.app import create_metrics_app

S = 1_000_000


@dataclass
class Meter:
    """Gives readings of a WAGO meter each half second, until it is told to be silent."""

    storage: Storage
    values: dict[str, float]
    """Newest value by quantity, in base units; those of energy grow by 1 Wh with each reading."""
    ahead_us: int = 0
    """By how much the clock of the exporter is ahead of the meter's readings [µs]."""
    n_said: int = 0
    is_silent: threading.Event = field(default_factory=threading.Event)

    def clock(self) -> int:
        """The instant that the exporter believes it to be [µs]."""
        return now_us() + self.ahead_us

    def say(self) -> None:
        """One reading of everything."""
        self.n_said += 1
        at_us = now_us()
        for name, value in self.values.items():
            grown = value + self.n_said if "energy" in name else value
            put(self.storage, "heatpump", name, [(at_us, grown)])

    def run(self) -> None:
        """Readings until it is silent."""
        while not self.is_silent.wait(0.5):
            self.say()


@dataclass(frozen=True, slots=True)
class Exporter:
    """The port for Prometheus, and the meter behind it."""

    port: int
    meter: Meter


@contextlib.contextmanager
def run_exporter(folder: Path, settings: Settings, values: dict[str, float]) -> Iterator[Exporter]:
    """Answer ``/metrics`` on a port of loopback until the end of the block."""
    with open_storage(settings, folder) as storage:
        meter = Meter(storage, values)
        program = Program(settings, storage, ProfileLibrary())
        services = replace(build_services(program, allowed_hosts=HOSTS), now_us=meter.clock)
        port = find_free_port()
        config = uvicorn.Config(
            create_metrics_app(services), host=LOOPBACK, port=port, log_level="warning"
        )
        server = uvicorn.Server(config)
        meter.say()
        threads = [threading.Thread(target=meter.run), threading.Thread(target=server.run)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: server.started, "the port answers")
            yield Exporter(port, meter)
        finally:
            meter.is_silent.set()
            server.should_exit = True
            for thread in threads:
                thread.join(10)


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Return once it is so; the limit only keeps a test from hanging for ever."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"after {timeout_s:g} s still not: {what}"
        time.sleep(0.1)


def get(port: int, path: str, host: str = LOOPBACK) -> tuple[int, str]:
    """Status and text of a GET."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A real Prometheus that is asked over its API."""

    port: int

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an instant query."""
        words = urllib.parse.urlencode({"query": query})
        found = self.read(f"/api/v1/query?{words}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def value(self, query: str) -> float | None:
        """The value of a query that has at most one series."""
        found = self.ask(query)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def read(self, path: str) -> Any:  # noqa: ANN401  # JSON
        """What the API answers."""
        status, text = get(self.port, path)
        assert status == 200, text
        return json.loads(text)["data"]

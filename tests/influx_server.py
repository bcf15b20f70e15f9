"""A real InfluxDB 1 for tests: started on loopback, ended by its own id."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import (
    LOOPBACK,
    ServerMissingError,
    find_free_port,
    find_program,
    wait_for_port,
)

INFLUX_CONF = """\
reporting-disabled = true
bind-address = "{host}:{backup_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "{host}:{port}"
  log-enabled = false
  auth-enabled = {has_login}
[retention]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "error"
"""
USER, PASSWORD = "writer", "a word of 20 letters"
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class InfluxServer:
    """An InfluxDB that a test may stop, kill and start."""

    port: int
    folder: Path
    has_login: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it on the same port, with what it has on disk."""
        program = find_program("influxd")
        assert program is not None
        with (self.folder / "influxdb.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-config", str(self.folder / "influxdb.conf")], stdout=log, stderr=log
            )
        wait_for_port(self.port, self._process, 60.0)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(30)

    def ask(self, query: str, database: str = "home") -> list[dict[str, Any]]:
        """The series of an answer; instants are [µs]."""
        words = {"q": query, "db": database, "epoch": "u"}
        if self.has_login:
            words |= {"u": USER, "p": PASSWORD}
        url = f"{self.url}/query?{urllib.parse.urlencode(words)}"
        request = urllib.request.Request(url, b"")
        with _opener.open(request, timeout=30) as response:
            [result] = json.load(response)["results"]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def write(self, lines: str, database: str = "home") -> None:
        """Write points past Wattscope."""
        url = f"{self.url}/write?{urllib.parse.urlencode({'db': database})}"
        with _opener.open(urllib.request.Request(url, lines.encode()), timeout=30) as response:
            assert response.status == 204

    def count(self, field: str, measurement: str = "wattscope") -> int:
        """How many values a field has."""
        series = self.ask(f'SELECT count("{field}") FROM "{measurement}"')
        return int(series[0]["values"][0][1]) if series else 0

    def read(self, field: str, measurement: str = "wattscope") -> dict[tuple[str, int], float]:
        """All values of a field by device and instant [µs]; a point that is there twice is two."""
        query = f'SELECT "{field}" FROM "{measurement}" GROUP BY "device"'
        return {
            (one["tags"]["device"], at): value
            for one in self.ask(query)
            for at, value in one["values"]
        }


@contextlib.contextmanager
def run_influx(folder: Path, *, has_login: bool = False) -> Iterator[InfluxServer]:
    """Run an InfluxDB of our own with the database ``home`` until the end of the block.

    Args:
        folder: An empty folder that lives as long as the server.
        has_login: Whether only ``USER`` with ``PASSWORD`` may write.

    Raises:
        ServerMissingError: It is not installed.
    """
    if find_program("influxd") is None:
        message = "InfluxDB is not installed (apt install influxdb)"
        raise ServerMissingError(message)
    server = InfluxServer(find_free_port(), folder, has_login)
    text = INFLUX_CONF.format(
        host=LOOPBACK,
        port=server.port,
        backup_port=find_free_port(),
        folder=folder,
        has_login=str(has_login).lower(),
    )
    (folder / "influxdb.conf").write_text(text, encoding="utf-8")
    server.start()
    try:
        if has_login:
            # The first user is an administrator, and may be made without a login.
            server.has_login = False
            server.ask(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
            server.has_login = True
        server.ask("CREATE DATABASE home")
        yield server
    finally:
        server.stop(signal.SIGKILL)

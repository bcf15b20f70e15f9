"""The files of the Time Series Benchmark Suite, written to the real program over HTTP."""

from __future__ import annotations

import contextlib
import gzip
import http.client
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.program import Program, kept, wait_until
from tests.servers import LOOPBACK

BATCH = 5000
"""Lines of a request."""
START_S = 300.0
"""A busy machine takes its time [s]."""
N_VALUES = {"cpu-only": 864_000, "iot": 614_557}
"""Numbers in the fields of each file."""
SETTINGS = """
[broker]
embedded = false

[detect]
enabled = false

[[sources]]
name = "influx"
type = "influx"
profiles = ["tsbs"]
"""
PROFILE = """
title = "Hosts and trucks of TSBS"
decoder = "line_protocol"
kind = "sensor"

[[measurements]]
measurement = "cpu"
device_tag = "hostname"
other_fields = "own"

[[measurements]]
device_tag = "name"
device_tags = ["fleet", "driver", "model", "device_version"]
other_fields = "own"
"""
"""A truck that forgets its name is a device of its own for each combination of its other tags."""


@contextlib.contextmanager
def run_program(folder: Path) -> Iterator[Program]:
    """The program, ready to be written to."""
    profiles = folder / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "tsbs.toml").write_text(PROFILE, encoding="utf-8")
    with kept(Program(folder, SETTINGS)) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", START_S)
        yield program


def read_batches(shared: Path, name: str) -> list[bytes]:
    """The bodies of the requests that write a file."""
    with gzip.open(shared / "tsbs" / f"{name}.lp.gz") as file:
        lines = file.read().splitlines(keepends=True)
    return [b"".join(lines[at : at + BATCH]) for at in range(0, len(lines), BATCH)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Sender:
    """One connection that stays open, as senders keep theirs."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=300)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Status, headers and text of the answer to a POST."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("POST", path, body, named)
        with self._connection.getresponse() as found:
            return Answer(found.status, dict(found.headers), found.read().decode())

    def write_all(self, batches: Sequence[bytes]) -> list[Answer]:
        """The answers that are not 204."""
        answers = [self.post("/write?db=tsbs", body) for body in batches]
        return [one for one in answers if one.status != 204]

    def close(self) -> None:
        self._connection.close()

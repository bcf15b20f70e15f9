"""The real program as a child process: started, asked, killed, ended by its own id."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import LOOPBACK, find_free_port

ROOT = Path(__file__).resolve().parents[2]
RUN_PROGRAM = ("-c", "from wattscope.cli import main; main()")
"""What Python runs: the console script's own words, which work without an installation too."""
# A proxy of the environment must never be asked for loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StillWaitingError(Exception):
    """Something that must come to pass did not; the message says what."""


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Return once ``is_so``; the limit only keeps a test from hanging for ever."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise StillWaitingError(f"after {timeout_s:g} s still not: {what}")
        time.sleep(0.02)


def program_environment() -> dict[str, str]:
    """The environment of a child that finds the package in the tree, installed or not."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


@dataclass
class Program:
    """``wattscope run`` with a data folder of its own."""

    folder: Path
    """Gets settings, data and the program's output."""
    settings: str
    launcher: Sequence[str] = RUN_PROGRAM
    """What Python runs; a mutant's launcher in the checks of the checks."""
    verb: Sequence[str] = ("run",)
    port: int = field(default_factory=find_free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once."""
        command = [sys.executable, *self.launcher, *self.verb, *self._settings_option()]
        command += ["--data", str(self.data_folder), "--port", str(self.port)]
        with (self.folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env=program_environment()
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def end(self) -> None:
        """End it, whatever became of it."""
        if self.is_running:
            self.kill()

    def read(self, path: str, timeout_s: float = 30.0) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        return _fetch(urllib.request.Request(self._url(path)), timeout_s)

    def ask(self, sql: str, timeout_s: float = 120.0) -> list[list[Any]]:
        """Rows of a question to the running program, over HTTP."""
        rows: list[list[Any]] = self.post("/api/sql", {"sql": sql}, timeout_s)["rows"]
        return rows

    def post(
        self, path: str, body: dict[str, Any], timeout_s: float = 30.0, *, method: str = "POST"
    ) -> dict[str, Any]:
        """The JSON of a change that must succeed."""
        head = {"content-type": "application/json"}
        request = urllib.request.Request(
            self._url(path), json.dumps(body).encode(), head, method=method
        )
        status, answer = _fetch(request, timeout_s)
        assert 200 <= status < 300, answer
        found: dict[str, Any] = answer
        return found

    def is_ready(self) -> bool:
        """Whether it answers and all its sources are connected."""
        assert self.is_running, self.output[-4000:]
        try:
            return self.read("/readyz")[0] == 200
        except OSError:
            return False

    def query(self, sql: str) -> list[dict[str, str]]:
        """Rows of a question to the data folder, by the command that only reads."""
        command = [sys.executable, *RUN_PROGRAM, "sql", sql, "--format", "csv"]
        done = subprocess.run(
            [*command, "--data", str(self.data_folder), *self._settings_option()],
            capture_output=True,
            env=program_environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return list(csv.DictReader(io.StringIO(done.stdout.decode())))

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    def _settings_option(self) -> list[str]:
        if not self.settings:
            return []
        file = self.folder / "wattscope.toml"
        file.write_text(self.settings, encoding="utf-8")
        return ["-c", str(file)]

    def _url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self.port}{path}"


@contextlib.contextmanager
def kept(program: Program) -> Iterator[Program]:
    """The program, ended with the block whatever happens."""
    try:
        yield program
    finally:
        program.end()


def _fetch(request: urllib.request.Request, timeout_s: float) -> tuple[int, Any]:
    try:
        with _opener.open(request, timeout=timeout_s) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)

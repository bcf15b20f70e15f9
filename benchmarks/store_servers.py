"""Servers that are one program with a data folder and an HTTP port, and texts to fill them with."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from benchmarks.store_duckdb import register_set
from benchmarks.store_sets import MeasuredSet
from tests.servers import LOOPBACK, ServerMissingError, find_program, wait_for_port

_TIMEOUT_S = 300.0
_READ_BYTES = 16 << 20


class RefusedError(Exception):
    """A server answered with something else than success; the message has its words."""


class Client:
    """Questions over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_S)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """The answer's body."""
        question = urllib.parse.urlencode(parameters or {})
        return self._send("GET", f"{path}?{question}", None)

    def post(self, path: str, body: bytes) -> bytes:
        """The answer's body."""
        return self._send("POST", path, body)

    def close(self) -> None:
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RefusedError(f"{method} {path[:80]}: {answer.status} {text[:200]!r}")
        return text


def require_program(name: str, package: str) -> str:
    """The path of an installed program.

    Raises:
        ServerMissingError: It is not installed.
    """
    path = find_program(name)
    if path is None:
        raise ServerMissingError(f"{name} is not installed (apt install {package})")
    return path


@contextlib.contextmanager
def run_server(command: list[str], port: int, log: Path) -> Iterator[Client]:
    """Run a server until the end of the block, and end it by its id."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, process)
        with contextlib.closing(Client(port)) as client:
            yield client
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write_text(measured: MeasuredSet, query: str, file: Path) -> None:
    """Write the lines that a query over ``measured`` gives, one a row, in its order."""
    with duckdb.connect() as database:
        register_set(database, measured)
        database.execute(
            f"COPY ({query}) TO '{file}' "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t')"
        )


def read_pieces(file: Path, n_bytes: int = _READ_BYTES) -> Iterator[bytes]:
    """Whole lines of a file, about so many bytes at a time."""
    with file.open("rb") as text:
        rest = b""
        while piece := text.read(n_bytes):
            lines, _, left = piece.rpartition(b"\n")
            if lines:
                yield rest + lines + b"\n"
                rest = left
            else:
                rest += left
        if rest:
            yield rest


def count_lines_apart(piece: bytes, n_lines: int) -> Iterator[bytes]:
    """A piece of text in bodies of so many lines."""
    lines = piece.splitlines(keepends=True)
    for first in range(0, len(lines), n_lines):
        yield b"".join(lines[first : first + n_lines])

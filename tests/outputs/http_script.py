"""An HTTP server that answers as it is told, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers import LOOPBACK


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int = 204
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    hangs_up: bool = False
    """Whether the connection ends without an answer."""


@dataclass
class Script:
    """What is answered, and what was asked."""

    answers: list[Told] = field(default_factory=list)
    """The next ones; behind them, what ``judge`` says."""
    max_lines: int | None = None
    """More are too many."""
    bad: bytes | None = None
    """A body with this in it is refused whole."""
    bodies: list[list[bytes]] = field(default_factory=list)
    """Lines of the bodies that were taken."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and headers, all of them."""
    n_connections: int = 0
    port: int = 0
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What ends before the server does."""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def lines(self) -> list[bytes]:
        return [line for body in self.bodies for line in body]

    def judge(self, lines: list[bytes]) -> Told:
        if self.answers:
            return self.answers.pop(0)
        if self.max_lines is not None and len(lines) > self.max_lines:
            return Told(413, b'{"error":"Request Entity Too Large"}')
        if self.bad is not None and any(self.bad in line for line in lines):
            return Told(400, b'{"error":"unable to parse"}')
        return Told()


@contextlib.contextmanager
def answering(script: Script) -> Iterator[Script]:
    """The server on a free port until the end of the block."""

    class Answerer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def setup(self) -> None:
            super().setup()
            script.n_connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.requests.append((self.path, dict(self.headers)))
            lines = gzip.decompress(body).split(b"\n")
            told = script.judge(lines)
            if told.hangs_up:
                self.close_connection = True
                return
            if told.status == 204:
                script.bodies.append(lines)
            self.send_response(told.status)
            for name, value in told.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Answerer)
    server.daemon_threads = True
    script.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        script.closing.close()
        server.shutdown()
        thread.join()
        server.server_close()

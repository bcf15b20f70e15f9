"""A real Redis for tests and benchmarks: started on loopback, ended by its own id."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import (
    LOOPBACK,
    ServerMissingError,
    find_free_port,
    find_program,
    wait_for_port,
)

# Nothing is written to disk: a Redis that was killed comes back empty, the worst that can happen.
REDIS_CONF = """\
bind {host}
port {port}
dir {folder}
save ""
appendonly no
daemonize no
"""


@dataclass
class RedisServer:
    """A Redis that tests share, or one of their own that they may stop, kill and start."""

    url: str
    """``redis://host:port``, without a database."""
    folder: Path | None = None
    """Where ours keeps its configuration and ``redis.log``; None: not ours."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        """The TCP port of the URL."""
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process id of a server of ours."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it on the same port, with what it has on disk."""
        assert self.folder is not None
        program = find_program("redis-server")
        assert program is not None
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(self.folder / "redis.conf")], stdout=log, stderr=log
            )
        wait_for_port(self.port, self._process)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(20)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP: it is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(number)


@contextlib.contextmanager
def run_redis(folder: Path, *, extra: str = "") -> Iterator[RedisServer]:
    """Run a Redis of our own in ``folder`` until the end of the block.

    Args:
        folder: An empty folder that lives as long as the server.
        extra: Further lines of configuration, for example for passwords.

    Raises:
        ServerMissingError: It is not installed.
    """
    if find_program("redis-server") is None:
        message = "Redis is not installed (apt install redis-server)"
        raise ServerMissingError(message)
    server = RedisServer(f"redis://{LOOPBACK}:{find_free_port()}", folder)
    text = REDIS_CONF.format(host=LOOPBACK, port=server.port, folder=folder)
    (folder / "redis.conf").write_text(text + extra, encoding="utf-8")
    server.start()
    try:
        yield server
    finally:
        server.send(signal.SIGCONT)
        server.stop()


def make_prefix() -> str:
    """A prefix for keys that no other test has."""
    return f"wattscope-test-{uuid.uuid4().hex}"

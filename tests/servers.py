"""Real servers for integration tests and benchmarks: started on loopback, ended by their own id.

Each is taken from an environment variable where that is set, else started from what is installed.
A server of ours lives in a temporary folder and ends with the test that asked for it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")


class ServerMissingError(Exception):
    """The server is neither named by its variable nor installed; the message says how to get it."""


def find_free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def find_program(*names: str) -> str | None:
    """The path of the first of these programs that is installed, also outside of PATH."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return next((path for name in names if (path := shutil.which(name, path=search))), None)


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 20.0) -> None:
    """Return when the port accepts connections.

    Raises:
        RuntimeError: The process ended, or the time was over, before it did.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            message = f"{process.args!r} ended with status {process.returncode}"
            raise RuntimeError(message)
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 0.5):
            return
        time.sleep(0.02)
    message = f"{process.args!r} does not listen on port {port} after {timeout_s} s"
    raise RuntimeError(message)


@dataclass
class MosquittoServer:
    """A Mosquitto that tests share, or one of their own that they may stop, kill and start."""

    url: str
    """``mqtt://host:port``."""
    folder: Path | None = None
    """Where ours keeps its configuration, its sessions and ``mosquitto.log``; None: not ours."""
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
        """Start it again on the same port, with the sessions it had."""
        assert self.folder is not None
        program = find_program("mosquitto")
        assert program is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_for_port(self.port, self._process)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; on SIGTERM it first writes its sessions and queues to disk, on SIGKILL not."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(20)


# The defaults of Mosquitto would spoil what the tests look at:
# - it drops what is queued for an absent client beyond 1,000 messages: here nothing is dropped;
# - it has 20 unacknowledged messages under way: with an acknowledgement per group commit of 10 ms
#   that would be a ceiling of 2,000/s; 2,000 are under half of the 16-bit packet ids and enough
#   for 200,000/s;
# - it loses sessions at its end: here SIGTERM writes them. Not ``autosave_on_changes``, which
#   writes the whole database again each time: tests that pour in messages would measure that.
MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 10
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 2000
set_tcp_nodelay true
user {user}
"""

PROMETHEUS_YML = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: {rules}
scrape_configs:
  - job_name: wattscope
    static_configs:
      - targets: ["{target}"]
"""


@contextlib.contextmanager
def run_mosquitto(folder: Path, *, extra: str = "") -> Iterator[MosquittoServer]:
    """Run a Mosquitto of our own in ``folder`` until the end of the block.

    Args:
        folder: An empty folder that lives as long as the server.
        extra: Further lines of configuration, for example for passwords.

    Raises:
        ServerMissingError: It is not installed.
    """
    if find_program("mosquitto") is None:
        message = "Mosquitto is not installed (apt install mosquitto)"
        raise ServerMissingError(message)
    server = MosquittoServer(f"mqtt://{LOOPBACK}:{find_free_port()}", folder)
    user = pwd.getpwuid(os.geteuid()).pw_name
    text = MOSQUITTO_CONF.format(port=server.port, host=LOOPBACK, folder=folder, user=user)
    (folder / "mosquitto.conf").write_text(text + extra, encoding="utf-8")
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


@contextlib.contextmanager
def run_postgres(settings: Sequence[str] = ()) -> Iterator[str]:
    """Run a PostgreSQL 15 of our own until the end of the block, and give its URL.

    It runs as the user ``postgres`` where we are root, because it refuses to run as root.
    Its durability is as delivered: a commit waits for the disk.

    Args:
        settings: Those that are not as delivered, each ``name=value``.

    Raises:
        ServerMissingError: It is not installed.
    """
    if not (POSTGRES_BIN / "initdb").exists():
        message = "PostgreSQL 15 is not installed (apt install postgresql-15)"
        raise ServerMissingError(message)
    user = "postgres" if os.geteuid() == 0 else None
    # Not pytest's own temporary folder: that is closed to the user postgres.
    folder = Path(tempfile.mkdtemp(prefix="wattscope-postgres-"))
    if user:
        shutil.chown(folder, user)
    try:
        with _postgres_process(folder, user, settings) as port:
            yield f"postgresql://postgres@{LOOPBACK}:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _postgres_process(folder: Path, user: str | None, settings: Sequence[str]) -> Iterator[int]:
    database = folder / "database"
    subprocess.run(
        [POSTGRES_BIN / "initdb", "-D", database, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        check=True,
        capture_output=True,
        user=user,
        group=user,
        cwd=folder,
    )
    port = find_free_port()
    options = [f"listen_addresses={LOOPBACK}", f"port={port}", f"unix_socket_directories={folder}"]
    options += settings
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            [POSTGRES_BIN / "postgres", "-D", database, *(w for o in options for w in ("-c", o))],
            stdout=log,
            stderr=log,
            user=user,
            group=user,
            cwd=folder,
        )
    try:
        wait_for_port(port, process)
        wait_for_postgres(port)
        yield port
    finally:
        process.send_signal(signal.SIGINT)  # "fast": closes connections, ends cleanly
        process.wait(30)


def wait_for_postgres(port: int, timeout_s: float = 20.0) -> None:
    """The port is open a moment before it answers."""
    deadline_s = time.monotonic() + timeout_s
    command = [str(POSTGRES_BIN / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
    while subprocess.run(command, check=False).returncode != 0:
        if time.monotonic() > deadline_s:
            message = f"PostgreSQL on port {port} is not ready after {timeout_s} s"
            raise RuntimeError(message)
        time.sleep(0.05)


@contextlib.contextmanager
def run_prometheus(
    folder: Path, target: int | None, *, rules: Path | None = None, more: str = ""
) -> Iterator[int]:
    """Run a Prometheus of our own until the end of the block, and give its port.

    It scrapes and evaluates rules every second.

    Args:
        folder: A folder that lives as long as the server; empty, or with blocks in ``tsdb``.
        target: Port of loopback whose ``/metrics`` it scrapes; None: it scrapes nothing.
        rules: A file of rules.
        more: Further tables of its configuration.

    Raises:
        ServerMissingError: It is not installed.
    """
    program = find_program("prometheus")
    if program is None:
        message = "Prometheus is not installed (apt install prometheus)"
        raise ServerMissingError(message)
    config = folder / "prometheus.yml"
    text = PROMETHEUS_YML.format(target=f"{LOOPBACK}:{target}", rules=[str(rules)] if rules else [])
    config.write_text(
        (text if target is not None else text.partition("scrape_configs")[0]) + more,
        encoding="utf-8",
    )
    port = find_free_port()
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={LOOPBACK}:{port}"], stdout=log, stderr=log
        )
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

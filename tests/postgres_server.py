"""A PostgreSQL of a test's own, which it may stop, kill and start, and which wants a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import (
    LOOPBACK,
    POSTGRES_BIN,
    ServerMissingError,
    find_free_port,
    wait_for_port,
    wait_for_postgres,
)

PASSWORD = "tu-l1p & f1eld"


@dataclass
class PostgresServer:
    """A server on one port and one folder for all its lives."""

    folder: Path
    user: str | None
    """Whom it runs as; None: as us."""
    port: int = field(default_factory=find_free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Without the password."""
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/postgres"

    @property
    def password_file(self) -> Path:
        """Holds ``PASSWORD``."""
        return self.folder / "password"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            f"listen_addresses={LOOPBACK}",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
        ]
        words = [word for option in options for word in ("-c", option)]
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [POSTGRES_BIN / "postgres", "-D", self.folder / "database", *words],
                stdout=log,
                stderr=log,
                user=self.user,
                group=self.user,
                cwd=self.folder,
            )
        wait_for_port(self.port, self._process)
        wait_for_postgres(self.port)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT closes connections and ends cleanly, SIGQUIT ends at once as a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


@contextlib.contextmanager
def run_own_postgres() -> Iterator[PostgresServer]:
    """Run a server until the end of the block.

    Raises:
        ServerMissingError: It is not installed.
    """
    if not (POSTGRES_BIN / "initdb").exists():
        message = "PostgreSQL 15 is not installed (apt install postgresql-15)"
        raise ServerMissingError(message)
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="wattscope-postgres-"))
    server = PostgresServer(folder, user)
    server.password_file.write_text(PASSWORD + "\n", encoding="utf-8")
    if user:
        shutil.chown(folder, user)
        shutil.chown(server.password_file, user)
    initdb: list[str | Path] = [
        POSTGRES_BIN / "initdb",
        "-D",
        folder / "database",
        "-U",
        "postgres",
        "-E",
        "UTF8",
    ]
    try:
        subprocess.run(
            [*initdb, "-A", "scram-sha-256", f"--pwfile={server.password_file}"],
            check=True,
            capture_output=True,
            user=user,
            group=user,
            cwd=folder,
        )
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

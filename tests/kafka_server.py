"""A real Kafka for tests and benchmarks: one node without ZooKeeper, from its jars.

The jars come from Maven Central by ``mvn``, once, into the user's cache folder. The server listens
on free ports of loopback, lives in the folder that it is given, and ends with the block that asked
for it, by its own process id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import LOOPBACK, ServerMissingError, find_free_port, find_program, wait_for_port

KAFKA_VERSION = "4.3.1"
USER, PASSWORD = "wattscope", "made-up-for-tests"
"""Who may come in where a password is asked for."""
_CLUSTER = "d2F0dHNjb3BlLXRlc3RzLQ"
# A small heap and no optimising compiler: a test server is to start soon, not to run for weeks.
_QUICK_JAVA = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# All of Java's compilers, as where a server runs for weeks; half the heap of Kafka's own script.
DEPLOYED_JAVA = ("-Xms512m", "-Xmx512m")
"""For benchmarks."""
_PORTS = ("plain", "password", "secure", "proxied", "controller")

# The defaults of Kafka are for clusters and for weeks:
# - one node cannot hold three copies of its own topics;
# - a group waits 3 s for further members, and a dead member counts for at least 6 s;
# - a topic that is asked for appears by itself, which would hide that nobody has made it.
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://{host}:{plain},PASSWORD://{host}:{password},SECURE://{host}:{secure},\
PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}
advertised.listeners=PLAIN://{host}:{plain},PASSWORD://{host}:{password},SECURE://{host}:{secure},\
PROXIED://{host}:{front}
listener.security.protocol.map=PLAIN:PLAINTEXT,PASSWORD:SASL_PLAINTEXT,SECURE:SASL_SSL,\
PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.password.plain.sasl.jaas.config={plain_login}
listener.name.password.scram-sha-256.sasl.jaas.config={scram_login}
listener.name.password.scram-sha-512.sasl.jaas.config={scram_login}
listener.name.secure.plain.sasl.jaas.config={plain_login}
listener.name.secure.scram-sha-256.sasl.jaas.config={scram_login}
listener.name.secure.scram-sha-512.sasl.jaas.config={scram_login}
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={folder}/server.pem
log.dirs={folder}/topics
auto.create.topics.enable=false
num.partitions=3
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=65536
controlled.shutdown.enable=false
"""
_PLAIN_LOGIN = (
    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
)
_SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wattscope.tests</groupId>
  <artifactId>kafka-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <!-- Without it the server says nothing at all, not even why it does not start. -->
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


@dataclass
class KafkaServer:
    """A Kafka that tests share, or one of their own that they may stop, kill and start."""

    address: str
    """``host:port``, without password and encryption."""
    folder: Path | None = None
    """Where ours keeps configuration, topics and ``kafka.log``; None: not ours."""
    ports: dict[str, int] = field(default_factory=dict)
    """Of ours, by listener: plain, password, secure, proxied, controller."""
    front_port: int = 0
    """Where clients are sent that came by ``proxied``; nobody listens there until a test does."""
    java: tuple[str, ...] = _QUICK_JAVA
    """Flags of the Java that runs it."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def password_address(self) -> str:
        """``host:port`` where ``USER`` and ``PASSWORD`` are asked for (PLAIN, SCRAM)."""
        return f"{LOOPBACK}:{self.ports['password']}"

    @property
    def secure_address(self) -> str:
        """Likewise, over TLS."""
        return f"{LOOPBACK}:{self.ports['secure']}"

    @property
    def ca_file(self) -> Path:
        """The certificate that the server's own is signed with."""
        assert self.folder is not None
        return self.folder / "ca.pem"

    @property
    def pid(self) -> int:
        """The process id of a server of ours."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it on its ports, with the topics that it had; returns when it answers."""
        assert self.folder is not None
        with (self.folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_java(self.java), "kafka.Kafka", str(self.folder / "server.properties")],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        # The port opens when the node has joined its cluster of one.
        wait_for_port(self.ports["plain"], self._process, 240.0)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; on SIGTERM it closes its files first, on SIGKILL not."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it and start it again."""
        self.stop(number)
        self.start()


@contextlib.contextmanager
def run_kafka(folder: Path, *, java: tuple[str, ...] = _QUICK_JAVA) -> Iterator[KafkaServer]:
    """Run a Kafka of our own in ``folder`` until the end of the block.

    Args:
        folder: An empty folder that lives as long as the server.
        java: Flags of the Java that runs it.

    Raises:
        ServerMissingError: Java or its jars are not there and cannot be had.
    """
    server = _prepare(folder)
    server.java = java
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def find_jars() -> Path:
    """The folder of the server's jars; fetched when it is not there yet.

    Raises:
        ServerMissingError: Maven is not installed, or cannot get them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattscope"
    jars = cache / f"kafka-{KAFKA_VERSION}-{zlib.crc32(_POM.encode()):08x}"
    if jars.is_dir():
        return jars
    maven = find_program("mvn")
    if maven is None:
        message = "Kafka's jars are not there, nor Maven to get them (apt install maven)"
        raise ServerMissingError(message)
    cache.mkdir(parents=True, exist_ok=True)
    # Processes of one test run, and of several, want the same jars at the same time.
    with (cache / "kafka.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            _fetch_jars(maven, cache, jars)
    return jars


def _fetch_jars(maven: str, cache: Path, jars: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as made:
        pom = Path(made) / "pom.xml"
        pom.write_text(_POM, encoding="utf-8")
        aside = Path(made) / "jars"
        command = [maven, "--quiet", "--batch-mode", "--file", str(pom)]
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        outcome = subprocess.run(
            [*command, *goal, f"-DoutputDirectory={aside}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            message = f"Maven cannot get Kafka {KAFKA_VERSION}: {outcome.stdout[-500:]}"
            raise ServerMissingError(message)
        aside.rename(jars)


def _java(flags: Sequence[str]) -> list[str]:
    """The command line up to the class that is to run."""
    java = find_program("java")
    if java is None:
        message = "Java is not installed (apt install default-jre-headless)"
        raise ServerMissingError(message)
    return [java, *flags, "-cp", f"{find_jars()}/*"]


def _prepare(folder: Path) -> KafkaServer:
    """Write what the server reads at its first start."""
    ports = {name: find_free_port() for name in _PORTS}
    server = KafkaServer(f"{LOOPBACK}:{ports['plain']}", folder, ports, find_free_port())
    make_certificate(folder)
    text = SERVER_PROPERTIES.format(
        **ports,
        host=LOOPBACK,
        folder=folder,
        front=server.front_port,
        plain_login=_PLAIN_LOGIN,
        scram_login=_SCRAM_LOGIN,
    )
    config = folder / "server.properties"
    config.write_text(text, encoding="utf-8")
    users = [
        f"--add-scram=SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)
    ]
    subprocess.run(
        [
            *_java(_QUICK_JAVA),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            _CLUSTER,
            "-c",
            str(config),
            *users,
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return server


def make_certificate(folder: Path) -> None:
    """Make ``ca.pem``, for loopback and its own authority, and ``server.pem`` with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        message = "OpenSSL is not installed (apt install openssl)"
        raise ServerMissingError(message)
    key, certificate = folder / "key.pem", folder / "ca.pem"
    command = [openssl, "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2"]
    subject = ["-subj", "/CN=wattscope tests", "-addext", f"subjectAltName=IP:{LOOPBACK}"]
    subprocess.run(
        [*command, *subject, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    server = folder / "server.pem"
    server.write_bytes(key.read_bytes() + certificate.read_bytes())
    server.chmod(0o600)

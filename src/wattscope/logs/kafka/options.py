"""How to reach a Kafka cluster, and how its topics shall be.

::

    kafka://[user:password@]host[:9092][,host...][/prefix]     kafkas:// for TLS

Everything is checked at construction; no network is touched. The password is in no text that these
options give of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit

from wattscope.core.errors import SettingsError

READINGS, QUARANTINE, RECEIPTS = "sensor-readings", "quarantine", "receipts"
ALERTS, AGGREGATES, LATE_READINGS = "alerts", "aggregates", "late-readings"
TOPICS = (READINGS, QUARANTINE, RECEIPTS, ALERTS, AGGREGATES, LATE_READINGS)
"""Every topic of the program, without the prefix."""
UNDIVIDED = frozenset({QUARANTINE, RECEIPTS, ALERTS})
"""Topics with one partition: they have little in them, and a group that shares out partitions by
number only would else let one member have all of quarantine and another all readings."""
DEFAULT_PORT = 9092
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TLS_OF_SCHEME = {"kafka": False, "kafkas": True}
# What Kafka allows in the name of a topic; 249 characters with what we append.
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,200}")


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """One cluster, as one program sees it.

    Raises:
        SettingsError: Something cannot be used; all faults are listed.
    """

    servers: tuple[str, ...]
    """``host:port`` of some of its brokers; the rest is learnt from them."""
    prefix: str = ""
    """Stands before the name of each topic, as ``plant1.``."""
    client_id: str = "wattscope"
    """Names this process to the cluster, and its receipts: one that comes back under its name knows
    again what it took, so each process that takes messages in needs a name of its own."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = "SCRAM-SHA-512"
    """How user and password are shown to the cluster (SASL)."""
    is_tls: bool = False
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    certificate_file: Path | None = None
    """Our own certificate (PEM), where the cluster knows its clients by it."""
    key_file: Path | None = None
    """Its key."""
    timeout_s: float = 30.0
    """How long the cluster may take before what was asked counts as failed [s]."""
    partitions: int = 12
    """Of readings, late ones and aggregates, where the program makes them: as many processes can
    share."""
    replication: int | None = None
    """Copies of a topic that the program makes; None leaves it to the cluster."""
    retention_days: float = 7.0
    """How long a topic that the program makes keeps messages; 0 leaves it to the cluster."""

    def __post_init__(self) -> None:
        """Check everything."""
        faults = list(self._find_faults())
        if faults:
            raise SettingsError(faults, where="kafka")

    @property
    def where(self) -> str:
        """The brokers in words, without user and password."""
        return ", ".join(self.servers)

    def topic(self, name: str) -> str:
        """The name of one of ``TOPICS`` in the cluster."""
        return f"{self.prefix}{name}"

    def client_settings(self) -> dict[str, str | int | float | bool]:
        """What every client of the cluster is told, in the words of librdkafka."""
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": ",".join(self.servers),
            "client.id": self.client_id,
            "socket.keepalive.enable": True,
            "socket.nagle.disable": True,
            "socket.timeout.ms": int(1000 * self.timeout_s),
            "socket.connection.setup.timeout.ms": int(1000 * min(10.0, self.timeout_s)),
            # Before the cluster does it, which would look like a fault.
            "connections.max.idle.ms": 540_000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 2000,
            "allow.auto.create.topics": False,
        }
        settings["security.protocol"] = _PROTOCOLS[self.username is not None, self.is_tls]
        if self.username is not None:
            settings["sasl.mechanism"] = self.mechanism
            settings["sasl.username"] = self.username
            settings["sasl.password"] = self.password or ""
        for name, path in (
            ("ssl.ca.location", self.ca_file),
            ("ssl.certificate.location", self.certificate_file),
            ("ssl.key.location", self.key_file),
        ):
            if path is not None:
                settings[name] = str(path)
        return settings

    def _find_faults(self) -> list[str]:
        checks = {
            "servers is empty; name at least one broker as host:9092": bool(self.servers),
            f"prefix {self.prefix!r} may have letters, digits, '.', '_' and '-' only": (
                _PREFIX.fullmatch(self.prefix) is not None
            ),
            "client_id is empty; give each process a name of its own": bool(self.client_id),
            f"mechanism {self.mechanism!r} is unknown; valid are {', '.join(MECHANISMS)}": (
                self.mechanism in MECHANISMS
            ),
            "a password needs a username": self.password is None or self.username is not None,
            "a username needs a password": self.username is None or bool(self.password),
            "certificate_file and key_file go together": (
                (self.certificate_file is None) == (self.key_file is None)
            ),
            "ca_file, certificate_file and key_file are for TLS; write kafkas://": (
                self.is_tls or (self.ca_file or self.certificate_file or self.key_file) is None
            ),
            "timeout_s must be above 0": self.timeout_s > 0,
            "partitions must be 1 or more": self.partitions >= 1,
            "replication must be 1 or more": self.replication is None or self.replication >= 1,
            "retention_days must be 0 or more": self.retention_days >= 0,
        }
        faults = [fault for fault, is_right in checks.items() if not is_right]
        faults += [
            f"server {one!r} is no broker; write host:9092"
            for one in self.servers
            if not _is_address(one)
        ]
        faults += [
            f"{path} does not exist"
            for path in (self.ca_file, self.certificate_file, self.key_file)
            if path is not None and not path.is_file()
        ]
        return faults


_PROTOCOLS: Mapping[tuple[bool, bool], str] = MappingProxyType(
    {
        (False, False): "plaintext",
        (False, True): "ssl",
        (True, False): "sasl_plaintext",
        (True, True): "sasl_ssl",
    }
)


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """What a URL says of a cluster."""

    servers: tuple[str, ...]
    prefix: str
    is_tls: bool
    username: str | None
    password: str | None = field(repr=False)


def parse_kafka_url(url: str) -> KafkaAddress:
    """Take a URL apart.

    >>> parse_kafka_url("kafkas://ann:x@one,two:9094/plant1.").servers
    ('one:9092', 'two:9094')

    Raises:
        SettingsError: It is none of a Kafka; the text names no password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    login, _, hosts = parts.netloc.rpartition("@")
    servers = tuple(_with_port(one) for one in hosts.split(",") if one)
    if parts.scheme not in _TLS_OF_SCHEME or not servers or not all(map(_is_address, servers)):
        shown = f"{parts.scheme}://{hosts}{parts.path}"
        raise SettingsError(
            [f"url {shown!r} is no Kafka address; write kafka://host:9092 or kafkas://host:9092"]
        )
    username, _, password = login.partition(":")
    return KafkaAddress(
        servers,
        parts.path.lstrip("/"),
        _TLS_OF_SCHEME[parts.scheme],
        unquote(username) or None,
        unquote(password) or None,
    )


def _with_port(host: str) -> str:
    return host if re.search(r":[0-9]+$", host) else f"{host}:{DEFAULT_PORT}"


def _is_address(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return (
        re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host) is not None
        and port.isdecimal()
        and 0 < int(port) < 65536
    )

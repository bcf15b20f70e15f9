"""The Modbus meters that are to be read: where each one is, what it has, and when.

::

    Fleet      everything that is polled, and what was refused of the rows that describe it
      Meter    one unit behind an endpoint, with its register map and its schedules
      Endpoint a gateway or a serial line: one request at a time
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattscope.core.registers import RegisterMap
from wattscope.core.topology import Device, Site

MAX_UNIT = 255


class Framing(Enum):
    """How requests are wrapped on an endpoint."""

    AUTO = "auto"
    """Find out: Modbus TCP is tried first, then RTU over TCP; serial lines are RTU."""
    TCP = "tcp"
    """Modbus TCP: an MBAP header, no checksum (Modbus Messaging on TCP/IP 1.0b)."""
    RTU_OVER_TCP = "rtu_over_tcp"
    """RTU frames with their CRC through a TCP connection, as RS-485 gateways pass them on."""
    RTU = "rtu"
    """RTU frames on a serial line (Modbus over Serial Line 1.02)."""


@dataclass(frozen=True, slots=True)
class Line:
    """Settings of a serial line."""

    baud: int = 9600
    parity: str = "N"
    """N, E or O."""
    stop_bits: int = 1

    @property
    def bits_per_char(self) -> int:
        """Start bit, eight data bits, parity and stop bits."""
        return 9 + self.stop_bits + (self.parity != "N")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; meters with equal endpoints share one connection."""

    host: str
    """Name or address; for a serial line the path of its device, such as /dev/ttyUSB0."""
    port: int
    """TCP port; 0 for a serial line."""
    framing: Framing = Framing.AUTO
    line: Line | None = None
    """None unless it is a serial line."""

    @property
    def is_serial(self) -> bool:
        """Whether it is a serial line of this machine."""
        return self.line is not None

    @property
    def address(self) -> str:
        """Words for a person, such as ``192.168.1.10:502``."""
        if self.is_serial:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PollGroup:
    """Registers that are read at the same instants."""

    schedule: str
    """An interval such as ``10s``, or a cron expression of five or six fields."""
    quantities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Meter:
    """One unit behind an endpoint."""

    device: Device
    """How it is shown; its id names it everywhere."""
    endpoint: Endpoint
    unit: int
    """Unit identifier ("slave address"), 0 to 255."""
    map: RegisterMap
    groups: tuple[PollGroup, ...]
    timeout_s: float = 1.0
    """How long a reply may take [s]."""
    is_tid_ignored: bool = False
    """Whether the gateway returns no true transaction ids; then each request gets a connection."""

    @property
    def topic(self) -> str:
        """Topic of the messages that its polls become."""
        return f"modbus/{self.device.id}"


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that is left out, and why; the others go on."""

    table: str
    row: str
    """What names the row for a person."""
    reason: str
    """What is wrong and what to do."""
    is_warning: bool = False
    """Whether nothing is left out all the same."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.table} {self.row}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that is polled."""

    meters: tuple[Meter, ...] = ()
    """By device id, each once."""
    faults: tuple[RowFault, ...] = ()
    sites: tuple[Site, ...] = ()
    """Places that the tables describe, beside that of the settings."""

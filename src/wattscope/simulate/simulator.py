"""What every simulator is to the rest of the program: a past, and a present that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol, runtime_checkable

from wattscope.core.fleet import Endpoint
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.registers import RegisterMap
from wattscope.core.topology import Device, Site


class HistoryColumns(NamedTuple):
    """Values of one quantity of one device, with columns of equal length."""

    device: str
    quantity: str
    measured_at_us: Int64Column
    value: FloatColumn
    """[base unit of the quantity]"""


class FleetColumns(NamedTuple):
    """Values of one quantity of many devices, with columns of equal length, device by device."""

    quantity: str
    device: Int64Column
    """Which of the simulator's ``devices``."""
    measured_at_us: Int64Column
    """Rising for each device."""
    value: FloatColumn
    """[base unit of the quantity]"""


@dataclass(frozen=True, slots=True)
class ServedMeter:
    """A Modbus meter that a simulator plays."""

    device: str
    """Id of its device; the simulated site knows it by this name."""
    map: RegisterMap
    endpoint: Endpoint
    """Where it is listened for."""
    unit: int


class Plan(NamedTuple):
    """What a simulator is made from."""

    table: Mapping[str, Any]
    """``[simulate]`` of the recipe."""
    time_zone: str
    meters: Sequence[ServedMeter] = ()
    """The recipe's Modbus meters."""
    interval_s: float | None = None
    """Time between two instants [s], where the command line tells it."""
    site: Site | None = None
    """Where the devices are."""
    devices: Sequence[Device] = ()
    """What the recipe knows of its devices beforehand."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a running simulator talks to."""

    broker_url: str
    """Where messages are published."""
    say: Callable[[str], None]
    """Tells a person what is served where."""
    count: int | None = None
    """Instants until it ends; None goes on until cancelled."""


class Simulator(Protocol):
    """Always: the same plan gives the same values at the same instant. Never: it keeps a file."""

    @property
    def epoch(self) -> date:
        """First day (UTC) that has values."""
        ...

    def history(self, start_us: int, end_us: int) -> Iterator[HistoryColumns]:
        """What the devices would have told in ``[start, end)`` [µs], day after day."""
        ...

    async def run(self, around: Surroundings) -> str:
        """Play the devices, on the wall clock.

        Returns:
            What was done, for a person.

        Raises:
            WattscopeError: A broker or a port cannot be had.
        """
        ...


@runtime_checkable
class FleetSimulator(Simulator, Protocol):
    """A simulator of so many devices that their past is told in large columns."""

    @property
    def devices(self) -> Sequence[Device]:
        """All of them."""
        ...

    @property
    def quantities(self) -> Sequence[str]:
        """What each of them measures."""
        ...

    def fleet_history(self, start_us: int, end_us: int) -> Iterator[FleetColumns]:
        """What ``history`` tells, a UTC day at a time, each quantity once a day."""
        ...

    def count_readings(self, start_us: int, end_us: int) -> int:
        """How many readings of devices the past of ``[start, end)`` [µs] has."""
        ...

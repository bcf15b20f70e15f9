"""Finding meters and trying registers, before anything is saved."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from wattscope.assembly.meter_fleet import FleetSource
from wattscope.compute.modbus.frames import ReadRequest, Refusal
from wattscope.compute.modbus.plausibility import judge_profile
from wattscope.core.errors import QueryError
from wattscope.core.fleet import MAX_UNIT, Endpoint, Framing, Line
from wattscope.core.registers import RegisterMap
from wattscope.sources.modbus_link import OpenWire
from wattscope.sources.modbus_scan import (
    DEFAULT_PORTS,
    DEFAULT_UNITS,
    FoundUnit,
    Looked,
    ScanPlan,
    decode_blocks,
    read_once,
    read_words,
    scan,
)

SUNSPEC = "sunspec"
_UNITS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class TestRead:
    """What a unit told once."""

    __test__ = False
    """It is no test, whatever pytest thinks of its name."""

    values: Mapping[str, float]
    """Quantity to value [base unit]; NaN where the unit has none."""
    faults: tuple[str, ...]
    """Why the rest could not be read, in words."""


class Commission:
    """Looks at addresses with the types that settings, tables and profiles know."""

    def __init__(self, source: FleetSource, open_wire: OpenWire) -> None:
        self._source = source
        self._open_wire = open_wire

    def list_maps(self) -> tuple[RegisterMap, ...]:
        """Every type whose registers are known beforehand."""
        names = self._source.list_types()
        found = (self._source.find_map(name) for name in names)
        return tuple(one for one in found if one is not None and not one.is_sunspec)

    def scan(
        self,
        host: str,
        *,
        port: int | None = None,
        framing: Framing = Framing.AUTO,
        units: tuple[int, ...] = DEFAULT_UNITS,
        timeout_s: float = 0.5,
    ) -> AsyncIterator[FoundUnit | Looked]:
        """Every unit that answers at a host, with what it may be.

        Args:
            host: Name or address.
            port: TCP port; None: the usual ones, one after the other.
            framing: ``AUTO``: Modbus TCP, then RTU over TCP.
            units: Unit identifiers to try.
            timeout_s: How long a reply may take [s].
        """
        both = (Framing.TCP, Framing.RTU_OVER_TCP)
        plan = ScanPlan(
            host=host,
            ports=DEFAULT_PORTS if port is None else (port,),
            framings=both if framing is Framing.AUTO else (framing,),
            units=units,
            maps=self.list_maps(),
            sunspec=self._source.find_map(SUNSPEC),
            timeout_s=timeout_s,
        )
        return scan(plan, _judge, self._open_wire)

    async def list_units(
        self, host: str, port: int | None, units: str | None
    ) -> tuple[list[FoundUnit], int]:
        """The units that answer at a host, and how many places were tried.

        Raises:
            QueryError: The units are none.
        """
        found, n_tried = [], 0
        async for step in self.scan(host, port=port, units=parse_units(units)):
            if isinstance(step, FoundUnit):
                found.append(step)
            else:
                n_tried += 1
        return found, n_tried

    async def read_values(
        self, host: str, port: int, framing: str, unit: int, type_name: str
    ) -> tuple[Mapping[str, float], tuple[str, ...]]:
        """``test_read`` of what a person typed."""
        read = await self.test_read(build_endpoint(host, port, framing), unit, type_name)
        return read.values, read.faults

    async def test_read(self, endpoint: Endpoint, unit: int, type_name: str) -> TestRead:
        """Read a unit once as a type.

        Raises:
            QueryError: No such type.
        """
        found = self._source.find_map(type_name)
        if found is None:
            known = ", ".join(self._source.list_types())
            raise QueryError(f"type {type_name!r} is unknown; there are {known}")
        blocks, refused = await read_once(endpoint, unit, found, self._open_wire)
        faults = dict.fromkeys(f"{one.fault.value}: {one.detail}" for one in refused)
        return TestRead(decode_blocks(found, blocks), tuple(faults))

    async def read_words(self, endpoint: Endpoint, request: ReadRequest) -> bytes:
        """The raw registers of one request.

        Raises:
            QueryError: The unit did not give them; says why.
        """
        answer = await read_words(endpoint, request, self._open_wire)
        if isinstance(answer, Refusal):
            raise QueryError(
                f"unit {request.unit} at {endpoint.address} gave nothing: "
                f"{answer.fault.value}, {answer.detail}"
            )
        return answer


def build_endpoint(
    host: str, port: int | None, framing: str = "auto", baud: int = 9600
) -> Endpoint:
    """An endpoint from what a person typed.

    Raises:
        QueryError: The framing is none.
    """
    try:
        wanted = Framing(framing)
    except ValueError as fault:
        valid = ", ".join(one.value for one in Framing)
        raise QueryError(f"framing {framing!r} is unknown; use {valid}") from fault
    if host.startswith("/dev/") or host.upper().startswith("COM"):
        return Endpoint(host, 0, Framing.RTU, Line(baud))
    return Endpoint(host, 502 if port is None else port, wanted)


def parse_address(text: str) -> tuple[str, int | None]:
    """Host and port of ``host``, ``host:port`` or ``[IPv6]:port``; a path of a serial port whole.

    Raises:
        QueryError: The port is none.

    >>> parse_address("meter.lan:8899"), parse_address("[::1]:502"), parse_address("/dev/ttyUSB0")
    (('meter.lan', 8899), ('::1', 502), ('/dev/ttyUSB0', None))
    """
    if text.startswith("/"):
        return text, None
    host, parted, port = text.rpartition(":")
    if text.startswith("["):
        host, parted, port = text[1:].partition("]")
        port = port.removeprefix(":")
        parted = port
    if not parted or (text.count(":") > 1 and not text.startswith("[")):
        return host if text.startswith("[") else text, None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise QueryError(f"port {port!r} of {text!r} is not between 1 and 65535")
    return host, int(port)


def parse_units(text: str | None) -> tuple[int, ...]:
    """Unit identifiers of a list such as ``1-16,126``; the usual ones where nothing is told.

    Raises:
        QueryError: It is no such list.

    >>> parse_units("1-3,126")
    (1, 2, 3, 126)
    """
    if text is None:
        return DEFAULT_UNITS
    units: list[int] = []
    for part in text.split(","):
        match = _UNITS.fullmatch(part.strip())
        if match is None or not int(match[1]) <= int(match[2] or match[1]) <= MAX_UNIT:
            raise QueryError(f"units {text!r} are not understood; write 1-16,126, from 0 to 255")
        units += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(units))


def _judge(found: RegisterMap, values: Mapping[str, float]) -> float:
    return judge_profile(found, values).score

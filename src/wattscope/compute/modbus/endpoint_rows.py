"""Where a meter is, from the cells of its row: host, port, framing, and settings of a line."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from wattscope.compute.modbus.row_reader import Row, RowReader, show_cell
from wattscope.core.fleet import Endpoint, Framing, Line

MAX_PORT: Final = 65_535
MAX_BAUD: Final = 4_000_000
_SERIAL: Final = re.compile(r"(/dev/\S+|COM[1-9]\d{0,2})", re.IGNORECASE)
_HOST: Final = re.compile(r"[\w.\-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}(%\w+)?\]?")
_PARITIES: Final = ("N", "E", "O")


def is_serial_port(host: str) -> bool:
    """Whether a host is a serial port of this machine.

    >>> is_serial_port("/dev/ttyUSB0"), is_serial_port("com3"), is_serial_port("gateway")
    (True, True, False)
    """
    return _SERIAL.fullmatch(host) is not None


def read_endpoint(reader: RowReader) -> Endpoint:
    """The endpoint of a row; meaningless once there are faults."""
    reader.need("host", "a name, an address, or a serial port such as /dev/ttyUSB0")
    host = reader.read_text("host", max_length=253) or ""
    framing = Framing(reader.read_choice("framing", tuple(f.value for f in Framing)) or "auto")
    if is_serial_port(host):
        return _read_serial(reader, host, framing)
    if framing is Framing.RTU:
        reader.faults.append(
            f"framing rtu goes with a serial port, not with host {show_cell(host)}; "
            "use rtu_over_tcp for a gateway"
        )
    _check_host(reader, host)
    reader.need("port", "the TCP port, mostly 502")
    port = reader.read_integer("port", 1, MAX_PORT) or 0
    return Endpoint(host.strip("[]").lower(), port, framing)


def _check_host(reader: RowReader, host: str) -> None:
    if "://" in host:
        reader.faults.append(f"host {show_cell(host)} is a URL; give the name or address alone")
    elif host.count(":") == 1:
        reader.faults.append(f"host {show_cell(host)} holds a port; put it into column port")
    elif host and not _HOST.fullmatch(host):
        reader.faults.append(
            f"host {show_cell(host)} is no name, no address and no serial port (/dev/... or COM1)"
        )


def _read_serial(reader: RowReader, host: str, framing: Framing) -> Endpoint:
    if framing not in {Framing.AUTO, Framing.RTU}:
        reader.faults.append(f"framing {framing.value} goes with TCP; a serial port speaks rtu")
    usual = Line()
    line = Line(
        baud=reader.read_integer("baud", 300, MAX_BAUD) or usual.baud,
        parity=reader.read_choice("parity", _PARITIES) or usual.parity,
        stop_bits=reader.read_integer("stop_bits", 1, 2) or usual.stop_bits,
    )
    return Endpoint(host, 0, Framing.RTU, line)


class Switchboard:
    """Sees that meters of one address share one endpoint, and that no unit is there twice."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, int], tuple[Endpoint, str]] = {}
        self._units: dict[tuple[str, int, int], str] = {}

    def join(self, endpoint: Endpoint, unit: int, device: str) -> str | None:
        """Let a meter in.

        Returns:
            Why it cannot: its words about the line contradict those of a meter before it, or its
            unit is taken.
        """
        place = endpoint.host, endpoint.port
        known = self._endpoints.get(place)
        if known is not None and not _agree(known[0], endpoint):
            return (
                f"{endpoint.address} is reached in another way by device {known[1]} "
                f"({_describe(known[0])}), and here with {_describe(endpoint)}; write the same"
            )
        holder = self._units.get((*place, unit))
        if holder is not None:
            return (
                f"unit {unit} at {endpoint.address} is device {holder} already; correct "
                "slave_address, or remove one"
            )
        self._units[*place, unit] = device
        if known is None or known[0].framing is Framing.AUTO:
            self._endpoints[place] = endpoint, device if known is None else known[1]
        return None

    def settle(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint as all its meters together tell it."""
        known = self._endpoints.get((endpoint.host, endpoint.port))
        return endpoint if known is None else replace(endpoint, framing=known[0].framing)


def _agree(one: Endpoint, other: Endpoint) -> bool:
    framings = {one.framing, other.framing} - {Framing.AUTO}
    return len(framings) <= 1 and one.line == other.line


def _describe(endpoint: Endpoint) -> str:
    line = endpoint.line
    if line is None:
        return f"framing {endpoint.framing.value}"
    return f"{line.baud} baud 8{line.parity}{line.stop_bits}"


def name_meter(row: Row) -> str:
    """What names a row for a person, and no other row of the table."""
    words = " ".join(str(row[one]) for one in ("device", "description") if row.get(one))
    return f"{row.get('id', '?')}" + (f" ({show_cell(words)[1:-1]})" if words else "")

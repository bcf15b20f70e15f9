"""Where the bytes of a meter come from: a TCP port, or a serial port with its line.

::

    tcp://192.168.1.20:2001                           a converter such as ser2net
    serial:///dev/ttyUSB0?baud=9600&bits=7&parity=E   left out: what is usual for the meter
    /dev/ttyUSB0                                      the same, with nothing told
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from wattscope.core.errors import SettingsError

_FORM: Final = "write tcp://host:port or serial:///dev/ttyUSB0?baud=115200"
_TCP: Final = re.compile(
    r"tcp://(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s/:@?#\[\]]+)):(?P<port>\d{1,5})/?",
    re.ASCII,
)
_SERIAL: Final = re.compile(r"(?:serial://)?(?P<path>/[^\s?#]+)(?:\?(?P<query>[^\s#]*))?")
_MAX_PORT: Final = 65_535
_PARITIES: Final = ("N", "E", "O")
_FASTEST: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class SerialLine:
    """How a serial port is set."""

    baud: int
    """Speed [bit/s]."""
    bits: int = 8
    """Bits of a byte: 7 or 8."""
    parity: str = "N"
    """N, E or O."""
    stop_bits: int = 1
    """1 or 2."""


@dataclass(frozen=True, slots=True)
class WireAddress:
    """A TCP port, or a serial port."""

    host: str
    """Name or address; the path of a serial port."""
    port: int = 0
    """TCP port; 0 of a serial port."""
    line: SerialLine | None = None
    """None for TCP."""

    def __str__(self) -> str:
        """The address in words."""
        if self.line is None:
            return f"{self.host}:{self.port}"
        line = self.line
        return f"{self.host} at {line.baud} baud {line.bits}{line.parity}{line.stop_bits}"


def parse_wire_address(url: str, usual: SerialLine) -> WireAddress:
    """The address that a URL tells.

    Args:
        url: As above.
        usual: What the serial line is where the URL does not say.

    Raises:
        SettingsError: It cannot be used; all faults are listed.

    >>> str(parse_wire_address("tcp://10.0.0.5:2001", SerialLine(9600)))
    '10.0.0.5:2001'
    >>> str(parse_wire_address("serial:///dev/ttyUSB0?bits=7&parity=E", SerialLine(9600)))
    '/dev/ttyUSB0 at 9600 baud 7E1'
    """
    found = _TCP.fullmatch(url)
    if found is not None and 0 < int(found["port"]) <= _MAX_PORT:
        return WireAddress(found["v6"] or found["host"], int(found["port"]))
    found = _SERIAL.fullmatch(url)
    if found is not None:
        return WireAddress(found["path"], line=_parse_line(found["query"] or "", usual))
    raise SettingsError([f"{url!r} is no address; {_FORM}"])


def _parse_line(query: str, usual: SerialLine) -> SerialLine:
    pairs = [part.partition("=") for part in query.split("&") if part]
    told = {key: text for key, _, text in pairs}
    valid = ("baud", "bits", "parity", "stop_bits")
    faults = [f"{key}: is unknown; {', '.join(valid)} are read" for key in told if key not in valid]
    baud = _choose(told, "baud", usual.baud, range(50, _FASTEST + 1), faults)
    bits = _choose(told, "bits", usual.bits, (7, 8), faults)
    stop_bits = _choose(told, "stop_bits", usual.stop_bits, (1, 2), faults)
    parity = told.get("parity", usual.parity)
    if parity not in _PARITIES:
        faults.append(f"parity: {parity!r} is not N, E or O")
    if faults:
        raise SettingsError(faults)
    return SerialLine(baud, bits, parity, stop_bits)


def _choose(
    told: dict[str, str], key: str, usual: int, valid: range | tuple[int, ...], faults: list[str]
) -> int:
    text = told.get(key)
    if text is None:
        return usual
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
    if number not in valid:
        faults.append(f"{key}: {text!r} is not within {min(valid)} to {max(valid)}")
        return usual
    return number

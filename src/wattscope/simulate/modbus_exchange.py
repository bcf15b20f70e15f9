"""One request to a virtual meter, and how a reply to it is wrapped, rightly or wrongly.

Sources as in ``compute/modbus/frames.py``, which is the other side and shares nothing with this
but the checksum.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from wattscope.compute.modbus.frames import READ_HOLDING, READ_INPUT, crc16
from wattscope.core.fleet import Framing

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
NO_TARGET: Final = 11
"""A gateway's answer for a unit that it does not reach."""

_MBAP: Final = struct.Struct(">HHHB")
_READ: Final = struct.Struct(">HH")
_LONGEST_MBAP: Final = 254
_SHORT_RTU: Final = 8
"""Bytes of a request that names an address and a number, with its checksum."""
_SIZED_FUNCTIONS: Final = frozenset({15, 16})
"""Functions whose requests tell their length in the seventh byte."""
_REFUSED: Final = 0x80


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that came in."""

    framing: Framing
    unit: int
    pdu: bytes
    """The request without unit, header and checksum."""
    transaction: int = 0
    """0 where the framing has none."""

    @property
    def function(self) -> int:
        """What is asked; 0 for an empty request."""
        return self.pdu[0] if self.pdu else 0

    @property
    def span(self) -> tuple[int, int] | None:
        """First address and number of registers; None unless it is a whole reading request."""
        if self.function not in {READ_HOLDING, READ_INPUT} or len(self.pdu) != 5:
            return None
        return _READ.unpack_from(self.pdu, 1)

    @property
    def n_bytes(self) -> int:
        """Length of the request on a serial line."""
        return len(self.pdu) + 3

    def refuse(self, code: int) -> bytes:
        """The PDU of an exception."""
        return bytes((self.function | _REFUSED, code))

    def tell(self, registers: bytes, *, function: int | None = None) -> bytes:
        """The PDU of a reply that holds registers."""
        return bytes((function or self.function, len(registers) & 0xFF)) + registers

    def wrap(
        self,
        pdu: bytes,
        *,
        unit: int | None = None,
        transaction: int | None = None,
        protocol: int = 0,
        length: int | None = None,
    ) -> bytes:
        """The frame of a reply; whatever is named is told instead of what would be right."""
        unit = self.unit if unit is None else unit
        if self.framing is not Framing.TCP:
            frame = bytes((unit,)) + pdu
            return frame + crc16(frame)
        told = len(pdu) + 1 if length is None else length
        number = self.transaction if transaction is None else transaction
        return _MBAP.pack(number, protocol, told, unit) + pdu


def split_tcp(received: bytearray) -> list[Exchange]:
    """The whole requests at the start of ``received``, which are taken out of it.

    Raises:
        ValueError: What comes is no Modbus TCP, so that no next request can be found.
    """
    found = []
    while len(received) >= _MBAP.size:
        transaction, protocol, length, unit = _MBAP.unpack_from(received)
        if protocol != 0 or not 2 <= length <= _LONGEST_MBAP:
            raise ValueError("no Modbus TCP")
        if len(received) < 6 + length:
            break
        pdu = bytes(received[_MBAP.size : 6 + length])
        del received[: 6 + length]
        found.append(Exchange(Framing.TCP, unit, pdu, transaction))
    return found


def split_rtu(received: bytearray, framing: Framing) -> list[Exchange]:
    """Likewise for RTU; what has no right checksum is skipped byte by byte."""
    found = []
    while len(received) >= _SHORT_RTU:
        is_sized = received[1] in _SIZED_FUNCTIONS
        length = 9 + received[6] if is_sized else _SHORT_RTU
        if len(received) < length:
            break
        frame = bytes(received[:length])
        if crc16(frame[:-2]) != frame[-2:]:
            del received[0]
            continue
        del received[:length]
        found.append(Exchange(framing, frame[0], frame[1:-2]))
    return found

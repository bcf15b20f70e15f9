"""Frames of Modbus TCP and RTU, and the question whether a reply answers a request.

::

    TCP   │ transaction u16 │ protocol u16 = 0 │ length u16 │ unit u8 │ PDU │         big endian
    RTU   │ unit u8 │ PDU │ CRC-16 u16, low byte first │
    PDU   request  │ function u8 │ address u16 │ count u16 │
          reply    │ function u8 │ byte count u8 │ registers │
          refusal  │ function u8 + 0x80 │ exception code u8 │

Sources: Modbus Application Protocol 1.1b3 (6.3, 6.4, 7), Modbus Messaging on TCP/IP 1.0b (3.1.3),
Modbus over Serial Line 1.02 (2.5.1.2). Only reading functions exist here: nothing that this
program sends can change a device.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from wattscope.compute.crc16 import compute_crc16

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
MAX_TCP_LENGTH: Final = 254
"""Most that an MBAP length field can mean: unit and a PDU of 253 bytes."""
_MBAP: Final = struct.Struct(">HHHB")
_REQUEST: Final = struct.Struct(">BHH")
_REFUSED: Final = 0x80


class Fault(Enum):
    """What can be wrong with a request's answer; each is a counter."""

    TIMEOUT = "timeout"
    """No reply within the deadline."""
    DISCONNECTED = "disconnected"
    """The other side ended the connection within a request."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    WRONG_TRANSACTION = "wrong_transaction"
    """A reply to another request, such as a late one."""
    WRONG_PROTOCOL = "wrong_protocol"
    WRONG_UNIT = "wrong_unit"
    WRONG_FUNCTION = "wrong_function"
    WRONG_LENGTH = "wrong_length"
    """Fewer or more registers than asked, or a length that cannot be."""
    BAD_CRC = "bad_crc"
    UNEXPECTED = "unexpected"
    """Bytes that nobody asked for: a second reply, or one between two requests."""
    EXCEPTION = "exception"
    """The device refused, with a code."""

    @property
    def is_mismatch(self) -> bool:
        """Whether something answered that must not be believed."""
        return self not in {
            Fault.TIMEOUT,
            Fault.DISCONNECTED,
            Fault.UNREACHABLE,
            Fault.EXCEPTION,
        }


EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, takes long",
    6: "device busy",
    8: "memory parity error",
    10: "gateway has no path",
    11: "gateway target does not answer",
}
"""Exception codes (Modbus Application Protocol 1.1b3, section 7)."""
CONFIGURATION_EXCEPTIONS: Final = frozenset({1, 2, 3})
"""The request itself is refused: trying again cannot help, reading other registers may."""
BUSY_EXCEPTIONS: Final = frozenset({5, 6})
"""The device asks for another try a little later."""
PATH_EXCEPTIONS: Final = frozenset({10, 11})
"""The gateway answers for a unit that it cannot reach."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Registers that are asked of a unit."""

    unit: int
    function: int
    """3 or 4."""
    address: int
    count: int
    """1 to 125."""

    @property
    def pdu(self) -> bytes:
        """What both kinds of frame carry."""
        return _REQUEST.pack(self.function, self.address, self.count)

    @property
    def reply_length(self) -> int:
        """Bytes of the PDU of a good reply."""
        return 2 + 2 * self.count


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reply is no answer, or that the device refused."""

    fault: Fault
    detail: str = ""
    code: int = 0
    """The exception code, with ``Fault.EXCEPTION``."""


class FrameStart(Enum):
    """What can be said of bytes that are no whole frame yet."""

    INCOMPLETE = "incomplete"


Answer = bytes | Refusal
"""The registers of a good reply, or why it is none."""
Judged = Answer | FrameStart
"""The same, or that more bytes must come."""


def encode_tcp(transaction: int, request: ReadRequest) -> bytes:
    """A request as Modbus TCP.

    >>> encode_tcp(1, ReadRequest(unit=17, function=4, address=0, count=2)).hex(" ")
    '00 01 00 00 00 06 11 04 00 00 00 02'
    """
    pdu = request.pdu
    return _MBAP.pack(transaction, 0, len(pdu) + 1, request.unit) + pdu


def encode_rtu(request: ReadRequest) -> bytes:
    """A request as RTU.

    >>> encode_rtu(ReadRequest(unit=1, function=4, address=0, count=2)).hex(" ")
    '01 04 00 00 00 02 71 cb'
    """
    frame = bytes((request.unit,)) + request.pdu
    return frame + crc16(frame)


def judge_tcp(received: bytes, transaction: int, request: ReadRequest) -> tuple[Judged, int]:
    """What the bytes received so far are as an answer to a request.

    Args:
        received: Everything since the request was sent, less the frames judged before.
        transaction: The id that was sent.
        request: What was asked.

    Returns:
        The judgement, and the bytes that it used up; after a mismatch other than that of the
        transaction, nothing after it on this connection can be trusted.
    """
    if len(received) < _MBAP.size:
        return FrameStart.INCOMPLETE, 0
    got_transaction, protocol, length, unit = _MBAP.unpack_from(received)
    if protocol != 0:
        return Refusal(Fault.WRONG_PROTOCOL, f"protocol {protocol} instead of 0"), len(received)
    if not 3 <= length <= MAX_TCP_LENGTH:
        return Refusal(Fault.WRONG_LENGTH, f"length {length} cannot be"), len(received)
    end = 6 + length
    if len(received) < end:
        return FrameStart.INCOMPLETE, 0
    frame = received[7:end]
    if got_transaction != transaction:
        detail = f"transaction {got_transaction} instead of {transaction}"
        return Refusal(Fault.WRONG_TRANSACTION, detail), end
    return _judge_unit(unit, frame, request), end


def judge_rtu(received: bytes, request: ReadRequest) -> tuple[Judged, int]:
    """As ``judge_tcp``, for RTU frames; a late reply to an equal request cannot be told apart."""
    if len(received) < 5:
        return FrameStart.INCOMPLETE, 0
    is_refused = received[1] & _REFUSED
    length = 5 if is_refused else 5 + received[2]
    if not is_refused and received[1] == request.function and received[2] != 2 * request.count:
        detail = f"{received[2]} bytes instead of {2 * request.count}"
        return Refusal(Fault.WRONG_LENGTH, detail), len(received)
    if len(received) < length:
        return FrameStart.INCOMPLETE, 0
    frame = received[:length]
    if crc16(frame[:-2]) != frame[-2:]:
        return Refusal(Fault.BAD_CRC, "the checksum of the frame is wrong"), len(received)
    return _judge_unit(frame[0], frame[1:-2], request), length


def _judge_unit(unit: int, pdu: bytes, request: ReadRequest) -> Answer:
    if unit != request.unit:
        return Refusal(Fault.WRONG_UNIT, f"unit {unit} instead of {request.unit}")
    return judge_pdu(pdu, request)


def judge_pdu(pdu: bytes, request: ReadRequest) -> Answer:
    """The registers of a reply's PDU, or why it is no answer."""
    function = pdu[0]
    if function == request.function | _REFUSED:
        if len(pdu) != 2:
            return Refusal(Fault.WRONG_LENGTH, f"a refusal of {len(pdu)} bytes instead of 2")
        words = EXCEPTIONS.get(pdu[1], "unknown reason")
        return Refusal(Fault.EXCEPTION, f"exception {pdu[1]}, {words}", pdu[1])
    if function != request.function:
        detail = f"function {function} instead of {request.function}"
        return Refusal(Fault.WRONG_FUNCTION, detail)
    if len(pdu) != request.reply_length or pdu[1] != 2 * request.count:
        got = (len(pdu) - 2) / 2
        return Refusal(Fault.WRONG_LENGTH, f"{got:g} registers instead of {request.count}")
    return pdu[2:]


def crc16(frame: bytes) -> bytes:
    """The checksum of an RTU frame, low byte first (polynomial 0xA001, start 0xFFFF).

    >>> crc16(bytes.fromhex("010300000001")).hex()
    '840a'
    """
    return compute_crc16(frame, 0xFFFF).to_bytes(2, "little")

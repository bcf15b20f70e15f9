from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from wattscope.compute.modbus.frames import (
    EXCEPTIONS,
    Fault,
    FrameStart,
    Judged,
    ReadRequest,
    Refusal,
    crc16,
    encode_rtu,
    encode_tcp,
    judge_pdu,
    judge_rtu,
    judge_tcp,
)

INCOMPLETE = FrameStart.INCOMPLETE
ASKED = ReadRequest(unit=17, function=3, address=0x006B, count=3)
REGISTERS = bytes.fromhex("022b 0000 0064")
"""The example of the Application Protocol, section 6.3: 555, 0 and 100."""
TRANSACTION = 0x1234

requests = st.builds(
    ReadRequest,
    st.integers(0, 255),
    st.sampled_from([3, 4]),
    st.integers(0, 0xFFFF),
    st.integers(1, 125),
)


def _tcp(
    pdu: bytes,
    *,
    transaction: int = TRANSACTION,
    protocol: int = 0,
    length: int | None = None,
    unit: int = 17,
) -> bytes:
    said = len(pdu) + 1 if length is None else length
    return struct.pack(">HHHB", transaction, protocol, said, unit) + pdu


def _rtu(pdu: bytes, unit: int = 17) -> bytes:
    frame = bytes((unit,)) + pdu
    return frame + crc16(frame)


def _reply(registers: bytes = REGISTERS, function: int = 3) -> bytes:
    return bytes((function, len(registers))) + registers


def _judge_tcp(received: bytes) -> tuple[Judged, int]:
    return judge_tcp(received, TRANSACTION, ASKED)


def _fault_of(judged: Judged) -> Fault:
    assert isinstance(judged, Refusal), judged
    assert judged.detail
    return judged.fault


def test_published_frames_are_what_is_sent() -> None:
    """Application Protocol 1.1b3, 6.3 and 6.4; Eastron SDM630 protocol document, example."""
    assert ASKED.pdu.hex(" ") == "03 00 6b 00 03"
    assert ReadRequest(1, 4, 8, 1).pdu.hex(" ") == "04 00 08 00 01"
    assert encode_rtu(ASKED).hex(" ") == "11 03 00 6b 00 03 76 87"
    assert encode_rtu(ReadRequest(1, 4, 0, 2)).hex(" ") == "01 04 00 00 00 02 71 cb"
    assert encode_tcp(1, ASKED).hex(" ") == "00 01 00 00 00 06 11 03 00 6b 00 03"
    assert crc16(bytes.fromhex("110306ae4156524340")).hex() == "49ad"


def test_published_replies_are_taken() -> None:
    assert judge_pdu(bytes.fromhex("03 06 02 2b 00 00 00 64"), ASKED) == REGISTERS
    assert judge_pdu(bytes.fromhex("04 02 00 0a"), ReadRequest(1, 4, 8, 1)) == b"\x00\x0a"
    frame = bytes.fromhex("11 03 06 ae 41 56 52 43 40 49 ad")
    assert judge_rtu(frame, ASKED) == (frame[3:9], 11)
    assert _judge_tcp(_tcp(_reply())) == (REGISTERS, 15)


@pytest.mark.parametrize("code", [*EXCEPTIONS, 7, 99])
def test_refusal_of_the_device_says_its_code(code: int) -> None:
    expected = f"exception {code}, {EXCEPTIONS.get(code, 'unknown reason')}"
    for judged, used in (
        _judge_tcp(_tcp(bytes((0x83, code)))),
        judge_rtu(_rtu(bytes((0x83, code))), ASKED),
    ):
        assert judged == Refusal(Fault.EXCEPTION, expected, code)
        assert used in {9, 5}
    assert not Fault.EXCEPTION.is_mismatch


@pytest.mark.parametrize(
    ("received", "fault", "used"),
    [
        (_tcp(_reply(), transaction=TRANSACTION - 1), Fault.WRONG_TRANSACTION, 15),
        (_tcp(_reply(), transaction=0), Fault.WRONG_TRANSACTION, 15),
        (_tcp(b"\x83\x02", transaction=7), Fault.WRONG_TRANSACTION, 9),
        (_tcp(_reply(), protocol=1), Fault.WRONG_PROTOCOL, 15),
        (_tcp(_reply(), unit=18), Fault.WRONG_UNIT, 15),
        (_tcp(_reply(), unit=0), Fault.WRONG_UNIT, 15),
        (_tcp(_reply(function=4)), Fault.WRONG_FUNCTION, 15),
        (_tcp(b"\x84\x02"), Fault.WRONG_FUNCTION, 9),
        (_tcp(_reply(function=6)), Fault.WRONG_FUNCTION, 15),
        (_tcp(_reply(REGISTERS[:4])), Fault.WRONG_LENGTH, 13),
        (_tcp(_reply(REGISTERS + b"\0\0")), Fault.WRONG_LENGTH, 17),
        (_tcp(_reply(b"")), Fault.WRONG_LENGTH, 9),
        (_tcp(b"\x03\x06" + REGISTERS[:4]), Fault.WRONG_LENGTH, 13),
        (_tcp(b"\x03\x04" + REGISTERS), Fault.WRONG_LENGTH, 15),
        (_tcp(b"\x83\x02\x00"), Fault.WRONG_LENGTH, 10),
        (_tcp(_reply(), length=60_000), Fault.WRONG_LENGTH, 15),
        (_tcp(_reply(), length=0), Fault.WRONG_LENGTH, 15),
        (_tcp(_reply(), length=2), Fault.WRONG_LENGTH, 15),
        (_tcp(_reply(), length=255), Fault.WRONG_LENGTH, 15),
        (_rtu(_reply()), Fault.WRONG_PROTOCOL, 11),
    ],
)
def test_tcp_reply_that_does_not_match_is_not_believed(
    received: bytes, fault: Fault, used: int
) -> None:
    judged, eaten = _judge_tcp(received)
    assert _fault_of(judged) is fault
    assert eaten == used
    assert fault.is_mismatch


@pytest.mark.parametrize(
    ("received", "fault"),
    [
        (_rtu(_reply(), unit=18), Fault.WRONG_UNIT),
        (_rtu(_reply(function=4)), Fault.WRONG_FUNCTION),
        (_rtu(b"\x84\x02"), Fault.WRONG_FUNCTION),
        (_rtu(_reply(REGISTERS[:4])), Fault.WRONG_LENGTH),
        (_rtu(_reply(REGISTERS + b"\0\0")), Fault.WRONG_LENGTH),
        (_rtu(_reply())[:-1] + b"\0", Fault.BAD_CRC),
        (b"\x12" + _rtu(_reply())[1:], Fault.BAD_CRC),
        (_rtu(b"\x83\x02")[:-1] + b"\0", Fault.BAD_CRC),
    ],
)
def test_rtu_reply_that_does_not_match_is_not_believed(received: bytes, fault: Fault) -> None:
    judged, _ = judge_rtu(received, ASKED)
    assert _fault_of(judged) is fault
    assert fault.is_mismatch


@pytest.mark.parametrize("at", range(11))
@pytest.mark.parametrize("bit", range(8))
def test_any_bit_that_flips_on_a_serial_line_is_seen(at: int, bit: int) -> None:
    frame = bytearray(_rtu(_reply()))
    frame[at] ^= 1 << bit
    judged, _ = judge_rtu(bytes(frame), ASKED)
    assert not isinstance(judged, bytes)


@given(requests, st.binary(min_size=250, max_size=250), st.integers(0, 0xFFFF), st.data())
def test_reply_that_is_not_whole_yet_is_waited_for(
    request: ReadRequest, some: bytes, transaction: int, data: st.DataObject
) -> None:
    registers = some[: 2 * request.count]
    pdu = bytes((request.function, len(registers))) + registers
    tcp = _tcp(pdu, transaction=transaction, unit=request.unit)
    rtu = _rtu(pdu, request.unit)
    cut_tcp = tcp[: data.draw(st.integers(0, len(tcp) - 1))]
    assert judge_tcp(cut_tcp, transaction, request) == (INCOMPLETE, 0)
    assert judge_tcp(tcp, transaction, request) == (registers, len(tcp))
    assert judge_tcp(tcp + b"more", transaction, request) == (registers, len(tcp))
    cut_rtu = rtu[: data.draw(st.integers(0, len(rtu) - 1))]
    assert judge_rtu(cut_rtu, request) == (INCOMPLETE, 0)
    assert judge_rtu(rtu, request) == (registers, len(rtu))
    assert judge_rtu(rtu + b"more", request) == (registers, len(rtu))


def test_late_reply_leaves_the_right_one_behind_it() -> None:
    late, right = _tcp(_reply(bytes(6)), transaction=TRANSACTION - 1), _tcp(_reply())
    judged, used = _judge_tcp(late + right)
    assert _fault_of(judged) is Fault.WRONG_TRANSACTION
    assert _judge_tcp((late + right)[used:]) == (REGISTERS, len(right))


@given(st.binary(max_size=300), requests, st.integers(0, 0xFFFF))
@example(b"\x11\x83\x02", ASKED, 0)
@example(bytes(6), ASKED, 0)
@example(_tcp(b"\x83"), ASKED, TRANSACTION)
def test_any_bytes_are_judged_and_never_too_many_used(
    received: bytes, request: ReadRequest, transaction: int
) -> None:
    for judged, used in (
        judge_tcp(received, transaction, request),
        judge_rtu(received, request),
    ):
        assert 0 <= used <= len(received)
        assert (judged is INCOMPLETE) == (used == 0)
        if isinstance(judged, bytes):
            assert len(judged) == 2 * request.count


@given(st.binary(min_size=1, max_size=260), requests)
def test_any_pdu_is_judged(pdu: bytes, request: ReadRequest) -> None:
    judged = judge_pdu(pdu, request)
    assert isinstance(judged, Refusal) or judged == pdu[2:]


ASK: dict[int, Callable[..., ModbusPDU]] = {
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
ANSWER: dict[int, Callable[..., ModbusPDU]] = {
    3: ReadHoldingRegistersResponse,
    4: ReadInputRegistersResponse,
}


@given(requests, st.integers(1, 0xFFFF))
def test_requests_are_what_pymodbus_sends(request: ReadRequest, transaction: int) -> None:
    theirs = ASK[request.function](
        address=request.address,
        count=min(request.count, 0x10000 - request.address),
        dev_id=request.unit,
        transaction_id=transaction,
    )
    ours = ReadRequest(request.unit, request.function, request.address, theirs.count)
    decoder = DecodePDU(True)  # noqa: FBT003 - pymodbus takes it by position
    assert encode_tcp(transaction, ours) == FramerSocket(decoder).buildFrame(theirs)
    assert encode_rtu(ours) == FramerRTU(decoder).buildFrame(theirs)


@given(requests, st.integers(1, 0xFFFF))
def test_replies_of_pymodbus_are_taken(request: ReadRequest, transaction: int) -> None:
    registers = [(7919 * n + request.address) & 0xFFFF for n in range(request.count)]
    theirs = ANSWER[request.function](
        registers=registers, dev_id=request.unit, transaction_id=transaction
    )
    decoder = DecodePDU(False)  # noqa: FBT003 - pymodbus takes it by position
    raw = struct.pack(f">{request.count}H", *registers)
    tcp, rtu = FramerSocket(decoder).buildFrame(theirs), FramerRTU(decoder).buildFrame(theirs)
    assert judge_tcp(tcp, transaction, request) == (raw, len(tcp))
    assert judge_rtu(rtu, request) == (raw, len(rtu))


@pytest.mark.parametrize("code", EXCEPTIONS)
def test_refusals_of_pymodbus_are_taken(code: int) -> None:
    theirs = ExceptionResponse(3, code, device_id=17, transaction=TRANSACTION)
    decoder = DecodePDU(False)  # noqa: FBT003 - pymodbus takes it by position
    judged, _ = _judge_tcp(FramerSocket(decoder).buildFrame(theirs))
    assert isinstance(judged, Refusal)
    assert (judged.fault, judged.code) == (Fault.EXCEPTION, code)
    assert judge_rtu(FramerRTU(decoder).buildFrame(theirs), ASKED)[0] == judged

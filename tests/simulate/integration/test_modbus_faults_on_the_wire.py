"""Every fault does on the wire what its row says, and hands out no value that could be right."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from wattscope.compute.modbus.frames import (
    Fault,
    ReadRequest,
    Refusal,
    crc16,
    encode_rtu,
    encode_tcp,
    judge_rtu,
    judge_tcp,
)
from wattscope.core.fleet import Framing
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.modbus_bank import RegisterBank
from wattscope.simulate.modbus_faults import FAULTS, POISON, FaultMix
from wattscope.simulate.modbus_gateway import VirtualGateway, VirtualUnit
from wattscope.simulate.modbus_server import VirtualServer

MAP = RegisterMap(
    "two",
    "",
    (
        Register("voltage_v", 3, 0, RegisterType.FLOAT32),
        Register("frequency_hz", 3, 2, RegisterType.INT32, factor=0.01),
    ),
)
UNIT, COUNT = 5, 4
RIGHT = struct.pack(">fi", 230.5, 5001)
WRONG = bytes([POISON]) * 2 * COUNT
REQUEST = ReadRequest(UNIT, 3, 0, COUNT)
LATE_S = 0.25
FRAMINGS = [Framing.TCP, Framing.RTU_OVER_TCP]
# What a client that compares everything finds wrong, by fault.
FOUND = {
    "garbage": {Fault.WRONG_PROTOCOL, Fault.BAD_CRC, Fault.WRONG_LENGTH, Fault.TIMEOUT}
    | {Fault.WRONG_UNIT, Fault.WRONG_FUNCTION},
    "wrong_transaction": {Fault.WRONG_TRANSACTION},
    "old_transaction": {Fault.WRONG_TRANSACTION},
    "zero_transaction": {Fault.WRONG_TRANSACTION},
    "wrong_protocol": {Fault.WRONG_PROTOCOL},
    "wrong_unit": {Fault.WRONG_UNIT},
    "wrong_function": {Fault.WRONG_FUNCTION},
    "too_few": {Fault.WRONG_LENGTH},
    "too_many": {Fault.WRONG_LENGTH},
    "length_60000": {Fault.WRONG_LENGTH},
    "length_0": {Fault.WRONG_LENGTH},
    "bad_crc": {Fault.BAD_CRC},
    **{name: {Fault.EXCEPTION} for name in FAULTS if name.startswith("exception_")},
}
DELAYED = ("silent", "half_open", "slow", "late")


class _Client:
    """The smallest client that compares everything."""

    def __init__(self, framing: Framing, port: int) -> None:
        self._framing, self._port = framing, port
        self._transaction = 40
        self._writer: asyncio.StreamWriter | None = None
        self.received = b""

    async def connect(self) -> None:
        await self.close()
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, request: ReadRequest = REQUEST, wait_s: float = 5.0) -> bytes | Refusal:
        """The registers, or what is wrong with the answer."""
        self._transaction += 1
        is_tcp = self._framing is Framing.TCP
        frame = encode_tcp(self._transaction, request) if is_tcp else encode_rtu(request)
        self.received = b""
        assert self._writer is not None
        try:
            self._writer.write(frame)
            async with asyncio.timeout(wait_s):
                while True:
                    part = await self._reader.read(65_536)
                    if not part:
                        return Refusal(Fault.DISCONNECTED)
                    self.received += part
                    judged, used = (
                        judge_tcp(self.received, self._transaction, request)
                        if is_tcp
                        else judge_rtu(self.received, request)
                    )
                    if isinstance(judged, bytes) and len(self.received) > used:
                        return Refusal(Fault.UNEXPECTED)
                    if isinstance(judged, bytes | Refusal):
                        return judged
        except TimeoutError:
            return Refusal(Fault.TIMEOUT)
        except OSError as fault:
            return Refusal(Fault.DISCONNECTED, type(fault).__name__)

    async def read_more(self, wait_s: float) -> bytes:
        try:
            async with asyncio.timeout(wait_s):
                return await self._reader.read(65_536)
        except TimeoutError:
            return b""

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None


def _gateway(framing: Framing, fault: str | None) -> tuple[VirtualGateway, VirtualUnit]:
    bank = RegisterBank(MAP, lambda _: {"voltage_v": 230.5, "frequency_hz": 50.01})
    unit = VirtualUnit(bank, FaultMix({fault: 1.0}) if fault else None)
    neighbour = VirtualUnit(bank)
    units = {UNIT: unit, UNIT + 1: neighbour}
    return VirtualGateway(units, framing, late_s=LATE_S), unit


@asynccontextmanager
async def _serving(
    framing: Framing, fault: str | None
) -> AsyncIterator[tuple[_Client, VirtualServer, VirtualUnit]]:
    gateway, unit = _gateway(framing, fault)
    async with VirtualServer(gateway, refused_s=0.05) as server:
        client = _Client(framing, server.port)
        await client.connect()
        try:
            yield client, server, unit
        finally:
            await client.close()


def _cases(*names: str) -> list[tuple[Framing, str]]:
    return [
        (framing, name)
        for name in names
        for framing in FRAMINGS
        if framing in FAULTS[name].framings
    ]


@pytest.mark.parametrize(("framing", "fault"), _cases(*FOUND))
async def test_a_client_that_compares_finds_the_fault(framing: Framing, fault: str) -> None:
    async with _serving(framing, fault) as (client, _, unit):
        # Noise may look like the start of a frame whose end never comes.
        answer = await client.ask(wait_s=0.2 if fault == "garbage" else 5.0)
        assert isinstance(answer, Refusal)
        assert answer.fault in FOUND[fault]
        assert RIGHT not in client.received
        if fault.startswith("exception_"):
            assert answer.code == int(fault.removeprefix("exception_"))
        assert (unit.n_requests, unit.n_spoilt) == (1, 1)
        unit.faults = None
        await client.connect()
        assert await client.ask() == RIGHT


@pytest.mark.parametrize(("framing", "fault"), _cases(*DELAYED))
async def test_what_comes_too_late_is_not_there_in_time(framing: Framing, fault: str) -> None:
    async with _serving(framing, fault) as (client, _, _):
        began_s = time.monotonic()
        answer = await client.ask(wait_s=0.08)
        assert isinstance(answer, Refusal)
        assert answer.fault is Fault.TIMEOUT
        assert RIGHT not in client.received
        if fault in {"silent", "half_open"}:
            assert await client.read_more(0.1) == b""
            return
        arrived = client.received
        while WRONG not in arrived:
            part = await client.read_more(10)
            assert part, arrived
            arrived += part
        # The value stands before the last bytes of a reply that drips.
        assert time.monotonic() - began_s >= 0.5 * LATE_S


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_slow_bytes_come_one_by_one(framing: Framing) -> None:
    async with _serving(framing, "slow") as (client, _, _):
        began_s = time.monotonic()
        await client.ask(wait_s=0.09)
        # 20 ms apart or more, however late this machine looks.
        assert 0 < len(client.received) <= (time.monotonic() - began_s) / 0.02


async def test_a_half_open_connection_stays_and_never_answers_again() -> None:
    async with _serving(Framing.TCP, "half_open") as (client, _, unit):
        assert await client.ask(wait_s=0.05) == Refusal(Fault.TIMEOUT)
        unit.faults = None
        assert await client.ask(wait_s=0.05) == Refusal(Fault.TIMEOUT)
        await client.connect()
        assert await client.ask() == RIGHT


@pytest.mark.parametrize(("framing", "fault"), _cases("silent", "wrong_unit", "zeros"))
async def test_a_neighbour_on_the_same_connection_is_not_touched(
    framing: Framing, fault: str
) -> None:
    async with _serving(framing, fault) as (client, _, _):
        await client.ask(wait_s=0.02)
        assert await client.ask(ReadRequest(UNIT + 1, 3, 0, COUNT)) == RIGHT


async def test_a_late_reply_comes_into_the_next_request_with_the_old_transaction() -> None:
    async with _serving(Framing.TCP, "late") as (client, _, unit):
        assert await client.ask(wait_s=0.05) == Refusal(Fault.TIMEOUT)
        unit.faults = None
        answer = await client.ask(wait_s=5.0)
        assert isinstance(answer, Refusal)
        assert answer.fault is Fault.WRONG_TRANSACTION
        assert WRONG in client.received


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_the_previous_reply_has_the_shape_of_the_request_before(framing: Framing) -> None:
    async with _serving(framing, None) as (client, _, unit):
        assert await client.ask(ReadRequest(UNIT, 3, 0, 2)) == RIGHT[:4]
        unit.faults = FaultMix({"previous": 1.0})
        answer = await client.ask()
        assert isinstance(answer, Refusal)
        expected = Fault.WRONG_TRANSACTION if framing is Framing.TCP else Fault.WRONG_LENGTH
        assert answer.fault is expected
        assert bytes([POISON]) * 4 in client.received


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_two_replies_come_in_one_packet_the_right_one_first(framing: Framing) -> None:
    async with _serving(framing, "glued") as (client, _, _):
        assert await client.ask() == Refusal(Fault.UNEXPECTED)
        assert client.received.index(RIGHT) < client.received.index(WRONG)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_connection_is_reset_within_a_frame(framing: Framing) -> None:
    async with _serving(framing, "reset") as (client, _, _):
        answer = await client.ask(wait_s=2.0)
        assert answer == Refusal(Fault.DISCONNECTED, "ConnectionResetError")
        assert 0 < len(client.received) < 12


async def test_connections_are_accepted_and_closed() -> None:
    async with _serving(Framing.TCP, "accept_close") as (client, server, unit):
        answer = await client.ask(wait_s=2.0)
        assert isinstance(answer, Refusal)
        assert answer.fault is Fault.DISCONNECTED
        assert unit.n_requests == 0
        assert server.n_connections == 1
        unit.faults = None
        await client.connect()
        assert await client.ask() == RIGHT


async def test_a_port_is_refused_until_the_fault_is_switched_off() -> None:
    gateway, unit = _gateway(Framing.TCP, None)
    async with VirtualServer(gateway, refused_s=0.01) as server:
        client = _Client(Framing.TCP, server.port)
        await client.connect()
        unit.faults = FaultMix({"refused": 1.0})
        answer = await client.ask(wait_s=2.0)
        assert isinstance(answer, Refusal)
        assert answer.fault is Fault.DISCONNECTED
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await client.connect()
        unit.faults = None
        async with asyncio.timeout(5):
            while True:
                try:
                    await client.connect()
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
        assert await client.ask() == RIGHT
        await client.close()


async def test_a_refusing_port_begins_closed() -> None:
    gateway, _ = _gateway(Framing.TCP, "refused")
    async with VirtualServer(gateway) as server:
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await _Client(Framing.TCP, server.port).connect()


async def test_stale_registers_are_those_of_the_moment_in_which_it_began() -> None:
    now_s = 100
    bank = RegisterBank(MAP, lambda at_us: {"voltage_v": at_us / US_PER_S, "frequency_hz": 50.0})
    unit = VirtualUnit(bank)
    gateway = VirtualGateway({UNIT: unit}, Framing.TCP, now_us=lambda: now_s * US_PER_S)
    async with VirtualServer(gateway) as server:
        client = _Client(Framing.TCP, server.port)
        await client.connect()
        told = []
        for second, fault in ((100, None), (101, "stale"), (102, "stale"), (103, None)):
            now_s = second
            unit.faults = FaultMix({fault: 1.0}) if fault else None
            answer = await client.ask(ReadRequest(UNIT, 3, 0, 2))
            assert isinstance(answer, bytes)
            told.append(struct.unpack(">f", answer)[0])
        await client.close()
    assert told == [100.0, 101.0, 101.0, 103.0]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("fault", "registers"),
    [
        ("zeros", bytes(8)),
        ("swapped", RIGHT[2:4] + RIGHT[:2] + RIGHT[6:] + RIGHT[4:6]),
        ("unavailable", bytes.fromhex("7fc0000080000000")),
    ],
)
async def test_wrong_registers_in_a_right_frame_look_like_an_answer(
    framing: Framing, fault: str, registers: bytes
) -> None:
    async with _serving(framing, fault) as (client, _, _):
        assert await client.ask() == registers


async def test_an_unlikely_fault_hits_now_and_then_and_a_seeded_mix_is_repeatable() -> None:
    counts = []
    for _ in range(2):
        gateway, unit = _gateway(Framing.TCP, None)
        unit.faults = FaultMix({"exception_6": 0.2, "zero_transaction": 0.1}, seed=3)
        async with VirtualServer(gateway) as server:
            client = _Client(Framing.TCP, server.port)
            await client.connect()
            answers = [await client.ask() for _ in range(200)]
            await client.close()
        counts.append(["right" if one == RIGHT else str(one) for one in answers])
    assert counts[0] == counts[1]
    assert 100 < counts[0].count("right") < 180
    assert all(
        isinstance(one, bytes) or one.fault in {Fault.EXCEPTION, Fault.WRONG_TRANSACTION}
        for one in answers
    )


def test_every_fault_is_shown_on_the_wire() -> None:
    elsewhere = {"previous", "glued", "reset", "accept_close", "refused", "stale"}
    registers = {"zeros", "swapped", "unavailable"}
    assert {*FOUND, *DELAYED, *elsewhere, *registers} == set(FAULTS)


def test_the_checksum_of_the_standard_is_ours() -> None:
    # Modbus over Serial Line 1.02, appendix B: CRC of 02 07 is 41 12.
    assert crc16(bytes.fromhex("0207")).hex() == "4112"

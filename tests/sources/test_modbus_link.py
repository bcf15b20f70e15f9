"""A link believes only what answers its request in everything, and keeps to its deadlines."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import pytest

from tests.sources.modbus_script import refuse, run_peer, run_server, tcp_reply
from wattscope.compute.modbus.frames import Fault, ReadRequest, Refusal, crc16
from wattscope.core.fleet import Endpoint, Framing
from wattscope.sources.modbus_link import ModbusLink
from wattscope.sources.modbus_wire import open_wire

pytestmark = pytest.mark.integration

REQUEST = ReadRequest(unit=7, function=4, address=0, count=2)
GOOD = [0x4366, 0x0000]
WRONG = [0xDEAD, 0xBEEF]


def link_to(
    port: int, framing: Framing = Framing.TCP, *, is_tid_ignored: bool = False
) -> ModbusLink:
    endpoint = Endpoint("127.0.0.1", port, framing)
    return ModbusLink(endpoint, open_wire, is_tid_ignored=is_tid_ignored)


async def ask_once(answer: Callable[[bytes], bytes], *, timeout_s: float = 0.3) -> bytes | Refusal:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(request))

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        try:
            return await link.exchange(REQUEST, timeout_s)
        finally:
            link.close()


async def test_a_reply_that_matches_in_everything_is_the_answer() -> None:
    assert await ask_once(lambda r: tcp_reply(r, GOOD)) == bytes.fromhex("43660000")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (lambda r: tcp_reply(r, WRONG, protocol=1), Fault.WRONG_PROTOCOL),
        (lambda r: tcp_reply(r, WRONG, unit=8), Fault.WRONG_UNIT),
        (lambda r: tcp_reply(r, WRONG, function=3), Fault.WRONG_FUNCTION),
        (lambda r: tcp_reply(r, WRONG[:1]), Fault.WRONG_LENGTH),
        (lambda r: tcp_reply(r, [*WRONG, 1]), Fault.WRONG_LENGTH),
        (lambda r: tcp_reply(r, WRONG, n_bytes=2), Fault.WRONG_LENGTH),
        (lambda r: tcp_reply(r, WRONG, length=60_000), Fault.WRONG_LENGTH),
        (lambda r: tcp_reply(r, WRONG, length=0), Fault.WRONG_LENGTH),
        (lambda r: tcp_reply(r, WRONG) + tcp_reply(r, WRONG), Fault.UNEXPECTED),
        (lambda r: tcp_reply(r, WRONG) + b"\x00", Fault.UNEXPECTED),
        (lambda _: b"\x15\x03garbage that is no frame", Fault.WRONG_PROTOCOL),
        (lambda r: tcp_reply(r, WRONG, transaction=0), Fault.TIMEOUT),
        (lambda r: tcp_reply(r, WRONG, transaction=0) * 2, Fault.WRONG_TRANSACTION),
        (lambda r: refuse(r, 2), Fault.EXCEPTION),
        (lambda _: b"", Fault.TIMEOUT),
        (lambda r: tcp_reply(r, WRONG)[:-1], Fault.TIMEOUT),
    ],
)
async def test_anything_else_is_no_answer(answer: Callable[[bytes], bytes], fault: Fault) -> None:
    found = await ask_once(answer)
    assert isinstance(found, Refusal)
    assert found.fault is fault


async def test_a_late_reply_is_passed_over_and_the_right_one_taken() -> None:
    found = await ask_once(lambda r: tcp_reply(r, WRONG, transaction=999) + tcp_reply(r, GOOD))
    assert found == bytes.fromhex("43660000")


async def test_nothing_after_a_mismatch_is_read_from_the_same_connection() -> None:
    answers = [{"unit": 9}, {}]

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, GOOD, **answers.pop(0)))

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        assert isinstance(await link.exchange(REQUEST, 0.3), Refusal)
        assert isinstance(await link.exchange(REQUEST, 0.3), bytes)
        assert peer.n_connections == 2
        link.close()


async def test_bytes_between_two_requests_are_never_an_answer() -> None:
    transactions = []

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        transactions.append(int.from_bytes(request[:2], "big"))
        writer.write(tcp_reply(request, GOOD))
        await writer.drain()
        if len(transactions) == 1:
            # What the next request would match, sent before it is asked.
            await asyncio.sleep(0.05)
            writer.write(tcp_reply(request, WRONG, transaction=transactions[0] + 1))

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        assert await link.exchange(REQUEST, 0.3) == bytes.fromhex("43660000")
        await asyncio.sleep(0.15)
        assert await link.exchange(REQUEST, 0.3) == bytes.fromhex("43660000")
        assert link.faults[Fault.UNEXPECTED] == 1
        link.close()


async def test_a_gateway_that_hangs_up_when_idle_is_connected_to_again_without_a_word() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, GOOD))
        await writer.drain()
        writer.close()

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        for _ in range(3):
            assert isinstance(await link.exchange(REQUEST, 0.3), bytes)
            await asyncio.sleep(0.05)
        assert peer.n_connections == 3
        assert not link.faults
        link.close()


async def test_a_reset_in_mid_frame_is_no_answer() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, WRONG)[:8])
        await writer.drain()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
        writer.transport.abort()

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        found = await link.exchange(REQUEST, 0.5)
        assert isinstance(found, Refusal)
        assert found.fault is Fault.DISCONNECTED
        link.close()


async def test_an_endless_trickle_ends_at_the_deadline() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in tcp_reply(request, WRONG):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        async with asyncio.timeout(2.0):
            found = await link.exchange(REQUEST, 0.2)
        assert isinstance(found, Refusal)
        assert found.fault is Fault.TIMEOUT
        link.close()


async def test_a_port_where_nobody_listens_is_unreachable(free_port: int) -> None:
    link = link_to(free_port)
    found = await link.exchange(REQUEST, 0.3)
    assert isinstance(found, Refusal)
    assert found.fault is Fault.UNREACHABLE


async def test_one_silent_unit_leaves_the_connection_to_its_neighbours() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request[6] == REQUEST.unit:
            writer.write(tcp_reply(request, GOOD))

    dead = ReadRequest(unit=9, function=4, address=0, count=2)
    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        for _ in range(4):
            assert isinstance(await link.exchange(dead, 0.05), Refusal)
            assert isinstance(await link.exchange(REQUEST, 0.3), bytes)
        assert peer.n_connections == 1
        link.close()


async def test_a_connection_that_is_silent_twice_is_given_up() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        del request, writer

    async with run_peer(reply) as peer:
        link = link_to(peer.port)
        for _ in range(4):
            assert isinstance(await link.exchange(REQUEST, 0.05), Refusal)
        assert peer.n_connections == 2
        link.close()


@pytest.mark.parametrize("framing", [Framing.RTU_OVER_TCP, Framing.AUTO])
async def test_rtu_through_a_gateway_is_read_and_found_out(framing: Framing) -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        frame = request[:2] + b"\x04" + bytes.fromhex("43660000")
        writer.write(frame + crc16(frame))

    # A gateway passes bytes on; what is no frame of 8 bytes gets no reply.
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(64):
            if len(request) == 8:
                await reply(request, writer)

    async with run_server(serve) as port:
        link = link_to(port, framing)
        for _ in range(2):
            assert await link.exchange(REQUEST, 0.2) == bytes.fromhex("43660000")
        assert link.framing is Framing.RTU_OVER_TCP
        assert not link.faults
        link.close()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda f: f[:-1] + bytes((f[-1] ^ 1,)), Fault.BAD_CRC),
        (lambda f: f + f, Fault.UNEXPECTED),
        (lambda f: b"\x08" + f[1:-2] + crc16(b"\x08" + f[1:-2]), Fault.WRONG_UNIT),
        (lambda f: f[:2] + b"\x02" + f[3:], Fault.WRONG_LENGTH),
    ],
)
async def test_rtu_frames_that_do_not_match_are_no_answer(
    change: Callable[[bytes], bytes], fault: Fault
) -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        frame = request[:2] + b"\x04" + bytes.fromhex("DEADBEEF")
        writer.write(change(frame + crc16(frame)))

    async with run_peer(reply, length=8) as peer:
        link = link_to(peer.port, Framing.RTU_OVER_TCP)
        found = await link.exchange(REQUEST, 0.3)
        assert isinstance(found, Refusal)
        assert found.fault is fault
        link.close()


async def test_a_gateway_without_true_transaction_ids_is_read_where_that_is_said() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, GOOD, transaction=0))

    async with run_peer(reply) as peer:
        strict, lax = link_to(peer.port), link_to(peer.port, is_tid_ignored=True)
        assert isinstance(await strict.exchange(REQUEST, 0.1), Refusal)
        before = peer.n_connections
        for _ in range(2):
            assert isinstance(await lax.exchange(REQUEST, 0.3), bytes)
        assert peer.n_connections == before + 2
        strict.close()
        lax.close()


async def test_the_kernel_is_told_to_give_up_a_peer_that_vanished() -> None:
    import socket  # noqa: PLC0415  # only this test looks at the option

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, GOOD))

    async with run_peer(reply) as peer:
        wire = await open_wire(Endpoint("127.0.0.1", peer.port, Framing.TCP), 1.0)
        assert wire._transport is not None
        connection = wire._transport.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        wire.close()

"""The Modbus source: what it hands over, and what a dead, slow or odd unit costs its neighbours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.sources.modbus_script import Peer, Reply, refuse, run_peer, tcp_reply
from wattscope.compute.decode.route import Decoded
from wattscope.compute.fleet_routing import FleetRouter
from wattscope.compute.modbus.frames import Fault
from wattscope.compute.modbus.values import encode_value
from wattscope.core.fleet import Endpoint, Fleet, Framing, Meter, PollGroup
from wattscope.core.reading import Reading
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import RawMessage
from wattscope.sources.modbus import ModbusOptions, ModbusSource
from wattscope.sources.modbus_unit import FIRST_PATIENCE, Unit, UnitState

pytestmark = pytest.mark.integration

NAMES = (
    "voltage_l1_v",
    "voltage_l2_v",
    "voltage_l3_v",
    "current_l1_a",
    "current_l2_a",
    "frequency_hz",
)
MAP = RegisterMap(
    "six",
    "Six registers",
    tuple(Register(name, 4, 2 * n, RegisterType.FLOAT32) for n, name in enumerate(NAMES)),
)


def meter(
    device: str, port: int, unit: int = 1, *, poll: str = "0.1s", timeout_s: float = 0.15
) -> Meter:
    return Meter(
        Device(device, "home", device, DeviceKind.METER),
        Endpoint("127.0.0.1", port, Framing.TCP),
        unit,
        MAP,
        (PollGroup(poll, frozenset(NAMES)),),
        timeout_s,
    )


class Running:
    """A source that is being received from."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.ahead_us = 0
        """By how much the clock is wrong."""
        self.router = FleetRouter()
        self.messages: list[RawMessage] = []
        self.source = ModbusSource(
            "modbus",
            ModbusOptions(),
            lambda: self.fleet,
            on_fleet=self.router.follow,
            now_us=lambda: time.time_ns() // 1000 + self.ahead_us,
            draw=lambda: 0.5,
        )

    async def receive(self) -> None:
        async for group in self.source.receive():
            self.messages += group

    def unit(self, device: str) -> Unit:
        return next(one for one in self.source.list_units() if one.meter.device.id == device)

    def count(self, device: str) -> int:
        return sum(one.topic == f"modbus/{device}" for one in self.messages)

    async def until(self, is_met: Callable[[], bool], within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_met():  # noqa: ASYNC110  # what is waited for has no event of its own
                await asyncio.sleep(0.01)


@asynccontextmanager
async def run_source(*meters: Meter) -> AsyncIterator[Running]:
    running = Running(Fleet(meters))
    task = asyncio.create_task(running.receive())
    try:
        await running.until(lambda: bool(running.source.list_units()) or task.done())
        yield running
    finally:
        await running.source.close()
        await task


def words_for(request: bytes) -> list[int]:
    """The numbers of the registers that are asked for: register n holds n."""
    first, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    return list(range(first, first + count))


def answering(*units: int) -> Reply:
    """A reply for some units; the others are silent."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request[6] in units:
            writer.write(tcp_reply(request, words_for(request)))

    return reply


def only_reading(decoded: Decoded) -> Reading:
    assert isinstance(decoded, tuple), decoded
    [reading] = decoded
    return reading


async def test_values_of_a_server_that_nobody_here_wrote_are_read(free_port: int) -> None:
    truth = {name: 100.25 + n for n, name in enumerate(NAMES)}
    image = b"".join(encode_value(truth[one.quantity], one) for one in MAP.registers)
    words = [int.from_bytes(image[at : at + 2], "big") for at in range(0, len(image), 2)]
    device = SimDevice(1, simdata=[SimData(0, values=words, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", free_port))
    await server.serve_forever(background=True)
    async with run_source(meter("m", free_port)) as running:
        await running.until(lambda: running.count("m") >= 2)
        route = running.router.find("modbus/m")
        assert route is not None
        reading = only_reading(route.decode(running.messages[0]))
        assert dict(zip(reading.quantities, reading.values, strict=True)) == truth
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it without types


async def test_a_dead_unit_is_found_in_three_polls_and_its_neighbour_goes_on() -> None:
    alive = {1}

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request[6] in alive:
            writer.write(tcp_reply(request, words_for(request)))

    async with run_peer(reply) as peer:
        dead, healthy = meter("dead", peer.port, 2), meter("healthy", peer.port, 1)
        async with run_source(dead, healthy) as running:
            await running.until(lambda: running.unit("dead").state is UnitState.OFFLINE)
            assert running.unit("dead").counts.failed == 3
            assert running.count("dead") == 0
            assert running.unit("healthy").state is UnitState.ONLINE
            before, asked = running.count("healthy"), len(peer.requests)
            await running.until(lambda: running.count("healthy") >= before + 8)
            n_probes = sum(request[6] == 2 for request in peer.requests[asked:])
            assert n_probes <= 2, "an offline unit is probed now and then, not at every poll"
            assert peer.n_connections == 1
            alive.add(2)
            await running.until(lambda: running.count("dead") > 0)
            assert running.unit("dead").state is UnitState.ONLINE


async def test_a_range_that_is_refused_is_found_and_left_out() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        words = words_for(request)
        # Registers 4 and 5 hold the third voltage; this device has none.
        writer.write(refuse(request, 2) if {4, 5} & set(words) else tcp_reply(request, words))

    async with run_peer(reply) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.count("m") >= 2)
        route = running.router.find("modbus/m")
        assert route is not None
        reading = only_reading(route.decode(running.messages[1]))
        assert set(reading.quantities) == set(NAMES) - {"voltage_l3_v"}
        await running.until(lambda: bool(running.unit("m").refusals.absent))
        asked = len(peer.requests)
        enough = running.count("m") + 4
        await running.until(lambda: running.count("m") >= enough)
        later = peer.requests[asked:]
        assert all(not {4, 5} & set(words_for(request)) for request in later)
        assert running.unit("m").counts.faults[Fault.EXCEPTION] <= 8


async def test_a_refusal_of_a_moment_takes_no_register_away_for_good() -> None:
    n_asked = 0

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal n_asked
        n_asked += 1
        is_moody = n_asked in {1, 3}
        writer.write(refuse(request, 2) if is_moody else tcp_reply(request, words_for(request)))

    async with run_peer(reply) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.count("m") >= FIRST_PATIENCE + 4)
        assert not running.unit("m").refusals.absent
        assert not running.unit("m").refusals.cuts
        route = running.router.find("modbus/m")
        assert route is not None
        assert set(only_reading(route.decode(running.messages[-1])).quantities) == set(NAMES)
        assert words_for(peer.requests[-1]) == list(range(12)), "read as a whole again"


async def test_a_unit_that_refuses_everything_says_so() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(refuse(request, 2))

    async with run_peer(reply) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.unit("m").state is UnitState.REFUSED)
        assert "'six'" in running.unit("m").detail
        assert not running.messages


async def test_a_busy_unit_is_asked_again() -> None:
    n_asked = 0

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal n_asked
        n_asked += 1
        writer.write(refuse(request, 6) if n_asked == 1 else tcp_reply(request, words_for(request)))

    async with run_peer(reply) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.count("m") >= 1)
        assert running.unit("m").counts.faults[Fault.EXCEPTION] == 1
        assert running.unit("m").counts.failed == 0


async def test_polls_that_come_too_late_are_counted_and_do_not_pile_up() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.35)
        writer.write(tcp_reply(request, words_for(request)))

    async with run_peer(reply) as peer:
        slow = meter("slow", peer.port, poll="0.1s", timeout_s=2.0)
        async with run_source(slow) as running:
            await running.until(lambda: running.count("slow") >= 4)
            counts = running.unit("slow").counts
            assert counts.skipped >= 2 * (counts.polls - 1)
            assert len(peer.requests) <= counts.polls + 1


async def test_a_silent_gateway_costs_one_probe_and_not_one_for_each_unit() -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        del request, writer

    async with run_peer(reply) as peer:
        many = [meter(f"m{n:02}", peer.port, n, timeout_s=0.05) for n in range(1, 31)]
        async with run_source(*many) as running:
            everyone = running.source.list_units
            await running.until(lambda: all(u.state is UnitState.OFFLINE for u in everyone()))
            asked = len(peer.requests)
            await asyncio.sleep(2.0)
            # Without the breaker: 30 units, each probed after 1 s and 2 s.
            assert len(peer.requests) - asked <= 10


async def test_a_changed_fleet_is_polled_without_a_restart_and_the_rest_undisturbed() -> None:
    async with run_peer(answering(1, 2, 3)) as first, run_peer(answering(1)) as second:
        a, b = meter("a", first.port, 1), meter("b", first.port, 2)
        async with run_source(a, b) as running:
            await running.until(lambda: running.count("a") >= 2 and running.count("b") >= 2)
            kept = running.unit("a")
            added = meter("c", second.port, 1)
            running.fleet = Fleet((a, replace(b, unit=3), added))
            await running.until(lambda: running.count("c") >= 2)
            assert running.unit("a") is kept
            assert running.unit("b").meter.unit == 3
            running.fleet = Fleet((a,))
            await running.until(lambda: len(running.source.gateways) == 1)
            before = running.count("b"), running.count("c")
            enough = running.count("a") + 3
            await running.until(lambda: running.count("a") >= enough)
            assert (running.count("b"), running.count("c")) == before
            assert first.n_connections == 1


async def test_a_clock_that_is_set_back_does_not_stop_the_polls() -> None:
    async with run_peer(answering(1)) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.count("m") >= 2)
        running.ahead_us -= 3_600_000_000
        before = running.count("m")
        await running.until(lambda: running.count("m") >= before + 3)


async def test_a_unit_whose_registers_never_change_is_suspected() -> None:
    async with run_peer(answering(1)) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.unit("m").n_unchanged >= 12)
        assert "old values" in running.unit("m").detail
        assert running.unit("m").state is UnitState.ONLINE


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_without_the_match_of_units_wrong_values_would_be_stored(
    is_guarded: bool,  # noqa: FBT001  # a case of the table above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check of the check: the reply of another unit is stored once the guard is off."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(tcp_reply(request, [0xDEAD] * len(words_for(request)), unit=9))

    if not is_guarded:
        from wattscope.compute.modbus import frames  # noqa: PLC0415  # the mutant's own

        monkeypatch.setattr(
            frames, "_judge_unit", lambda _, pdu, request: frames.judge_pdu(pdu, request)
        )
    async with run_peer(reply) as peer, run_source(meter("m", peer.port)) as running:
        await running.until(lambda: running.unit("m").counts.failed >= 3 or bool(running.messages))
        assert bool(running.messages) is not is_guarded


def test_the_peer_of_these_tests_speaks_as_the_standard_does() -> None:
    """The frames of Modbus Messaging on TCP/IP 1.0b, as the scripted peer writes them."""
    request = bytes.fromhex("000100000006110400000002")
    assert tcp_reply(request, [0x4366, 0]).hex() == "000100000007110404" + "43660000"
    assert refuse(request, 2).hex() == "000100000003118402"
    assert isinstance(Peer(1), Peer)

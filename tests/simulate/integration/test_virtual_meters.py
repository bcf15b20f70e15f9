"""Virtual meters over real sockets, read by clients that nobody here wrote: mbpoll and pymodbus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import selectors
import shutil
import struct
import threading
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from wattscope.assembly.simulation import Placement, build_simulator, place_profiles
from wattscope.compute.modbus.frames import ReadRequest, encode_rtu, judge_rtu
from wattscope.compute.modbus.values import decode_value
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Framing, Line
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import parse_settings
from wattscope.simulate.modbus_gateway import VirtualGateway
from wattscope.simulate.modbus_line import LineClock, LineTiming
from wattscope.simulate.modbus_serial import serve_serial
from wattscope.simulate.modbus_server import VirtualServer
from wattscope.simulate.modbus_site import ServeOptions, build_gateways
from wattscope.simulate.site_simulators import ModbusSimulator, simulate_profiles

LIBRARY = ProfileLibrary()
RECIPES = Path(__file__).parents[3] / "src" / "wattscope" / "recipes"
NOW_US = 1_795_000_000_000_000


def _meters(*profiles: str, framing: Framing = Framing.TCP, unit: int = 1) -> ModbusSimulator:
    place = Placement("127.0.0.1", 0, unit, framing)
    return simulate_profiles(place_profiles(profiles, place, LIBRARY), seed=5)


def _gateway(simulator: ModbusSimulator, **options: object) -> VirtualGateway:
    """The only gateway of a simulator, at a moment that stands still."""
    [gateway] = build_gateways(
        simulator.meters,
        simulator.values_of,
        ServeOptions(**options),  # type: ignore[arg-type]  # as the caller names them
    ).values()
    gateway.now_us = lambda: NOW_US
    return gateway


async def _poll(*words: object) -> dict[int, float]:
    """What mbpoll reads, by its reference number."""
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed (apt install mbpoll)")
    child = await asyncio.create_subprocess_exec(
        program,
        *map(str, words),
        "-1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written, _ = await child.communicate()
    text = written.decode(errors="replace")
    assert child.returncode == 0, text
    found = re.findall(r"^\[(\d+)\]:\s*([-\d.e+]+)", text, re.MULTILINE)
    assert found, text
    return {int(reference): float(value) for reference, value in found}


async def test_mbpoll_reads_what_the_model_of_an_sdm630_says() -> None:
    simulator = _meters("sdm630")
    values = simulator.values_of("sdm630-1")(NOW_US)
    async with VirtualServer(_gateway(simulator)) as server:
        place = ("-m", "tcp", "-p", server.port, "-a", 1, "-0", "127.0.0.1")
        told = await _poll("-t", "3:float", "-B", "-r", 0, "-c", 40, *place)
        energies = await _poll("-t", "3:float", "-B", "-r", 0x156, "-c", 12, *place)
    expected = {
        register.address: values[register.quantity] / register.factor
        for register in simulator.meters[0].map.registers
    }
    for reference, value in (told | energies).items():
        # mbpoll prints six digits; registers between the map's own read as 0.
        assert value == pytest.approx(expected.get(reference, 0.0), rel=1e-5), reference
    assert len(told) == 40
    assert {reference for reference in told if told[reference]} > {0, 2, 4, 6, 52, 70}


async def test_mbpoll_is_refused_where_there_are_no_registers() -> None:
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed (apt install mbpoll)")
    async with VirtualServer(_gateway(_meters("sdm630"))) as server:
        child = await asyncio.create_subprocess_exec(
            *(program, "-m", "tcp", "-p", str(server.port), "-a", "1", "-0", "-t", "3"),
            *("-r", "9000", "-c", "2", "-1", "127.0.0.1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        written, _ = await child.communicate()
    assert b"Illegal data address" in written


async def test_mbpoll_reads_a_wago_meter_on_a_serial_line() -> None:
    simulator = _meters("wago-879-30xx", framing=Framing.RTU_OVER_TCP, unit=2)
    values = simulator.values_of("wago-879-30xx-1")(NOW_US)
    gateway = _gateway(simulator)
    gateway.framing = Framing.RTU
    with _joined_terminals() as (ours, theirs):
        async with serve_serial(gateway, ours, Line(19200)):
            words = ("-m", "rtu", "-a", 2, "-b", 19200, "-P", "none", "-0", "-o", 3)
            told = await _poll(*words, "-t", "4:float", "-B", "-r", 0x5000, "-c", 25, theirs)
    for register in simulator.meters[0].map.registers:
        if register.address < 0x5032:
            expected = values[register.quantity] / register.factor
            assert told[register.address] == pytest.approx(expected, rel=1e-5), register.quantity


@pytest.mark.parametrize(
    ("framing", "framer"),
    [(Framing.TCP, FramerType.SOCKET), (Framing.RTU_OVER_TCP, FramerType.RTU)],
)
@pytest.mark.parametrize("profile", ["sdm630", "wago-879-30xx", "abb-ab-series", "em24"])
async def test_pymodbus_reads_what_the_model_says(
    profile: str, framing: Framing, framer: FramerType
) -> None:
    simulator = _meters(profile, framing=framing, unit=7)
    values = simulator.values_of(f"{profile}-1")(NOW_US)
    async with VirtualServer(_gateway(simulator)) as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port, framer=framer)
        assert await client.connect()
        for register in simulator.meters[0].map.registers:
            read = (
                client.read_holding_registers
                if register.function == 3
                else client.read_input_registers
            )
            count = register.type.n_registers
            reply = await read(register.address, count=count, device_id=7)
            assert not reply.isError(), register.quantity
            raw = struct.pack(f">{count}H", *reply.registers)
            step = 0.0 if register.type.is_float else abs(register.factor)
            told, expected = decode_value(raw, register), values[register.quantity]
            assert told == pytest.approx(expected, rel=1e-6, abs=0.51 * step), register.quantity
        client.close()


async def test_what_is_no_reading_is_refused_as_the_standard_says() -> None:
    async with VirtualServer(_gateway(_meters("sdm630"))) as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port)
        assert await client.connect()
        writing = await client.write_register(0, 1, device_id=1)
        coils = await client.read_coils(0, count=1, device_id=1)
        holding = await client.read_holding_registers(0, count=2, device_id=1)
        beyond = await client.read_input_registers(0x017D, count=2, device_id=1)
        other = await client.read_input_registers(0, count=2, device_id=9)
        client.close()
        codes = [one.exception_code for one in (writing, coils, holding, beyond, other)]
        assert codes == [1, 1, 2, 2, 11]
        for count, code in ((126, 3), (0, 3)):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, count))
            assert await reader.readexactly(9) == struct.pack(">HHHBBB", 1, 0, 3, 1, 0x84, code)
            writer.close()


async def test_requests_in_pieces_and_in_one_packet_are_answered_in_order() -> None:
    async with VirtualServer(_gateway(_meters("sdm630"))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        frames = [struct.pack(">HHHBBHH", number, 0, 6, 1, 4, 0, 2) for number in (7, 8, 9)]
        for byte in frames[0]:
            writer.write(bytes((byte,)))
            await writer.drain()
        writer.write(frames[1] + frames[2])
        replies = await reader.readexactly(3 * 13)
        writer.close()
    assert [struct.unpack_from(">H", replies, 13 * n)[0] for n in range(3)] == [7, 8, 9]


async def test_an_unknown_unit_on_a_serial_line_is_silent_and_noise_is_skipped() -> None:
    simulator = _meters("sdm630", framing=Framing.RTU_OVER_TCP, unit=3)
    async with VirtualServer(_gateway(simulator)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        right = ReadRequest(3, 4, 0, 2)
        writer.write(encode_rtu(ReadRequest(4, 4, 0, 2)) + b"\x00\xff" + encode_rtu(right))
        reply = await reader.readexactly(9)
        registers, used = judge_rtu(reply, right)
        assert isinstance(registers, bytes)
        assert used == 9
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        writer.close()


async def test_modbus_tcp_is_not_guessed_from_what_is_none() -> None:
    async with VirtualServer(_gateway(_meters("sdm630"))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("baud", [19200, 115_200])
async def test_a_timed_line_is_as_slow_as_its_wire(baud: int) -> None:
    timing = LineTiming(Line(baud), 0.01)
    simulator = _meters("sdm630", framing=Framing.RTU_OVER_TCP)
    gateway = _gateway(simulator)
    gateway.line = LineClock(timing)
    n_requests, request = 5, ReadRequest(1, 4, 0, 40)
    async with VirtualServer(gateway) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began_s = time.monotonic()
        for _ in range(n_requests):
            writer.write(encode_rtu(request))
            registers, _ = judge_rtu(await reader.readexactly(85), request)
            assert isinstance(registers, bytes)
        took_s = time.monotonic() - began_s
        writer.close()
    wire_s = n_requests * timing.exchange_s(8, 85)
    assert gateway.line.busy_s == pytest.approx(wire_s)
    # Never faster than the wire; a busy machine may be late, though not by another wire's time.
    assert 1.0 <= took_s / wire_s < 10.0


async def test_the_plant_of_the_recipe_is_served_with_every_unit() -> None:
    recipe = parse_settings((RECIPES / "modbus.toml").read_text(encoding="utf-8"))
    simulator = build_simulator("modbus", recipe, LIBRARY)
    assert isinstance(simulator, ModbusSimulator)
    async with _served(simulator) as ports:
        for meter in simulator.meters:
            framer = FramerType.SOCKET if meter.endpoint.framing is Framing.TCP else FramerType.RTU
            port = ports[meter.endpoint.port]
            client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer)
            assert await client.connect()
            if meter.map.is_sunspec:
                reply = await client.read_holding_registers(40_000, count=2, device_id=meter.unit)
                assert struct.pack(">2H", *reply.registers) == b"SunS"
            else:
                first = meter.map.registers[0]
                read = (
                    client.read_holding_registers
                    if first.function == 3
                    else client.read_input_registers
                )
                reply = await read(
                    first.address, count=first.type.n_registers, device_id=meter.unit
                )
                assert not reply.isError(), meter.device
            client.close()


async def test_a_port_that_is_taken_is_named() -> None:
    gateway = _gateway(_meters("sdm630"))
    async with VirtualServer(gateway) as server:
        with pytest.raises(SettingsError, match=str(server.port)):
            async with VirtualServer(gateway, port=server.port):
                pass


def test_two_meters_on_one_unit_are_refused() -> None:
    simulator = _meters("sdm630")
    twice = [simulator.meters[0], simulator.meters[0]]
    with pytest.raises(SettingsError, match="twice"):
        build_gateways(twice, simulator.values_of, ServeOptions())


async def test_hundreds_of_meters_share_few_ports(free_port: int) -> None:
    place = Placement("127.0.0.1", free_port, 1, Framing.TCP, copies=300)
    meters = place_profiles(["sdm120"], place, LIBRARY)
    assert [meters[n].unit for n in (0, 246, 247, 299)] == [1, 247, 1, 53]
    assert {one.endpoint.port for one in meters} == {free_port, free_port + 1}
    assert len({one.device for one in meters}) == 300


@asynccontextmanager
async def _served(simulator: ModbusSimulator) -> AsyncIterator[dict[int, int]]:
    """A simulator on free ports: that of the recipe to the one that was taken."""
    gateways = build_gateways(simulator.meters, simulator.values_of, ServeOptions())
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for endpoint, gateway in gateways.items():
            server = await stack.enter_async_context(VirtualServer(gateway))
            ports[endpoint.port] = server.port
        yield ports


@contextlib.contextmanager
def _joined_terminals() -> Iterator[tuple[str, str]]:
    """Two terminals, each of which reads what is written to the other: a serial cable."""
    ends = [os.openpty() for _ in range(2)]
    for _, slave in ends:
        tty.setraw(slave)
    masters = [master for master, _ in ends]
    stop_reading, stop_writing = os.pipe()

    def carry() -> None:
        with selectors.DefaultSelector() as selector:
            for end, other in zip(masters, reversed(masters), strict=True):
                selector.register(end, selectors.EVENT_READ, other)
            selector.register(stop_reading, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    os.write(key.data, os.read(key.fd, 4096))

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        os.write(stop_writing, b"x")
        carrier.join()
        for one in (*(end for pair in ends for end in pair), stop_reading, stop_writing):
            os.close(one)

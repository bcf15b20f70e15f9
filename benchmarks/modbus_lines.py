"""One meter on a simulated RS-485 line: our read plans beside one register after the other."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.modbus_servers import UNIT, read_map, value_of
from benchmarks.rates import WrongAnswerError
from wattscope.compute.decode.registers import make_register_decoder
from wattscope.compute.poll_schedule import Schedule
from wattscope.core.fleet import Endpoint, Framing, Line, Meter
from wattscope.core.registers import MAX_BLOCK, Register, RegisterMap
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import RawMessage
from wattscope.simulate.modbus_line import LineTiming
from wattscope.sources.modbus_gateway import Gateway
from wattscope.sources.modbus_unit import Job
from wattscope.sources.modbus_wire import open_wire

_UNTIL_PLANNED = 12
"""Polls before the clock starts: the line is measured and the plan made anew."""
_SHORTEST_US = 1000
"""An interval that has always passed already: one poll follows the other."""
# What the seed's exporter reads of a WAGO 879-30xx.
_WAGO_VALUES = frozenset(
    {"frequency_hz", "power_factor", "energy_total_wh"}
    | {f"active_power{phase}_w" for phase in ("", "_l1", "_l2", "_l3")}
    | {f"energy_total_l{n}_wh" for n in (1, 2, 3)}
)
_SDM630_END = 0x50
"""Its first 28 values: what mbmd reads of it each time."""


@dataclass(frozen=True, slots=True)
class LineFigures:
    """What one meter on one line gave."""

    ours: float
    """[values/s]"""
    one_by_one: float
    """[values/s]"""
    limit: float
    """What the characters alone allow with the best plan there is [values/s]."""
    n_requests: int
    """Of our plan."""


def pick(register_map: RegisterMap) -> tuple[Register, ...]:
    """The registers that are read of a meter."""
    if register_map.name == "sdm630":
        return tuple(r for r in register_map.registers if r.end <= _SDM630_END)
    return tuple(r for r in register_map.registers if r.quantity in _WAGO_VALUES)


def find_limit_s(registers: tuple[Register, ...], timing: LineTiming) -> float:
    """The shortest time in which a line can tell all values, over all ways to cut them [s]."""
    ordered = sorted(registers, key=lambda one: one.address)
    best = [0.0]
    for stop in range(1, len(ordered) + 1):
        costs = []
        for start in range(stop):
            count = ordered[stop - 1].end - ordered[start].address
            if count <= MAX_BLOCK:
                costs.append(best[start] + timing.exchange_s(8, 5 + 2 * count))
        best.append(min(costs))
    return best[-1]


@contextmanager
def run_servers(*words: str) -> Iterator[list[int]]:
    """Virtual meters in a process of their own; their ports."""
    command = [sys.executable, "-m", "benchmarks.modbus_servers", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield [int(port) for port in process.stdout.readline().split()]
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def measure_line(profile: str, baud: int, turn_around_ms: float, length_s: float) -> LineFigures:
    """One meter, one line: first ours, then one register after the other."""
    register_map = read_map(profile)
    wanted = pick(register_map)
    timing = LineTiming(Line(baud), turn_around_ms / 1000)
    with run_servers("line", profile, str(baud), str(turn_around_ms)) as [port]:
        ours, n_requests = asyncio.run(_poll_ours(register_map, wanted, port, length_s))
        one_by_one = asyncio.run(_poll_one_by_one(register_map, wanted, port, length_s))
    limit = len(wanted) / find_limit_s(wanted, timing)
    return LineFigures(ours, one_by_one, limit, n_requests)


async def _poll_ours(
    register_map: RegisterMap, wanted: tuple[Register, ...], port: int, length_s: float
) -> tuple[float, int]:
    """Values a second of the real gateway, asked without a pause; and the requests of a poll."""
    decode = make_register_decoder("meter", register_map)
    arrived: list[float] = []

    async def deliver(message: RawMessage) -> None:
        decoded = decode(message)
        if not isinstance(decoded, tuple):
            raise WrongAnswerError(str(decoded))
        told = dict(zip(decoded[0].quantities, decoded[0].values, strict=True))
        _compare(register_map, {one.quantity: told[one.quantity] for one in wanted})
        arrived.append(time.monotonic())

    gateway = Gateway(
        Endpoint("127.0.0.1", port, Framing.RTU_OVER_TCP),
        open_wire=open_wire,
        deliver=deliver,
        now_us=lambda: time.time_ns() // 1000,
        draw=random.Random(0).random,
    )
    device = Device("meter", "bench", "meter", DeviceKind.METER)
    meter = Meter(device, gateway.endpoint, UNIT, register_map, (), timeout_s=5.0)
    job = Job(Schedule("", _SHORTEST_US, UTC), wanted, 0)
    gateway.put_unit(meter, [job])
    running = asyncio.create_task(gateway.run())
    try:
        await _until(lambda: len(arrived) >= _UNTIL_PLANNED, running)
        began = len(arrived)
        await asyncio.sleep(length_s)
        n_polls = len(arrived) - began
        elapsed_s = arrived[-1] - arrived[began - 1]
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    plan = gateway.units["meter"].plan(job, gateway.pace.max_gap)
    return n_polls * len(wanted) / elapsed_s, len(plan)


async def _until(is_met: Callable[[], bool], running: asyncio.Task[None]) -> None:
    while not is_met():
        await asyncio.sleep(0.01)
        if running.done():
            running.result()


async def _poll_one_by_one(
    register_map: RegisterMap, wanted: tuple[Register, ...], port: int, length_s: float
) -> float:
    """Values a second as the projects before this one read: a request for each value."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=5)
    if not await client.connect():
        raise WrongAnswerError(f"pymodbus cannot connect to port {port}")
    told: dict[str, float] = {}
    n_values = 0
    began_s = time.monotonic()
    try:
        while not n_values or time.monotonic() - began_s < length_s:
            for one in wanted:
                read = (
                    client.read_input_registers
                    if one.function == 4
                    else client.read_holding_registers
                )
                answer = await read(one.address, count=one.type.n_registers, device_id=UNIT)
                if answer.isError():
                    raise WrongAnswerError(str(answer))
                number = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
                told[one.quantity] = float(number) * one.factor  # type: ignore[arg-type]  # a float, of FLOAT32
                n_values += 1
        elapsed_s = time.monotonic() - began_s
    finally:
        client.close()
    _compare(register_map, told)
    return n_values / elapsed_s


def _compare(register_map: RegisterMap, told: dict[str, float]) -> None:
    for quantity, value in told.items():
        truth = value_of(register_map, quantity)
        if abs(value - truth) > 1e-6 * truth:
            raise WrongAnswerError(f"{quantity} is {value} instead of {truth}")

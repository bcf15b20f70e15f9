"""Virtual meters for the Modbus benchmark, in a process of their own: prints their ports.

``python -m benchmarks.modbus_servers fleet N`` serves N meters, each at a port of its own;
``python -m benchmarks.modbus_servers line PROFILE BAUD TURN_AROUND_MS`` one meter behind an RS-485
line that takes the time of its characters. Either ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from contextlib import AsyncExitStack
from importlib.resources import files

from wattscope.compute.modbus.map_file import parse_register_map
from wattscope.core.fleet import Framing, Line
from wattscope.core.registers import RegisterMap
from wattscope.simulate.modbus_bank import RegisterBank
from wattscope.simulate.modbus_gateway import VirtualGateway, VirtualUnit
from wattscope.simulate.modbus_line import LineClock, LineTiming
from wattscope.simulate.modbus_server import VirtualServer

UNIT = 1


def read_map(profile: str) -> RegisterMap:
    """The register map of a profile."""
    text = files("wattscope").joinpath("profiles", f"{profile}.toml").read_text(encoding="utf-8")
    return parse_register_map(profile, tomllib.loads(text))


def value_of(register_map: RegisterMap, quantity: str) -> float:
    """What a virtual meter shows, always: far from 0, different for each quantity."""
    names = [one.quantity for one in register_map.registers]
    return 100.0 + names.index(quantity)


def make_unit(register_map: RegisterMap) -> VirtualUnit:
    values = {one.quantity: value_of(register_map, one.quantity) for one in register_map.registers}
    return VirtualUnit(RegisterBank(register_map, lambda _: values))


async def serve(gateways: list[VirtualGateway]) -> None:
    """Serve until standard input ends."""
    async with AsyncExitStack() as stack:
        ports = []
        for gateway in gateways:
            server = await stack.enter_async_context(VirtualServer(gateway))
            ports.append(server.port)
        print(*ports, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    kind, *words = sys.argv[1:]
    if kind == "fleet":
        unit = make_unit(read_map("sdm630"))
        gateways = [VirtualGateway({UNIT: unit}, Framing.TCP) for _ in range(int(words[0]))]
    else:
        profile, baud, turn_around_ms = words
        timing = LineTiming(Line(int(baud)), float(turn_around_ms) / 1000)
        unit = make_unit(read_map(profile))
        clock = LineClock(timing)
        gateways = [VirtualGateway({UNIT: unit}, Framing.RTU_OVER_TCP, line=clock)]
    asyncio.run(serve(gateways))


if __name__ == "__main__":
    main()

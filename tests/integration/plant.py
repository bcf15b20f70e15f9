"""The plant of the recipe ``modbus``, served by a thread of its own on free ports."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from tests.servers import find_free_port
from wattscope.assembly.simulation import build_simulator, move_meter_ports
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import MeterSettings, Settings, parse_settings
from wattscope.simulate.modbus_site import ServeOptions, build_gateways, serve_gateways
from wattscope.simulate.site_simulators import ModbusSimulator


@dataclass(frozen=True, slots=True)
class Plant:
    """Meters that can be read."""

    settings: Settings
    """The recipe's, with the ports at which the meters are served."""

    def meter(self, device: str) -> MeterSettings:
        return next(one for one in self.settings.meters if one.id == device)


@contextmanager
def run_plant(now_us: int) -> Iterator[Plant]:
    """Serve the plant as it is at one instant, which does not pass."""
    text = files("wattscope").joinpath("recipes", "modbus.toml").read_text(encoding="utf-8")
    settings = parse_settings(text)
    ports = {meter.port: find_free_port() for meter in settings.meters}
    settings = move_meter_ports(settings, ports)
    simulator = build_simulator("modbus", settings, ProfileLibrary())
    assert isinstance(simulator, ModbusSimulator)
    simulator.look_back(now_us)
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        gateways = build_gateways(simulator.meters, simulator.values_of, ServeOptions())
        for gateway in gateways.values():
            gateway.now_us = lambda: now_us
        async with serve_gateways(gateways):
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110  # set by another thread
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield Plant(settings)
    finally:
        stop.set()
        thread.join(30)

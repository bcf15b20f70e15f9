"""A site of virtual meters in a thread of its own, and the whole program that reads them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wattscope.assembly.program import Program
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.fleet import Framing
from wattscope.core.registers import RegisterMap
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.settings import BrokerSettings, MeterSettings, Settings, SourceSettings
from wattscope.simulate.modbus_bank import RegisterBank
from wattscope.simulate.modbus_faults import FaultMix
from wattscope.simulate.modbus_gateway import VirtualGateway, VirtualUnit
from wattscope.simulate.modbus_server import VirtualServer
from wattscope.sources.modbus import ModbusSource
from wattscope.sources.modbus_unit import Unit

POLL_S = 0.2
TIMEOUT_S = 0.3
LATE_S = 0.5
"""How late a late reply comes: after the deadline [s]."""


def truth_at(register_map: RegisterMap, t_us: int) -> dict[str, float]:
    """What a virtual meter shows in the second of an instant: integers that rise with time."""
    second = t_us // 1_000_000 % 1000
    return {one.quantity: 100.0 + n + second for n, one in enumerate(register_map.registers)}


def is_true(register_map: RegisterMap, quantity: str, value: float, t_us: int) -> bool:
    """Whether a meter showed a value within two seconds before it was taken."""
    seconds = (t_us - back * 1_000_000 for back in range(-1, 3))
    return any(truth_at(register_map, t)[quantity] == value for t in seconds)


@dataclass
class VirtualSite:
    """Servers by port, with their units."""

    register_map: RegisterMap
    gateways: dict[int, VirtualGateway] = field(default_factory=dict)

    def set_fault(self, port: int, unit: int, rates: Mapping[str, float], seed: int = 0) -> None:
        """Have a unit misbehave from now on; with no rates it behaves."""
        self.gateways[port].units[unit].faults = FaultMix(rates, seed) if rates else None


@contextmanager
def run_site(
    register_map: RegisterMap, layout: Mapping[Framing, tuple[tuple[int, ...], ...]]
) -> Iterator[VirtualSite]:
    """Serve gateways, each a tuple of units, by framing; ports are free ones."""
    site = VirtualSite(register_map)
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for framing, gateways in layout.items():
                for units in gateways:
                    members = {
                        unit: VirtualUnit(
                            RegisterBank(register_map, lambda t: truth_at(register_map, t))
                        )
                        for unit in units
                    }
                    gateway = VirtualGateway(members, framing, late_s=LATE_S)
                    server = VirtualServer(gateway, refused_s=0.5)
                    await stack.enter_async_context(server)
                    site.gateways[server.port] = gateway
            ready.set()
            while not stop.is_set():  # noqa: ASYNC110  # set by another thread
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield site
    finally:
        stop.set()
        thread.join(30)


@dataclass
class Reader:
    """The program, running in this thread's event loop."""

    program: Program
    storage: Storage

    @property
    def source(self) -> ModbusSource:
        source = self.program.feeds[0].source
        assert isinstance(source, ModbusSource)
        return source

    def unit(self, device: str) -> Unit:
        return next(one for one in self.source.list_units() if one.meter.device.id == device)

    async def until(self, is_met: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + within_s
        while not is_met():
            assert time.monotonic() < deadline_s, f"still not: {what}"
            await asyncio.sleep(0.02)

    def stored(self) -> list[tuple[str, str, int, float]]:
        """Everything stored: device, quantity, instant [µs], value."""
        table = self.storage.store.query(
            "SELECT device, quantity, epoch_us(measured_at), value FROM readings "
            "WHERE value IS NOT NULL ORDER BY ALL"
        )
        return [(row[0], row[1], row[2], row[3]) for row in table.rows]

    def find_lies(self, site: VirtualSite) -> list[tuple[str, str, int, float]]:
        """Stored values that no meter ever showed."""
        return [
            row
            for row in self.stored()
            if not row[0].startswith("test_")
            and not is_true(site.register_map, row[1], row[3], row[2])
        ]


async def read_site(
    site: VirtualSite, folder: Path, act: Callable[[Reader], object], *, poll_s: float = POLL_S
) -> None:
    """Run the program over all meters of a site while ``act`` goes on."""
    meters = tuple(
        MeterSettings(
            id=f"{gateway.framing.value}-{port}-{unit}",
            host="127.0.0.1",
            port=port,
            unit=unit,
            type="sdm120",
            framing=gateway.framing.value,
            poll=f"{poll_s}s",
            timeout_s=TIMEOUT_S,
        )
        for port, gateway in site.gateways.items()
        for unit in gateway.units
    )
    settings = Settings(
        broker=BrokerSettings(embedded=False),
        sources=(SourceSettings(name="modbus", type="modbus"),),
        meters=meters,
    )
    with open_storage(settings, folder) as storage:
        program = Program(settings, storage, ProfileLibrary())

        async def serve() -> None:
            outcome = act(Reader(program, storage))
            assert asyncio.iscoroutine(outcome)
            await outcome

        await program.run(serve)

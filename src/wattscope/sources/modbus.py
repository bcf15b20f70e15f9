"""Modbus meters as a source: every meter of the fleet polled when it is due.

It promises that a poll becomes one message (topic ``modbus/<device>``, payload a register image),
that a value is handed over only from a reply that matches its request in everything, that a
failed read is a gap, and that a changed fleet is polled within a second or its next poll. It
cannot promise that a value is read at all: what a meter measured while it did not answer is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from wattscope.compute.poll_schedule import parse_schedule
from wattscope.core.fleet import Endpoint, Fleet, Meter
from wattscope.core.time_grid import load_zone
from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.modbus_gateway import Gateway
from wattscope.sources.modbus_link import OpenWire
from wattscope.sources.modbus_unit import Job, Unit, UnitState
from wattscope.sources.modbus_wire import open_wire

_log = structlog.get_logger()
_LOOK_S: Final = 1.0
"""How often the fleet is looked at [s]."""


@dataclass(frozen=True, slots=True)
class ModbusOptions:
    """Limits of the source."""

    zone: str = "UTC"
    """IANA name of the site's zone, for cron expressions."""
    max_waiting: int = 5000
    """Polls that wait to be taken before gateways wait; theirs are then late, and skipped."""
    max_group: int = 2000
    """Polls handed on at once at most."""


class ModbusSource:
    """The source port over Modbus gateways."""

    kind = "modbus"

    def __init__(  # noqa: PLR0913  # what it needs of the world, each by name
        self,
        name: str,
        options: ModbusOptions,
        read_fleet: Callable[[], Fleet],
        *,
        on_fleet: Callable[[Fleet], None] = lambda _: None,
        now_us: Callable[[], int],
        draw: Callable[[], float],
        open_wire: OpenWire = open_wire,
    ) -> None:
        """Touch no network yet.

        Args:
            name: Name of the source in messages and on the health page.
            options: Checked already.
            read_fleet: What is to be polled at this moment; called in a thread, about once a
                second; raises nothing for a database that is away.
            on_fleet: Told of a changed fleet before its meters are polled; called in a thread.
            now_us: The clock [µs since 1970].
            draw: Numbers in [0, 1) for jitter.
            open_wire: Connects to an endpoint.
        """
        self.name = name
        self.options = options
        self.fleet = Fleet()
        """What is polled now, with what was refused."""
        self.gateways: dict[Endpoint, Gateway] = {}
        self._read_fleet, self._on_fleet = read_fleet, on_fleet
        self._now_us, self._draw, self._open_wire = now_us, draw, open_wire
        self._waiting: list[RawMessage] = []
        self._has_some = asyncio.Event()
        self._has_room = asyncio.Event()
        self._tasks: dict[Endpoint, asyncio.Task[None]] = {}
        self._is_running = False

    @property
    def address(self) -> str:
        """Words for a screen."""
        n_meters, n_gateways = len(self.fleet.meters), len(self.gateways)
        return f"{n_meters} meters behind {n_gateways} addresses"

    @property
    def state(self) -> LinkState:
        """Connected while any unit answers, or there is none to ask."""
        if not self._is_running:
            return LinkState.STOPPED
        units = self.list_units()
        is_up = not units or any(unit.state is UnitState.ONLINE for unit in units)
        return LinkState.CONNECTED if is_up else LinkState.CONNECTING

    @property
    def detail(self) -> str:
        """How many units do not answer; empty while all do."""
        units = self.list_units()
        n_away = sum(unit.state in {UnitState.OFFLINE, UnitState.REFUSED} for unit in units)
        return f"{n_away} of {len(units)} meters do not answer" if n_away else ""

    def list_units(self) -> list[Unit]:
        """Every unit that is polled, by device id."""
        # Copied at once: whoever asks may be in another thread.
        units = [unit for one in list(self.gateways.values()) for unit in list(one.units.values())]
        return sorted(units, key=lambda unit: unit.meter.device.id)

    def find_gateway(self, endpoint: Endpoint) -> Gateway | None:
        """The gateway of an endpoint that is polled."""
        return self.gateways.get(endpoint)

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of polls as they come, until ``close``.

        Raises:
            ExceptionGroup: A task of a gateway failed, which is a fault of this program.
        """
        self._is_running = True
        self._has_room.set()
        looking = asyncio.create_task(self._follow_fleet())
        try:
            while self._is_running:
                waiting = asyncio.ensure_future(self._has_some.wait())
                watched = {waiting, looking, *self._tasks.values()}
                # Tasks of new gateways are watched from the next round on.
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK_S)
                waiting.cancel()
                self._raise_failures(looking)
                while self._waiting:
                    size = self.options.max_group
                    group, self._waiting = self._waiting[:size], self._waiting[size:]
                    self._has_room.set()
                    yield group
                self._has_some.clear()
        finally:
            self._is_running = False
            await self._end([looking, *self._tasks.values()])
            self._tasks.clear()
            self.gateways.clear()
            self.fleet = Fleet()

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Nothing to do: a meter keeps no readings that it could be told to forget."""

    async def close(self) -> None:
        """End all polling; ``receive`` ends."""
        self._is_running = False
        self._has_some.set()

    def _raise_failures(self, looking: asyncio.Task[None]) -> None:
        for task in (looking, *self._tasks.values()):
            if task.done() and not task.cancelled():
                fault = task.exception()
                if fault is not None:
                    raise fault

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_fleet(self) -> None:
        while True:
            fleet = await asyncio.to_thread(self._read_fleet)
            if fleet != self.fleet:
                await self._change(fleet)
            await asyncio.sleep(_LOOK_S)

    async def _change(self, fleet: Fleet) -> None:
        """Poll what is new, and no longer what is gone; everything else goes on undisturbed."""
        await asyncio.to_thread(self._on_fleet, fleet)
        before = {meter.device.id: meter for meter in self.fleet.meters}
        after = {meter.device.id: meter for meter in fleet.meters}
        for device, meter in before.items():
            if after.get(device) != meter:
                self.gateways[meter.endpoint].drop_unit(device)
        for device, meter in after.items():
            if before.get(device) != meter:
                self._find_or_make(meter).put_unit(meter, self._make_jobs(meter))
        idle = [endpoint for endpoint, one in self.gateways.items() if not one.units]
        await self._end([self._tasks.pop(endpoint) for endpoint in idle])
        for endpoint in idle:
            del self.gateways[endpoint]
        self.fleet = fleet
        _log.info("meters to read", meters=len(after), refused=len(fleet.faults), source=self.name)

    def _find_or_make(self, meter: Meter) -> Gateway:
        gateway = self.gateways.get(meter.endpoint)
        if gateway is None:
            gateway = self.gateways[meter.endpoint] = Gateway(
                meter.endpoint,
                open_wire=self._open_wire,
                deliver=self._deliver,
                now_us=self._now_us,
                draw=self._draw,
                is_tid_ignored=meter.is_tid_ignored,
            )
            self._tasks[meter.endpoint] = asyncio.create_task(gateway.run())
        return gateway

    def _make_jobs(self, meter: Meter) -> list[Job]:
        zone = load_zone(self.options.zone)
        now_us = self._now_us()
        jobs = []
        for group in meter.groups:
            schedule = parse_schedule(group.schedule, zone)
            registers = tuple(r for r in meter.map.registers if r.quantity in group.quantities)
            # The first poll comes at once: nobody wants to wait for a day's cron to see a value.
            jobs.append(Job(schedule, registers, now_us))
        return jobs

    async def _deliver(self, message: RawMessage) -> None:
        while len(self._waiting) >= self.options.max_waiting:
            self._has_room.clear()
            await self._has_room.wait()
        self._waiting.append(message)
        self._has_some.set()

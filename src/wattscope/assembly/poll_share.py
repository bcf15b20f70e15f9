"""The part of a fleet that this process polls, where several processes share the gateways.

Reading it waits for nothing: tables and leases are looked at beside it. So a registry that does
not answer keeps nobody from stopping in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from wattscope.assembly.leases import Leases
from wattscope.core.fleet import Fleet
from wattscope.ports import WorkShare

LOOK_S: Final = 1.0
"""How often the whole fleet is looked at [s]."""


class SharedFleet:
    """Gives a Modbus source what it may poll at this moment.

    A gateway is shared out by its address. That of a serial line is a path of one machine: poll
    such meters by a process that shares with nobody.
    """

    def __init__(self, read_fleet: Callable[[], Fleet], work: WorkShare, round_s: float) -> None:
        """Ask for nothing yet.

        Args:
            read_fleet: The whole fleet; called in a thread, and may take its time.
            work: Which gateways are ours; asked in a thread.
            round_s: How often it is to be asked [s].
        """
        self._read_fleet = read_fleet
        self._leases = Leases("gateways", self._list_gateways, work, round_s)
        self._whole = Fleet()
        self._shown = Fleet()
        self._is_known = asyncio.Event()

    def read(self) -> Fleet:
        """The meters behind gateways that are ours now; the same object while nothing changed."""
        whole = self._whole
        meters = tuple(one for one in whole.meters if self._leases.holds(one.endpoint.address))
        fleet = replace(whole, meters=meters)
        if fleet != self._shown:
            self._shown = fleet
        return self._shown

    async def run(self) -> None:
        """Follow tables and leases for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_tables())
            tasks.create_task(self._keep_leases())

    async def close(self) -> None:
        """Give up all gateways, so that others have them at once; nothing is polled any more."""
        await self._leases.close()

    async def _follow_tables(self) -> None:
        while True:
            self._whole = await asyncio.to_thread(self._read_fleet)
            self._is_known.set()
            await asyncio.sleep(LOOK_S)

    async def _keep_leases(self) -> None:
        await self._is_known.wait()
        await self._leases.run()

    def _list_gateways(self) -> set[str]:
        return {one.endpoint.address for one in self._whole.meters}

"""The virtual meter of a fresh meter book, served by the program itself.

A database that is made anew holds one meter at the host ``virtual_modbustcp_server``, so that there
is something to see before the first real meter is connected. Nobody has to run a server for it:
whoever connects to that name is connected to one within this process, on a loopback port.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from wattscope.core.fleet import Endpoint, Framing
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.simulate.modbus_bank import RegisterBank
from wattscope.simulate.modbus_gateway import VirtualGateway, VirtualUnit
from wattscope.simulate.modbus_server import VirtualServer
from wattscope.sources.modbus_wire import Wire, open_wire

HOST: Final = "virtual_modbustcp_server"
_QUANTITY: Final = "test_measurement__test_u"
_MAP: Final = RegisterMap(
    "virtual_modbustcp",
    "Virtual meter",
    (Register(_QUANTITY, function=3, address=0, type=RegisterType.INT16),),
)
_HIGHEST: Final = 100


class VirtualMeter:
    """Connects to endpoints; those at ``HOST`` are the virtual meter."""

    def __init__(self, draw: Callable[[], float]) -> None:
        """``draw`` gives numbers in [0, 1), of which its values are made."""
        self._draw = draw
        self._server: VirtualServer | None = None
        self._stack = AsyncExitStack()

    async def open_wire(self, endpoint: Endpoint, timeout_s: float) -> Wire:
        """Connect as ``sources.modbus_wire.open_wire`` does.

        Raises:
            OSError: It cannot be reached, or not in time.
        """
        if endpoint.host != HOST:
            return await open_wire(endpoint, timeout_s)
        if self._server is None:
            self._server = await self._stack.enter_async_context(self._build_server())
        return await open_wire(
            replace(endpoint, host="127.0.0.1", port=self._server.port), timeout_s
        )

    async def close(self) -> None:
        """End the server, if there is one."""
        self._server = None
        await self._stack.aclose()

    def _build_server(self) -> VirtualServer:
        bank = RegisterBank(_MAP, lambda _: {_QUANTITY: round(_HIGHEST * self._draw())})
        # The seed's virtual server answers whatever unit it is asked for; its meter is unit 0.
        units = dict.fromkeys((0, 1), VirtualUnit(bank))
        return VirtualServer(VirtualGateway(units, Framing.TCP))

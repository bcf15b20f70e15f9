"""Serves virtual meters as RTU on a serial port; needs the extra ``serial``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import serialx

from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Line
from wattscope.simulate.modbus_gateway import VirtualGateway
from wattscope.simulate.modbus_server import RequestLink


@asynccontextmanager
async def serve_serial(gateway: VirtualGateway, path: str, line: Line) -> AsyncIterator[None]:
    """Answer on a serial port for as long as the context lasts.

    Faults of connections cannot happen here and are not drawn.

    Raises:
        SettingsError: The port cannot be opened.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await serialx.create_serial_connection(
            loop,
            lambda: RequestLink(gateway, lambda: None),
            path,
            baudrate=line.baud,
            parity=serialx.Parity(line.parity),
            stopbits=serialx.StopBits(line.stop_bits),
        )
    except (OSError, serialx.SerialException) as fault:
        raise SettingsError(
            f"serial port {path} cannot be opened ({fault}); name another with --serial"
        ) from fault
    try:
        yield
    finally:
        transport.close()
        await asyncio.sleep(0)

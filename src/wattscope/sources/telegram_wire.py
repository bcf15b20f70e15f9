"""Opens the line on which a meter talks by itself: TCP, or a serial port."""

from __future__ import annotations

import asyncio
from typing import cast

from wattscope.core.errors import SettingsError
from wattscope.core.wire_address import SerialLine, WireAddress

MAX_WAITING_BYTES = 1 << 16
"""Bytes that wait in memory; beyond twice as many, the line is not read [bytes]."""


class Line:
    """An open line; only what comes is of interest."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = cast("asyncio.Transport", transport)

    async def read(self, timeout_s: float) -> bytes:
        """What came, as soon as anything does; empty when the other side ended the line.

        Raises:
            TimeoutError: Nothing came in time.
            OSError: The line is lost.
        """
        async with asyncio.timeout(timeout_s):
            return await self._reader.read(MAX_WAITING_BYTES)

    def close(self) -> None:
        """End the line at once."""
        self._transport.abort()


async def open_line(address: WireAddress, timeout_s: float) -> Line:
    """Connect, or open the serial port.

    Raises:
        OSError: It cannot be reached, or not in time.
        SettingsError: The extra for serial ports is not installed.
    """
    reader = asyncio.StreamReader(MAX_WAITING_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        async with asyncio.timeout(timeout_s):
            if address.line is not None:
                transport = await _open_serial(address.host, address.line, protocol)
            else:
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(
                    lambda: protocol, address.host, address.port
                )
    except TimeoutError as fault:
        raise OSError(f"no connection within {timeout_s:g} s") from fault
    return Line(reader, transport)


async def _open_serial(
    path: str, line: SerialLine, protocol: asyncio.Protocol
) -> asyncio.BaseTransport:
    try:
        import serialx  # noqa: PLC0415  # an extra, imported only where it is used
    except ModuleNotFoundError as fault:
        raise SettingsError(
            f"serial port {path} needs serialx; run pip install 'wattscope[serial]'"
        ) from fault
    parities = {"N": serialx.Parity.NONE, "E": serialx.Parity.EVEN, "O": serialx.Parity.ODD}
    try:
        transport, _ = await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: protocol,
            path,
            baudrate=line.baud,
            byte_size=line.bits,
            parity=parities[line.parity],
            stopbits=serialx.StopBits.ONE if line.stop_bits == 1 else serialx.StopBits.TWO,
            exclusive=True,
        )
    except serialx.SerialException as fault:
        raise OSError(str(fault)) from fault
    return cast("asyncio.BaseTransport", transport)

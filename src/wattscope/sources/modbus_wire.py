"""The bytes of one connection to a Modbus gateway: TCP or a serial port, one request at a time.

It promises that what arrives between two requests is never taken for an answer, that a request
ends by its deadline, and that a peer that vanished without a word is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import cast

from wattscope.compute.modbus.frames import Answer, FrameStart, Judged
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Endpoint, Line

Judge = Callable[[bytes], tuple[Judged, int]]
"""What the bytes received so far are, and how many of them are used up."""

_USER_TIMEOUT_MS = 5000
"""How long sent data may stay unacknowledged before the kernel gives the connection up [ms]."""
_MAX_RECEIVED = 4096
"""More than this is no answer to anything that is asked here [bytes]."""


class WireLostError(Exception):
    """The other side ended the connection."""


class Wire(asyncio.Protocol):
    """One connection; the judge of a request decides when its answer is whole."""

    def __init__(self) -> None:
        self.is_lost = False
        self.n_stray = 0
        """Bytes that came when nothing was asked, since ``take_stray``."""
        self.n_received = 0
        """All bytes ever received."""
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._judge: Judge | None = None
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        _watch_peer(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.n_received += len(data)
        if self._answer is None or self._answer.done():
            self.n_stray += len(data)
            return
        if len(self._received) <= _MAX_RECEIVED:
            self._received += data
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.is_lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WireLostError(str(exc or "closed by the other side")))

    async def ask(self, frame: bytes, judge: Judge, timeout_s: float) -> Answer:
        """Send a request and wait for what its judge accepts, or refuses.

        Raises:
            TimeoutError: Nothing acceptable came in time.
            WireLostError: The connection ended.
        """
        if self.is_lost or self._transport is None:
            raise WireLostError("the connection is closed")
        self._received.clear()
        self._judge = judge
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._transport.write(frame)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            self._answer = self._judge = None
            self._received.clear()

    def close(self) -> None:
        """End the connection at once."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()

    def take_stray(self) -> int:
        """How many bytes came unasked since the last call."""
        found, self.n_stray = self.n_stray, 0
        return found

    def _look(self) -> None:
        """Give the received bytes to the judge until it wants more of them."""
        while self._judge is not None and self._answer is not None and not self._answer.done():
            judged, n_used = self._judge(bytes(self._received))
            del self._received[:n_used]
            if isinstance(judged, FrameStart):
                if n_used == 0 or not self._received:
                    return
                continue
            self.n_stray += len(self._received)
            self._answer.set_result(judged)


def _watch_peer(connection: socket.socket | None) -> None:
    """Have the kernel notice a peer that vanished, and send small requests at once."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Linux has it; elsewhere the deadline of each request has to do.
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, _USER_TIMEOUT_MS)


async def open_wire(endpoint: Endpoint, timeout_s: float) -> Wire:
    """Connect to a gateway, or open a serial port.

    Raises:
        OSError: It cannot be reached, or not in time.
        SettingsError: The extra for serial ports is not installed.
    """
    wire = Wire()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            if endpoint.line is not None:
                await _open_serial(endpoint.host, endpoint.line, wire)
            else:
                await loop.create_connection(lambda: wire, endpoint.host, endpoint.port)
    except TimeoutError as fault:
        raise OSError(f"{endpoint.address} gives no connection within {timeout_s:g} s") from fault
    except OSError as fault:
        raise OSError(_explain(endpoint, fault)) from fault
    return wire


def _explain(endpoint: Endpoint, fault: OSError) -> str:
    """Why there is no connection, in the words of somebody who may mend it."""
    if isinstance(fault, socket.gaierror):
        return f"the name {endpoint.host!r} is unknown; is it written right?"
    if isinstance(fault, ConnectionRefusedError):
        return f"nobody listens at {endpoint.address}; is the port right, and the device on?"
    if fault.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return f"there is no way to {endpoint.host}; is it in this network?"
    return f"{endpoint.address}: {fault.strerror or fault}"


async def _open_serial(path: str, line: Line, wire: Wire) -> None:
    try:
        import serialx  # noqa: PLC0415  # an extra, imported only where it is used
    except ModuleNotFoundError as fault:
        raise SettingsError(
            f"serial port {path} needs serialx; run pip install 'wattscope[serial]'"
        ) from fault
    parities = {"N": serialx.Parity.NONE, "E": serialx.Parity.EVEN, "O": serialx.Parity.ODD}
    try:
        await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: wire,
            path,
            baudrate=line.baud,
            parity=parities[line.parity],
            stopbits=serialx.StopBits.ONE if line.stop_bits == 1 else serialx.StopBits.TWO,
            exclusive=True,
        )
    except serialx.SerialException as fault:
        raise OSError(str(fault)) from fault

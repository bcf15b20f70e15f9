"""Serves virtual meters on TCP ports, as Modbus TCP or as RTU frames through TCP.

It promises that replies leave in the order of their requests on each connection, and that a fault
of one connection touches no other, but where the fault is that the port is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Framing
from wattscope.simulate.modbus_exchange import Exchange, split_rtu, split_tcp
from wattscope.simulate.modbus_faults import Ending, Step
from wattscope.simulate.modbus_gateway import VirtualGateway

REFUSED_S: Final = 2.0
"""For how long the fault ``refused`` closes the port [s]."""
_LOOKED_S: Final = 0.05
"""How often a closed port looks whether it may open again [s]."""
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class VirtualServer:
    """A gateway on a TCP port; use it as an asynchronous context."""

    def __init__(
        self,
        gateway: VirtualGateway,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        refused_s: float = REFUSED_S,
    ) -> None:
        """``port`` 0 takes a free one, which ``port`` then tells."""
        self.gateway = gateway
        self.host = host
        self.port = port
        self.n_connections = 0
        """Connections accepted since the start."""
        self._refused_s = refused_s
        self._listener: asyncio.Server | None = None
        self._links: set[RequestLink] = set()
        self._reopening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            SettingsError: The port cannot be had.
        """
        try:
            await self._listen()
        except OSError as fault:
            raise SettingsError(
                f"port {self.port} on {self.host} cannot be opened ({fault.strerror}); choose "
                "another with --port"
            ) from fault
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the port and all connections."""
        if self._reopening is not None:
            self._reopening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reopening
        self._stop_listening()
        # The transports tell their ends with the next turn of the loop.
        await asyncio.sleep(0)

    def refuse(self) -> None:
        """Close the port for a while, and with it all connections."""
        if self._reopening is None or self._reopening.done():
            self._stop_listening()
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._make_link, self.host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        if self.gateway.is_refusing():
            self.refuse()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for link in tuple(self._links):
            link.end(is_reset=False)

    async def _reopen(self) -> None:
        await asyncio.sleep(self._refused_s)
        while self.gateway.is_refusing():  # noqa: ASYNC110  # faults are changed from outside
            await asyncio.sleep(_LOOKED_S)
        await self._listen()

    def _make_link(self) -> RequestLink:
        self.n_connections += 1
        link = RequestLink(self.gateway, self.refuse, self._links.discard)
        self._links.add(link)
        return link


class RequestLink(asyncio.Protocol):
    """One connection, or one serial line: requests come in, replies go out."""

    def __init__(
        self,
        gateway: VirtualGateway,
        refuse: Callable[[], None],
        forget: Callable[[RequestLink], None] | None = None,
    ) -> None:
        """``refuse`` closes the port; ``forget`` is called when the connection has ended."""
        self._gateway = gateway
        self._refuse = refuse
        self._forget = forget
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._previous: Exchange | None = None
        self._waiting: deque[tuple[Exchange, tuple[Step, ...]]] = deque()
        self._work: asyncio.Task[None] | None = None
        self._is_hanging = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take what will be written to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # asyncio promises a stream
        self._transport = transport
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._gateway.is_closed_at_once():
            self.end(is_reset=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio names it
        """Drop what was still to be sent."""
        self._transport = None
        if self._work is not None:
            self._work.cancel()
        if self._forget is not None:
            self._forget(self)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are whole."""
        if self._is_hanging:
            return
        self._received += data
        gateway = self._gateway
        try:
            if gateway.framing is Framing.TCP:
                found = split_tcp(self._received)
            else:
                found = split_rtu(self._received, gateway.framing)
        except ValueError:
            self.end(is_reset=False)
            return
        for exchange in found:
            steps = gateway.answer(exchange, self._previous)
            self._previous = exchange
            if self._can_answer_at_once(steps):
                self._write(b"".join(one for one in steps if isinstance(one, bytes)))
            else:
                self._waiting.append((exchange, steps))
        if self._waiting and (self._work is None or self._work.done()):
            self._work = asyncio.get_running_loop().create_task(self._send_waiting())

    def _can_answer_at_once(self, steps: tuple[Step, ...]) -> bool:
        is_idle = not self._waiting and (self._work is None or self._work.done())
        is_plain = all(isinstance(one, bytes) for one in steps)
        return is_idle and is_plain and self._gateway.line is None

    async def _send_waiting(self) -> None:
        while self._waiting:
            exchange, steps = self._waiting.popleft()
            line = self._gateway.line
            if line is not None:
                n_reply = sum(len(one) for one in steps if isinstance(one, bytes))
                if self._gateway.framing is Framing.TCP:
                    n_reply = max(0, n_reply - 4)
                await line.pass_exchange(exchange.n_bytes, n_reply)
            for step in steps:
                await self._take(step)

    async def _take(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._write(step)
        elif isinstance(step, float):
            await asyncio.sleep(step)
        elif step is Ending.HANG:
            self._is_hanging = True
            self._waiting.clear()
        elif step is Ending.REFUSE:
            self._refuse()
        else:
            self.end(is_reset=step is Ending.RESET)

    def _write(self, sent: bytes) -> None:
        if self._transport is not None and sent:
            self._transport.write(sent)

    def end(self, *, is_reset: bool) -> None:
        """Close the connection, with RST where that is wanted."""
        if self._transport is None:
            return
        plain = self._transport.get_extra_info("socket")
        if is_reset and plain is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._transport.abort()
            return
        self._transport.close()

"""A Modbus peer that answers as it is told, byte by byte; it knows nothing of our encoders."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A listening peer."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    """Every request as it came."""
    n_connections: int = 0
    units: set[int] = field(default_factory=set)


@asynccontextmanager
async def run_peer(reply: Reply, *, length: int = 12) -> AsyncIterator[Peer]:
    """A peer on a free port that gives each request of ``length`` bytes to ``reply``."""
    peer = Peer(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.n_connections += 1
        while True:
            request = await reader.readexactly(length)
            peer.requests.append(request)
            await reply(request, writer)
            await writer.drain()

    async with run_server(serve) as port:
        peer.port = port
        yield peer


@asynccontextmanager
async def run_server(serve: Serve) -> AsyncIterator[int]:
    """The port of a server whose connections all end with the block."""
    open_ones: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones[task] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(follow, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in open_ones.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*open_ones, return_exceptions=True)
        # A transport ends with the next round of the loop.
        await asyncio.sleep(0)


def tcp_reply(request: bytes, words: list[int], **changes: int) -> bytes:
    """A reply to a Modbus TCP request, right but for the changes."""
    transaction = changes.get("transaction", int.from_bytes(request[:2], "big"))
    unit = changes.get("unit", request[6])
    function = changes.get("function", request[7])
    payload = b"".join(word.to_bytes(2, "big") for word in words)
    pdu = bytes((function, changes.get("n_bytes", len(payload)))) + payload
    length = changes.get("length", len(pdu) + 1)
    return (
        transaction.to_bytes(2, "big")
        + changes.get("protocol", 0).to_bytes(2, "big")
        + length.to_bytes(2, "big")
        + bytes((unit,))
        + pdu
    )


def refuse(request: bytes, code: int) -> bytes:
    """An exception reply to a Modbus TCP request."""
    return request[:4] + b"\x00\x03" + bytes((request[6], request[7] | 0x80, code))

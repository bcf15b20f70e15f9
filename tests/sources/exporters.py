"""Exporters on loopback that behave as they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.servers import LOOPBACK

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(
    body: bytes,
    content_type: str = "text/plain; version=0.0.4",
    *,
    status: str = "200 OK",
    **more: str,
) -> bytes:
    """A whole answer; names of further headers have _ for -."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@dataclass
class Exporter:
    """One of them."""

    answer: bytes | Answer
    """What it sends when it was asked; then it ends the connection."""
    requests: list[str] = field(default_factory=list)
    """Heads of the requests that came."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/metrics"

    @property
    def instance(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if isinstance(self.answer, bytes):
                    writer.write(self.answer)
                else:
                    await self.answer(writer)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def run_exporter(answer: bytes | Answer) -> AsyncIterator[Exporter]:
    """It listens until the end of the block."""
    exporter = Exporter(answer)
    tasks: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(exporter.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(take, LOOPBACK, 0)
    exporter.port = server.sockets[0].getsockname()[1]
    try:
        yield exporter
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

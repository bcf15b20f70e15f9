"""A meter behind a converter: a TCP server that says what a test has it say, and hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from wattscope.ports import RawMessage
from wattscope.sources.telegram import TelegramOptions, TelegramSource

NOW_US = 1_700_000_000_000_000
LOOPBACK = "127.0.0.1"


class TalkingMeter:
    """Says one script a connection, in blocks of some bytes; then it hangs up, or falls silent."""

    def __init__(self, scripts: Sequence[bytes], *, block: int = 64, hangs_up: bool = True) -> None:
        """The connection after the last script is kept open and told nothing."""
        self.scripts = list(scripts)
        self.n_connections = 0
        self.port = 0
        self._block = block
        self._hangs_up = hangs_up
        self._server: asyncio.Server | None = None
        self._over = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        """Listen; on the same port again after ``stop``."""
        self._server = await asyncio.start_server(self._talk, LOOPBACK, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up, and listen no longer."""
        self._over.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._over = asyncio.Event()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        self.n_connections += 1
        script = self.scripts.pop(0) if self.scripts else None
        if script is not None:
            for at in range(0, len(script), self._block):
                writer.write(script[at : at + self._block])
                await writer.drain()
        if script is None or not self._hangs_up:
            await self._over.wait()
        writer.close()


@asynccontextmanager
async def listening(
    meter: TalkingMeter, kind: str, *, silence_s: float = 60.0
) -> AsyncIterator[TelegramSource]:
    """A source on a meter that talks; both are ended."""
    await meter.start()
    options = TelegramOptions(kind, f"tcp://{LOOPBACK}:{meter.port}", silence_s=silence_s)
    source = TelegramSource("hall", options, lambda: NOW_US, lambda: 0.0)
    try:
        yield source
    finally:
        await source.close()
        await meter.stop()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that the source tells."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110  # the source has no event for what a page asks
            await asyncio.sleep(0)


async def hear(
    source: TelegramSource, n_messages: int, counts: Callable[[RawMessage], bool] = lambda _: True
) -> list[RawMessage]:
    """The next messages, until as many of them count."""
    heard: list[RawMessage] = []
    async with asyncio.timeout(60):
        stream = source.receive()
        async for group in stream:
            assert group
            heard += group
            await source.acknowledge(group)
            if sum(map(counts, heard)) >= n_messages:
                break
        await stream.aclose()  # type: ignore[attr-defined]  # it is an async generator
    return heard

"""Real brokers for the contract of the MQTT source, and a false one that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from typing import Self

from mqttium import MQTTProtocolVersion
from mqttium.api import AsyncClient

from wattscope.ports import RawMessage
from wattscope.sources.link_state import LinkState
from wattscope.sources.mqtt import MqttOptions, MqttSource

NOW_US = 1_795_000_000_000_000
PATIENCE_S = 15.0
_numbers = count(1)


def make_name(stem: str) -> str:
    """A name that no other test uses."""
    return f"{stem}-{next(_numbers)}"


async def wait_connected(source: MqttSource) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while source.state is not LinkState.CONNECTED:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)


class Listener:
    """A source that is being received from, and what came."""

    def __init__(self, options: MqttOptions, *, acknowledges: bool = True) -> None:
        self.source = MqttSource("mqtt", options, lambda: NOW_US, lambda: 0.0)
        self.groups: list[Sequence[RawMessage]] = []
        self.acknowledges = acknowledges
        self._task: asyncio.Task[None] | None = None

    @property
    def messages(self) -> list[RawMessage]:
        return [message for group in self.groups for message in group]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def _run(self) -> None:
        async for group in self.source.receive():
            self.groups.append(group)
            if self.acknowledges:
                await self.source.acknowledge(group)

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def wait_until(self, is_so: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        assert self._task is not None
        async with asyncio.timeout(timeout_s):
            while not is_so():
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.01)

    async def wait_connected(self) -> None:
        await self.wait_until(lambda: self.source.state is LinkState.CONNECTED)

    async def wait_detail(self, words: str) -> None:
        """Until the source says why it is not connected."""
        await self.wait_until(lambda: words in self.source.detail)

    async def wait_payloads(self, expected: Sequence[bytes]) -> None:
        """Until as many came; then they must be these."""
        with contextlib.suppress(TimeoutError):
            await self.wait_until(lambda: len(self.payloads) >= len(expected))
        assert self.payloads == list(expected)

    async def end(self) -> None:
        assert self._task is not None
        await self.source.close()
        await asyncio.wait_for(self._task, PATIENCE_S)


@contextlib.asynccontextmanager
async def listening(options: MqttOptions, *, acknowledges: bool = True) -> AsyncIterator[Listener]:
    """A listener that is connected."""
    listener = Listener(options, acknowledges=acknowledges)
    listener.begin()
    try:
        await listener.wait_connected()
        yield listener
    finally:
        await listener.end()


async def publish(
    port: int, messages: Sequence[tuple[str, bytes]], *, qos: int = 1, retain: bool = False
) -> None:
    """Publish in order, with the client library of somebody else."""
    client = AsyncClient(make_name("publisher"), protocol=MQTTProtocolVersion.MQTTv311)
    await client.connect("127.0.0.1", port)
    for topic, payload in messages:
        receipt = await client.publish(topic, payload, qos=qos, retain=retain)
    await receipt.wait()
    await client.disconnect()


class FalseBroker:
    """Takes connections and does to each what the test says."""

    def __init__(self, *scenes: Callable[[FalseConnection], Awaitable[None]]) -> None:
        self._scenes = list(scenes)
        self.connects: list[bytes] = []
        """The CONNECT packets that came."""
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = FalseConnection(reader, writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.connects.append(await connection.read_packet())
            # The last scene is played again for all that come later.
            scene = self._scenes.pop(0) if len(self._scenes) > 1 else self._scenes[0]
            await scene(connection)
        writer.close()


class FalseConnection:
    """The broker's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_packet(self) -> bytes:
        first = await self._reader.readexactly(1)
        length, shift, digits = 0, 0, b""
        while not digits or digits[-1] > 127:
            digits += await self._reader.readexactly(1)
            length |= (digits[-1] & 127) << shift
            shift += 7
        return first + digits + await self._reader.readexactly(length)

    async def send(self, packets: bytes) -> None:
        self._writer.write(packets)
        await self._writer.drain()

    async def greet(self, *, filters: int = 1) -> None:
        """Accept in MQTT 5, and grant the subscription."""
        await self.send(bytes.fromhex("20 03 00 00 00"))
        await self.read_packet()
        await self.send(b"\x90" + bytes((3 + filters, 0, 1, 0)) + b"\x01" * filters)

    async def wait_for_end(self) -> None:
        while await self._reader.read(65_536):
            pass


def source_options(port: int, **others: object) -> MqttOptions:
    chosen = {"filters": ("#",), "client_id": make_name("listener"), **others}
    return MqttOptions(f"mqtt://127.0.0.1:{port}", **chosen)  # type: ignore[arg-type]  # fields by name


def numbered(topic: str, numbers: range) -> list[tuple[str, bytes]]:
    return [(topic, f"{number}".encode()) for number in numbers]


def payloads(numbers: range) -> list[bytes]:
    return [f"{number}".encode() for number in numbers]


def false_options(broker: FalseBroker) -> MqttOptions:
    return MqttOptions(broker.url, ("#",), client_id="ws")

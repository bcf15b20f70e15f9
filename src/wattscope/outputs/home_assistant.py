"""All devices to Home Assistant by its MQTT discovery, and their newest values as they come.

::

    connect (last will: offline) ─▶ announce devices ─▶ online ─▶ states, whenever a value is newer
                                        ▲                              │
                                        └── birth of Home Assistant ───┘ new devices, silence

It promises that a device which falls silent becomes unavailable and keeps its last values, that
nothing which is not known is shown as 0, that registers become totals which never fall
(``energy_totals.py``), and that a Home Assistant which starts, or a broker that lost everything,
is told everything again. It cannot promise that each value is seen: a state is the newest one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from mqttium import MQTTError
from mqttium.api import AsyncClient, PublishMessage

from wattscope.compute.encode.home_assistant import OFFLINE, ONLINE, Places
from wattscope.core.errors import SettingsError
from wattscope.core.server_address import BROKER, find_port, split_address
from wattscope.outputs.device_news import DeviceNews, ToldDevice

_log = structlog.get_logger()
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
BIRTH_JITTER_S: Final = 5.0
"""Home Assistant has much to do when it starts: it is told within so long [s]."""
_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantOptions:
    """Which broker, under which topics, and how often."""

    url: str
    """``mqtt://host[:port]``, or ``mqtts://`` for TLS."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    places: Places = field(default_factory=Places)
    every_s: float = 1.0
    """Shortest time between two states of a device [s]."""


@dataclass(slots=True)
class HomeAssistantState:
    """How the output stands, for health; read from any thread."""

    fault: str = "connecting"
    """What is the matter, in words; empty while nothing is."""
    last_error: str = ""
    last_error_us: int | None = None
    last_success_us: int | None = None
    n_values: int = 0
    """Values that were told since the start of the process."""
    n_attempts_failed: int = 0
    n_announcements: int = 0
    """How often all devices were announced."""


class HomeAssistantOutput:
    """One broker at which Home Assistant listens; lives in the event loop."""

    kind = "home_assistant"

    def __init__(
        self,
        options: HomeAssistantOptions,
        news: DeviceNews,
        *,
        now_us: Callable[[], int],
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Touch no network yet.

        Args:
            options: Checked already, but for the address.
            news: What there is to tell.
            now_us: The clock [µs].
            draw: Gives numbers in [0, 1) for the jitter of delays.
            sleep: Waits [s].

        Raises:
            SettingsError: The address is none, or the certificate authority cannot be read.
        """
        self._options, self._news = options, news
        self._now_us, self._draw, self._sleep = now_us, draw, sleep
        self._host, self._port, self._tls = _read_address(options)
        self.state = HomeAssistantState()
        self._births = asyncio.Event()

    @property
    def address(self) -> str:
        """The broker, without user and password."""
        return f"{self._host}:{self._port}"

    async def run(self) -> None:
        """Tell for ever; ended by cancelling, which says that we are gone."""
        n_failures = 0
        while True:
            try:
                await self._serve()
            except* (MQTTError, OSError) as faults:
                words = str(_first_of(faults)) or "no answer in time"
                if not self.state.fault:
                    # It had worked.
                    n_failures = 0
                self._note_failure(f"broker {self.address}: {words}")
            grown_s = min(FIRST_RETRY_S * 2.0 ** min(n_failures, 20), LONGEST_RETRY_S)
            n_failures += 1
            await self._sleep(grown_s * (0.5 + 0.5 * self._draw()))

    def close(self) -> None:
        """Nothing is left to be let go of: ``run`` ends its connection when it is cancelled."""

    async def _serve(self) -> None:
        """One connection, until it ends by an error."""
        options, places = self._options, self._options.places
        client = AsyncClient(
            username=options.username,
            password=options.password,
            keepalive=30,
            will=PublishMessage(places.status, OFFLINE, qos=1, retain=True),
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                await client.connect(self._host, self._port, ssl=self._tls)
                await client.subscribe(places.birth, qos=1)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client))
                tasks.create_task(self._tell(client))
        finally:
            with contextlib.suppress(MQTTError, OSError):
                async with asyncio.timeout(_ANSWER_S):
                    if client.is_connected:
                        # A connection that ends in order has no last will.
                        await self._publish(client, [(places.status, OFFLINE)])
                    await client.disconnect()

    async def _listen(self, client: AsyncClient) -> None:
        """Hear of births of Home Assistant; what is retained was said before we came."""
        async for message in client.messages():
            if bytes(message.payload) == ONLINE and not message.retain:
                self._births.set()
        raise ConnectionResetError("the connection ended")

    async def _tell(self, client: AsyncClient) -> None:
        places = self._options.places
        self._births.clear()
        while True:
            told: dict[str, ToldDevice] = {}
            await self._tell_newer(client, told)
            # Only now: whoever sees us online finds everything there.
            await self._publish(client, [(places.status, ONLINE)])
            self.state.n_announcements += 1
            while not self._births.is_set():
                await self._tell_newer(client, told)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._births.wait(), self._options.every_s)
            self._births.clear()
            await self._sleep(BIRTH_JITTER_S * self._draw())

    async def _tell_newer(self, client: AsyncClient, told: dict[str, ToldDevice]) -> None:
        """Tell what the broker does not have yet."""
        news = await asyncio.to_thread(self._news.collect, told, self._now_us())
        await self._publish(client, news.messages)
        self.state.n_values += news.n_values
        self._note_success()

    async def _publish(self, client: AsyncClient, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish, retained, and wait until the broker has it."""
        if not messages:
            return
        batch = [PublishMessage(topic, body, qos=1, retain=True) for topic, body in messages]
        async with asyncio.timeout(_ANSWER_S * (1 + len(batch) / 1000)):
            await (await client.publish_many(batch)).wait()

    def _note_failure(self, words: str) -> None:
        """A change is said once."""
        state = self.state
        if words != state.fault:
            _log.warning("output takes nothing", output=self.kind, reason=words)
        state.fault = state.last_error = words
        state.last_error_us = self._now_us()
        state.n_attempts_failed += 1

    def _note_success(self) -> None:
        if self.state.fault:
            _log.info("devices are announced", output=self.kind, broker=self.address)
        self.state.fault = ""
        self.state.last_success_us = self._now_us()


def _first_of(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error within a group, however deep."""
    first = faults.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _read_address(options: HomeAssistantOptions) -> tuple[str, int, ssl.SSLContext | None]:
    """Host, port and TLS of a broker.

    Raises:
        SettingsError: The address is none, or the certificate authority cannot be read.
    """
    address = split_address(options.url, BROKER)
    if address is None:
        raise SettingsError(["url is no MQTT address; write mqtt://host:1883 or mqtts://host"])
    tls = None
    if address.scheme == "mqtts":
        try:
            tls = ssl.create_default_context(cafile=options.ca_file)
        except OSError as fault:
            raise SettingsError([f"ca_file {options.ca_file}: {fault}"]) from fault
    return str(address.hostname), find_port(address), tls

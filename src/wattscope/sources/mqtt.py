"""MQTT with a persistent session and acknowledgement only when told so.

It promises that the broker keeps every QoS 1 message until ``acknowledge`` was called with it,
that at most ``max_waiting`` messages wait in memory, and that a lost connection comes back by
itself with back-off and jitter.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog
from mqttium import ConnectRefusedError, MQTTError, MQTTProtocolVersion
from mqttium.api import AsyncClient
from mqttium.types import Message, Properties

from wattscope.core.errors import SettingsError
from wattscope.ports import RawMessage

_log = structlog.get_logger()
_PORTS = {"mqtt": 1883, "mqtts": 8883}
MAX_PACKET_BYTES = 64 * 1024 * 1024
"""A larger packet ends the connection; what is beyond 64 KiB is set aside by its head."""
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long an MQTT 5 broker keeps our session while we are away [s]."""
_UNSUPPORTED_PROTOCOL = {1, 0x84}
"""CONNACK codes of a broker that speaks another version (MQTT 3.1.1, 3.2.2.3; MQTT 5, 3.2.2.2)."""
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 60.0


class LinkState(Enum):
    """Where a source stands with its other end."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How to reach a broker and what to hear there.

    Raises:
        SettingsError: The address cannot be used.
    """

    url: str
    """``mqtt://host:1883``, or ``mqtts://`` for TLS."""
    filters: tuple[str, ...]
    client_id: str = "wattscope"
    """The session's name; two programs with one name take it from each other."""
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    qos: int = 1
    max_waiting: int = 5000
    """Messages that wait in memory before the socket is no longer read."""
    max_group: int = 2000
    """Messages handed on at once at most."""

    def __post_init__(self) -> None:
        """Check the address."""
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError(
                [f"url {self.url!r} is no MQTT address; write mqtt://host:1883 or mqtts://host"]
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]


class MqttSource:
    """The source port over an MQTT broker; MQTT 5 where the broker speaks it, else 3.1.1."""

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        now_us: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        """Touch no network yet.

        Args:
            name: Name of the source in messages and on the health page.
            options: Checked already.
            now_us: The clock [µs since 1970].
            draw: Numbers in [0, 1) for the jitter of reconnecting.
        """
        self.name = name
        self.options = options
        self.state = LinkState.STOPPED
        self.detail = ""
        """Why the link is not up, in words."""
        self._now_us = now_us
        self._draw = draw
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._client = self._build_client()

    def _build_client(self) -> AsyncClient:
        options = self.options
        parts = urlsplit(options.url)
        is_v5 = self._protocol is MQTTProtocolVersion.MQTTv5
        expiry = Properties({"session_expiry_interval": SESSION_EXPIRY_S})
        return AsyncClient(
            options.client_id,
            protocol=self._protocol,
            clean_start=False,
            connect_properties=expiry if is_v5 else None,
            keepalive=30,
            username=options.username or (unquote(parts.username) if parts.username else None),
            password=options.password or (unquote(parts.password) if parts.password else None),
            manual_ack=True,
            max_inbound_inflight=2 * options.max_waiting if is_v5 else None,
            max_iterator_messages=options.max_waiting,
            max_iterator_bytes=2 * MAX_PACKET_BYTES,
            maximum_packet_size=MAX_PACKET_BYTES,
            reconnect=None,
        )

    async def receive(self) -> AsyncIterator[Sequence[RawMessage]]:
        """Groups of messages as they gather; waits for ever for a broker that is away.

        Every new connection subscribes again: a broker that lost our session would otherwise
        stay silent without an error.
        """
        while True:
            await self._connect()
            messages = self._client.messages()
            try:
                async for first in messages:
                    yield await self._gather(first, messages)
            except MQTTError as fault:
                self.detail = str(fault)
            self.state = LinkState.CONNECTING
            _log.warning("broker lost", source=self.name, reason=self.detail)

    async def _gather(self, first: Message, messages: AsyncIterator[Message]) -> list[RawMessage]:
        """The first message with those that wait behind it; never waits itself."""
        waiting = min(self._client.stats().delivery.iterator_queued, self.options.max_group - 1)
        group = [first]
        for _ in range(waiting):
            group.append(await anext(messages))
        received_at_us = self._now_us()
        return [_to_raw(message, received_at_us) for message in group]

    async def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        """Tell the broker that these are safe; after a lost connection it sends them again."""
        try:
            for message in messages:
                if isinstance(message.receipt, Message):
                    await self._client.ack(message.receipt)
        except MQTTError as fault:
            _log.info("acknowledgement not sent", source=self.name, reason=str(fault))

    async def close(self) -> None:
        """End the connection; the broker keeps the session."""
        self.state = LinkState.STOPPED
        await self._client.disconnect()

    async def _connect(self) -> None:
        """Connect and subscribe, however long it takes."""
        host, port = self.options.address
        delay_s = _FIRST_DELAY_S
        self.state = LinkState.CONNECTING
        while True:
            self._client = self._build_client()
            try:
                await self._client.connect(host, port, ssl=self._tls())
                for pattern in self.options.filters:
                    await self._client.subscribe(pattern, qos=self.options.qos)
            except (MQTTError, OSError) as fault:
                await self._client.disconnect()
                if self._falls_back(fault):
                    continue
                reason = str(fault) or "no answer"
                if self.detail != reason:
                    _log.warning("broker not reached", source=self.name, reason=reason)
                self.detail = reason
                await asyncio.sleep(delay_s * (0.5 + self._draw()))
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
                continue
            self.state, self.detail = LinkState.CONNECTED, ""
            _log.info("broker reached", source=self.name, host=host, port=port)
            return

    def _falls_back(self, fault: Exception) -> bool:
        """Whether the broker refused MQTT 5, so that 3.1.1 is to be tried at once."""
        is_v5 = self._protocol is MQTTProtocolVersion.MQTTv5
        if not (is_v5 and isinstance(fault, ConnectRefusedError)):
            return False
        if fault.reason_code not in _UNSUPPORTED_PROTOCOL:
            return False
        self._protocol = MQTTProtocolVersion.MQTTv311
        return True

    def _tls(self) -> ssl.SSLContext | None:
        if urlsplit(self.options.url).scheme != "mqtts":
            return None
        return ssl.create_default_context(cafile=self.options.ca_file)


def _to_raw(message: Message, received_at_us: int) -> RawMessage:
    return RawMessage(
        message.topic, message.payload, received_at_us, message.retain, message.dup, message
    )

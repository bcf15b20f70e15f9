"""Alerts as JSON on a topic of an MQTT broker: QoS 1, not retained.

A broker may hand a message on twice (that is what QoS 1 means); the id within it tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote

from mqttium import MQTTError
from mqttium.api import AsyncClient, PublishMessage

from wattscope.core.alerting import Notice
from wattscope.core.errors import SettingsError, TransientError
from wattscope.core.server_address import BROKER, find_port, split_address
from wattscope.notifiers.words import encode_notice

TOPIC = "wattscope/alerts"


@dataclass(frozen=True, slots=True)
class MqttNotifierOptions:
    """Which broker, and under which topic."""

    url: str = field(repr=False)
    """``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS."""
    topic: str = TOPIC
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    timeout_s: float = 10.0


class MqttNotifier:
    """Publishes to one broker; connects for each message, for alerts are rare."""

    kind = "mqtt"

    def __init__(self, options: MqttNotifierOptions) -> None:
        """Read the address.

        Raises:
            SettingsError: It is none, or the certificate authority cannot be read.
        """
        self._options = options
        self._address = _read_address(options.url)
        self._tls = None
        if self._address.scheme == "mqtts":
            try:
                self._tls = ssl.create_default_context(cafile=options.ca_file)
            except OSError as fault:
                raise SettingsError([f"ca_file {options.ca_file}: {fault}"]) from fault

    async def send(self, notice: Notice) -> None:
        """Publish, and wait until the broker has it."""
        address, options = self._address, self._options
        port = find_port(address)
        user = options.username or (address.username and unquote(address.username))
        password = options.password or (address.password and unquote(address.password))
        client = AsyncClient(username=user or None, password=password or None)
        try:
            async with asyncio.timeout(options.timeout_s):
                await client.connect(str(address.hostname), port, ssl=self._tls)
                body = encode_notice(notice)
                receipt = await client.publish_many([PublishMessage(options.topic, body, qos=1)])
                await receipt.wait()
        except (MQTTError, OSError) as fault:
            words = str(fault) or "no answer in time"
            raise TransientError(f"broker {address.hostname}:{port}: {words}") from fault
        finally:
            with contextlib.suppress(MQTTError, OSError):
                await client.disconnect()


def _read_address(url: str) -> SplitResult:
    """The parts of a broker's address.

    Raises:
        SettingsError: It is none; the message does not repeat it.
    """
    address = split_address(url, BROKER)
    if address is None:
        raise SettingsError(["url is no MQTT address; write mqtt://host:1883 or mqtts://host"])
    return address

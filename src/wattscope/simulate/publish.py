"""Sends a simulator's messages to an MQTT broker, slot after slot of the wall clock, at QoS 1.

It promises that a message is sent in the slot to which it belongs: a slot that was missed while
the broker was away is left out, because a bare number carries no time and would be stored at a
wrong one.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote

from mqttium import MQTTError
from mqttium.api import AsyncClient, PublishMessage, ReconnectPolicy

from wattscope.core.errors import SettingsError, TransientError
from wattscope.core.server_address import BROKER, find_port, split_address
from wattscope.core.time_grid import US_PER_S

MessagesAt = Callable[[int], Sequence[tuple[str, bytes]]]
"""The simulator: what is published at an instant [µs since 1970, UTC], as (topic, payload)."""

_RECONNECT = ReconnectPolicy(initial_delay=0.5, max_delay=15.0)


class WallClock(NamedTuple):
    """Where time comes from; tests give their own."""

    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class BrokerAccess(NamedTuple):
    """Where the broker is and how it is talked to."""

    url: str
    """``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS."""
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    connect_timeout_s: float = 30.0
    """How long the first connection is tried for [s]."""


async def publish(
    messages_at: MessagesAt,
    broker: BrokerAccess,
    *,
    interval_s: float,
    count: int | None = None,
    clock: WallClock | None = None,
    on_sent: Callable[[int], None] | None = None,
) -> int:
    """Publish the messages of every slot from the next one on.

    Args:
        messages_at: The simulator.
        broker: Where to.
        interval_s: Length of a slot [s]; slots begin at its multiples since 1970.
        count: Slots to publish; None goes on until cancelled.
        clock: Another clock than the machine's.
        on_sent: Told each slot [µs] whose messages the broker has acknowledged.

    Returns:
        Messages that the broker acknowledged.

    Raises:
        SettingsError: The address or the interval cannot be used.
        TransientError: No broker answered in time, or it refused the connection for good.
    """
    address = _read_address(broker.url)
    if not interval_s >= 0.01:
        raise SettingsError([f"interval {interval_s} s is too short; use 0.01 or more"])
    wall = clock or WallClock()
    client = await _connect(address, broker)
    sent = 0
    try:
        interval_us = round(interval_s * US_PER_S)
        async for slot_us, n in _publish_slots(client, messages_at, interval_us, count, wall):
            sent += n
            if on_sent is not None:
                on_sent(slot_us)
    except MQTTError as error:
        raise TransientError(f"broker at {_printable(address)} ended it: {error}") from error
    finally:
        await client.disconnect()
    return sent


async def publish_to(
    messages_at: MessagesAt,
    url: str,
    *,
    interval_s: float,
    count: int | None = None,
    on_sent: Callable[[int], None] | None = None,
) -> int:
    """``publish`` to the broker at a URL, on the machine's clock."""
    broker = BrokerAccess(url)
    return await publish(messages_at, broker, interval_s=interval_s, count=count, on_sent=on_sent)


async def _publish_slots(
    client: AsyncClient,
    messages_at: MessagesAt,
    interval_us: int,
    count: int | None,
    wall: WallClock,
) -> AsyncIterator[tuple[int, int]]:
    """One group of messages a slot, each acknowledged before the next slot is looked at.

    Yields:
        Each slot [µs], and how many messages it had.
    """
    slots = 0
    # The first question may sum years of counters; it must not make the first slot late.
    await asyncio.to_thread(messages_at, wall.now_us())
    slot_us = (wall.now_us() // interval_us + 1) * interval_us
    while count is None or slots < count:
        batch = [PublishMessage(topic, body, qos=1) for topic, body in messages_at(slot_us)]
        await wall.sleep(max(0.0, (slot_us - wall.now_us()) / US_PER_S))
        receipt = await client.publish_many(batch)
        await receipt.wait()
        yield slot_us, len(batch)
        slots += 1
        # A slow broker or a suspended machine skips slots; it never shifts them.
        slot_us = max(slot_us + interval_us, wall.now_us() // interval_us * interval_us)


async def _connect(address: SplitResult, broker: BrokerAccess) -> AsyncClient:
    """A connected client that comes back by itself; a broker that starts late is waited for."""
    client = AsyncClient(
        username=None if address.username is None else unquote(address.username),
        password=None if address.password is None else unquote(address.password),
        reconnect=_RECONNECT,
    )
    tls = None
    if address.scheme == "mqtts":
        tls = ssl.create_default_context(cafile=broker.ca_file)
    port = find_port(address)
    try:
        async with asyncio.timeout(broker.connect_timeout_s):
            await client.connect(str(address.hostname), port, ssl=tls)
    except (MQTTError, OSError) as error:
        await client.disconnect()
        raise TransientError(
            f"no MQTT broker at {_printable(address)}: {str(error) or 'no answer in time'}; "
            "start it, or name another with --url"
        ) from error
    return client


def _read_address(url: str) -> SplitResult:
    """The parts of a broker's URL.

    Raises:
        SettingsError: Not an MQTT URL with a host.
    """
    hint = "write mqtt://host:1883 or mqtts://user:password@host"
    address = split_address(url, BROKER)
    if address is None:
        raise SettingsError([f"broker address is not an MQTT URL; {hint}"])
    return address


def _printable(address: SplitResult) -> str:
    """The address without user and password."""
    return f"{address.hostname}:{find_port(address)}"

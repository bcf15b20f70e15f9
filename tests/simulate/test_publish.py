"""The publisher sends each slot's messages within that slot, and says where a broker is missing."""

from __future__ import annotations

import asyncio

import pytest
from mqttium.api import AsyncClient

from tests.servers import MosquittoServer
from wattscope.core.errors import SettingsError, TransientError
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.publish import BrokerAccess, WallClock, publish

START_US = 1_780_000_000 * US_PER_S + 1


class _PacedClock:
    """Time that passes only while somebody sleeps, and jumps once."""

    def __init__(self, *, jump_at_sleep: int = -1, jump_s: float = 0.0) -> None:
        self.now = START_US
        self._sleeps = 0
        self._jump = (jump_at_sleep, jump_s)

    async def sleep(self, seconds: float) -> None:
        at_sleep, jump_s = self._jump
        self.now += round(seconds * US_PER_S)
        if self._sleeps == at_sleep:
            self.now += round(jump_s * US_PER_S)
        self._sleeps += 1
        await asyncio.sleep(0)

    def wall(self) -> WallClock:
        return WallClock(lambda: self.now, self.sleep)


async def _publish_and_collect(
    server: MosquittoServer, topic: str, clock: _PacedClock, count: int
) -> list[int]:
    """The slots [s after the start] whose messages a subscriber received."""
    listener = AsyncClient()
    await listener.connect("127.0.0.1", server.port)
    await listener.subscribe([(topic, 1)])
    acknowledged = await publish(
        lambda instant_us: [(topic, str(instant_us).encode())],
        BrokerAccess(server.url),
        interval_s=5.0,
        count=count,
        clock=clock.wall(),
    )
    assert acknowledged == count
    received: list[int] = []
    async with asyncio.timeout(10):
        async for message in listener.messages():
            received.append(int(message.payload))
            if len(received) == count:
                break
    await listener.disconnect()
    return [(slot - START_US) // US_PER_S for slot in received]


@pytest.mark.integration
async def test_every_slot_is_published_once_and_in_order(mosquitto: MosquittoServer) -> None:
    slots = await _publish_and_collect(mosquitto, "test/slots/plain", _PacedClock(), 4)
    assert slots == [4, 9, 14, 19]


@pytest.mark.integration
async def test_slots_missed_by_a_sleeping_machine_are_left_out(mosquitto: MosquittoServer) -> None:
    clock = _PacedClock(jump_at_sleep=1, jump_s=60.0)
    slots = await _publish_and_collect(mosquitto, "test/slots/missed", clock, 4)
    assert slots == [4, 9, 69, 74]


@pytest.mark.integration
async def test_a_missing_broker_is_named_without_the_password(free_port: int) -> None:
    access = BrokerAccess(f"mqtt://me:secret@127.0.0.1:{free_port}", connect_timeout_s=0.3)
    with pytest.raises(TransientError) as caught:
        await publish(lambda _: [], access, interval_s=5.0, count=1)
    assert f"127.0.0.1:{free_port}" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:1883", "http://localhost", "mqtt://", "mqtt://h:99999", "mqtt://[::1", ""]
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://host:1883"):
        await publish(lambda _: [], BrokerAccess(url), interval_s=5.0)


@pytest.mark.parametrize("interval_s", [0.0, -1.0, float("nan")])
async def test_an_interval_must_have_a_length(interval_s: float) -> None:
    with pytest.raises(SettingsError, match="interval"):
        await publish(lambda _: [], BrokerAccess("mqtt://localhost"), interval_s=interval_s)

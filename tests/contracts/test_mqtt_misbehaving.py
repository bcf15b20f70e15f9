"""Brokers that misbehave: a false one says what no real one would."""

from __future__ import annotations

import asyncio

import pytest

from tests.contracts.mqtt_brokers import (
    FalseBroker,
    FalseConnection,
    Listener,
    false_options,
    listening,
    payloads,
)
from tests.sources.packets import publish as build_publish
from wattscope.sources import mqtt, mqtt_link
from wattscope.sources.link_state import LinkState
from wattscope.sources.mqtt import MqttOptions

pytestmark = pytest.mark.integration


async def _close(_: FalseConnection) -> None:
    """Say nothing."""


async def _stay(connection: FalseConnection) -> None:
    await connection.greet()
    await connection.wait_for_end()


async def test_broker_that_closes_on_mqtt_5_is_asked_in_the_older_version() -> None:
    async def greet_older(connection: FalseConnection) -> None:
        await connection.send(bytes.fromhex("20 02 00 00"))
        await connection.read_packet()
        await connection.send(bytes.fromhex("90 03 0001 01"))
        await connection.send(build_publish("t", b"x", mid=1))
        assert await connection.read_packet() == bytes.fromhex("40 02 0001")
        await connection.send(build_publish("t", b"acknowledged"))
        await connection.wait_for_end()

    async with FalseBroker(_close, greet_older) as broker:
        async with listening(false_options(broker)) as listener:
            await listener.wait_payloads([b"x", b"acknowledged"])
        assert [connect[8] for connect in broker.connects] == [5, 4]


async def test_broker_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_link, "ANSWER_TIMEOUT_S", 0.1)
    async with FalseBroker(FalseConnection.wait_for_end) as broker:
        listener = Listener(false_options(broker))
        listener.begin()
        await listener.wait_detail("no answer within 0.1 s")
        await listener.end()


async def test_broker_that_dies_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 0.4)
    monkeypatch.setattr(mqtt_link, "build_connect", lambda *_: bytes.fromhex("c000"))
    async with FalseBroker(_stay) as broker, listening(false_options(broker)) as listener:
        await listener.wait_detail("the broker did not answer for 0.2 s")


async def test_broker_s_own_keep_alive_is_kept_and_pings_are_answered() -> None:
    pings = []

    async def be_strict(connection: FalseConnection) -> None:
        await connection.send(bytes.fromhex("20 06 00 00 03 13 0001"))
        await connection.read_packet()
        await connection.send(bytes.fromhex("90 04 0001 00 01"))
        while True:
            pings.append(await connection.read_packet())
            await connection.send(bytes.fromhex("d000"))

    async with FalseBroker(be_strict) as broker, listening(false_options(broker)) as listener:
        await listener.wait_until(lambda: len(pings) >= 3)
        assert listener.source.state is LinkState.CONNECTED
        assert set(pings) == {b"\xc0\x00"}


@pytest.mark.parametrize(
    ("nonsense", "words"),
    [
        ("34 05 0001 74 0001", "the broker sent a message of QoS 2"),
        ("ff 00", "the broker sent a packet 0xff"),
        ("20 03 00 00 00", "the broker answered CONNECT twice"),
        ("90 04 0007 00 01", "answered a subscription we did not ask for"),
        ("90 05 0001 00 01 01", "answered a subscription we did not ask for"),
    ],
)
async def test_nonsense_ends_the_connection_but_not_what_came_before(
    nonsense: str, words: str
) -> None:
    async def talk(connection: FalseConnection) -> None:
        await connection.greet()
        await connection.send(build_publish("t", b"x", properties=b"") + bytes.fromhex(nonsense))
        await connection.wait_for_end()

    async with FalseBroker(talk) as broker:
        listener = Listener(false_options(broker))
        listener.begin()
        await listener.wait_detail(words)
        assert listener.payloads == [b"x"]
        # It would say it again: there is no hurry.
        await asyncio.sleep(1.0)
        assert len(broker.connects) == 1
        await listener.end()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("90 04 0001 00 87", "no filter granted: #: the broker does not authorise us"),
        ("d0 00", "the broker did not answer CONNECT first"),
        ("e0 01 8b", "the broker is shutting down"),
        ("20 03 00 88 00", "the broker is not available now"),
        ("20 03 00 86 00", "does not accept username and password"),
        ("20 02 00 01", "does not speak this version of MQTT"),
    ],
)
async def test_refusals_are_told(answer: str, words: str) -> None:
    async def refuse(connection: FalseConnection) -> None:
        if answer.startswith(("90", "e0")):
            await connection.send(bytes.fromhex("20 03 00 00 00"))
            await connection.read_packet()
        await connection.send(bytes.fromhex(answer))
        await connection.wait_for_end()

    async with FalseBroker(refuse) as broker:
        listener = Listener(false_options(broker))
        listener.begin()
        await listener.wait_detail(words)
        await listener.end()


async def test_one_filter_of_two_refused_is_told_and_the_other_heard() -> None:
    async def grant_one(connection: FalseConnection) -> None:
        await connection.send(bytes.fromhex("20 03 00 00 00"))
        await connection.read_packet()
        await connection.send(bytes.fromhex("90 05 0001 00 01 8f"))
        await connection.send(build_publish("a", b"x", properties=b""))
        await connection.wait_for_end()

    async with FalseBroker(grant_one) as broker:
        options = MqttOptions(broker.url, ("a", "b"), client_id="ws")
        async with listening(options) as listener:
            await listener.wait_payloads([b"x"])
            assert listener.source.detail == (
                "b: the broker says: topic filter not accepted (code 0x8F)"
            )


async def test_messages_before_the_subscription_is_answered_do_not_block_it() -> None:
    """A session's backlog may fill all that may wait before SUBACK comes."""

    async def pour(connection: FalseConnection) -> None:
        await connection.send(bytes.fromhex("20 03 01 00 00"))
        await connection.read_packet()
        backlog = [build_publish("t", payload, properties=b"") for payload in payloads(range(500))]
        await connection.send(b"".join(backlog) + bytes.fromhex("90 04 0001 00 01"))
        await connection.wait_for_end()

    async with FalseBroker(pour) as broker:
        options = MqttOptions(broker.url, ("#",), client_id="ws", max_waiting=20, max_group=7)
        async with listening(options) as listener:
            await listener.wait_payloads(payloads(range(500)))


async def test_end_of_waiting_is_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing need not wait until the next attempt is due."""
    monkeypatch.setattr(mqtt, "_FIRST_DELAY_S", 60.0)
    async with FalseBroker(_close) as broker:
        listener = Listener(false_options(broker))
        listener.begin()
        await listener.wait_detail("in place of an answer")
        await asyncio.wait_for(listener.end(), 1)
        assert listener.source.state is LinkState.STOPPED

"""The contract of the source port over MQTT, with Mosquitto and with the embedded broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.contracts.mqtt_brokers import (
    NOW_US,
    FalseBroker,
    FalseConnection,
    Listener,
    false_options,
    listening,
    make_name,
    numbered,
    payloads,
    publish,
    source_options,
    wait_connected,
)
from tests.servers import (
    MosquittoServer,
    find_free_port,
)
from wattscope import broker as broker_module
from wattscope.broker import BrokerOptions, EmbeddedBroker
from wattscope.core.errors import SettingsError
from wattscope.ports import RawMessage, Source
from wattscope.sources import mqtt
from wattscope.sources.link_state import LinkState
from wattscope.sources.mqtt import MqttSource
from wattscope.sources.mqtt_codec import Receipt

pytestmark = pytest.mark.integration


@pytest.fixture(params=["mosquitto", "embedded"])
async def port(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    """A broker of each kind."""
    if request.param == "mosquitto":
        server: MosquittoServer = request.getfixturevalue("mosquitto")
        yield server.port
        return
    build_config = broker_module.build_config

    def build_impatient_config(options: BrokerOptions) -> dict[str, object]:
        # It sends again not at reconnecting, but this long after the first time: usually 30 s.
        config = build_config(options)
        return config | {"mqtt": {**config["mqtt"], "ack_wait": "2s"}}  # type: ignore[dict-item]  # a mapping

    monkeypatch.setattr(broker_module, "build_config", build_impatient_config)
    broker = EmbeddedBroker(BrokerOptions(tmp_path, port=find_free_port(), is_synced=False))
    try:
        await broker.start()
    except SettingsError as missing:
        pytest.skip(str(missing))
    yield broker.options.port
    await broker.stop()


# ── at least once ────────────────────────────────────────────────────────────────────────────


async def test_messages_come_in_order_with_all_their_fields(port: int) -> None:
    topic = make_name("fields")
    async with listening(source_options(port, filters=(f"{topic}/+", "unused/#"))) as listener:
        assert isinstance(listener.source, MqttSource)
        source: Source = listener.source
        assert source.name == "mqtt"
        for part in range(3):
            await publish(port, numbered(f"{topic}/{part}", range(100)))
        await listener.wait_payloads(payloads(range(100)) * 3)
    first = listener.messages[0]
    assert first.topic == f"{topic}/0"
    assert first.received_at_us == NOW_US
    assert (first.is_retained, first.is_redelivered) == (False, False)
    assert isinstance(first.receipt, Receipt)
    assert 1 <= first.receipt.mid <= 65_535


async def test_what_was_acknowledged_never_comes_again_the_rest_does(port: int) -> None:
    topic = make_name("again")
    options = source_options(port, filters=(topic,), max_group=10)
    async with listening(options, acknowledges=False) as listener:
        await publish(port, numbered(topic, range(60)))
        await listener.wait_payloads(payloads(range(60)))
        await listener.source.acknowledge(listener.messages[:25])
        # The broker handles what came before a goodbye before the goodbye.
    async with listening(options) as again:
        await again.wait_payloads(payloads(range(25, 60)))
        assert all(message.is_redelivered for message in again.messages)
    await publish(port, numbered(topic, range(60, 70)))
    async with listening(options) as third:
        await third.wait_payloads(payloads(range(60, 70)))
        assert not any(message.is_redelivered for message in third.messages)


async def test_what_was_acknowledged_is_known_although_more_was_not_read(port: int) -> None:
    """Unread bytes must not make the goodbye a reset, which brokers take for a lost connection."""
    topic = make_name("unread")
    options = source_options(port, filters=(topic,), max_group=10, max_waiting=20)
    async with listening(options):
        pass
    await publish(port, [(topic, body + bytes(4000)) for _, body in numbered(topic, range(800))])
    acknowledged: list[bytes] = []
    for turn in range(1, 6):
        source = MqttSource("mqtt", options, lambda: NOW_US, lambda: 0.0)
        async for group in source.receive():
            if len(acknowledged) < 50 * turn:
                await source.acknowledge(group)
                acknowledged += [message.payload for message in group]
            else:
                await source.close()
    assert len(set(acknowledged)) == len(acknowledged) >= 250


async def test_messages_sent_while_nobody_listens_come_later(port: int) -> None:
    topic = make_name("absent")
    options = source_options(port, filters=(topic,))
    async with listening(options):
        pass
    await publish(port, numbered(topic, range(300)))
    async with listening(options) as listener:
        await listener.wait_payloads(payloads(range(300)))


async def test_receipts_of_an_older_connection_are_ignored(port: int) -> None:
    topic = make_name("outdated")
    options = source_options(port, filters=(topic,))
    async with listening(options, acknowledges=False) as listener:
        await publish(port, numbered(topic, range(5)))
        await listener.wait_payloads(payloads(range(5)))
        assert listener.source._link is not None
        listener.source._link.abort()
        await listener.wait_payloads(payloads(range(5)) * 2)
        await listener.source.acknowledge(listener.messages[:5])
        await listener.source.acknowledge([RawMessage("x", b"", 0, receipt="of nobody")])
        await listener.source.acknowledge([])
    async with listening(options) as again:
        await again.wait_payloads(payloads(range(5)))
    await again.source.acknowledge(again.messages)  # closed: nothing happens


async def test_qos_0_needs_no_acknowledgement(port: int) -> None:
    topic = make_name("qos0")
    options = source_options(port, filters=(topic,), qos=0)
    async with listening(options, acknowledges=False) as listener:
        await publish(port, numbered(topic, range(5)))
        await listener.wait_payloads(payloads(range(5)))
        assert {message.receipt for message in listener.messages} == {None}
        await listener.source.acknowledge(listener.messages)
    async with listening(options) as again:
        await publish(port, [(topic, b"new")])
        await again.wait_payloads([b"new"])


async def test_retained_message_says_so(port: int) -> None:
    topic = make_name("retained")
    await publish(port, [(topic, b"old")], retain=True)
    async with listening(source_options(port, filters=(topic,))) as listener:
        await listener.wait_payloads([b"old"])
        await publish(port, [(topic, b"live")], retain=True)
        await listener.wait_payloads([b"old", b"live"])
    assert [message.is_retained for message in listener.messages] == [True, False]
    await publish(port, [(topic, b"")], retain=True)


async def test_run_that_failed_in_the_middle_does_not_stand_in_the_way(port: int) -> None:
    """The supervisor starts a failed stage again before the old generator is collected."""
    topic = make_name("failed")
    source = MqttSource("mqtt", source_options(port, filters=(topic,)), lambda: NOW_US, lambda: 0.0)
    runs = []
    for number in range(3):
        run = source.receive()
        runs.append(run)
        taken = asyncio.ensure_future(anext(run))
        await wait_connected(source)
        if not number:
            await publish(port, [(topic, b"held")])
        assert [m.payload for m in await asyncio.wait_for(taken, 10)] == [b"held"]
    assert await anext(runs[0], None) is None
    await wait_connected(source)
    await source.close()
    assert source.state.value == "stopped"
    assert await anext(runs[2], None) is None


# ── what waits ───────────────────────────────────────────────────────────────────────────────


async def test_no_more_waits_than_is_allowed_and_nothing_is_lost(port: int) -> None:
    topic = make_name("slow")
    options = source_options(port, filters=(topic,), max_waiting=40, max_group=15)
    source = MqttSource("mqtt", options, lambda: NOW_US, lambda: 0.0)
    heard: list[bytes] = []
    most = 0
    run = source.receive()
    first = asyncio.ensure_future(anext(run))
    await wait_connected(source)
    await publish(port, numbered(topic, range(2000)))
    group = await first
    while True:
        assert len(group) <= 15
        assert source._link is not None
        most = max(most, len(source._link._waiting))
        heard += [message.payload for message in group]
        await source.acknowledge(group)
        if len(heard) == 2000:
            break
        await asyncio.sleep(0.002)
        group = await asyncio.wait_for(anext(run), 10)
    await run.aclose()  # type: ignore[attr-defined]  # an async generator, though the port hides it
    assert heard == payloads(range(2000))
    assert 15 < most <= 40


def test_source_keeps_its_promises_on_uvloop_too(mosquitto: MosquittoServer) -> None:
    """The program runs on it where it is installed; its transports are of another making."""
    uvloop = pytest.importorskip("uvloop")
    topic = make_name("uvloop")
    messages = [*numbered(topic, range(3000)), (topic, bytes(900_000))]

    async def listen() -> list[bytes]:
        options = source_options(mosquitto.port, filters=(topic,), max_waiting=30, max_group=10)
        async with listening(options) as listener:
            # The publisher's library does not run on uvloop.
            await asyncio.to_thread(asyncio.run, publish(mosquitto.port, messages))
            await listener.wait_until(lambda: len(listener.payloads) >= len(messages))
            return listener.payloads

    assert uvloop.run(listen()) == [payload for _, payload in messages]


@pytest.mark.parametrize("n_payload", [64 * 1024, 64 * 1024 + 1, 900_000])
async def test_large_message_is_handed_on_whole(port: int, n_payload: int) -> None:
    topic = make_name("large")
    payload = bytes(range(251)) * (n_payload // 251 + 1)
    payload = payload[:n_payload]
    async with listening(source_options(port, filters=(topic,))) as listener:
        await publish(port, [(topic, payload), (topic, b"after")])
        await listener.wait_payloads([payload, b"after"])


async def test_message_beyond_the_bound_is_cut_and_acknowledged(
    mosquitto: MosquittoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "MAX_PACKET_BYTES", 300_000)
    topic = make_name("beyond")
    options = source_options(mosquitto.port, filters=(topic,))
    async with listening(options) as listener:
        await publish(mosquitto.port, [(topic, b"x" * 3_000_000), (topic, b"after")])
        await listener.wait_payloads([b"x" * (64 * 1024 + 1), b"after"])
    async with listening(options) as again:
        await publish(mosquitto.port, [(topic, b"new")])
        await again.wait_payloads([b"new"])


# ── brokers that go and come ─────────────────────────────────────────────────────────────────


async def test_source_waits_for_a_broker_and_says_what_is_wrong(
    own_mosquitto: MosquittoServer,
) -> None:
    topic = make_name("late")
    own_mosquitto.stop()
    listener = Listener(source_options(own_mosquitto.port, filters=(topic,)))
    listener.begin()
    await listener.wait_detail(f"127.0.0.1:{own_mosquitto.port} is not reached: ")
    assert listener.source.state is LinkState.CONNECTING
    await asyncio.to_thread(own_mosquitto.start)
    await listener.wait_connected()
    assert listener.source.detail == ""
    await publish(own_mosquitto.port, [(topic, b"x")])
    await listener.wait_payloads([b"x"])
    await listener.end()


async def test_source_subscribes_again_when_the_broker_lost_the_session(
    own_mosquitto: MosquittoServer,
) -> None:
    topic = make_name("forgotten")
    async with listening(source_options(own_mosquitto.port, filters=(topic,))) as listener:
        own_mosquitto.stop(SIGKILL)
        await listener.wait_until(lambda: listener.source.state is LinkState.CONNECTING)
        assert own_mosquitto.folder is not None
        (own_mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(own_mosquitto.start)
        await listener.wait_connected()
        await publish(own_mosquitto.port, numbered(topic, range(10)))
        await listener.wait_payloads(payloads(range(10)))


async def test_broker_that_keeps_its_sessions_sends_what_was_not_acknowledged(
    own_mosquitto: MosquittoServer,
) -> None:
    topic = make_name("kept")
    options = source_options(own_mosquitto.port, filters=(topic,))
    async with listening(options, acknowledges=False) as listener:
        await publish(own_mosquitto.port, numbered(topic, range(20)))
        await listener.wait_payloads(payloads(range(20)))
        await listener.source.acknowledge(listener.messages[:8])
        await asyncio.sleep(0.2)
        own_mosquitto.stop()
        await asyncio.to_thread(own_mosquitto.start)
        await listener.wait_payloads(payloads(range(20)) + payloads(range(8, 20)))


async def test_program_that_takes_the_session_over_is_left_in_peace() -> None:
    """MQTT 5, 3.1.4-3: the broker says 0x8E."""

    async def hand_over(connection: FalseConnection) -> None:
        await connection.greet()
        await connection.send(bytes.fromhex("e0 02 8e 00"))

    async with FalseBroker(hand_over) as broker:
        listener = Listener(false_options(broker))
        listener.begin()
        await listener.wait_detail("gave the session to another program with the same client id")
        assert "two programs use 'ws'" in listener.source.detail
        # The usual first delay is a quarter of a second here.
        await asyncio.sleep(1.0)
        assert listener.source.state is LinkState.CONNECTING
        assert len(broker.connects) == 1
        await listener.end()


@pytest.mark.parametrize("speaks_v5", [True, False])
async def test_fight_over_a_session_ends_soon_where_the_broker_gives_no_reason(
    mosquitto: MosquittoServer, *, speaks_v5: bool
) -> None:
    options = source_options(mosquitto.port)
    rivals = [Listener(options), Listener(options)]
    for rival in rivals:
        rival.source._speaks_v5 = speaks_v5
        rival.begin()
    async with asyncio.timeout(20):
        while True:
            n_links = [rival.source._n_links for rival in rivals]
            await asyncio.sleep(3.0)
            if n_links == [rival.source._n_links for rival in rivals]:
                break
    states = {rival.source.state for rival in rivals}
    assert states == {LinkState.CONNECTING, LinkState.CONNECTED}
    assert max(n_links) <= 5
    words = f"another program has taken client id {options.client_id!r}"
    assert sum(words in rival.source.detail for rival in rivals) == 1
    for rival in rivals:
        await rival.end()


async def test_embedded_broker_is_spoken_to_in_its_own_version(tmp_path: Path) -> None:
    broker = EmbeddedBroker(BrokerOptions(tmp_path, port=find_free_port(), is_synced=False))
    await broker.start()
    async with listening(source_options(broker.options.port)) as listener:
        assert not listener.source._speaks_v5
        assert listener.source._n_links == 2
    await broker.stop()

"""The contract of the source port over MQTT, with Mosquitto and with the embedded broker."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.contracts.mqtt_brokers import (
    NOW_US,
    FalseBroker,
    FalseConnection,
    Listener,
    listening,
    make_name,
    publish,
    wait_connected,
)
from tests.servers import (
    MosquittoServer,
    ServerMissingError,
    find_free_port,
    find_program,
    run_mosquitto,
)
from tests.sources.packets import publish as build_publish
from wattscope import broker as broker_module
from wattscope.broker import BrokerOptions, EmbeddedBroker
from wattscope.core.errors import SettingsError
from wattscope.ports import RawMessage, Source
from wattscope.sources import mqtt, mqtt_link
from wattscope.sources.mqtt import LinkState, MqttOptions, MqttSource
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


def _options(port: int, **others: object) -> MqttOptions:
    chosen = {"filters": ("#",), "client_id": make_name("listener"), **others}
    return MqttOptions(f"mqtt://127.0.0.1:{port}", **chosen)  # type: ignore[arg-type]  # fields by name


def _numbered(topic: str, numbers: range) -> list[tuple[str, bytes]]:
    return [(topic, f"{number}".encode()) for number in numbers]


def _payloads(numbers: range) -> list[bytes]:
    return [f"{number}".encode() for number in numbers]


# ── at least once ────────────────────────────────────────────────────────────────────────────


async def test_messages_come_in_order_with_all_their_fields(port: int) -> None:
    topic = make_name("fields")
    async with listening(_options(port, filters=(f"{topic}/+", "unused/#"))) as listener:
        assert isinstance(listener.source, MqttSource)
        source: Source = listener.source
        assert source.name == "mqtt"
        for part in range(3):
            await publish(port, _numbered(f"{topic}/{part}", range(100)))
        await listener.wait_payloads(_payloads(range(100)) * 3)
    first = listener.messages[0]
    assert first.topic == f"{topic}/0"
    assert first.received_at_us == NOW_US
    assert (first.is_retained, first.is_redelivered) == (False, False)
    assert isinstance(first.receipt, Receipt)
    assert 1 <= first.receipt.mid <= 65_535


async def test_what_was_acknowledged_never_comes_again_the_rest_does(port: int) -> None:
    topic = make_name("again")
    options = _options(port, filters=(topic,), max_group=10)
    async with listening(options, acknowledges=False) as listener:
        await publish(port, _numbered(topic, range(60)))
        await listener.wait_payloads(_payloads(range(60)))
        await listener.source.acknowledge(listener.messages[:25])
        # The broker handles what came before a goodbye before the goodbye.
    async with listening(options) as again:
        await again.wait_payloads(_payloads(range(25, 60)))
        assert all(message.is_redelivered for message in again.messages)
    await publish(port, _numbered(topic, range(60, 70)))
    async with listening(options) as third:
        await third.wait_payloads(_payloads(range(60, 70)))
        assert not any(message.is_redelivered for message in third.messages)


async def test_messages_sent_while_nobody_listens_come_later(port: int) -> None:
    topic = make_name("absent")
    options = _options(port, filters=(topic,))
    async with listening(options):
        pass
    await publish(port, _numbered(topic, range(300)))
    async with listening(options) as listener:
        await listener.wait_payloads(_payloads(range(300)))


async def test_receipts_of_an_older_connection_are_ignored(port: int) -> None:
    topic = make_name("outdated")
    options = _options(port, filters=(topic,))
    async with listening(options, acknowledges=False) as listener:
        await publish(port, _numbered(topic, range(5)))
        await listener.wait_payloads(_payloads(range(5)))
        assert listener.source._link is not None
        listener.source._link.abort()
        await listener.wait_payloads(_payloads(range(5)) * 2)
        await listener.source.acknowledge(listener.messages[:5])
        await listener.source.acknowledge([RawMessage("x", b"", 0, receipt="of nobody")])
        await listener.source.acknowledge([])
    async with listening(options) as again:
        await again.wait_payloads(_payloads(range(5)))
    await again.source.acknowledge(again.messages)  # closed: nothing happens


async def test_qos_0_needs_no_acknowledgement(port: int) -> None:
    topic = make_name("qos0")
    options = _options(port, filters=(topic,), qos=0)
    async with listening(options, acknowledges=False) as listener:
        await publish(port, _numbered(topic, range(5)))
        await listener.wait_payloads(_payloads(range(5)))
        assert {message.receipt for message in listener.messages} == {None}
        await listener.source.acknowledge(listener.messages)
    async with listening(options) as again:
        await publish(port, [(topic, b"new")])
        await again.wait_payloads([b"new"])


async def test_retained_message_says_so(port: int) -> None:
    topic = make_name("retained")
    await publish(port, [(topic, b"old")], retain=True)
    async with listening(_options(port, filters=(topic,))) as listener:
        await listener.wait_payloads([b"old"])
        await publish(port, [(topic, b"live")], retain=True)
        await listener.wait_payloads([b"old", b"live"])
    assert [message.is_retained for message in listener.messages] == [True, False]
    await publish(port, [(topic, b"")], retain=True)


async def test_run_that_failed_in_the_middle_does_not_stand_in_the_way(port: int) -> None:
    """The supervisor starts a failed stage again before the old generator is collected."""
    topic = make_name("failed")
    source = MqttSource("mqtt", _options(port, filters=(topic,)), lambda: NOW_US, lambda: 0.0)
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
    options = _options(port, filters=(topic,), max_waiting=40, max_group=15)
    source = MqttSource("mqtt", options, lambda: NOW_US, lambda: 0.0)
    payloads: list[bytes] = []
    most = 0
    run = source.receive()
    first = asyncio.ensure_future(anext(run))
    await wait_connected(source)
    await publish(port, _numbered(topic, range(2000)))
    group = await first
    while True:
        assert len(group) <= 15
        assert source._link is not None
        most = max(most, len(source._link._waiting))
        payloads += [message.payload for message in group]
        await source.acknowledge(group)
        if len(payloads) == 2000:
            break
        await asyncio.sleep(0.002)
        group = await asyncio.wait_for(anext(run), 10)
    await run.aclose()  # type: ignore[attr-defined]  # an async generator, though the port hides it
    assert payloads == _payloads(range(2000))
    assert 15 < most <= 40


def test_source_keeps_its_promises_on_uvloop_too(mosquitto: MosquittoServer) -> None:
    """The program runs on it where it is installed; its transports are of another making."""
    uvloop = pytest.importorskip("uvloop")
    topic = make_name("uvloop")
    messages = [*_numbered(topic, range(3000)), (topic, bytes(900_000))]

    async def listen() -> list[bytes]:
        options = _options(mosquitto.port, filters=(topic,), max_waiting=30, max_group=10)
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
    async with listening(_options(port, filters=(topic,))) as listener:
        await publish(port, [(topic, payload), (topic, b"after")])
        await listener.wait_payloads([payload, b"after"])


async def test_message_beyond_the_bound_is_cut_and_acknowledged(
    mosquitto: MosquittoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "MAX_PACKET_BYTES", 300_000)
    topic = make_name("beyond")
    options = _options(mosquitto.port, filters=(topic,))
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
    listener = Listener(_options(own_mosquitto.port, filters=(topic,)))
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
    async with listening(_options(own_mosquitto.port, filters=(topic,))) as listener:
        own_mosquitto.stop(SIGKILL)
        await listener.wait_until(lambda: listener.source.state is LinkState.CONNECTING)
        assert own_mosquitto.folder is not None
        (own_mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(own_mosquitto.start)
        await listener.wait_connected()
        await publish(own_mosquitto.port, _numbered(topic, range(10)))
        await listener.wait_payloads(_payloads(range(10)))


async def test_broker_that_keeps_its_sessions_sends_what_was_not_acknowledged(
    own_mosquitto: MosquittoServer,
) -> None:
    topic = make_name("kept")
    options = _options(own_mosquitto.port, filters=(topic,))
    async with listening(options, acknowledges=False) as listener:
        await publish(own_mosquitto.port, _numbered(topic, range(20)))
        await listener.wait_payloads(_payloads(range(20)))
        await listener.source.acknowledge(listener.messages[:8])
        await asyncio.sleep(0.2)
        own_mosquitto.stop()
        await asyncio.to_thread(own_mosquitto.start)
        await listener.wait_payloads(_payloads(range(20)) + _payloads(range(8, 20)))


async def test_program_that_takes_the_session_over_is_left_in_peace() -> None:
    """MQTT 5, 3.1.4-3: the broker says 0x8E."""

    async def hand_over(connection: FalseConnection) -> None:
        await connection.greet()
        await connection.send(bytes.fromhex("e0 02 8e 00"))

    async with FalseBroker(hand_over) as broker:
        listener = Listener(_false_options(broker))
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
    options = _options(mosquitto.port)
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
    async with listening(_options(broker.options.port)) as listener:
        assert not listener.source._speaks_v5
        assert listener.source._n_links == 2
    await broker.stop()


# ── who may ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[MosquittoServer]:
    """Knows amy with password pw, who may read ``open/#`` only."""
    passwd = find_program("mosquitto_passwd")
    if passwd is None:
        pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    subprocess.run([passwd, "-b", "-c", folder / "passwords", "amy", "pw"], check=True)
    (folder / "access").write_text("user amy\ntopic readwrite open/#\n")
    extra = f"password_file {folder}/passwords\nacl_file {folder}/access\n"
    try:
        with run_mosquitto(folder, extra=extra) as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


async def test_right_password_is_let_in(guarded: MosquittoServer) -> None:
    options = _options(guarded.port, username="amy", password="pw")
    async with listening(options) as listener:
        assert listener.source.detail == ""
    url = f"mqtt://amy:pw@127.0.0.1:{guarded.port}"
    async with listening(MqttOptions(url, ("#",), client_id=make_name("in-url"))):
        pass


@pytest.mark.parametrize("speaks_v5", [True, False])
async def test_wrong_password_is_told(*, guarded: MosquittoServer, speaks_v5: bool) -> None:
    listener = Listener(_options(guarded.port, username="amy", password="not pw"))
    listener.source._speaks_v5 = speaks_v5
    listener.begin()
    await listener.wait_detail("check username, password and its access list")
    assert listener.source.state is LinkState.CONNECTING
    assert "not pw" not in listener.source.detail
    await listener.end()


def _make_certificates(folder: Path, host: str) -> None:
    """A certificate authority of our own, and a server certificate by it."""
    openssl = find_program("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    new = [openssl, "req", "-newkey", "rsa:2048", "-nodes", "-batch"]
    (folder / "names").write_text(f"subjectAltName={host}\nbasicConstraints=CA:FALSE\n")
    for command in (
        [
            *new,
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=test-ca",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ],
        [*new, "-subj", "/CN=broker", "-keyout", "own.key", "-out", "own.csr"],
        [
            *(openssl, "x509", "-req", "-days", "2", "-in", "own.csr", "-CA", "ca.pem"),
            *("-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "own.pem"),
        ],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tls(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """The address of a broker with TLS, and the authority's certificate."""
    folder = tmp_path / "tls"
    folder.mkdir()
    _make_certificates(folder, getattr(request, "param", "IP:127.0.0.1"))
    port = find_free_port()
    extra = (
        f"listener {port} 127.0.0.1\ncafile {folder}/ca.pem\n"
        f"certfile {folder}/own.pem\nkeyfile {folder}/own.key\n"
    )
    try:
        with run_mosquitto(folder, extra=extra):
            yield f"mqtts://127.0.0.1:{port}", folder / "ca.pem"
    except ServerMissingError as missing:
        pytest.skip(str(missing))


async def test_tls_with_an_authority_of_one_s_own(tls: tuple[str, Path]) -> None:
    url, authority = tls
    topic = make_name("secret")
    options = MqttOptions(url, (topic,), client_id=make_name("tls"), ca_file=authority)
    plain_port = int((authority.parent / "mosquitto.conf").read_text().split()[1])
    async with listening(options) as listener:
        messages = [*_numbered(topic, range(200)), (topic, bytes(500_000))]
        await publish(plain_port, messages)
        await listener.wait_payloads([payload for _, payload in messages])


async def test_tls_without_the_authority_is_refused_by_us(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(tls[0], ("#",), client_id=make_name("tls")))
    listener.begin()
    await listener.wait_detail("TLS: the broker's certificate is not trusted: ")
    await listener.end()


@pytest.mark.parametrize("tls", ["DNS:another.example"], indirect=True)
async def test_tls_certificate_for_another_host_is_refused_by_us(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(*(tls[0], ("#",)), client_id="tls", ca_file=tls[1]))
    listener.begin()
    await listener.wait_detail("TLS: the broker's certificate is not trusted: ")
    await listener.end()


async def test_tls_file_that_is_not_there_is_told(tls: tuple[str, Path], tmp_path: Path) -> None:
    for name, text in (("absent", None), ("empty", "")):
        if text is not None:
            (tmp_path / name).write_text(text)
        listener = Listener(MqttOptions(tls[0], ("#",), ca_file=tmp_path / name))
        listener.begin()
        await listener.wait_detail(f"TLS: ca_file {tmp_path / name} cannot be used: ")
        await listener.end()


async def test_plain_connection_to_a_tls_port_is_told(tls: tuple[str, Path]) -> None:
    listener = Listener(MqttOptions(tls[0].replace("mqtts", "mqtt"), ("#",)))
    listener.begin()
    await listener.wait_detail("does this port expect TLS (mqtts://)?")
    await listener.end()


async def test_tls_to_a_plain_port_is_told(mosquitto: MosquittoServer) -> None:
    listener = Listener(MqttOptions(f"mqtts://127.0.0.1:{mosquitto.port}", ("#",)))
    listener.begin()
    await listener.wait_until(lambda: listener.source.detail != "")
    assert listener.source.state is LinkState.CONNECTING
    await listener.end()


# ── brokers that misbehave ───────────────────────────────────────────────────────────────────


async def _close(_: FalseConnection) -> None:
    """Say nothing."""


async def _stay(connection: FalseConnection) -> None:
    await connection.greet()
    await connection.wait_for_end()


def _false_options(broker: FalseBroker) -> MqttOptions:
    return MqttOptions(broker.url, ("#",), client_id="ws")


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
        async with listening(_false_options(broker)) as listener:
            await listener.wait_payloads([b"x", b"acknowledged"])
        assert [connect[8] for connect in broker.connects] == [5, 4]


async def test_broker_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_link, "ANSWER_TIMEOUT_S", 0.1)
    async with FalseBroker(FalseConnection.wait_for_end) as broker:
        listener = Listener(_false_options(broker))
        listener.begin()
        await listener.wait_detail("no answer within 0.1 s")
        await listener.end()


async def test_broker_that_dies_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 0.4)
    monkeypatch.setattr(mqtt_link, "build_connect", lambda *_: bytes.fromhex("c000"))
    async with FalseBroker(_stay) as broker, listening(_false_options(broker)) as listener:
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

    async with FalseBroker(be_strict) as broker, listening(_false_options(broker)) as listener:
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
        listener = Listener(_false_options(broker))
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
        listener = Listener(_false_options(broker))
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
        backlog = [build_publish("t", payload, properties=b"") for payload in _payloads(range(500))]
        await connection.send(b"".join(backlog) + bytes.fromhex("90 04 0001 00 01"))
        await connection.wait_for_end()

    async with FalseBroker(pour) as broker:
        options = MqttOptions(broker.url, ("#",), client_id="ws", max_waiting=20, max_group=7)
        async with listening(options) as listener:
            await listener.wait_payloads(_payloads(range(500)))


async def test_end_of_waiting_is_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing need not wait until the next attempt is due."""
    monkeypatch.setattr(mqtt, "_FIRST_DELAY_S", 60.0)
    async with FalseBroker(_close) as broker:
        listener = Listener(_false_options(broker))
        listener.begin()
        await listener.wait_detail("in place of an answer")
        await asyncio.wait_for(listener.end(), 1)
        assert listener.source.state is LinkState.STOPPED

"""Messages come out of a stream of bytes the same, however the network cut it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.packets import length, packet, publish, text
from wattscope.ports import RawMessage
from wattscope.sources.mqtt_codec import ConnAck, MqttVersion, PingResp, Receipt
from wattscope.sources.mqtt_reader import (
    HEAD_BYTES,
    KEPT_PAYLOAD_BYTES,
    MAX_CONTROL_BYTES,
    PacketReader,
)

V311, V5 = MqttVersion.V311, MqttVersion.V5
NOW_US = 1_795_000_000_000_000
BOUND = HEAD_BYTES
"""The smallest bound, so that tests need no 64 MiB."""


def _read(reader: PacketReader, *chunks: bytes, limit: int = 10_000) -> list[RawMessage]:
    messages = []
    for chunk in chunks:
        reader.feed(chunk)
        messages += reader.read(limit, NOW_US)
    return messages


# ── one message by hand ──────────────────────────────────────────────────────────────────────


def test_message_by_hand_311() -> None:
    """MQTT 3.1.1, figure 3.11: topic a/b, packet identifier 10, QoS 1; payload "hi"."""
    reader = PacketReader(V311, 7)
    messages = _read(reader, bytes.fromhex("32 09 0003 612f62 000a 6869"))
    assert messages == [RawMessage("a/b", b"hi", NOW_US, receipt=Receipt(10, 7))]
    assert isinstance(messages[0], RawMessage)
    assert isinstance(messages[0].receipt, Receipt)
    assert (messages[0].receipt.mid, messages[0].receipt.connection) == (10, 7)
    assert reader.fault is None


def test_message_by_hand_5_without_its_properties() -> None:
    """MQTT 5, 3.3.2: as above with Payload Format Indicator (01 01) and "hi" behind it."""
    messages = _read(PacketReader(V5, 7), bytes.fromhex("32 0c 0003 612f62 000a 02 0101 6869"))
    assert messages == [RawMessage("a/b", b"hi", NOW_US, receipt=Receipt(10, 7))]


@pytest.mark.parametrize(
    ("first", "is_retained", "is_redelivered", "has_receipt"),
    [
        (0x30, False, False, False),
        (0x31, True, False, False),
        (0x32, False, False, True),
        (0x33, True, False, True),
        (0x3A, False, True, True),
        (0x3B, True, True, True),
        # DUP must not be set at QoS 0 [MQTT-3.3.1-2]; there it says nothing.
        (0x38, False, False, False),
        (0x39, True, False, False),
    ],
)
def test_flags_of_a_message(
    *, first: int, is_retained: bool, is_redelivered: bool, has_receipt: bool
) -> None:
    body = text("t") + (b"\x01\x02" if has_receipt else b"") + b"x"
    (message,) = _read(PacketReader(V311, 1), packet(first, body))
    assert message.is_retained is is_retained
    assert message.is_redelivered is is_redelivered
    assert message.receipt == (Receipt(0x0102, 1) if has_receipt else None)
    assert message.payload == b"x"


@pytest.mark.parametrize("version", [V311, V5])
def test_message_may_be_empty(version: MqttVersion) -> None:
    properties = b"" if version is V5 else None
    (message,) = _read(PacketReader(version, 1), publish("t", b"", properties=properties))
    assert (message.topic, message.payload, message.receipt) == ("t", b"", None)


@pytest.mark.parametrize(
    "n_payload", [0, 121, 122, 123, 16_377, 16_378, 16_379, 2_097_145, 2_097_146]
)
def test_message_of_any_length_of_length(n_payload: int) -> None:
    payload = bytes(n_payload)
    (message, after) = _read(
        PacketReader(V311, 1), publish("t", payload, mid=1) + publish("u", b"")
    )
    assert (message.topic, message.payload, after.topic) == ("t", payload, "u")


@pytest.mark.parametrize("n_properties", [0, 1, 127, 128, 300, 16_384])
def test_properties_of_any_length_are_passed_over(n_properties: int) -> None:
    coded = publish("t", b"payload", mid=3, properties=b"\x26" * n_properties)
    (message,) = _read(PacketReader(V5, 1), coded)
    assert (message.payload, message.receipt) == (b"payload", Receipt(3, 1))


@pytest.mark.parametrize(
    ("coded", "topic"),
    [
        (b"sensors/\xff/power", "sensors/\ufffd/power"),
        (b"sensors/\xed\xa0\x80", "sensors/\ufffd\ufffd\ufffd"),  # a surrogate [MQTT-1.5.3-1]
        (b"a\x00b", "a\ufffdb"),  # U+0000 [MQTT-1.5.3-2]
        (b"", ""),
        ("küche/größe".encode(), "küche/größe"),
        (b"x" * 65_535, "x" * 65_535),
    ],
)
def test_message_with_any_topic_is_handed_on_and_can_be_acknowledged(
    coded: bytes, topic: str
) -> None:
    reader = PacketReader(V311, 1)
    for mid in (5, 6):
        (message,) = _read(reader, publish(coded, b"x", mid=mid))
        assert (message.topic, message.payload) == (topic, b"x")
        assert message.receipt == Receipt(mid, 1)
    assert reader.fault is None


def test_more_topics_than_are_remembered_stay_right() -> None:
    reader = PacketReader(V311, 1)
    names = [f"t/{number % 17_000}" for number in range(35_000)]
    assert [
        m.topic for m in _read(reader, b"".join(publish(n, b"") for n in names), limit=99_999)
    ] == names
    assert len(reader._topics) <= 16_384


# ── a stream ─────────────────────────────────────────────────────────────────────────────────

MESSAGES = st.builds(
    publish,
    topic=st.one_of(st.binary(max_size=300), st.sampled_from(["a", "b/c"])),
    payload=st.one_of(st.binary(max_size=20), st.integers(100, 20_000).map(bytes)),
    mid=st.one_of(st.none(), st.integers(1, 65_535)),
    retain=st.booleans(),
    dup=st.booleans(),
)


@settings(max_examples=150)
@given(stream=st.lists(st.one_of(MESSAGES, st.just(b"\xd0\x00")), max_size=30), cuts=st.data())
def test_a_stream_gives_the_same_however_it_is_cut(
    stream: list[bytes], cuts: st.DataObject
) -> None:
    whole = b"".join(stream)
    at_once = PacketReader(V311, 1)
    expected = _read(at_once, whole)
    assert at_once.fault is None
    assert len(expected) + len(at_once.control) == len(stream)

    places = cuts.draw(st.lists(st.integers(0, len(whole)), max_size=12).map(sorted))
    limit = cuts.draw(st.integers(1, 5))
    in_pieces = PacketReader(V311, 1)
    messages: list[RawMessage] = []
    for start, stop in zip([0, *places], [*places, len(whole)], strict=True):
        in_pieces.feed(whole[start:stop])
        messages += in_pieces.read(limit, NOW_US)
    while in_pieces.has_more:
        n_before = len(messages) + len(in_pieces.control)
        messages += in_pieces.read(limit, NOW_US)
        assert len(messages) + len(in_pieces.control) <= n_before + limit
    assert (messages, in_pieces.control) == (expected, at_once.control)


def test_a_stream_gives_the_same_byte_by_byte() -> None:
    """The twin by hand of the property above."""
    stream = publish("a", b"1", mid=1) + b"\xd0\x00" + publish("b", bytes(200), mid=2)
    reader = PacketReader(V311, 1)
    messages = _read(reader, *(stream[at : at + 1] for at in range(len(stream))))
    assert [(m.topic, m.payload) for m in messages] == [("a", b"1"), ("b", bytes(200))]
    assert reader.control == [PingResp()]
    assert not reader.has_more


def test_limit_leaves_the_others_for_the_next_call() -> None:
    reader = PacketReader(V311, 1)
    reader.feed(b"".join(publish("t", str(n).encode()) for n in range(5)))
    taken = [[m.payload for m in reader.read(2, NOW_US)] for _ in range(3)]
    assert taken == [[b"0", b"1"], [b"2", b"3"], [b"4"]]
    assert not reader.has_more


def test_reading_nothing_is_allowed() -> None:
    reader = PacketReader(V311, 1)
    assert reader.read(10, NOW_US) == []
    reader.feed(publish("t", b"x"))
    assert reader.read(0, NOW_US) == []
    assert len(reader.read(1, NOW_US)) == 1


def test_large_message_in_many_chunks_is_joined_once() -> None:
    """Looking at each chunk would take minutes: the cost would grow with the square."""
    coded = publish("t", bytes(32_000_000), mid=1)
    chunks = [coded[at : at + 1000] for at in range(0, len(coded), 1000)]
    (message,) = _read(PacketReader(V311, 1), *chunks)
    assert len(message.payload) == 32_000_000


# ── beyond the bound ─────────────────────────────────────────────────────────────────────────


def _large(version: MqttVersion, n_payload: int, properties: bytes = b"") -> bytes:
    payload = bytes(range(256)) * (n_payload // 256 + 1)
    return publish(
        "big/one",
        payload[:n_payload],
        mid=9,
        retain=True,
        properties=properties if version is V5 else None,
    )


@pytest.mark.parametrize("version", [V311, V5])
@pytest.mark.parametrize("chunk", [1_000, 65_536, 262_144, 10_000_000])
def test_message_beyond_the_bound_is_cut_not_buffered(version: MqttVersion, chunk: int) -> None:
    reader = PacketReader(version, 1, max_packet_bytes=BOUND)
    empty = b"" if version is V5 else None
    before, after = publish("a", b"1", properties=empty), publish("b", b"2", properties=empty)
    stream = before + _large(version, 1_000_000) + after
    messages: list[RawMessage] = []
    largest = 0
    for at in range(0, len(stream), chunk):
        messages += _read(reader, stream[at : at + chunk])
        largest = max(largest, reader._n_buffered)
    assert reader.fault is None
    assert [m.topic for m in messages] == ["a", "big/one", "b"]
    big = messages[1]
    assert big.payload == (bytes(range(256)) * 300)[:KEPT_PAYLOAD_BYTES]
    assert (big.is_retained, big.receipt) == (True, Receipt(9, 1))
    assert largest < HEAD_BYTES + 100


def test_message_beyond_the_bound_is_not_given_before_all_of_it_has_passed() -> None:
    """Else it could be acknowledged in the middle of itself."""
    reader = PacketReader(V311, 1, max_packet_bytes=BOUND)
    stream = _large(V311, 500_000)
    assert _read(reader, stream[:-1]) == []
    assert len(_read(reader, stream[-1:])) == 1


@pytest.mark.parametrize(("n_body", "is_whole"), [(BOUND, True), (BOUND + 1, False)])
def test_bound_is_that_of_the_body(*, n_body: int, is_whole: bool) -> None:
    head = text("t")
    (message,) = _read(
        PacketReader(V311, 1, max_packet_bytes=BOUND),
        packet(0x30, head + bytes(n_body - len(head))),
    )
    assert (len(message.payload) == n_body - len(head)) is is_whole
    assert len(message.payload) >= KEPT_PAYLOAD_BYTES


@pytest.mark.parametrize("n_properties", [100, 190_000, 250_000, 600_000])
def test_message_beyond_the_bound_with_endless_properties_is_still_too_big(
    n_properties: int,
) -> None:
    reader = PacketReader(V5, 1, max_packet_bytes=BOUND)
    (message,) = _read(reader, _large(V5, 300_000, b"\x26" * n_properties))
    assert reader.fault is None
    assert len(message.payload) == KEPT_PAYLOAD_BYTES
    assert message.receipt == Receipt(9, 1)


def test_other_packet_beyond_its_bound_is_malformed() -> None:
    reader = PacketReader(V5, 1)
    reader.feed(b"\x20" + length(MAX_CONTROL_BYTES + 1))
    assert reader.read(10, NOW_US) == []
    assert reader.fault is not None


# ── bad bytes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "coded",
    [
        "30 00",  # no topic
        "30 01 00",
        "30 02 0001",  # the topic is longer than the packet
        "32 03 0001 61",  # no packet identifier
        "32 04 0001 61 00",
        "32 05 0001 61 0000",  # packet identifier 0 [MQTT-2.3.1-1]
        "34 05 0001 61 0001",  # QoS 2
        "36 05 0001 61 0001",  # QoS 3 [MQTT-3.3.1-4]
        "30 8000",  # a length with a needless byte
        "30 8400 0001 74 78",  # likewise, of a good message
        "30 ffffffff7f",  # a length of five bytes
        "40 02 0001",
        "00 00",
    ],
)
def test_bad_bytes_end_the_stream_after_what_was_good(coded: str) -> None:
    reader = PacketReader(V311, 1)
    good = publish("t", b"x", mid=1)
    messages = _read(reader, good + bytes.fromhex(coded) + good)
    assert [m.topic for m in messages] == ["t"]
    assert reader.fault is not None
    assert _read(reader, good) == []
    assert not reader.has_more


@pytest.mark.parametrize(
    "coded", ["30 03 0001 61", "30 04 0001 61 01", "30 05 0001 61 8000", "30 04 0001 61 ff"]
)
def test_bad_properties_end_the_stream(coded: str) -> None:
    reader = PacketReader(V5, 1)
    assert _read(reader, bytes.fromhex(coded) + bytes(8)) == []
    assert reader.fault is not None


def test_other_packets_are_kept_in_order() -> None:
    reader = PacketReader(V311, 1)
    _read(reader, bytes.fromhex("20 02 0100 d0 00"))
    assert reader.control == [ConnAck(0, is_session_present=True), PingResp()]


@settings(max_examples=400)
@given(
    version=st.sampled_from([V311, V5]),
    chunks=st.lists(
        st.one_of(
            st.binary(max_size=40),
            MESSAGES,
            st.builds(
                packet,
                st.sampled_from([0x20, 0x30, 0x32, 0x33, 0x34, 0x3A, 0x90, 0xD0, 0xE0]),
                st.binary(max_size=30),
            ),
        ),
        max_size=8,
    ),
    limit=st.integers(1, 9),
)
def test_any_bytes_give_messages_or_a_fault(
    version: MqttVersion, chunks: list[bytes], limit: int
) -> None:
    reader = PacketReader(version, 1)
    for chunk in chunks:
        for message in _read(reader, chunk, limit=limit):
            assert isinstance(message.topic, str)
            assert isinstance(message.payload, bytes)
            assert "\0" not in message.topic
            message.topic.encode()

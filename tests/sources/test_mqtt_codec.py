"""Bytes that were put together by hand from the standards; sections are named with each."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.sources.packets import length, packet, text
from wattscope.sources.mqtt_codec import (
    DISCONNECT,
    PINGREQ,
    ConnAck,
    Control,
    Farewell,
    Greeting,
    MalformedPacketError,
    MqttVersion,
    PingResp,
    SubAck,
    build_connect,
    build_frame,
    build_pubacks,
    build_subscribe,
    parse_control,
    read_length,
    skip_length,
)
from wattscope.sources.mqtt_words import describe_reason, describe_refusal

V311, V5 = MqttVersion.V311, MqttVersion.V5


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal)


# ── what we send ─────────────────────────────────────────────────────────────────────────────


def test_connect_311_keeps_the_session() -> None:
    """MQTT 3.1.1, figure 3.6 without will and clean session: flags 0xC0, keep alive 10."""
    greeting = Greeting("ws", username="amy", password="pw", keepalive_s=10)
    body = "0004 4d515454 04 c0 000a 0002 7773 0003 616d79 0002 7077"
    assert build_connect(greeting, V311) == _bytes("10 17" + body)


def test_connect_5_asks_for_a_lasting_session_and_bounds_what_is_under_way() -> None:
    """MQTT 5, 3.1.2.11.2 and 3.1.2.11.3: 8 bytes of properties behind keep alive."""
    greeting = Greeting("ws", keepalive_s=30, session_expiry_s=0x0102, receive_maximum=0x1388)
    body = "0004 4d515454 05 00 001e 08 11 00000102 21 1388 0002 7773"
    assert build_connect(greeting, V5) == _bytes("10 17" + body)


@pytest.mark.parametrize(
    ("username", "password", "flags", "tail"),
    [
        (None, None, "00", ""),
        ("u", None, "80", "0001 75"),
        ("", None, "80", "0000"),
        # A password needs a user name in 3.1.1 [MQTT-3.1.2-22].
        (None, "p", "c0", "0000 0001 70"),
        ("ü", "", "c0", "0002 c3bc 0000"),
    ],
)
def test_connect_names_user_and_password_only_where_given(
    username: str | None, password: str | None, flags: str, tail: str
) -> None:
    coded = build_connect(Greeting("c", username, password, keepalive_s=30), V311)
    assert coded[2:] == _bytes(f"0004 4d515454 04 {flags} 001e 0001 63 {tail}")


@pytest.mark.parametrize(("version", "head"), [(V311, "000a"), (V5, "000a 00")], ids=["3.1.1", "5"])
def test_subscribe_asks_for_all_filters_at_once(version: MqttVersion, head: str) -> None:
    """MQTT 3.1.1, figure 3.23: filters a/b and c/d, here both at QoS 1."""
    expected = _bytes(head + "0003 612f62 01 0003 632f64 01")
    assert (
        build_subscribe(10, ["a/b", "c/d"], 1, version)
        == b"\x82" + length(len(expected)) + expected
    )


def test_pubacks_leave_in_the_given_order() -> None:
    """3.4 of both standards; MQTT 5, 3.4.2.1: without a reason code it means success."""
    assert build_pubacks([0x0201, 1, 0xFFFF]) == _bytes("40020201 40020001 4002ffff")
    assert build_pubacks([]) == b""


def test_ping_and_disconnect_have_no_body() -> None:
    """3.12 and 3.14 of both standards."""
    for made, expected in ((PINGREQ, "c000"), (DISCONNECT, "e000")):
        assert made == _bytes(expected)


@pytest.mark.parametrize("field", ["client_id", "username", "password"])
@pytest.mark.parametrize("value", ["\ud800", "x" * 65_536])
def test_connect_refuses_a_text_that_mqtt_cannot_carry(field: str, value: str) -> None:
    greeting = Greeting(**{"client_id": "c", field: value})  # type: ignore[arg-type]  # a text field each
    with pytest.raises(MalformedPacketError):
        build_connect(greeting, V5)


def test_connect_takes_a_text_of_65535_bytes() -> None:
    coded = build_connect(Greeting("x" * 65_535), V311)
    assert coded[:4] == b"\x10\x8b\x80\x04"  # 65,547 bytes follow
    assert len(coded) == 4 + 65_547


# ── the variable byte integer ────────────────────────────────────────────────────────────────

LENGTHS = [
    # MQTT 3.1.1, table 2.4: the ends of the ranges.
    (0, "00"),
    (127, "7f"),
    (128, "8001"),
    (321, "c102"),  # the example of 2.2.3
    (16_383, "ff7f"),
    (16_384, "808001"),
    (2_097_151, "ffff7f"),
    (2_097_152, "80808001"),
    (268_435_455, "ffffff7f"),
]


@pytest.mark.parametrize(("value", "coded"), LENGTHS)
def test_length_is_read_as_the_standard_writes_it(value: int, coded: str) -> None:
    there = b"\xaa" + _bytes(coded) + b"\xbb"
    end = skip_length(there, 1, len(there))
    assert end == 1 + len(_bytes(coded))
    assert read_length(there, 1, end) == value


@pytest.mark.parametrize("value", [0, 127, 128, 16_383, 16_384, 2_097_152])
def test_frame_writes_length_as_it_is_read(value: int) -> None:
    assert build_frame(0x30, bytes(value)) == b"\x30" + length(value) + bytes(value)


@pytest.mark.parametrize("coded", ["", "80", "ffff", "808080"])
def test_length_that_goes_on_is_not_there_yet(coded: str) -> None:
    assert skip_length(_bytes(coded), 0, len(_bytes(coded))) == 0


@pytest.mark.parametrize("coded", ["ffffffff", "8080808001", "8000", "818000", "80808000"])
def test_length_of_five_bytes_or_with_needless_ones_is_malformed(coded: str) -> None:
    """MQTT 3.1.1, 2.2.3: at most four; [MQTT-1.5.5-1]: as few as possible."""
    with pytest.raises(MalformedPacketError):
        skip_length(_bytes(coded), 0, len(_bytes(coded)))


# ── what we hear ─────────────────────────────────────────────────────────────────────────────

REASON = "1f 0003 627965"  # MQTT 5, 3.2.2.3.9: Reason String "bye"
USER = "26 0001 61 0001 62"  # MQTT 5, 2.2.2.2: User Property a=b
ALL_OF_CONNACK = (
    "11 00000e10 21 0014 24 01 25 01 27 00100000 12 0002 6964 22 000a "
    f"{USER} 28 01 29 01 2a 00 13 0005 1a 0001 72 1c 0001 73 15 0001 6d 16 0002 ff00 {REASON}"
)
"""Every property of MQTT 5, 3.2.2.3, the text of the reason last."""
CONTROLS: list[tuple[int, str, bool, Control]] = [
    (0x20, "00 00", False, ConnAck(0, is_session_present=False)),
    (0x20, "01 00", False, ConnAck(0, is_session_present=True)),
    (0x20, "00 05", False, ConnAck(5, is_session_present=False)),
    (0x20, "01 00 00", True, ConnAck(0, is_session_present=True)),
    # A 3.1.1 broker that is spoken to in MQTT 5.
    (0x20, "00 01", True, ConnAck(1, is_session_present=False)),
    (0x20, "00 84 00", True, ConnAck(0x84, is_session_present=False)),
    (0x20, f"00 87 06 {REASON}", True, ConnAck(0x87, is_session_present=False, reason="bye")),
    (0x20, "00 00 03 13 0014", True, ConnAck(0, is_session_present=False, keepalive_s=20)),
    (
        0x20,
        f"01 00 40 {ALL_OF_CONNACK}",
        True,
        ConnAck(0, is_session_present=True, keepalive_s=5, reason="bye"),
    ),
    (0x90, "000a 01", False, SubAck(10, (1,))),
    (0x90, "0001 00 80 01", False, SubAck(1, (0, 0x80, 1))),
    (0x90, "0001 00 87", True, SubAck(1, (0x87,))),
    (0x90, f"0001 06 {REASON} 01 8f", True, SubAck(1, (1, 0x8F), "bye")),
    (0xD0, "", False, PingResp()),
    (0xE0, "", True, Farewell(0)),
    (0xE0, "8e", True, Farewell(0x8E)),
    (0xE0, "8e 00", True, Farewell(0x8E)),
    (0xE0, f"8b 06 {REASON}", True, Farewell(0x8B, "bye")),
]


@pytest.mark.parametrize(("first", "body", "is_v5", "expected"), CONTROLS)
def test_packets_of_a_broker_mean_what_the_standard_says(
    *, first: int, body: str, is_v5: bool, expected: Control
) -> None:
    assert parse_control(first, _bytes(body), is_v5=is_v5) == expected


@pytest.mark.parametrize(
    ("first", "body", "is_v5"),
    [
        (0x20, "", False),
        (0x20, "00", False),
        (0x20, "00 00 00", False),  # 3.1.1 knows no properties
        (0x20, "02 00", False),  # reserved flags [MQTT-3.2.2-1]
        (0x20, "00 00", True),  # accepted, but no property length
        (0x20, "00 00 01", True),  # properties longer than the packet
        (0x20, "00 00 00 00", True),  # bytes behind the properties
        (0x20, "00 00 02 13 00", True),  # a number cut off
        (0x20, "00 00 03 1f 0004 61", True),  # a text longer than the properties
        (0x20, "00 00 02 01 00", True),  # a property of PUBLISH
        (0x20, "00 00 ff", True),  # a property length without an end
        (0x21, "00 00", False),  # reserved bits of the first byte [MQTT-2.2.2-2]
        (0x90, "0001", False),
        (0x90, "00", False),
        (0x90, "0001 00", True),
        (0xD0, "00", False),
        (0xE0, "", False),  # 3.1.1: only a client says goodbye
        (0xE0, "8e 01", True),
        (0xE0, "8e 00 00", True),  # a byte behind the properties
        (0xE0, "8e 02 1f 00", True),
        (0x10, "", False),  # CONNECT
        (0x40, "0001", False),  # PUBACK of what we never published
        (0x62, "0001", False),  # PUBREL
        (0x82, "0001 00", False),  # SUBSCRIBE
        (0xB0, "0001", False),  # UNSUBACK
        (0xC0, "", False),  # PINGREQ
        (0xF0, "", True),  # AUTH
        (0x00, "", True),
    ],
)
def test_packets_that_a_broker_must_not_send_are_malformed(
    *, first: int, body: str, is_v5: bool
) -> None:
    with pytest.raises(MalformedPacketError):
        parse_control(first, _bytes(body), is_v5=is_v5)


@given(first=st.integers(0, 255), body=st.binary(max_size=60), is_v5=st.booleans())
@example(first=0x20, body=_bytes("0000 04 1f ffff 61"), is_v5=True)
def test_any_packet_is_understood_or_malformed(*, first: int, body: bytes, is_v5: bool) -> None:
    with contextlib.suppress(MalformedPacketError):
        parse_control(first, body, is_v5=is_v5)


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    code=st.sampled_from([0, 0x80, 0x8E]),
)
def test_reason_string_arrives_in_the_broker_s_own_words(name: str, code: int) -> None:
    properties = b"\x1f" + text(name)
    body = bytes([code]) + length(len(properties)) + properties
    assert parse_control(0xE0, body, is_v5=True) == Farewell(code, name)


def test_reason_that_is_no_utf8_is_shown_as_far_as_it_goes() -> None:
    assert parse_control(0xE0, _bytes("80 05 1f 0002 61ff"), is_v5=True) == Farewell(
        0x80, "a\ufffd"
    )


def test_packet_builder_of_these_tests_agrees_with_a_packet_made_by_hand() -> None:
    assert packet(0x32, text("a/b") + b"\x00\x0ahi") == _bytes("32 09 0003 612f62 000a 6869")


# ── words ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (describe_refusal(1), "does not speak this version of MQTT (code 1)"),
        (describe_refusal(4), "does not accept username and password (code 4)"),
        (describe_refusal(5), "check username, password and its access list (code 5)"),
        (describe_refusal(0x86), "does not accept username and password (code 0x86)"),
        (describe_refusal(0x42), "gave a reason that the standard does not know (code 66)"),
        (describe_reason(0x8E), "gave the session to another program with the same client id"),
        (describe_reason(0x95), "the broker says: packet too large (code 0x95)"),
        (describe_reason(0x80, "no disk"), "unspecified error (code 0x80): no disk"),
        (describe_reason(0), "gave a reason that the standard does not know (code 0)"),
    ],
)
def test_reason_codes_are_told_in_words(said: str, words: str) -> None:
    assert said.startswith("the broker ")
    assert words in said

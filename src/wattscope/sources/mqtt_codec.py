"""The packets of MQTT 3.1.1 and MQTT 5, as far as a receiver needs them, as bytes and as values.

It promises to raise nothing but ``MalformedPacketError``, whatever a broker sends. Messages
themselves are read by ``mqtt_reader``.

Sections are those of the OASIS standards "MQTT Version 3.1.1" (2014) and "MQTT Version 5.0" (2019).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from wattscope.core.errors import TransientError

PINGREQ = b"\xc0\x00"
"""MQTT 3.1.1 and 5, 3.12."""
DISCONNECT = b"\xe0\x00"
"""Normal disconnection (MQTT 3.1.1, 3.14; MQTT 5, 3.14.2.1: the reason code may be left out)."""
PUBLISH = 0x30
"""Upper half of the first byte of a message (3.3 of both standards)."""
_PROTOCOL_NAME = b"\x00\x04MQTT"
_CONNACK, _SUBACK, _PINGRESP, _DISCONNECT = 0x20, 0x90, 0xD0, 0xE0


class MqttVersion(IntEnum):
    """Protocol level in CONNECT (MQTT 3.1.1, 3.1.2.2; MQTT 5, 3.1.2.2)."""

    V311 = 4
    V5 = 5


class MalformedPacketError(TransientError):
    """Bytes that are no MQTT, or that a broker must not send."""

    code = "malformed_packet"


class Receipt(NamedTuple):
    """What it takes to acknowledge a message."""

    mid: int
    """Packet identifier, 1 to 65,535."""
    connection: int
    """Number of the connection it came over; the identifier means nothing on another."""


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The broker's answer to CONNECT."""

    code: int
    """0 when accepted."""
    is_session_present: bool
    keepalive_s: int | None = None
    """The keep-alive that the broker wants instead of ours [s]; MQTT 5 only."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SubAck:
    """The broker's answer to SUBSCRIBE: one code per filter; below 0x80 is granted."""

    mid: int
    codes: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PingResp:
    """The broker's answer to PINGREQ."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """A DISCONNECT of the broker; MQTT 5 only."""

    code: int
    reason: str = ""


Control = ConnAck | SubAck | PingResp | Farewell


# ── what we send ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Greeting:
    """What CONNECT says."""

    client_id: str
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 30
    session_expiry_s: int = 7 * 24 * 3600
    """How long an MQTT 5 broker keeps the session while we are away [s]."""
    receive_maximum: int = 10_000
    """Unacknowledged messages that an MQTT 5 broker may have under way, 1 to 65,535."""


def build_connect(greeting: Greeting, version: MqttVersion) -> bytes:
    """CONNECT that goes on with the session there is (3.1 of both standards)."""
    has_user = greeting.username is not None or greeting.password is not None
    # Clean Start is not set. MQTT 3.1.1 allows no password without a user name [MQTT-3.1.2-22].
    flags = (0x80 if has_user else 0) | (0x40 if greeting.password is not None else 0)
    parts = [_PROTOCOL_NAME, bytes((version, flags)), struct.pack(">H", greeting.keepalive_s)]
    if version is MqttVersion.V5:
        # Session Expiry Interval and Receive Maximum (MQTT 5, 3.1.2.11.2 and 3.1.2.11.3).
        parts.append(
            struct.pack(
                ">BBIBH", 8, 0x11, greeting.session_expiry_s, 0x21, greeting.receive_maximum
            )
        )
    parts.append(_pack_text(greeting.client_id))
    if has_user:
        parts.append(_pack_text(greeting.username or ""))
    if greeting.password is not None:
        parts.append(_pack_text(greeting.password))
    return build_frame(0x10, b"".join(parts))


def build_subscribe(mid: int, filters: Sequence[str], qos: int, version: MqttVersion) -> bytes:
    """SUBSCRIBE to all filters at once (3.8 of both standards)."""
    head = struct.pack(">H", mid) + (b"\x00" if version is MqttVersion.V5 else b"")
    return build_frame(0x82, head + b"".join(_pack_text(one) + bytes((qos,)) for one in filters))


def build_pubacks(mids: Sequence[int]) -> bytes:
    """One PUBACK per identifier, in order (3.4 of both standards).

    >>> build_pubacks([1, 258]).hex(" ")
    '40 02 00 01 40 02 01 02'
    """
    return struct.pack(f">{len(mids)}I", *[0x4002_0000 | mid for mid in mids])


def build_frame(first: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while length > 127:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes((first,)) + bytes(digits) + body


def _pack_text(text: str) -> bytes:
    try:
        coded = text.encode()
    except UnicodeEncodeError as fault:
        raise MalformedPacketError(f"{text!r} is not a text that MQTT can carry") from fault
    if len(coded) > 0xFFFF:
        raise MalformedPacketError(f"a text of {len(coded)} bytes; MQTT takes 65,535 at most")
    return struct.pack(">H", len(coded)) + coded


# ── what we hear, but for messages ───────────────────────────────────────────────────────────


def parse_control(first: int, body: bytes, *, is_v5: bool) -> Control:
    """A packet that is no PUBLISH.

    Args:
        first: The first byte of the packet.
        body: All behind its length.
        is_v5: Whether packets have properties.

    Raises:
        MalformedPacketError: It is none that a broker may send to a receiver.
    """
    try:
        if first == _CONNACK:
            return _parse_connack(body, is_v5=is_v5)
        if first == _SUBACK:
            return _parse_suback(body, is_v5=is_v5)
        if first == _PINGRESP and not body:
            return PingResp()
        if first == _DISCONNECT and is_v5:
            return _parse_farewell(body)
    except (IndexError, struct.error) as fault:
        raise MalformedPacketError(f"a packet {first:#04x} of {len(body)} bytes") from fault
    raise MalformedPacketError(f"a packet {first:#04x}, which a broker must not send here")


def _parse_connack(body: bytes, *, is_v5: bool) -> ConnAck:
    flags, code = body[0], body[1]
    found: dict[int, int | str] = {}
    # A broker that does not speak MQTT 5 refuses it in the form of MQTT 3.1.1.
    if is_v5 and (code == 0 or len(body) > 2):
        found, end = _parse_properties(body, 2)
    else:
        end = 2
    if flags > 1 or end != len(body):
        raise MalformedPacketError(f"a CONNACK of {len(body)} bytes with flags {flags}")
    keepalive_s = found.get(_SERVER_KEEP_ALIVE)
    return ConnAck(
        code,
        flags == 1,
        keepalive_s if isinstance(keepalive_s, int) else None,
        str(found.get(_REASON_STRING, "")),
    )


def _parse_suback(body: bytes, *, is_v5: bool) -> SubAck:
    mid = body[0] << 8 | body[1]
    found, at = _parse_properties(body, 2) if is_v5 else ({}, 2)
    if at >= len(body):
        raise MalformedPacketError("a SUBACK without a reason code")
    return SubAck(mid, tuple(body[at:]), str(found.get(_REASON_STRING, "")))


def _parse_farewell(body: bytes) -> Farewell:
    # Reason code and properties may be left out (MQTT 5, 3.14.2.1 and 3.14.2.2.1).
    if len(body) < 2:
        return Farewell(body[0] if body else 0)
    found, end = _parse_properties(body, 1)
    if end != len(body):
        raise MalformedPacketError("a DISCONNECT with bytes behind its properties")
    return Farewell(body[0], str(found.get(_REASON_STRING, "")))


_SERVER_KEEP_ALIVE, _REASON_STRING = 0x13, 0x1F
_SIZES = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
"""Bytes of the numbers that a broker may send (MQTT 5, table 2-4)."""
_TEXTS = {0x12: 1, 0x15: 1, 0x16: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}
"""How many texts, or strings of bytes, belong to such a property."""


def _parse_properties(body: bytes, at: int) -> tuple[dict[int, int | str], int]:
    """Properties by identifier, and the position behind them (MQTT 5, 2.2.2)."""
    end = skip_properties(body, at, len(body))
    at = skip_length(body, at, len(body))
    found: dict[int, int | str] = {}
    while at < end:
        identifier = body[at]
        at += 1
        if identifier in _SIZES:
            size = _SIZES[identifier]
            found[identifier] = int.from_bytes(body[at : at + size])
            at += size
            continue
        for _ in range(_texts_of(identifier)):
            (size,) = struct.unpack_from(">H", body, at)
            found[identifier] = body[at + 2 : at + 2 + size].decode(errors="replace")
            at += 2 + size
    if at != end:
        raise MalformedPacketError("properties of a wrong length")
    return found, end


def _texts_of(identifier: int) -> int:
    n_texts = _TEXTS.get(identifier)
    if n_texts is None:
        raise MalformedPacketError(f"a property {identifier:#04x}, which does not belong there")
    return n_texts


def skip_length(buffer: bytes, at: int, end: int) -> int:
    """The position behind a variable byte integer; 0 when it goes on beyond ``end``.

    Raises:
        MalformedPacketError: It has more than four bytes, or more than it needs
            (MQTT 3.1.1, 2.2.3; MQTT 5, 1.5.5).
    """
    for position in range(at, min(at + 4, end)):
        if buffer[position] < 128:
            if not buffer[position] and position > at:
                raise MalformedPacketError("a length with more bytes than it needs")
            return position + 1
    if end - at >= 4:
        raise MalformedPacketError("a length of more than four bytes")
    return 0


def read_length(buffer: bytes, at: int, stop: int) -> int:
    """The variable byte integer that fills ``[at, stop)``."""
    value = 0
    for position in range(stop - 1, at - 1, -1):
        value = value << 7 | buffer[position] & 0x7F
    return value


def skip_properties(body: bytes, at: int, end: int) -> int:
    """The position behind the properties that begin at ``at`` (MQTT 5, 2.2.2)."""
    behind = skip_length(body, at, end)
    if not behind:
        raise MalformedPacketError("properties without an end")
    return behind + read_length(body, at, behind)

"""Packets as a broker sends them, built apart from the code that is tested."""

from __future__ import annotations


def length(value: int) -> bytes:
    """A variable byte integer, by the algorithm of MQTT 3.1.1, 2.2.3."""
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(digits)


def text(value: str | bytes) -> bytes:
    coded = value if isinstance(value, bytes) else value.encode()
    return len(coded).to_bytes(2) + coded


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + length(len(body)) + body


def publish(
    topic: str | bytes,
    payload: bytes,
    *,
    mid: int | None = None,
    retain: bool = False,
    dup: bool = False,
    properties: bytes | None = None,
) -> bytes:
    """PUBLISH at QoS 1 with a ``mid``, else QoS 0; ``properties`` (without length) for MQTT 5."""
    first = 0x30 | (0x02 if mid is not None else 0) | (0x08 if dup else 0) | (1 if retain else 0)
    body = text(topic) + (mid.to_bytes(2) if mid is not None else b"")
    if properties is not None:
        body += length(len(properties)) + properties
    return packet(first, body + payload)

"""The messages on Kafka as JSON, version 1: readings, what was set aside, receipts.

::

    {"v": 1, "site": "farm", "device": "panel-7",
     "measured_at_us": 1764150000000000, "received_at_us": 1764150000120000,
     "values": {"power_w": 211.5, "temperature_c": null}, "quality": {"temperature_c": 1}}

Names, not series ids: whoever reads the topic needs no table of ours. Pure: bytes in, values out.
``docs/kafka.md`` is the reference for other programs.

A value comes back to the last bit, for JSON has its shortest decimals. Encoding never fails;
decoding answers with a ``Rejection`` where it does not believe what it reads, and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from wattscope.core.errors import TransientError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Batch
from wattscope.ports import Quarantined

VERSION: Final = 1
MAX_VALUES: Final = 1000
"""Of one message; what a device says beyond this at one instant is a further message."""
MAX_PAYLOAD: Final = 64 * 1024
"""Bytes of a message that quarantine keeps."""
MAX_MARKS: Final = 10_000
"""Of one message of receipts."""

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Flags = Annotated[int, Meta(ge=0, le=255)]


class SeriesName(NamedTuple):
    """What a series id stands for."""

    site: str
    device: str
    quantity: str


class ReadingMessage(Struct, frozen=True, omit_defaults=True):
    """What one device said at one instant."""

    v: int
    site: str
    device: str
    measured_at_us: _Int64
    received_at_us: _Int64
    values: dict[str, float | None]
    """By quantity, in base units; None for a missing value."""
    quality: dict[str, _Flags] = msgspec.field(default_factory=dict)
    """Flags by quantity (``core.reading.Quality``); those that are 0 are left out."""


class QuarantineMessage(Struct, frozen=True):
    """What was set aside, with its bytes in base64."""

    v: int
    source: str
    topic: str
    payload: bytes
    received_at_us: _Int64
    code: str
    detail: str


class ReceiptMessage(Struct, frozen=True):
    """Marks of messages without an instant that one writer has made durable."""

    v: int
    writer: str
    marks: tuple[int, ...]


class Message(NamedTuple):
    """Key and value as Kafka takes them."""

    key: bytes
    value: bytes


MessageT = TypeVar("MessageT", ReadingMessage, QuarantineMessage, ReceiptMessage)

_encode = msgspec.json.Encoder().encode
_READING = msgspec.json.Decoder(ReadingMessage)
_QUARANTINE = msgspec.json.Decoder(QuarantineMessage)
_RECEIPTS = msgspec.json.Decoder(ReceiptMessage)
_ANYTHING = msgspec.json.Decoder()


def encode_batch(
    batch: Batch, names: Callable[[int], SeriesName | None], received_at_us: int
) -> list[Message]:
    """One message for each device and instant, in the order of their first values.

    A second value of the same quantity at the same instant begins a further message, so that
    the reader sees both, in order.

    Raises:
        TransientError: A series has no name (yet).
    """
    readings: list[ReadingMessage] = []
    newest: dict[tuple[str, int], ReadingMessage] = {}
    columns = (batch.series_id, batch.measured_at_us, batch.value, batch.quality)
    for series, t, value, quality in zip(*(one.tolist() for one in columns), strict=True):
        name = names(series)
        if name is None:
            raise TransientError(f"series {series} has no name in the registry; reload it")
        site, device, quantity = name
        reading = newest.get((device, t))
        if reading is None or quantity in reading.values or len(reading.values) >= MAX_VALUES:
            reading = ReadingMessage(VERSION, site, device, t, received_at_us, {})
            newest[device, t] = reading
            readings.append(reading)
        # NaN becomes null.
        reading.values[quantity] = value
        if quality:
            reading.quality[quantity] = quality
    return [Message(one.device.encode(), _encode(one)) for one in readings]


def encode_quarantined(item: Quarantined) -> Message:
    """An item as a message, keyed by its topic."""
    message = QuarantineMessage(
        VERSION,
        _printable(item.source),
        _printable(item.topic),
        item.payload[:MAX_PAYLOAD],
        item.received_at_us,
        item.code,
        _printable(item.detail),
    )
    return Message(message.topic.encode(), _encode(message))


def encode_receipts(writer: str, receipts: Sequence[int]) -> list[Message]:
    """Marks as messages, keyed by who wrote them."""
    parts = [tuple(receipts[at : at + MAX_MARKS]) for at in range(0, len(receipts), MAX_MARKS)]
    return [
        Message(writer.encode(), _encode(ReceiptMessage(VERSION, writer, part))) for part in parts
    ]


def decode_reading(value: bytes | None) -> ReadingMessage | Rejection:
    return _decode(_READING, value)


def decode_quarantined(value: bytes | None) -> Quarantined | Rejection:
    found = _decode(_QUARANTINE, value)
    if isinstance(found, Rejection):
        return found
    return Quarantined(
        found.source, found.topic, found.payload, found.received_at_us, found.code, found.detail
    )


def decode_receipts(value: bytes | None) -> ReceiptMessage | Rejection:
    return _decode(_RECEIPTS, value)


def _decode(decoder: msgspec.json.Decoder[MessageT], value: bytes | None) -> MessageT | Rejection:
    if value is None:
        return Rejection(ReasonCode.NO_VALUE, "the message has no content")
    try:
        message = decoder.decode(value)
    except msgspec.ValidationError as fault:
        return _refuse_version(value) or Rejection(ReasonCode.WRONG_TYPE, str(fault))
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        return Rejection(ReasonCode.JSON_SYNTAX, str(fault))
    except RecursionError:
        return Rejection(ReasonCode.TOO_BIG, "nested too deeply")
    if message.v != VERSION:
        return _refuse_version(value) or Rejection(ReasonCode.UNKNOWN_FORMAT, "no version")
    return message


def _refuse_version(value: bytes) -> Rejection | None:
    """The words for a message of another version, whatever else is wrong with it."""
    try:
        document: Any = _ANYTHING.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    version = document.get("v") if isinstance(document, dict) else None
    if version == VERSION or not isinstance(version, int):
        return None
    return Rejection(
        ReasonCode.UNKNOWN_FORMAT,
        f"version {version} of the schema is not known, only {VERSION}; use the program that "
        "wrote it",
    )


def _printable(text: str) -> str:
    """The text without what no UTF-8 can hold."""
    return text.encode(errors="replace").decode()

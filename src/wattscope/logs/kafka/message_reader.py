"""From messages to one record: columns with series ids, and what cannot be read set aside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import find_quantity
from wattscope.core.reading import Batch, Quality
from wattscope.core.topology import is_safe_name
from wattscope.logs.kafka.reading_json import (
    MAX_PAYLOAD,
    ReadingMessage,
    decode_quarantined,
    decode_reading,
)
from wattscope.ports import FollowedRecord, Quarantined

FindSeries = Callable[[str, tuple[str, ...]], Sequence[int] | None]
"""Ids of quantities of a device, in their order; None for a device that is not registered.

It may raise ``TransientError`` while the registry is away: the messages are then read again.
"""
_MAX_KNOWN = 200_000
"""Answers of the registry that are kept: as many as there are devices, if they do not vary."""
_MISSING = int(Quality.MISSING)
_OFFSET_BITS, _PARTITION_BITS = 47, 15


class FetchedMessage(Protocol):
    """The part of the library's message that reading needs."""

    def topic(self) -> str | None: ...

    def partition(self) -> int | None: ...

    def offset(self) -> int | None: ...

    def value(self) -> bytes | None: ...

    def timestamp(self) -> tuple[int, int]: ...


class _Columns:
    """Rows under construction."""

    __slots__ = ("quality", "series", "t", "values", "widths")

    def __init__(self) -> None:
        self.series: list[int] = []
        self.t: list[int] = []
        self.widths: list[int] = []
        self.values: list[float | None] = []
        self.quality: dict[int, int] = {}
        """By row, where it is not 0."""

    def add(self, reading: ReadingMessage, series: Sequence[int]) -> None:
        if reading.quality:
            first = len(self.series)
            flags = reading.quality
            for row, quantity in enumerate(reading.values, first):
                if quantity in flags:
                    self.quality[row] = flags[quantity]
        self.series.extend(series)
        self.values.extend(reading.values.values())
        self.t.append(reading.measured_at_us)
        self.widths.append(len(series))

    def build(self) -> Batch:
        """The batch; a null is missing, whatever its flags say."""
        value = np.array(self.values, np.float64)  # None becomes NaN
        quality = np.zeros(len(value), np.uint8)
        if self.quality:
            quality[list(self.quality)] = list(self.quality.values())
        quality[np.isnan(value)] |= _MISSING
        return Batch(
            np.array(self.series, np.int32),
            np.repeat(np.array(self.t, np.int64), self.widths),
            value,
            quality,
        )


class MessageReader:
    """Reads messages; remembers the series of what it has seen."""

    def __init__(self, readings_topic: str, find_series: FindSeries) -> None:
        self._readings_topic = readings_topic
        self._find_series = find_series
        self._known: dict[tuple[str, tuple[str, ...]], Sequence[int]] = {}

    def read(self, messages: Sequence[FetchedMessage]) -> FollowedRecord:
        """One record of all messages, in their order.

        Raises:
            TransientError: The registry is away; nothing was taken.
        """
        columns = _Columns()
        aside: list[Quarantined] = []
        numbers: list[int] = []
        oldest = math.inf
        for message in messages:
            refusal: Quarantined | Rejection | None
            if message.topic() == self._readings_topic:
                reading = decode_reading(message.value())
                series = self._resolve(reading)
                refusal = series if isinstance(series, Rejection) else None
                if isinstance(reading, ReadingMessage) and not isinstance(series, Rejection):
                    columns.add(reading, series)
                    oldest = min(oldest, reading.received_at_us)
            else:
                refusal = decode_quarantined(message.value())
            if refusal is not None:
                aside.append(
                    refusal if isinstance(refusal, Quarantined) else _set_aside(message, refusal)
                )
                numbers.append(_number(message, self._readings_topic))
        return FollowedRecord(
            columns.build(),
            tuple(aside),
            tuple(numbers),
            None if oldest is math.inf else int(oldest),
        )

    def _resolve(self, reading: ReadingMessage | Rejection) -> Sequence[int] | Rejection:
        if isinstance(reading, Rejection):
            return reading
        key = (reading.device, tuple(reading.values))
        series = self._known.get(key)
        if series is None:
            found = self._ask(*key)
            if isinstance(found, Rejection):
                return found
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            series = self._known[key] = found
        return series

    def _ask(self, device: str, quantities: tuple[str, ...]) -> Sequence[int] | Rejection:
        """The registry's answer; it is not asked for names that no series can have."""
        if not is_safe_name(device):
            return Rejection(ReasonCode.BAD_NAME, f"device {device[:128]!r} is no name")
        if not quantities:
            return Rejection(ReasonCode.NO_VALUE, "the reading has no values")
        unknown = next((name for name in quantities if find_quantity(name) is None), None)
        if unknown is not None:
            return Rejection(
                ReasonCode.BAD_NAME,
                f"quantity {unknown[:128]!r} is not in the catalogue; see docs/kafka.md",
            )
        series = self._find_series(device, quantities)
        if series is None:
            return Rejection(
                ReasonCode.UNKNOWN_DEVICE,
                f"device {device!r} is not registered; add it, then send its readings again",
            )
        return series


def _set_aside(message: FetchedMessage, refusal: Rejection) -> Quarantined:
    kind, timestamp_ms = message.timestamp()
    return Quarantined(
        "kafka",
        f"{message.topic()}/{message.partition()}",
        (message.value() or b"")[:MAX_PAYLOAD],
        1000 * timestamp_ms if kind else 0,
        refusal.code.value,
        f"offset {message.offset()}: {refusal.detail}",
    )


def _number(message: FetchedMessage, readings_topic: str) -> int:
    """A number below 2**63 for the place of a message: the same whenever it is read."""
    is_other = message.topic() != readings_topic
    place = (int(is_other) << _PARTITION_BITS) | (message.partition() or 0)
    return (place << _OFFSET_BITS) | (message.offset() or 0)

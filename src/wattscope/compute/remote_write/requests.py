"""The messages of remote write 1.0 and 2.0, as series with their samples.

::

    1.0   WriteRequest { 1: TimeSeries { 1: Label { 1: name, 2: value }, 2: Sample, 3: exemplars,
                         4: histograms }, 3: metadata }
    2.0   Request      { 4: symbols, 5: TimeSeries { 1: refs, 2: Sample, 3: histograms,
                         4: exemplars, 5: metadata, 6: created } }
    both  Sample       { 1: double, 2: int64 [ms] }

(Prometheus Remote-Write 1.0 and 2.0 specifications.) Labels are taken as they are: whether they can
be meant is told where samples are read, by the profile. Metadata, exemplars and created timestamps
measure nothing and are passed over; exemplars and histograms are counted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from wattscope.compute.remote_write.wire import (
    FIXED64,
    LENGTH,
    VARINT,
    Field,
    expect,
    read_fields,
    read_varint,
    to_signed,
)
from wattscope.core.errors import BadBodyError

MAX_LABELS: Final = 128
"""Labels of one series at most."""
_DOUBLE: Final = struct.Struct("<d")
_HISTOGRAM_TIME: Final = 15
_LABEL_KEY: Final = 0x0A
"""Field 1 with a length."""
_MAX_KNOWN: Final = 50_000
_LONG_BLOCK: Final = 2048
_LONG_SERIES: Final = 1024
"""A shorter series has few samples [bytes]."""

RawLabels = tuple[tuple[bytes, bytes], ...]
"""Names and values as they came, in their order."""


class Edition(Enum):
    """Which of the two messages."""

    V1 = 1
    V2 = 2


class WrittenSeries(NamedTuple):
    """What a request says of one series."""

    labels: RawLabels
    samples: tuple[tuple[int, float], ...]
    """Instant [ms since 1970] and value."""
    histogram_times: tuple[int, ...]
    """Instants of native histograms [ms since 1970]."""
    n_exemplars: int


class _Numbers(NamedTuple):
    """Where the parts of a series stand in one of the two messages."""

    samples: int
    histograms: int
    exemplars: int


_PLACES: Final = {Edition.V1: _Numbers(2, 4, 3), Edition.V2: _Numbers(2, 3, 4)}
_Pairs = list[tuple[bytes, bytes]]


class RequestReader:
    """Reads requests; remembers nothing but the labels that they repeat, as they stand in 1.0."""

    def __init__(self) -> None:
        self._known: dict[bytes, RawLabels] = {}

    def read(
        self, data: bytes, edition: Edition, hold: Callable[[int], None] = lambda _: None
    ) -> list[WrittenSeries]:
        """All series of a request.

        Args:
            data: The message, unpacked.
            edition: Which it is.
            hold: Told of the items that were read, so many each time; may raise when there are
                too many.

        Raises:
            BadBodyError: It is damaged; nothing of it can be trusted.
        """
        number = 1 if edition is Edition.V1 else 5
        symbols: list[bytes] = []
        series: list[Field] = []
        for field in read_fields(data, 0, len(data)):
            if field.number == number:
                expect(field, LENGTH, "a series")
                hold(1)
                series.append(field)
            elif field.number == 4 and edition is Edition.V2:
                expect(field, LENGTH, "a symbol")
                hold(1)
                symbols.append(data[field.start : field.end])
        if symbols and symbols[0]:
            raise BadBodyError("the first symbol must be the empty text")
        found = []
        for field in series:
            # Empty samples take two bytes each: they are counted before they are read.
            hold(_count_fields(data, field))
            found.append(self._read_series(data, field, edition, symbols))
        return found

    def _read_series(
        self, data: bytes, whole: Field, edition: Edition, symbols: Sequence[bytes]
    ) -> WrittenSeries:
        places = _PLACES[edition]
        samples: list[tuple[int, float]] = []
        times: list[int] = []
        n_exemplars = 0
        # Senders write the labels first, and the same ones each time.
        start = _skip_labels(data, whole.start, whole.end) if edition is Edition.V1 else whole.start
        block = data[whole.start : start]
        labels: _Pairs = []
        for field in read_fields(data, start, whole.end):
            number = field.number
            if number == places.samples:
                expect(field, LENGTH, "a sample")
                samples.append(_read_sample(data, field))
            elif number == 1:
                expect(field, LENGTH, "a label")
                is_first = edition is Edition.V1
                labels += [_read_label(data, field)] if is_first else _refer(data, field, symbols)
            elif number == places.histograms:
                expect(field, LENGTH, "a histogram")
                times.append(_read_time(data, field, _HISTOGRAM_TIME))
            elif number == places.exemplars:
                expect(field, LENGTH, "an exemplar")
                n_exemplars += 1
        told = self._find_labels(block) + tuple(labels)
        if len(told) > MAX_LABELS:
            raise BadBodyError(f"a series has more than {MAX_LABELS} labels")
        return WrittenSeries(told, tuple(samples), tuple(times), n_exemplars)

    def _find_labels(self, block: bytes) -> RawLabels:
        """The labels of 1.0 that stand in a block, each a field of its own."""
        known = self._known.get(block)
        if known is None:
            known = tuple(_read_label(block, one) for one in read_fields(block, 0, len(block)))
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            if len(known) <= MAX_LABELS and len(block) <= _LONG_BLOCK:
                self._known[block] = known
        return known


def _count_fields(data: bytes, whole: Field) -> int:
    """At most how many samples a series has; exact only where there may be too many."""
    size = whole.end - whole.start
    return sum(1 for _ in read_fields(data, whole.start, whole.end)) if size > _LONG_SERIES else 1


def _skip_labels(data: bytes, start: int, end: int) -> int:
    """Where the labels end that a series of 1.0 begins with."""
    at = start
    while at < end and data[at] == _LABEL_KEY:
        size, after = read_varint(data, at + 1, end)
        if after + size > end:
            break
        at = after + size
    return at


def _read_label(data: bytes, whole: Field) -> tuple[bytes, bytes]:
    """A label of 1.0; what is left out of the message is empty."""
    name = value = b""
    for field in read_fields(data, whole.start, whole.end):
        if field.number == 1:
            expect(field, LENGTH, "the name of a label")
            name = data[field.start : field.end]
        elif field.number == 2:
            expect(field, LENGTH, "the value of a label")
            value = data[field.start : field.end]
    return name, value


def _refer(data: bytes, whole: Field, symbols: Sequence[bytes]) -> _Pairs:
    """Labels of 2.0: numbers of symbols, name and value by turns, all in one field."""
    refs = []
    at, end = whole.start, whole.end
    while at < end:
        ref = data[at]
        at += 1
        if ref >= 0x80:
            ref, at = read_varint(data, at - 1, end)
        refs.append(ref)
    if len(refs) % 2 or max(refs, default=0) >= len(symbols):
        raise BadBodyError("the labels of a series are no pairs of symbols")
    pairs = zip(refs[::2], refs[1::2], strict=True)
    return [(symbols[name], symbols[value]) for name, value in pairs]


def _read_sample(data: bytes, whole: Field) -> tuple[int, float]:
    # Nearly all senders write value and time, in this order and nothing else.
    start = whole.start
    if whole.end - start > 10 and data[start] == 0x09 and data[start + 9] == 0x10:
        time, at = read_varint(data, start + 10, whole.end)
        if at == whole.end:
            return to_signed(time), _DOUBLE.unpack_from(data, start + 1)[0]
    value = 0.0
    for field in read_fields(data, start, whole.end):
        if field.number == 1:
            expect(field, FIXED64, "the value of a sample")
            value = _DOUBLE.unpack_from(data, field.start)[0]
    return _read_time(data, whole, 2), value


def _read_time(data: bytes, whole: Field, number: int) -> int:
    """An instant [ms since 1970]; 0 where it is left out."""
    time = 0
    for field in read_fields(data, whole.start, whole.end):
        if field.number == number:
            expect(field, VARINT, "a time")
            time = to_signed(field.value)
    return time

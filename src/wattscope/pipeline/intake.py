"""Decode, validate and enrich a group of messages into one batch and what is set aside.

It does no I/O but through the binder, which asks the registry for what it has never seen.
One bad message never blocks its neighbours.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wattscope.compute.line_routing import AlikeReading
from wattscope.compute.routing import Router, TopicRoute
from wattscope.compute.validate import find_future, find_out_of_range, grade_values
from wattscope.core.findings import Ignored, ReasonCode, Rejection
from wattscope.core.reading import Batch, Reading, empty_batch
from wattscope.core.time_grid import format_utc
from wattscope.pipeline.binding import Binder, Binding
from wattscope.pipeline.tally import Tally
from wattscope.ports import Quarantined, RawMessage

MAX_KEPT_PAYLOAD = 64 * 1024
"""Bytes of a message that quarantine keeps."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A group of messages, ready for the log."""

    batch: Batch
    quarantined: tuple[Quarantined, ...]
    receipts: tuple[int, ...]
    """Marks of messages without a clock, to know them again when they are redelivered."""
    n_duplicate: int
    rows_aside: tuple[int, ...] = ()
    """Position in the group of the message of each that was set aside."""


class _Columns:
    """Rows under construction."""

    __slots__ = ("n_values", "series", "source_row", "t", "values")

    def __init__(self) -> None:
        self.series: list[int] = []
        self.values: list[float] = []
        self.t: list[int] = []
        self.n_values: list[int] = []
        self.source_row: list[int] = []

    def add(self, row: int, t_us: int, bound: Binding, values: Iterable[float]) -> None:
        """Append a reading."""
        if bound.factors is not None:
            values = [v * f for v, f in zip(values, bound.factors, strict=True)]
        self.series += bound.series
        self.values += values
        self.t.append(t_us)
        self.n_values.append(len(bound.series))
        self.source_row.append(row)

    def restore_order(self) -> None:
        """Bring the readings into the order of their messages, where they are not."""
        if all(one <= other for one, other in itertools.pairwise(self.source_row)):
            return
        ends = list(itertools.accumulate(self.n_values))
        order = sorted(range(len(ends)), key=self.source_row.__getitem__)
        parts = [slice(ends[one] - self.n_values[one], ends[one]) for one in order]
        self.series = [number for part in parts for number in self.series[part]]
        self.values = [value for part in parts for value in self.values[part]]
        self.t = [self.t[one] for one in order]
        self.n_values = [self.n_values[one] for one in order]
        self.source_row = [self.source_row[one] for one in order]


class _Aside:
    """What is set aside of a group."""

    def __init__(self, source: str, messages: Sequence[RawMessage]) -> None:
        self._source = source
        self._messages = messages
        self.items: list[Quarantined] = []
        self.rows: list[int] = []

    def put(self, row: int, refusal: Rejection) -> None:
        """Set the message at a row of the group aside."""
        message = self._messages[row]
        payload = message.payload
        # Of a message beyond all bounds the head is enough to know it again.
        kept = payload[:1024] if refusal.code is ReasonCode.TOO_BIG else payload[:MAX_KEPT_PAYLOAD]
        item = Quarantined(
            self._source,
            message.topic[:512],
            kept,
            message.received_at_us,
            refusal.code.value,
            refusal.detail,
        )
        self.items.append(item)
        self.rows.append(row)


class Intake:
    """The pure-minded middle of the pipeline: messages in, columns out."""

    def __init__(
        self,
        source: str,
        router: Router,
        binder: Binder,
        tally: Tally,
        now_us: Callable[[], int],
        read_alike: Callable[[Sequence[RawMessage]], Sequence[AlikeReading]] | None = None,
    ) -> None:
        """Take the parts; ``read_alike``: reads what it can of many messages faster than alone."""
        self._source = source
        self._router = router
        self._binder = binder
        self._tally = tally
        self._now_us = now_us
        self._read_alike = read_alike
        self._receipts: dict[int, int] = {}

    def remember(self, receipts: Sequence[int]) -> None:
        """Know the messages of a durable record again, should the broker send them once more."""
        for mark in receipts:
            self._receipts[mark >> 32] = mark

    def count_refused(self, prepared: Prepared) -> None:
        """A group could not be made durable; it is held, and its sender not told.

        What was set aside of it is counted as such already.
        """
        self._tally.refused += len(prepared.batch)

    def count_again(self, prepared: Prepared) -> None:
        """A refused group was taken after all: it came in twice, as when it is sent again."""
        self._tally.received += len(prepared.batch)

    def take_in(self, messages: Sequence[RawMessage]) -> Prepared:
        """Columns of all that can be trusted in a group of messages, in order.

        Nothing is remembered of the group until ``remember`` is called with its receipts: should
        it never become durable, the broker sends it again and it is taken again.
        """
        columns = _Columns()
        aside = _Aside(self._source, messages)
        receipts: list[int] = []
        n_ignored = n_duplicate = 0
        find = self._router.find
        for row, message in self._add_alike(columns, messages, aside):
            route = find(message.topic)
            if route is None:
                aside.put(row, _unknown_format(message))
                continue
            decoded = route.decode(message)
            if isinstance(decoded, tuple) and decoded[0].measured_at_us is None:
                # Without an instant of its own, an old message looks like a new one.
                if message.is_retained:
                    n_ignored += 1
                    continue
                mark = _make_mark(message)
                if self._is_repeat(message, mark, receipts):
                    n_duplicate += 1
                    continue
                receipts.extend(() if mark is None else (mark,))
            if isinstance(decoded, tuple):
                for reading in decoded:
                    refusal = self._add(columns, reading, route, message, row)
                    if refusal is not None:
                        aside.put(row, refusal)
            elif isinstance(decoded, Ignored):
                n_ignored += 1
            else:
                aside.put(row, decoded)
        self._binder.write_places()
        columns.restore_order()
        batch = self._build(columns, messages, aside)
        self._count(messages, len(batch), aside.items, n_ignored, n_duplicate)
        return Prepared(batch, tuple(aside.items), tuple(receipts), n_duplicate, tuple(aside.rows))

    def _is_repeat(self, message: RawMessage, mark: int | None, group: Sequence[int]) -> bool:
        """Whether the broker sends again what is in the log, or in this group, already."""
        if mark is None:
            return False
        if not message.is_redelivered:
            # The number was given anew: what it stood for was acknowledged long ago.
            self._receipts.pop(mark >> 32, None)
            return False
        return self._receipts.get(mark >> 32) == mark or mark in group

    def _add_alike(
        self, columns: _Columns, messages: Sequence[RawMessage], aside: _Aside
    ) -> Iterable[tuple[int, RawMessage]]:
        """Add what can be read fast; returns the other messages with their positions."""
        if self._read_alike is None:
            return enumerate(messages)
        alike = self._read_alike(messages)
        bind = self._binder.bind
        for row, route, plan, measured_at_us, values in alike:
            bound = bind(plan.device, plan.quantities, route, None, plan.site)
            if isinstance(bound, Rejection):
                aside.put(row, bound)
            else:
                columns.add(row, measured_at_us, bound, values)
        read = {one.row for one in alike}
        return [(row, message) for row, message in enumerate(messages) if row not in read]

    def _add(
        self, columns: _Columns, reading: Reading, route: TopicRoute, message: RawMessage, row: int
    ) -> Rejection | None:
        bound = self._binder.bind(
            reading.device, reading.quantities, route, reading.place, reading.site
        )
        if isinstance(bound, Rejection):
            return bound
        measured_at_us = reading.measured_at_us
        # Messages that were read together share their instant of receipt; a microsecond each keeps
        # the second value of a topic from passing for a contradiction of the first.
        t_us = message.received_at_us + row if measured_at_us is None else measured_at_us
        columns.add(row, t_us, bound, reading.values)
        return None

    def _build(self, columns: _Columns, messages: Sequence[RawMessage], aside: _Aside) -> Batch:
        """Columns as a batch; readings from the future or beyond a range are set aside whole."""
        if not columns.values:
            return empty_batch()
        t = np.array(columns.t, np.int64)
        series = np.array(columns.series, np.int32)
        value = np.array(columns.values, np.float64)
        low, high = self._binder.limits(series)
        widths = np.array(columns.n_values)
        batch = Batch(series, np.repeat(t, widths), value, grade_values(value, low, high))
        is_bad = find_future(t, self._now_us())
        for reading in np.flatnonzero(is_bad).tolist():
            row = columns.source_row[reading]
            aside.put(row, _from_the_future(columns.t[reading], messages[row]))
        if self._binder.has_ranges:
            is_bad |= self._set_beyond_aside(batch, columns, aside, is_bad)
        return batch.take(np.repeat(~is_bad, widths)) if is_bad.any() else batch

    def _set_beyond_aside(
        self,
        batch: Batch,
        columns: _Columns,
        aside: _Aside,
        is_aside: np.ndarray,
    ) -> np.ndarray:
        """Readings with a value that their profile does not take.

        ``is_aside``: readings that are set aside already; each is set aside for one reason.
        """
        beyond = find_out_of_range(batch.value, *self._binder.ranges(batch.series_id))
        is_bad = np.zeros(len(is_aside), np.bool_)
        if not beyond.any():
            return is_bad
        reading_of = np.repeat(np.arange(len(is_aside)), columns.n_values)
        for row in np.flatnonzero(beyond).tolist():
            reading = int(reading_of[row])
            if not is_bad[reading] and not is_aside[reading]:
                is_bad[reading] = True
                series, value = int(batch.series_id[row]), float(batch.value[row])
                refusal = self._binder.refuse_value(series, value)
                aside.put(columns.source_row[reading], refusal)
        return is_bad

    def _count(
        self,
        messages: Sequence[RawMessage],
        n_values: int,
        aside: Sequence[Quarantined],
        n_ignored: int,
        n_duplicate: int,
    ) -> None:
        tally = self._tally
        tally.messages += len(messages)
        tally.by_source[self._source] += len(messages)
        tally.hear([message.topic for message in messages])
        if messages:
            tally.last_received_us[self._source] = messages[-1].received_at_us
        tally.received += n_values + n_duplicate + len(aside)
        tally.ignored += n_ignored
        tally.duplicate += n_duplicate
        for item in aside:
            tally.quarantined_by_code[item.code] += 1


def _from_the_future(measured_at_us: int, message: RawMessage) -> Rejection:
    detail = (
        f"measured at {format_utc(measured_at_us)}, received at "
        f"{format_utc(message.received_at_us)}; set the device's clock"
    )
    return Rejection(ReasonCode.FUTURE, detail)


def _unknown_format(message: RawMessage) -> Rejection:
    return Rejection(
        ReasonCode.UNKNOWN_FORMAT,
        f"no profile knows topic {message.topic[:200]!r}; name its profile in the source",
    )


def _make_mark(message: RawMessage) -> int | None:
    """Packet number and checksum of a message; None where the sender numbers nothing."""
    number = getattr(message.receipt, "mid", None)
    if number is None:
        return None
    digest = zlib.crc32(message.payload, zlib.crc32(message.topic.encode(errors="replace")))
    return (int(number) << 32) | digest

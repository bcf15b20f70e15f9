"""What a Prometheus writes to us (remote write 1.0 and 2.0): requests become messages.

A sample is a message, a line of text with its metric in the topic (``samples/sample_line.py``). The
sender has its answer when all of them are durable. Metrics that no profile knows are left out and
counted; a native histogram is a message, too, and is set aside with the reason.

It promises that a request takes no more memory than its limits allow, whatever it says of itself:
lengths are agreed to before anything is unpacked, and samples are counted while they are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from wattscope.compute.remote_write.requests import (
    Edition,
    RawLabels,
    RequestReader,
    WrittenSeries,
)
from wattscope.compute.remote_write.snappy import read_length, unpack
from wattscope.compute.sample_routing import make_topic
from wattscope.compute.samples.sample_line import (
    HISTOGRAM,
    NAME_LABEL,
    write_head,
    write_line,
    write_value,
)
from wattscope.core.errors import TooLargeError
from wattscope.ports import RawMessage, Reception
from wattscope.sources.pushed_writes import (
    UNPACKED_RATIO,
    OpenRequest,
    PushedWrites,
    WriteOptions,
)

ITEM_BYTES: Final = 400
"""What a sample or series takes while it is under way, beside its own text [bytes]."""
_MAX_REMEMBERED: Final = 50_000
_AT_ONCE: Final = 2
"""Requests that are unpacked at the same time; others wait."""


@dataclass(frozen=True, slots=True)
class BadSample:
    """A sample that was not taken."""

    line: bytes
    code: str
    """A ``ReasonCode`` value."""
    detail: str


@dataclass(frozen=True, slots=True)
class SampleReceipt:
    """What became of a request."""

    n_samples: int
    """Samples without the bad ones; those that profiles leave out are among them."""
    bad: tuple[BadSample, ...]
    """Native histograms among them; in the order of the request."""


@dataclass(slots=True)
class _Reading:
    """A request that is read."""

    messages: list[RawMessage] = field(default_factory=list)
    histogram_rows: set[int] = field(default_factory=set)
    """Positions of messages that stand for native histograms."""
    n_left_out: int = 0
    n_items: int = 0
    max_items: int = 0

    def hold(self, n_items: int) -> None:
        """Count what is read.

        Raises:
            TooLargeError: It is too much.
        """
        self.n_items += n_items
        if self.n_items > self.max_items:
            raise TooLargeError(
                f"a request may have {self.max_items} series and samples at most; send fewer at "
                "once (max_samples_per_send), or raise max_body_mb of the source"
            )


class RemoteWrites(PushedWrites):
    """The source whose messages come as requests of remote write."""

    kind = "remote_write"

    def __init__(  # what it needs of the world
        self,
        name: str,
        options: WriteOptions,
        reception: Reception,
        now_us: Callable[[], int],
        *,
        knows: Callable[[str], bool],
        leave_out: Callable[[int], None],
    ) -> None:
        """Take the parts.

        Args:
            name: Of the source.
            options: Checked already.
            reception: Takes the messages.
            now_us: The clock [µs since 1970].
            knows: Whether samples of a metric may mean anything; asked in a thread.
            leave_out: Told how many samples were left out.
        """
        super().__init__(name, options)
        self._reception = reception
        self._now_us = now_us
        self._knows = knows
        self._leave_out = leave_out
        self._heads: dict[RawLabels, tuple[str, str | None]] = {}
        self._reader = RequestReader()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def address(self) -> str:
        """Where it is written to."""
        return "/api/v1/write"

    async def take(self, packed: bytes, edition: Edition, opened: OpenRequest) -> SampleReceipt:
        """Make the samples of a request durable.

        Args:
            packed: The body, as snappy packed it.
            edition: Which message it holds.
            opened: Counts what is under way.

        Raises:
            BadBodyError: It cannot be read; nothing was taken.
            TooLargeError: Likewise, it is too large.
            TransientError: Not now; nothing was taken.
        """
        length, _ = read_length(packed)
        # Before a byte of it is unpacked.
        opened.unpack(length)
        async with self._turns:
            found = await asyncio.to_thread(self._read, packed, edition)
        opened.unpack(found.n_items * ITEM_BYTES)
        aside = await self._reception.take(found.messages) if found.messages else ()
        self._leave_out(found.n_left_out)
        bad = [
            BadSample(found.messages[one.row].payload, one.code, one.detail)
            for one in sorted(aside, key=lambda one: one.row)
        ]
        n_samples = len(found.messages) - len(found.histogram_rows) + found.n_left_out
        n_bad = sum(one.row not in found.histogram_rows for one in aside)
        return SampleReceipt(n_samples - n_bad, tuple(bad))

    def _read(self, packed: bytes, edition: Edition) -> _Reading:
        max_items = self._options.max_body_bytes * UNPACKED_RATIO // ITEM_BYTES
        found = _Reading(max_items=max_items)
        now_us = self._now_us()
        for series in self._reader.read(unpack(packed), edition, found.hold):
            self._add(found, series, now_us)
        return found

    def _add(self, found: _Reading, series: WrittenSeries, now_us: int) -> None:
        head, topic = self._describe(series.labels)
        if topic is None and not series.histogram_times:
            found.n_left_out += len(series.samples)
            return
        messages = found.messages
        if topic is None:
            # A histogram is never left out without a word.
            topic = make_topic("")
        for time_ms, value in series.samples:
            line = write_line(head, write_value(value), time_ms)
            messages.append(RawMessage(topic, line, now_us))
        for time_ms in series.histogram_times:
            found.histogram_rows.add(len(messages))
            messages.append(RawMessage(topic, write_line(head, HISTOGRAM, time_ms), now_us))

    def _describe(self, labels: RawLabels) -> tuple[str, str | None]:
        """Head and topic of a series; no topic when no profile knows its metric."""
        known = self._heads.get(labels)
        if known is not None:
            return known
        pairs = [
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in labels
        ]
        metric = next((value for name, value in pairs if name == NAME_LABEL), "")
        shown = "".join(sign if sign.isprintable() else "?" for sign in metric)
        described = write_head(pairs), make_topic(shown) if self._knows(shown) else None
        if len(self._heads) >= _MAX_REMEMBERED:
            self._heads.clear()
        self._heads[labels] = described
        return described

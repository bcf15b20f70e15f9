"""What is written to us in the line protocol of InfluxDB over HTTP: bodies become messages.

A body is cut into its points, each a message with precision, database and measurement in its topic.
The sender has its answer when all of them are durable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattscope.compute.files.line_protocol import cut_lines
from wattscope.compute.line_routing import find_measurement_name, make_topic
from wattscope.ports import RawMessage, Reception
from wattscope.sources.pushed_writes import PushedWrites, WriteOptions

_MAX_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class BadPoint:
    """A point that was not taken."""

    line_number: int
    """In the body; the first line is 1."""
    line: bytes
    code: str
    """A ``ReasonCode`` value."""
    detail: str


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """What became of a body."""

    n_points: int
    bad: tuple[BadPoint, ...]
    """In the order of the body."""


class LineWrites(PushedWrites):
    """The source whose messages come as requests."""

    kind = "influx"

    def __init__(
        self,
        name: str,
        options: WriteOptions,
        reception: Reception,
        now_us: Callable[[], int],
    ) -> None:
        super().__init__(name, options)
        self._reception = reception
        self._now_us = now_us
        self._topics: dict[tuple[str, str, bytes], str] = {}
        self.databases: dict[str, None] = {}
        """Names that senders made or wrote to since the start, in that order."""

    @property
    def address(self) -> str:
        """Where it is written to."""
        return "/write, /api/v2/write"

    def note_database(self, name: str) -> None:
        """Know a name that a sender uses."""
        if len(self.databases) < _MAX_REMEMBERED:
            self.databases[name] = None

    async def take(self, body: bytes, *, database: str, precision: str) -> WriteReceipt:
        """Make the points of a body durable.

        Args:
            body: Whole, unpacked.
            database: Where the sender wants it; a part of the topics.
            precision: One of ``PRECISIONS``.

        Raises:
            TransientError: Not now; nothing was taken.
        """
        self.note_database(database)
        numbers: list[int] = []
        messages: list[RawMessage] = []
        now_us = self._now_us()
        for number, line in cut_lines(body):
            numbers.append(number)
            topic = self._find_topic(precision, database, line)
            messages.append(RawMessage(topic, line, now_us))
        if not messages:
            return WriteReceipt(0, ())
        aside = await self._reception.take(messages)
        bad = [
            BadPoint(numbers[one.row], messages[one.row].payload, one.code, one.detail)
            for one in aside
        ]
        bad.sort(key=lambda one: one.line_number)
        return WriteReceipt(len(messages), tuple(bad))

    def _find_topic(self, precision: str, database: str, line: bytes) -> str:
        head = line.partition(b" ")[0]
        key = (precision, database, head)
        topic = self._topics.get(key)
        if topic is None:
            topic = make_topic(precision, database, find_measurement_name(line))
            if len(self._topics) >= _MAX_REMEMBERED:
                self._topics.clear()
            # A blank before the line or in a name ends the head early: it tells nothing then.
            if head and b"\\" not in head:
                self._topics[key] = topic
        return topic

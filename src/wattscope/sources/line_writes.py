"""What is written to us in the line protocol of InfluxDB over HTTP: bodies become messages.

A body is cut into its points, each a message with precision, database and measurement in its topic.
The sender has its answer when all of them are durable. It promises that the bytes of all requests
that are under way together stay below a limit, whatever their senders say about their length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wattscope.compute.files.line_protocol import cut_lines
from wattscope.compute.line_routing import find_measurement_name, make_topic
from wattscope.core.errors import OverloadedError, SettingsError, TooLargeError
from wattscope.ports import RawMessage, Reception
from wattscope.sources.link_state import LinkState

MB = 1_000_000
BACKLOG_BYTES = 64 * MB
UNPACKED_RATIO = 10
"""A packed body may grow to this many times the largest body."""
_MAX_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class LineWriteOptions:
    """How much is taken at once."""

    max_body_bytes: int = 5 * MB
    """Largest body of one request."""
    backlog_bytes: int = BACKLOG_BYTES
    """All bodies that are under way together, unpacked."""

    def __post_init__(self) -> None:
        faults = []
        if not self.max_body_bytes > 0:
            faults.append("max_body_mb: must be above 0")
        if self.backlog_bytes < self.max_body_bytes:
            faults.append("max_body_mb: is more than fits beside other requests")
        if faults:
            raise SettingsError(faults)


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


class OpenRequest:
    """The bytes of one request, counted."""

    def __init__(self, writes: LineWrites, max_bytes: int) -> None:
        self._writes = writes
        self._max_bytes = max_bytes
        self.n_bytes = 0
        self.n_unpacked = 0

    def grow(self, n_bytes: int) -> None:
        """So many more have come.

        Raises:
            TooLargeError: It has too many.
            OverloadedError: All requests together have.
        """
        self.n_bytes += n_bytes
        self._writes.hold(n_bytes)
        self._check(self.n_bytes, self._max_bytes, "body")

    def unpack(self, n_bytes: int) -> None:
        """So many more were unpacked; raises as ``grow`` does."""
        self.n_unpacked += n_bytes
        self._writes.hold(n_bytes)
        self._check(self.n_unpacked, self._max_bytes * UNPACKED_RATIO, "unpacked body")

    @staticmethod
    def _check(n_bytes: int, max_bytes: int, what: str) -> None:
        if n_bytes > max_bytes:
            raise TooLargeError(
                f"a {what} may have {max_bytes} bytes at most; send fewer points at once, or raise "
                "max_body_mb of the source"
            )


class LineWrites:
    """The source whose messages come as requests."""

    kind = "influx"

    def __init__(
        self,
        name: str,
        options: LineWriteOptions,
        reception: Reception,
        now_us: Callable[[], int],
    ) -> None:
        self.name = name
        self._options = options
        self._reception = reception
        self._now_us = now_us
        self._n_held = 0
        self._is_closed = False
        self._topics: dict[tuple[str, str, bytes], str] = {}
        self.databases: dict[str, None] = {}
        """Names that senders made or wrote to since the start, in that order."""

    @property
    def address(self) -> str:
        """Where it is written to."""
        return "/write, /api/v2/write"

    @property
    def state(self) -> LinkState:
        return LinkState.STOPPED if self._is_closed else LinkState.CONNECTED

    @property
    def detail(self) -> str:
        """What is the matter; empty while nothing is."""
        return ""

    async def close(self) -> None:
        """Take nothing further."""
        self._is_closed = True

    def hold(self, n_bytes: int) -> None:
        """Count bytes that are under way.

        Raises:
            OverloadedError: There are too many.
        """
        self._n_held += n_bytes
        if self._n_held > self._options.backlog_bytes:
            raise OverloadedError(
                f"more than {self._options.backlog_bytes // MB} MB of points are under way; "
                "send this again later"
            )

    @contextlib.contextmanager
    def open_request(self) -> Iterator[OpenRequest]:
        """A request whose bytes count until the end of the block."""
        if self._is_closed:
            raise OverloadedError("the program is ending; send this again later")
        opened = OpenRequest(self, self._options.max_body_bytes)
        try:
            yield opened
        finally:
            self._n_held -= opened.n_bytes + opened.n_unpacked

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

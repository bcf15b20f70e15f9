"""What sources have in common that are written to over HTTP: how much they take at once.

It promises that the bytes of all requests that are under way together stay below a limit, whatever
their senders say about their length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wattscope.core.errors import OverloadedError, SettingsError, TooLargeError
from wattscope.sources.link_state import LinkState

MB: Final = 1_000_000
BACKLOG_BYTES: Final = 64 * MB
UNPACKED_RATIO: Final = 10
"""A packed body may grow to this many times the largest body."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How much is taken at once."""

    max_body_bytes: int = 5 * MB
    """Largest body of one request."""
    backlog_bytes: int = BACKLOG_BYTES
    """All bodies that are under way together, unpacked."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            SettingsError: All faults at once.
        """
        faults = []
        if not self.max_body_bytes > 0:
            faults.append("max_body_mb: must be above 0")
        if self.backlog_bytes < self.max_body_bytes:
            faults.append("max_body_mb: is more than fits beside other requests")
        if faults:
            raise SettingsError(faults)


class OpenRequest:
    """The bytes of one request, counted."""

    def __init__(self, writes: PushedWrites, max_bytes: int) -> None:
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
        self._check(self.n_bytes + n_bytes, self._max_bytes, "body")
        self.n_bytes += n_bytes
        self._writes.hold(n_bytes)

    def unpack(self, n_bytes: int) -> None:
        """So many more were unpacked; raises as ``grow`` does."""
        most = self._max_bytes * UNPACKED_RATIO
        self._check(self.n_unpacked + n_bytes, most, "unpacked body")
        self.n_unpacked += n_bytes
        self._writes.hold(n_bytes)

    @staticmethod
    def _check(n_bytes: int, max_bytes: int, what: str) -> None:
        if n_bytes > max_bytes:
            raise TooLargeError(
                f"a {what} may have {max_bytes} bytes at most; send fewer points at once, or raise "
                "max_body_mb of the source"
            )


class PushedWrites:
    """The source whose messages come as requests; what they hold is its subclass's."""

    def __init__(self, name: str, options: WriteOptions) -> None:
        self.name = name
        self._options = options
        self._n_held = 0
        self._is_closed = False

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

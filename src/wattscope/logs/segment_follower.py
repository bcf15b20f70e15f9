"""The way out of the embedded log for one who keeps a place of his own.

::

    log       │rec│rec│rec│rec│rec│rec│          poll ─▶ the caller makes it durable ─▶ commit
                       ▲           ▲
              bookmark ┘           └ given

It is a ``LogFollower`` like that of a log that processes share; its bookmark takes the place of
what a group commits. The log keeps what is behind the bookmark, up to a stated size; what it
dropped all the same is counted and told.
"""

from __future__ import annotations

import time

import structlog

from wattscope.core.reading import concat_batches
from wattscope.logs.bookmark import Bookmark
from wattscope.logs.segment_log import SegmentLog
from wattscope.logs.segment_tail import SegmentTail
from wattscope.ports import FollowedRecord, LogRecord

_log = structlog.get_logger()
_LOOK_S = 0.05
_ITEM_BITS = 20
"""Of an item's number; the others are those of its record."""


class SegmentFollower:
    """Follows a log of this process; for one thread at a time but ``lag``."""

    def __init__(
        self, name: str, log: SegmentLog, bookmark: Bookmark, *, max_rows: int = 20_000
    ) -> None:
        """Find the place; where there is none yet, it is the end of the log.

        Args:
            name: For what is told.
            log: Of this process.
            bookmark: Where to go on.
            max_rows: Values of one record; one that was appended at once may have more.

        Raises:
            TransientError: The bookmark of a new follower cannot be written.
        """
        self.name = name
        self._log, self._bookmark, self._max_rows = log, bookmark, max_rows
        self._committed = self._find_place()
        self._tail = SegmentTail(log, self._committed)
        self._n_told = 0

    @property
    def n_missing(self) -> int:
        """Records that were dropped or damaged before they could be given."""
        return self._tail.n_missing

    @property
    def needed_offset(self) -> int:
        """The log must not forget what is from here on; any thread."""
        return self._committed

    def poll(self, timeout_s: float) -> FollowedRecord | None:
        """The next records as one; None when none came in time."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            found = self._take()
            if found:
                return _join(found)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            time.sleep(min(_LOOK_S, left_s))

    def commit(self) -> None:
        """All that ``poll`` gave is durable with the caller.

        Raises:
            TransientError: The disk refuses; call again later.
        """
        given = self._tail.offset
        if given != self._committed:
            self._bookmark.write(given)
            self._committed = given

    def lag(self) -> dict[str, int]:
        """Records behind the bookmark."""
        return {"log": max(0, self._log.end_offset - self._committed)}

    def close(self) -> None:
        """Nothing is held; what was not committed is given again at the next start."""

    def _take(self) -> list[LogRecord]:
        found: list[LogRecord] = []
        n_rows = 0
        for record in self._tail.read():
            found.append(record)
            n_rows += len(record.batch)
            if n_rows >= self._max_rows:
                break
        if self._tail.n_missing > self._n_told:
            _log.error(
                "log records are missing",
                follower=self.name,
                count=self._tail.n_missing - self._n_told,
                before=self._tail.offset,
                advice="they were dropped because it was away for too long, or are damaged",
            )
            self._n_told = self._tail.n_missing
        return found

    def _find_place(self) -> int:
        end = self._log.end_offset
        found = self._bookmark.read()
        if found is not None and found <= end:
            return found
        if found is not None:
            _log.error("log was replaced", follower=self.name, bookmark=found, end_offset=end)
        self._bookmark.write(end)
        return end


def _join(records: list[LogRecord]) -> FollowedRecord:
    items = [
        ((record.offset << _ITEM_BITS) + number, item)
        for record in records
        for number, item in enumerate(record.quarantined)
    ]
    return FollowedRecord(
        concat_batches([record.batch for record in records]),
        tuple(item for _, item in items),
        tuple(number for number, _ in items),
        None,
    )

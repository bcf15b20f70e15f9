"""From the log to the store, the quarantine shelf and the live view."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from wattscope.core.errors import StorageFullError, TransientError
from wattscope.core.reading import Batch, concat_batches
from wattscope.pipeline.space import SpaceWatch
from wattscope.pipeline.tally import Tally
from wattscope.ports import EventLog, LiveView, LogRecord, Quarantined, StoreReceipt

KEPT_RECORDS = 1000
"""Log records that are kept although the store covers them; senders may repeat their messages."""
_MAX_SHARED_ROWS = 100_000
"""Values of one shared record at most; a single group may exceed it."""


class FlushingStore(Protocol):
    """The part of a store that persisting needs."""

    @property
    def written_offset(self) -> int: ...

    @property
    def is_flush_due(self) -> bool: ...

    def write(self, record: LogRecord) -> StoreReceipt: ...

    def flush(self) -> int: ...


class Shelf(Protocol):
    """Where quarantined items are kept to be looked at."""

    def put(self, items: tuple[Quarantined, ...], offset: int) -> None: ...


class _Group:
    """What one caller wants in the log, and what became of it."""

    __slots__ = ("batch", "fault", "quarantined", "receipts", "record")

    def __init__(
        self, batch: Batch, quarantined: Sequence[Quarantined], receipts: Sequence[int]
    ) -> None:
        self.batch = batch
        self.quarantined = quarantined
        self.receipts = receipts
        self.record: LogRecord | None = None
        self.fault: TransientError | None = None

    @property
    def is_open(self) -> bool:
        return self.record is None and self.fault is None


def _share(groups: Sequence[_Group]) -> Iterator[list[_Group]]:
    """Groups that go into one record, in order."""
    sharing: list[_Group] = []
    n_rows = 0
    for group in groups:
        n_rows += len(group.batch)
        if sharing and n_rows > _MAX_SHARED_ROWS:
            yield sharing
            sharing, n_rows = [], len(group.batch)
        sharing.append(group)
    if sharing:
        yield sharing


class Persist:
    """Appends to the log and takes the records on, always in the order of the log.

    ::

        append ─▶ asking ─▶ log (durable) ─▶ waiting ─▶ drain ─▶ store, shelf, live view

    Several sources append at once: the first of them commits for all that ask by then, as one
    record with one fsync, and those who ask meanwhile are the next record. A record waits until
    those before it are taken, so that the store never believes to have what it was not given.
    What fails to be taken stays first in the queue and is tried again with the next call.
    """

    def __init__(
        self,
        log: EventLog,
        store: FlushingStore,
        shelf: Shelf,
        live: LiveView,
        tally: Tally,
        space: SpaceWatch | None = None,
    ) -> None:
        """Take the parts; ``space`` None: the disk is not watched."""
        self._log = log
        self._store = store
        self._shelf = shelf
        self._live = live
        self._tally = tally
        self._space = space
        self._committing = threading.Lock()
        self._draining = threading.Lock()
        self._flushing = threading.Lock()
        self._watchers: list[Callable[[Batch], None]] = []
        self._holders: list[Callable[[], int]] = []
        self._asking: deque[_Group] = deque()
        self._waiting: deque[LogRecord] = deque()

    def watch(self, watcher: Callable[[Batch], None]) -> None:
        """Show all values that are taken from now on to somebody else, too; it must be quick."""
        self._watchers.append(watcher)

    def hold(self, holder: Callable[[], int]) -> None:
        """Have the log keep everything from the offset on that this says at each flush."""
        self._holders.append(holder)

    def catch_up(self) -> int:
        """Take in what the log holds beyond the store, after a start. Returns records read.

        Nothing is counted: these values were received by an earlier process.
        """
        n_records = 0
        for record in self._log.read(self._store.written_offset):
            self._take(record)
            n_records += 1
        return n_records

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> LogRecord:
        """Make a group durable; its sender may be told. Blocks for the fsync.

        Values that are refused are counted; the caller has counted them as received, and what
        was set aside as such.

        Returns:
            The record that holds the group, perhaps with those of other callers.

        Raises:
            StorageFullError: There is too little room on the disk; nothing was appended.
            TransientError: The disk refused; likewise.
        """
        group = _Group(batch, quarantined, receipts)
        self._asking.append(group)
        try:
            return self._commit(group)
        except TransientError:
            self._tally.refused += len(batch)
            raise

    def drain(self) -> None:
        """Make every appended record visible. Blocks."""
        self._look_at_disk()
        with self._draining:
            while self._waiting:
                self._count(self._take(self._waiting[0]))
                self._waiting.popleft()

    async def append_soon(
        self, batch: Batch, quarantined: Sequence[Quarantined], receipts: Sequence[int]
    ) -> LogRecord:
        """``append`` beside the event loop; who waits for a full disk counts for himself.

        Groups that come in one turn of the loop share a record.
        """
        group = _Group(batch, quarantined, receipts)
        self._asking.append(group)
        return await asyncio.to_thread(self._commit, group)

    async def drain_soon(self) -> None:
        """``drain`` beside the event loop; returns when all that was appended is visible."""
        await asyncio.to_thread(self.drain)

    def _commit(self, group: _Group) -> LogRecord:
        """Append all that ask, unless somebody did it for us meanwhile."""
        with self._committing:
            if group.is_open:
                groups = [self._asking.popleft() for _ in range(len(self._asking))]
                try:
                    for sharing in _share(groups):
                        self._append_shared(sharing)
                finally:
                    # An error that is no refusal is ours; the others ask again for themselves.
                    left = [one for one in groups if one.is_open and one is not group]
                    self._asking.extendleft(reversed(left))
        if group.record is None:
            raise group.fault or RuntimeError
        return group.record

    def _append_shared(self, groups: Sequence[_Group]) -> None:
        """Append groups as one record, and tell each what became of it."""
        try:
            record = self._log_shared(groups)
        except TransientError as fault:
            for one in groups:
                one.fault = fault
        else:
            self._waiting.append(record)
            for one in groups:
                one.record = record

    def _log_shared(self, groups: Sequence[_Group]) -> LogRecord:
        if self._space is not None:
            self._space.demand()
        try:
            return self._log.append(
                concat_batches([one.batch for one in groups]),
                [item for one in groups for item in one.quarantined],
                [mark for one in groups for mark in one.receipts],
            )
        except StorageFullError:
            if self._space is not None:
                self._space.give_way()
            raise

    def _take(self, record: LogRecord) -> StoreReceipt:
        # The shelf first: once the store has the record, a flush may let the log forget it.
        self._shelf.put(record.quarantined, record.offset)
        receipt = self._store.write(record)
        self._shelf.put(receipt.conflicts, record.offset)
        self._live.update(record.batch)
        for watch in self._watchers:
            watch(record.batch)
        return receipt

    def _count(self, receipt: StoreReceipt) -> None:
        self._tally.stored += receipt.stored
        self._tally.duplicate += receipt.duplicate
        if receipt.conflicts:
            self._tally.quarantined_by_code["conflict"] += len(receipt.conflicts)

    @property
    def is_flush_due(self) -> bool:
        """Whether the tail has grown enough to be flushed."""
        return self._store.is_flush_due

    def flush(self) -> None:
        """Move the tail to files and let the log forget what they cover. Blocks."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            self._look_at_disk()
            # The newest records stay: they know the messages that may still be sent again.
            spare = self._store.flush() - KEPT_RECORDS
            self._log.drop_before(max(0, min([spare, *(needed() for needed in self._holders)])))
        finally:
            self._flushing.release()

    def _look_at_disk(self) -> None:
        """Have the reserve give way before store and registry write on a disk that is full."""
        if self._space is not None:
            self._space.look()

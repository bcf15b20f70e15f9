"""From the log to the store, the quarantine shelf and the live view."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from wattscope.core.reading import Batch
from wattscope.pipeline.tally import Tally
from wattscope.ports import EventLog, LiveView, LogRecord, Quarantined, StoreReceipt

KEPT_RECORDS = 1000
"""Log records that are kept although the store covers them; senders may repeat their messages."""


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


class Persist:
    """Appends to the log and takes the records on, always in the order of the log.

    ::

        append ─▶ log (durable) ─▶ waiting ─▶ drain ─▶ store, shelf, live view

    Several sources append at once; a record waits until those before it are taken, so that the
    store never believes to have what it was not given. What fails to be taken stays first in
    the queue and is tried again with the next call.
    """

    def __init__(
        self, log: EventLog, store: FlushingStore, shelf: Shelf, live: LiveView, tally: Tally
    ) -> None:
        self._log = log
        self._store = store
        self._shelf = shelf
        self._live = live
        self._tally = tally
        self._appending = threading.Lock()
        self._draining = threading.Lock()
        self._flushing = threading.Lock()
        self._waiting: deque[LogRecord] = deque()

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
        """Make a record durable; its sender may be told. Blocks for the fsync.

        Raises:
            TransientError: The disk refused; nothing was appended.
        """
        with self._appending:
            record = self._log.append(batch, quarantined, receipts)
            self._waiting.append(record)
            return record

    def drain(self) -> None:
        """Make every appended record visible. Blocks."""
        with self._draining:
            while self._waiting:
                self._count(self._take(self._waiting[0]))
                self._waiting.popleft()

    async def append_soon(
        self, batch: Batch, quarantined: Sequence[Quarantined], receipts: Sequence[int]
    ) -> LogRecord:
        """``append`` beside the event loop."""
        return await asyncio.to_thread(self.append, batch, quarantined, receipts)

    async def drain_soon(self) -> None:
        """``drain`` beside the event loop; returns when all that was appended is visible."""
        await asyncio.to_thread(self.drain)

    def _take(self, record: LogRecord) -> StoreReceipt:
        # The shelf first: once the store has the record, a flush may let the log forget it.
        self._shelf.put(record.quarantined, record.offset)
        receipt = self._store.write(record)
        self._shelf.put(receipt.conflicts, record.offset)
        self._live.update(record.batch)
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
            # The newest records stay: they know the messages that may still be sent again.
            self._log.drop_before(max(0, self._store.flush() - KEPT_RECORDS))
        finally:
            self._flushing.release()

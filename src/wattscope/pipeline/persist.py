"""From the log to the store, the quarantine shelf and the live view."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from wattscope.pipeline.tally import Tally
from wattscope.ports import EventLog, LiveView, LogRecord, Quarantined, StoreReceipt


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
    """Takes records in order of their offset; safe to be given a record twice."""

    def __init__(
        self, log: EventLog, store: FlushingStore, shelf: Shelf, live: LiveView, tally: Tally
    ) -> None:
        self._log = log
        self._store = store
        self._shelf = shelf
        self._live = live
        self._tally = tally
        self._turn = threading.Lock()
        self._flushing = threading.Lock()

    def catch_up(self) -> int:
        """Take in what the log holds beyond the store, after a start. Returns records read."""
        n_records = 0
        for record in self._log.read(self._store.written_offset):
            self.take(record)
            n_records += 1
        return n_records

    def take(self, record: LogRecord) -> None:
        """Make one record visible: in the store, on the shelf, in the live view. Blocks."""
        with self._turn:
            receipt = self._store.write(record)
            self._shelf.put(record.quarantined + receipt.conflicts, record.offset)
            self._live.update(record.batch)
            self._tally.stored += receipt.stored
            self._tally.duplicate += receipt.duplicate
            if receipt.conflicts:
                self._tally.quarantined_by_code["conflict"] += len(receipt.conflicts)

    async def take_soon(self, record: LogRecord) -> None:
        """``take`` beside the event loop; returns when the record is visible."""
        await asyncio.to_thread(self.take, record)

    @property
    def is_flush_due(self) -> bool:
        """Whether the tail has grown enough to be flushed."""
        return self._store.is_flush_due

    def flush(self) -> None:
        """Move the tail to files and let the log forget what they cover. Blocks."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            self._log.drop_before(self._store.flush())
        finally:
            self._flushing.release()

"""From a log that many processes share into the store, the quarantine shelf and the live view.

::

    poll ─▶ store (durable) ─▶ shelf ─▶ live view ─▶ commit
               └── refuses: wait and try again; nothing is committed, nothing is skipped

A process that dies before the commit leaves its records to another, which stores them again; the
store knows by series and instant what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wattscope.core.reading import Batch
from wattscope.pipeline.insistence import OutcomeT, insist
from wattscope.pipeline.tally import Tally
from wattscope.ports import FollowedRecord, LiveView, LogFollower, Quarantined, StoreReceipt

POLL_S = 1.0
"""Longest wait for a record, after which the process looks whether it shall end [s]."""
RETRY_S = 1.0
COMMIT_EVERY_S = 1.0
"""Records that are stored already are given again after a crash; so much of them at most [s]."""


class LoadingStore(Protocol):
    """The part of a store that carrying needs."""

    def load(self, batch: Batch) -> StoreReceipt: ...

    def flush(self) -> int: ...

    @property
    def is_flush_due(self) -> bool: ...


class Shelf(Protocol):
    """Where quarantined items are kept to be looked at; the same item twice is one."""

    def put(self, items: Sequence[Quarantined], offset: int, *, origin: str = "") -> None: ...


@dataclass(slots=True)
class CarryState:
    """How carrying stands, for health and readiness."""

    fault: str = ""
    """What is away, in words; empty while everything is there."""
    n_records: int = 0
    newest_delay_s: float | None = None
    """From when the newest record came in until it was stored [s]."""


class Carry:
    """One member of the group that stores."""

    def __init__(  # noqa: PLR0913  # the clocks are keyword-only
        self,
        follower: LogFollower,
        store: LoadingStore,
        shelf: Shelf,
        live: LiveView,
        tally: Tally,
        *,
        now_us: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._store = store
        self._shelf = shelf
        self._live = live
        self._tally = tally
        self._now_us = now_us
        self._monotonic_s = monotonic_s
        self._committed_s = monotonic_s()
        self._has_uncommitted = False
        self.state = CarryState()

    async def run(self) -> None:
        """Carry records for ever; ended by cancelling, between two steps."""
        while True:
            record = await self._insist(lambda: self._follower.poll(POLL_S), "log")
            if record is not None:
                await self._take(record)
            await self._commit_when_due(is_idle=record is None)

    async def _take(self, record: FollowedRecord) -> None:
        if len(record.batch):
            receipt = await self._insist(lambda: self._store.load(record.batch), "store")
            self._count(receipt, len(record.batch))
            await self._insist(lambda: self._put_aside(receipt.conflicts), "quarantine")
            await asyncio.to_thread(self._live.update, record.batch)
        if record.quarantined:
            await self._insist(lambda: self._put_items(record), "quarantine")
            self._tally.received += len(record.quarantined)
            for item in record.quarantined:
                self._tally.quarantined_by_code[item.code] += 1
        self._has_uncommitted = True
        self.state.n_records += 1
        if record.oldest_received_us is not None:
            self.state.newest_delay_s = (self._now_us() - record.oldest_received_us) / 1e6

    def _put_aside(self, conflicts: Sequence[Quarantined]) -> None:
        # Found anew they have another instant of receipt, so that they are told by their key.
        if conflicts:
            self._shelf.put(conflicts, 0, origin="conflict")

    def _put_items(self, record: FollowedRecord) -> None:
        for number, item in zip(record.numbers, record.quarantined, strict=True):
            self._shelf.put((item,), number, origin="log")

    def _count(self, receipt: StoreReceipt, n_rows: int) -> None:
        self._tally.received += n_rows
        self._tally.stored += receipt.stored
        self._tally.duplicate += receipt.duplicate
        if receipt.conflicts:
            self._tally.quarantined_by_code["conflict"] += len(receipt.conflicts)

    async def _commit_when_due(self, *, is_idle: bool) -> None:
        if not self._has_uncommitted:
            return
        if not is_idle and self._monotonic_s() - self._committed_s < COMMIT_EVERY_S:
            return
        await self._insist(self._follower.commit, "log")
        self._committed_s, self._has_uncommitted = self._monotonic_s(), False

    async def _insist(self, attempt: Callable[[], OutcomeT], what: str) -> OutcomeT:
        return await insist(attempt, what, self.state, stage="carry", retry_s=RETRY_S)

"""From a log that many processes share into the store, the quarantine shelf and the live view.

::

    poll ─▶ store (durable) ─▶ shelf ─▶ live view ─▶ commit     one every GATHER_S, or when full
               └── refuses: wait and try again; nothing is committed, nothing is skipped

The store knows by series and instant what it has, so that a record may come twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from wattscope.core.reading import Batch
from wattscope.pipeline.follow_stage import FollowStage
from wattscope.pipeline.tally import Tally
from wattscope.ports import FollowedRecord, LiveView, LogFollower, Quarantined, StoreReceipt

GATHER_S: Final = 0.02
"""From the start of one load to that of the next, while they are small [s].

A load costs about as much for one reading as for a hundred. Taken as soon as something is there,
they come a hundred times a second, and what is left of the cores is too little for the rest of the
chain, whose readings then wait longer than here.
"""
FULL_ROWS: Final = 2000
"""A record of so many values is worth a load by itself."""


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


class Carry(FollowStage[FollowedRecord]):
    """One member of the group that stores."""

    stage = "carry"

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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.state = CarryState()
        super().__init__(follower, self.state, monotonic_s=monotonic_s)
        self._store = store
        self._shelf = shelf
        self._live = live
        self._tally = tally
        self._now_us, self._sleep = now_us, sleep
        self._began_s = monotonic_s()

    async def _take(self, record: FollowedRecord) -> None:
        self._began_s = self._monotonic_s()
        if len(record.batch):
            receipt = await self._insist(lambda: self._store.load(record.batch), "store")
            self._count(receipt, len(record.batch))
            if receipt.conflicts:
                await self._insist(lambda: self._put_aside(receipt.conflicts), "quarantine")
            await asyncio.to_thread(self._live.update, record.batch)
        if record.quarantined:
            await self._insist(lambda: self._put_items(record), "quarantine")
            self._tally.received += len(record.quarantined)
            for item in record.quarantined:
                self._tally.quarantined_by_code[item.code] += 1
        self.state.n_records += 1
        if record.oldest_received_us is not None:
            self.state.newest_delay_s = (self._now_us() - record.oldest_received_us) / 1e6

    async def _rest(self, record: FollowedRecord | None) -> None:
        """Let values gather, unless there are many already."""
        if record is not None and len(record.batch) < FULL_ROWS:
            rest_s = self._began_s + GATHER_S - self._monotonic_s()
            if rest_s > 0:
                await self._sleep(rest_s)

    def _put_aside(self, conflicts: Sequence[Quarantined]) -> None:
        # Found anew they have another instant of receipt, so that they are told by their key.
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

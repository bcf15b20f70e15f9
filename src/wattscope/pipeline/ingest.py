"""The way in: groups of messages through the intake into the log, then acknowledged.

::

    source ─▶ intake ─▶ persist.append (fsync) ─▶ acknowledge ─▶ persist.drain
                            ▲ the disk refuses: wait and try again, nothing is acknowledged

While a group is on its way the next one gathers at the source (``pace.py``), so that the groups
grow with the load and a commit is shared by all that came meanwhile. The source's bound is the
back-pressure: nothing further is received while the disk refuses, and nothing is acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.pipeline.alarms import Alarms
from wattscope.pipeline.intake import Intake, Prepared
from wattscope.pipeline.pace import Pace
from wattscope.ports import Quarantined, RawMessage, Source

_log = structlog.get_logger()
_RETRY_S = 1.0
DEFAULT_COMMIT_MS = 10.0

OutcomeT = TypeVar("OutcomeT")


class Committer(Protocol):
    """Makes groups durable, and then visible where that is done in this process."""

    async def append_soon(
        self, batch: Batch, quarantined: Sequence[Quarantined], receipts: Sequence[int]
    ) -> object: ...

    async def drain_soon(self) -> None: ...


class Ingest:
    """One source's way into the log."""

    def __init__(
        self, intake: Intake, persist: Committer, *, commit_ms: float = DEFAULT_COMMIT_MS
    ) -> None:
        self._intake = intake
        self._persist = persist
        self._pace = Pace(commit_ms)
        self._alarms = Alarms(time.monotonic)

    async def run(self, source: Source) -> None:
        """Take groups until cancelled."""
        async for messages in source.receive():
            prepared = await self._take_in(messages)
            self._alarms.report(prepared.quarantined, source.name)
            if len(prepared.batch) or prepared.quarantined:
                await self._commit(prepared)
            await source.acknowledge(messages)
            await self._insist(self._persist.drain_soon, "store")
            await self._pace.wait()

    async def _take_in(self, messages: Sequence[RawMessage]) -> Prepared:
        async def attempt() -> Prepared:
            return self._intake.take_in(messages)

        return await self._insist(attempt, "registry")

    async def _commit(self, prepared: Prepared) -> None:
        """Make a group durable, however long the disk refuses."""
        n_refused = 0

        async def attempt() -> None:
            await self._persist.append_soon(prepared.batch, prepared.quarantined, prepared.receipts)

        def count() -> None:
            nonlocal n_refused
            n_refused += 1
            self._intake.count_refused(prepared)

        await self._insist(attempt, "log", count)
        self._intake.remember(prepared.receipts)
        if n_refused:
            self._intake.count_again(prepared)

    async def _insist(
        self,
        attempt: Callable[[], Awaitable[OutcomeT]],
        what: str,
        on_refusal: Callable[[], None] = lambda: None,
    ) -> OutcomeT:
        """Try again until the disk takes it; a change for the worse or the better is said once.

        The connection to the source stays: whoever fails instead is started again, and connects
        again, each time.
        """
        is_refused = False
        while True:
            try:
                outcome = await attempt()
            except TransientError as fault:
                if not is_refused:
                    _log.error("disk refuses a write", stage=what, reason=str(fault))
                    on_refusal()
                is_refused = True
                await asyncio.sleep(_RETRY_S)
                continue
            if is_refused:
                _log.info("disk takes writes again", stage=what)
            return outcome

"""The way in for senders that wait for an answer: taken and durable, or refused and told why.

::

    request ─▶ intake ─▶ persist.append (fsync) ─▶ answer ─▶ persist.drain
                              │ the disk refuses: nothing is taken, the sender keeps it

Unlike ``ingest.py`` nobody waits here for a disk that refuses: an answer is owed, and whoever sent
the request sends it again. What was appended is made visible before the answer where the store
takes it at once, and after it, again and again, where it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from wattscope.core.errors import TransientError
from wattscope.core.reading import concat_batches
from wattscope.pipeline.alarms import Alarms
from wattscope.pipeline.ingest import Committer
from wattscope.pipeline.intake import Intake, Prepared
from wattscope.pipeline.tally import Tally
from wattscope.ports import RawMessage, SetAside

_log = structlog.get_logger()
MAX_ASIDE = 1000
"""Messages of one group that quarantine keeps; its sender is told of the others all the same."""
_SLICE = 500
"""Messages that are read before others of the event loop get their turn."""
_RETRY_S = 1.0


class Receiving:
    """The reception over a log."""

    def __init__(self, name: str, intake: Intake, persist: Committer, tally: Tally) -> None:
        self._name = name
        self._intake = intake
        self._persist = persist
        self._tally = tally
        self._alarms = Alarms(time.monotonic)
        self._is_behind = asyncio.Event()

    async def take(self, messages: Sequence[RawMessage]) -> Sequence[SetAside]:
        """Make a group durable.

        Raises:
            TransientError: Nothing of it was taken.
        """
        prepared = await self._take_in(messages)
        aside = [
            SetAside(row, item.code, item.detail)
            for row, item in zip(prepared.rows_aside, prepared.quarantined, strict=True)
        ]
        prepared = self._keep_some(prepared)
        self._alarms.report(prepared.quarantined, self._name)
        if len(prepared.batch) or prepared.quarantined:
            await self._commit(prepared)
        return aside

    async def run(self) -> None:
        """Make visible what the store did not take at once, for ever."""
        while True:
            await self._is_behind.wait()
            try:
                await self._persist.drain_soon()
            except TransientError:
                await asyncio.sleep(_RETRY_S)
                continue
            self._is_behind.clear()
            _log.info("disk takes writes again", stage="store")

    async def _take_in(self, messages: Sequence[RawMessage]) -> Prepared:
        parts: list[Prepared] = []
        rows: list[int] = []
        for start in range(0, len(messages), _SLICE):
            part = self._intake.take_in(messages[start : start + _SLICE])
            parts.append(part)
            rows += [start + row for row in part.rows_aside]
            # Others have their turn: a large request is no reason for a page to wait.
            await asyncio.sleep(0)
        return Prepared(
            concat_batches([part.batch for part in parts]),
            tuple(item for part in parts for item in part.quarantined),
            tuple(mark for part in parts for mark in part.receipts),
            sum(part.n_duplicate for part in parts),
            tuple(rows),
        )

    def _keep_some(self, prepared: Prepared) -> Prepared:
        """A group of which a reasonable part of what is bad is kept; the rest counts as refused."""
        beyond = prepared.quarantined[MAX_ASIDE:]
        if not beyond:
            return prepared
        self._tally.quarantined_by_code -= Counter(item.code for item in beyond)
        self._tally.refused += len(beyond)
        return replace(prepared, quarantined=prepared.quarantined[:MAX_ASIDE])

    async def _commit(self, prepared: Prepared) -> None:
        try:
            await self._persist.append_soon(prepared.batch, prepared.quarantined, prepared.receipts)
        except TransientError:
            self._intake.count_refused(prepared)
            raise
        self._intake.remember(prepared.receipts)
        try:
            await self._persist.drain_soon()
        except TransientError as fault:
            if not self._is_behind.is_set():
                _log.error("disk refuses a write", stage="store", reason=str(fault))
            self._is_behind.set()

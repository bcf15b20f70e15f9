"""The way in: groups of messages through the intake into the log, then acknowledged.

::

    source ─▶ intake ─▶ persist.append (fsync) ─▶ acknowledge ─▶ persist.drain
                            ▲ the disk refuses: wait and try again, nothing is acknowledged

While a group is on its way the next one gathers at the source, so that the groups grow with the
load and a commit is shared by all that came meanwhile. The source's bound is the back-pressure.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from wattscope.core.errors import TransientError
from wattscope.pipeline.alarms import Alarms
from wattscope.pipeline.intake import Intake, Prepared
from wattscope.pipeline.persist import Persist
from wattscope.ports import Source

_log = structlog.get_logger()
_RETRY_S = 1.0
_BUSY_GROUP = 200
"""A group of this many messages shows that more are coming."""
_GATHER_S = 0.01
"""Then the next group may gather for so long [s]: a commit and a write to the store each cost the
same for ten messages and for a thousand. A quiet source never waits."""


class Ingest:
    """One source's way into the log."""

    def __init__(self, intake: Intake, persist: Persist) -> None:
        self._intake = intake
        self._persist = persist
        self._alarms = Alarms(time.monotonic)

    async def run(self, source: Source) -> None:
        """Take groups until cancelled."""
        async for messages in source.receive():
            prepared = self._intake.take_in(messages)
            self._alarms.report(prepared.quarantined, source.name)
            if len(prepared.batch) or prepared.quarantined:
                await self._commit(prepared)
            await source.acknowledge(messages)
            await self._persist.drain_soon()
            if len(messages) >= _BUSY_GROUP:
                await asyncio.sleep(_GATHER_S)

    async def _commit(self, prepared: Prepared) -> None:
        """Make a group durable, however long the disk refuses."""
        is_refusing = False
        while True:
            try:
                await self._persist.append_soon(
                    prepared.batch, prepared.quarantined, prepared.receipts
                )
            except TransientError as fault:
                if not is_refusing:
                    _log.error("log refuses to write", reason=str(fault))
                is_refusing = True
                await asyncio.sleep(_RETRY_S)
                continue
            self._intake.remember(prepared.receipts)
            if is_refusing:
                _log.info("log writes again")
            return

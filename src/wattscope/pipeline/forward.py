"""The way into a log that other processes read: nothing is stored here.

::

    ingest ─▶ append (the cluster has it) ─▶ acknowledge          carry.py, elsewhere ─▶ store
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.pipeline.tally import Tally
from wattscope.ports import LogWriter, Quarantined


class Forward:
    """What ``Ingest`` commits to where the store is in another process."""

    def __init__(self, log: LogWriter, tally: Tally) -> None:
        self._log = log
        self._tally = tally

    def append(
        self,
        batch: Batch,
        quarantined: Sequence[Quarantined] = (),
        receipts: Sequence[int] = (),
    ) -> None:
        """Make a group durable; its sender may be told. Blocks until the cluster has it.

        Raises:
            TransientError: The log refused; nothing counts as appended.
        """
        try:
            self._log.append(batch, quarantined, receipts)
        except TransientError:
            self._tally.refused += len(batch)
            raise

    async def append_soon(
        self, batch: Batch, quarantined: Sequence[Quarantined], receipts: Sequence[int]
    ) -> None:
        """``append`` beside the event loop; who waits for the log counts for himself."""
        await asyncio.to_thread(self._log.append, batch, quarantined, receipts)

    async def drain_soon(self) -> None:
        """Nothing waits here: what was appended is another process's to store."""

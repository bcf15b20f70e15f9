"""What one of several processes has for itself: gateways, pages of exporters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from wattscope.core.errors import TransientError
from wattscope.ports import WorkShare

_log = structlog.get_logger()


class Leases:
    """Keeps the leases of what this process reads."""

    def __init__(
        self, what: str, list_all: Callable[[], Collection[str]], work: WorkShare, round_s: float
    ) -> None:
        """Ask for nothing yet.

        Args:
            what: In the plural, for the log.
            list_all: The names of all that is shared out; waits for nothing.
            work: Which are ours; asked in a thread.
            round_s: How often it is to be asked [s].
        """
        self._what, self._list_all, self._work, self._round_s = what, list_all, work, round_s

    def holds(self, name: str) -> bool:
        """Whether it is ours at this moment; waits for nothing."""
        return self._work.holds(name)

    async def run(self) -> None:
        """Keep, take and give up for ever."""
        is_away = False
        while True:
            try:
                held = await asyncio.to_thread(self._work.share, frozenset(self._list_all()))
            except TransientError as fault:
                if not is_away:
                    _log.warning("not shared out", what=self._what, reason=str(fault))
                is_away = True
            else:
                if is_away:
                    _log.info("shared out again", what=self._what, count=len(held))
                is_away = False
            await asyncio.sleep(self._round_s)

    async def close(self) -> None:
        """Give everything up, so that others have it at once; nothing is read any more."""
        try:
            await asyncio.to_thread(self._work.close)
        except TransientError as fault:
            _log.warning("not given up", what=self._what, reason=str(fault))

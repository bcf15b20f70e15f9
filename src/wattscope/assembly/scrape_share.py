"""Pages of exporters, shared out where several processes poll."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from wattscope.core.errors import TransientError
from wattscope.ports import WorkShare

_log = structlog.get_logger()


class SharedPages:
    """Keeps the leases of the pages that this process reads."""

    def __init__(self, urls: Collection[str], work: WorkShare, round_s: float) -> None:
        """Ask for nothing yet.

        Args:
            urls: All pages.
            work: Which are ours; asked in a thread.
            round_s: How often it is to be asked [s].
        """
        self._urls, self._work, self._round_s = frozenset(urls), work, round_s

    def holds(self, url: str) -> bool:
        """Whether a page is ours at this moment; waits for nothing."""
        return self._work.holds(url)

    async def run(self) -> None:
        """Keep, take and give up for ever."""
        is_away = False
        while True:
            try:
                held = await asyncio.to_thread(self._work.share, self._urls)
            except TransientError as fault:
                if not is_away:
                    _log.warning("exporters cannot be shared out", reason=str(fault))
                is_away = True
            else:
                if is_away:
                    _log.info("exporters are shared out again", count=len(held))
                is_away = False
            await asyncio.sleep(self._round_s)

    async def close(self) -> None:
        """Give up all pages, so that others have them at once; none is read any more."""
        try:
            await asyncio.to_thread(self._work.close)
        except TransientError as fault:
            _log.warning("exporters are not given up", reason=str(fault))

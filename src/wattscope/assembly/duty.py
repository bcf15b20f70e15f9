"""Work that one process of several does, while the others wait to take it over.

Two may work at once for a moment, when the one that had it was frozen and wakes up: what they do
must stay right then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from wattscope.core.errors import TransientError
from wattscope.pipeline.supervise import keep_running
from wattscope.ports import WorkShare

LOOK_S: Final = 1.0
"""How soon work stops when it is not ours any more [s]."""
_ALL: Final = "all"
"""The one piece that is shared out."""
_log = structlog.get_logger()

Work = Callable[[Callable[[], bool]], Awaitable[None]]
"""Works for ever; is given what tells whether it is ours still, and cancelled when it is not."""


class Duty:
    """Works while it is this process's turn."""

    def __init__(self, name: str, share: WorkShare, round_s: float, work: Work) -> None:
        """Begin nothing yet.

        Args:
            name: For the log.
            share: Whose turn it is; asked in a thread.
            round_s: How often it is to be asked [s].
            work: Begun anew with each turn.
        """
        self._name = name
        self._share = share
        self._round_s = round_s
        self._work = work
        self._is_away = False
        self._working: asyncio.Task[None] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is our turn."""
        return self._share.holds(_ALL)

    async def run(self) -> None:
        """Work whenever it is our turn, for ever.

        Raises:
            PermanentError: The work cannot be done.
        """
        waited_s = self._round_s
        try:
            while True:
                if waited_s >= self._round_s:
                    waited_s = 0.0
                    await self._ask()
                if not self.is_ours:
                    await self._stop()
                elif self._working is None:
                    _log.info("on duty", work=self._name)
                    self._working = asyncio.create_task(keep_running(self._name, self._begin))
                await self._rest()
                waited_s += LOOK_S
        finally:
            await self._stop()

    async def close(self) -> None:
        """Give the turn up, so that another takes it at once; nothing is worked on any more."""
        try:
            await asyncio.to_thread(self._share.close)
        except TransientError as fault:
            _log.warning("duty is not given up", work=self._name, reason=str(fault))

    async def _begin(self) -> None:
        await self._work(lambda: self.is_ours)

    async def _rest(self) -> None:
        """Wait; where the work has ended, that is by an error that cannot be helped."""
        if self._working is None:
            await asyncio.sleep(LOOK_S)
            return
        done, _ = await asyncio.wait((self._working,), timeout=LOOK_S)
        for one in done:
            one.result()

    async def _ask(self) -> None:
        try:
            await asyncio.to_thread(self._share.share, [_ALL])
        except TransientError as fault:
            if not self._is_away:
                _log.warning("whose turn it is cannot be asked", work=self._name, reason=str(fault))
            self._is_away = True
        else:
            self._is_away = False

    async def _stop(self) -> None:
        working, self._working = self._working, None
        if working is None:
            return
        _log.info("off duty", work=self._name)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

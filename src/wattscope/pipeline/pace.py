"""When the next group of messages is taken in, so that many share one commit.

::

    tick      │         │         │         │        one every ``commit_ms``
    messages  ·  ··· · ·│·· · ····│····     │     ·
    commits   ▲         ▲         ▲         ▲     ▲
              └ after silence at once              └

A message that comes after a pause is taken at once. While messages keep coming, a group is taken
at each tick, by all sources at the same ones: what comes in between gathers, for at most
``commit_ms``. The ticks are those of a clock, so nobody has to agree on them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pace:
    """The ticks."""

    def __init__(
        self, commit_ms: float, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the window.

        Args:
            commit_ms: Longest time that a message waits for others [ms]; 0: none waits.
            monotonic_s: A clock that only goes forward [s].
        """
        self._step_s = commit_ms / 1000
        self._monotonic_s = monotonic_s

    def until_tick_s(self) -> float:
        """Time until the next tick [s].

        >>> Pace(10, monotonic_s=lambda: 5.004).until_tick_s()
        0.006
        """
        if not self._step_s:
            return 0.0
        return round(self._step_s - self._monotonic_s() % self._step_s, 6)

    async def wait(self) -> None:
        """Let messages gather."""
        if self._step_s:
            await asyncio.sleep(self.until_tick_s())

"""The timing of an RS-485 line: one request at a time, each as long as its characters take.

::

    request      gap   turn-around          reply                gap
    ├─ 8 chars ──┤3.5├──── τ ──────┤├──── 5 + 2n chars ─────┤├──3.5──┤

It is what makes a virtual gateway as slow as a real one, so that a reader can be measured against
the physical limit.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from wattscope.core.fleet import Line

GAP_CHARS: Final = 3.5
"""Silence that ends a frame (Modbus over Serial Line 1.02, 2.5.1.1)."""
SHORTEST_GAP_S: Final = 0.00175
"""Above 19200 baud the silence does not get shorter (likewise)."""
_FASTEST_SCALED_BAUD: Final = 19_200
_SPUN_S: Final = 0.0015
"""The last part of a wait [s], which is not left to the event loop: it rounds up to 1 ms."""


@dataclass(frozen=True, slots=True)
class LineTiming:
    """How long requests take on a line."""

    line: Line
    turn_around_s: float = 0.0
    """Time of a device between the request and its reply [s]."""

    @property
    def char_s(self) -> float:
        """One character on the wire [s]."""
        return self.line.bits_per_char / self.line.baud

    @property
    def gap_s(self) -> float:
        """The silence that ends a frame [s]."""
        if self.line.baud > _FASTEST_SCALED_BAUD:
            return SHORTEST_GAP_S
        return GAP_CHARS * self.char_s

    def exchange_s(self, n_request: int, n_reply: int) -> float:
        """From the first character of a request to the end of the silence after its reply [s].

        Args:
            n_request: Bytes of the request's RTU frame.
            n_reply: Bytes of the reply's; 0 where none comes, then it ends with the request.

        >>> timing = LineTiming(Line(9600))
        >>> round(timing.exchange_s(8, 5 + 2 * 80) * 1000, 1)
        187.5
        """
        if not n_reply:
            return n_request * self.char_s + self.gap_s
        wire_s = (n_request + n_reply) * self.char_s + 2 * self.gap_s
        return wire_s + self.turn_around_s


class LineClock:
    """Lets one exchange after another pass, each in its time."""

    def __init__(self, timing: LineTiming) -> None:
        self.timing = timing
        self._turn = asyncio.Lock()
        self.busy_s = 0.0
        """Time in which something was on the line [s]."""

    async def pass_exchange(self, n_request: int, n_reply: int) -> None:
        """Wait for the line, then for as long as the exchange takes on it."""
        async with self._turn:
            needed_s = self.timing.exchange_s(n_request, n_reply)
            await sleep_until(time.monotonic() + needed_s)
            self.busy_s += needed_s


async def sleep_until(deadline_s: float) -> None:
    """Sleep until an instant of the monotonic clock, some 0.1 ms late at most on an idle machine.

    The event loop counts whole milliseconds; the rest is slept in the thread, which stops other
    work of the loop for 1.5 ms at most.
    """
    await asyncio.sleep(max(0.0, deadline_s - _SPUN_S - time.monotonic()))
    left_s = deadline_s - time.monotonic()
    if left_s > 0:
        time.sleep(left_s)  # noqa: ASYNC251  # on purpose, see above

"""From the log to another system: everything, in order, from where it was left.

::

    poll ─▶ output ─▶ commit
              └── takes nothing: wait and send the same again; nothing is committed, nothing skipped

What was sent and not committed when a process died is sent again; to the receiver it is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from wattscope.core.errors import NotTakenError
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_S
from wattscope.pipeline.follow_stage import FollowStage
from wattscope.ports import FollowedRecord, LogFollower, Output, OutputReceipt

_log = structlog.get_logger()
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 120.0
"""An output that is there again is found out so much later at most [s]."""
COMMIT_EVERY_S: Final = 5.0
"""Values that were sent are sent again after a crash; so much of them at most [s]."""


@dataclass(slots=True)
class PassOnState:
    """How passing on stands, for health; read from any thread."""

    fault: str = ""
    """What is away, in words; empty while everything is there."""
    last_error: str = ""
    """What went wrong last, also when it is over."""
    last_error_us: int | None = None
    last_success_us: int | None = None
    """When values were taken last [µs]."""
    retry_at_us: int | None = None
    """When the next attempt is made, while the last one failed [µs]."""
    n_taken: int = 0
    """Values since the start of the process; likewise the others."""
    n_left_out: int = 0
    n_refused: int = 0
    """Points that the receiver will never take."""
    last_refusal: str = ""
    n_attempts_failed: int = 0


@dataclass(frozen=True, slots=True)
class Pacing:
    """How often something is sent.

    Where a log gives what it has at once, ``gather_s`` lets values gather; what is behind is sent
    without a pause, ``full_rows`` at a time.
    """

    gather_s: float = 1.0
    """Between two sends while nothing is behind [s]."""
    full_rows: int = 20_000
    """A record of so many values was cut by the log: there is more."""
    poll_s: float = 0.0
    """Longest wait within the log [s]; it holds a thread."""


class PassOn(FollowStage[FollowedRecord]):
    """One output with its place in the log."""

    commit_every_s = COMMIT_EVERY_S

    def __init__(  # noqa: PLR0913  # clocks and chance are keyword-only
        self,
        name: str,
        follower: LogFollower,
        output: Output,
        pacing: Pacing,
        *,
        now_us: Callable[[], int],
        monotonic_s: Callable[[], float],
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Touch nothing yet.

        Args:
            name: As the settings call it.
            follower: Its place in the log.
            output: Where everything goes.
            pacing: How often.
            now_us: The clock [µs].
            monotonic_s: A clock that only goes forward [s].
            draw: Gives numbers in [0, 1) for the jitter of delays.
            sleep: Waits [s].
        """
        self.state = PassOnState()
        super().__init__(follower, self.state, monotonic_s=monotonic_s)
        self.name, self.follower, self.output = name, follower, output
        self.stage, self.poll_s = f"output {name}", pacing.poll_s
        self._pacing = pacing
        self._now_us, self._draw, self._sleep = now_us, draw, sleep

    async def _take(self, record: FollowedRecord) -> None:
        if len(record.batch):
            await self._send(record.batch)

    async def _rest(self, record: FollowedRecord | None) -> None:
        """Let values gather, unless there are more."""
        is_behind = record is not None and len(record.batch) >= self._pacing.full_rows
        if not is_behind:
            await self._sleep(self._pacing.gather_s)

    async def _send(self, batch: Batch) -> None:
        """Send until it is taken, ever more slowly."""
        n_failures = 0
        while True:
            try:
                receipt = await asyncio.to_thread(self.output.send, batch)
            except NotTakenError as fault:
                delay_s = self._delay_s(n_failures, fault.wait_s)
                n_failures += 1
                self._note_failure(str(fault), delay_s)
                await self._sleep(delay_s)
            else:
                self._note_success(receipt)
                return

    def _delay_s(self, n_failures: int, wait_s: float | None) -> float:
        """How long to leave the receiver alone [s]: never shorter than it wants."""
        if wait_s is not None:
            return wait_s * (1.0 + 0.1 * self._draw())
        grown_s = min(FIRST_RETRY_S * 2.0 ** min(n_failures, 20), LONGEST_RETRY_S)
        return grown_s * (0.5 + 0.5 * self._draw())

    def _note_failure(self, reason: str, delay_s: float) -> None:
        """A change is said once."""
        state, now_us = self.state, self._now_us()
        if reason != state.fault:
            _log.warning("output takes nothing", output=self.name, reason=reason)
        state.fault = state.last_error = reason
        state.last_error_us, state.retry_at_us = now_us, now_us + round(delay_s * US_PER_S)
        state.n_attempts_failed += 1

    def _note_success(self, receipt: OutputReceipt) -> None:
        state = self.state
        if state.fault:
            _log.info("output takes values again", output=self.name)
        state.fault, state.retry_at_us = "", None
        state.last_success_us = self._now_us()
        state.n_taken += receipt.taken
        state.n_left_out += receipt.left_out
        state.n_refused += receipt.refused
        if receipt.refused and receipt.reason != state.last_refusal:
            _log.error(
                "output refuses points for good",
                output=self.name,
                points=receipt.refused,
                reason=receipt.reason,
            )
        if receipt.refused:
            state.last_refusal = receipt.reason

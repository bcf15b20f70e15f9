"""From sums of minutes that were made elsewhere into the live view.

::

    poll ─▶ live view (has taken them) ─▶ commit
                └── is away: wait and try again; nothing is committed, nothing is skipped

What was given twice changes nothing, and what has grown old meanwhile the view ignores. A message
that cannot be read is counted, said once for each reason, and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from wattscope.core.findings import Rejection
from wattscope.pipeline.insistence import OutcomeT, insist
from wattscope.ports import FollowedMinutes, LiveMinutes, MinutesFollower

_log = structlog.get_logger()
POLL_S = 1.0
"""Longest wait for sums, after which the process looks whether it shall end [s]."""
RETRY_S = 1.0
COMMIT_EVERY_S = 1.0
_STAGE = "live minutes"


@dataclass(slots=True)
class LiveMinutesState:
    """How it stands, for health."""

    fault: str = ""
    """What is away, in words; empty while everything is there."""
    n_taken: int = 0
    """Sums that the live view was given."""
    n_longer: int = 0
    """Sums of buckets longer than a minute, of which it keeps none."""
    refused: Counter[str] = field(default_factory=Counter)
    """Messages that were left out, by ``ReasonCode`` value."""


class FeedMinutes:
    """One member of the group that feeds the live view with sums."""

    def __init__(
        self,
        follower: MinutesFollower,
        live: LiveMinutes,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._live = live
        self._monotonic_s = monotonic_s
        self._committed_s = monotonic_s()
        self._has_uncommitted = False
        self.state = LiveMinutesState()

    async def run(self) -> None:
        """Feed for ever; ended by cancelling, between two steps."""
        while True:
            record = await self._insist(lambda: self._follower.poll(POLL_S), "log")
            if record is not None:
                await self._take(record)
            await self._commit_when_due(is_idle=record is None)

    async def _take(self, record: FollowedMinutes) -> None:
        if len(record.series):
            put = self._live.put_minutes
            await self._insist(lambda: put(record.series, record.sums), "live view")
        self._has_uncommitted = True
        self.state.n_taken += len(record.series)
        self.state.n_longer += record.n_longer
        self._note_refused(record.refused)

    def _note_refused(self, refused: Sequence[Rejection]) -> None:
        for one in refused:
            code = one.code.value
            if code not in self.state.refused:
                _log.warning("sums left out", code=code, reason=one.detail)
            self.state.refused[code] += 1

    async def _commit_when_due(self, *, is_idle: bool) -> None:
        if not self._has_uncommitted:
            return
        if not is_idle and self._monotonic_s() - self._committed_s < COMMIT_EVERY_S:
            return
        await self._insist(self._follower.commit, "log")
        self._committed_s, self._has_uncommitted = self._monotonic_s(), False

    async def _insist(self, attempt: Callable[[], OutcomeT], what: str) -> OutcomeT:
        return await insist(attempt, what, self.state, stage=_STAGE, retry_s=RETRY_S)

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
from wattscope.pipeline.follow_stage import FollowStage
from wattscope.ports import FollowedMinutes, LiveMinutes, MinutesFollower

_log = structlog.get_logger()


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


class FeedMinutes(FollowStage[FollowedMinutes]):
    """One member of the group that feeds the live view with sums."""

    stage = "live minutes"

    def __init__(
        self,
        follower: MinutesFollower,
        live: LiveMinutes,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self.state = LiveMinutesState()
        super().__init__(follower, self.state, monotonic_s=monotonic_s)
        self._live = live

    async def _take(self, record: FollowedMinutes) -> None:
        if len(record.series):
            put = self._live.put_minutes
            await self._insist(lambda: put(record.series, record.sums), "live view")
        self.state.n_taken += len(record.series)
        self.state.n_longer += record.n_longer
        self._note_refused(record.refused)

    def _note_refused(self, refused: Sequence[Rejection]) -> None:
        for one in refused:
            code = one.code.value
            if code not in self.state.refused:
                _log.warning("sums left out", code=code, reason=one.detail)
            self.state.refused[code] += 1

"""A stage that makes durable elsewhere what a log gives, and only then lets the log forget it.

::

    poll ─▶ take (durable) ─▶ commit
              └── is away: wait and try again; nothing is committed, nothing is skipped

A process that dies before the commit leaves its records to another, which takes them again: what
takes them must know the same record again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from wattscope.pipeline.insistence import OutcomeT, Waiting, insist
from wattscope.ports import Follower

POLL_S = 1.0
"""Longest wait for a record, after which the process looks whether it shall end [s]."""
RETRY_S = 1.0
COMMIT_EVERY_S = 1.0
"""Records that are taken already are given again after a crash; so much of them at most [s]."""

RecordT = TypeVar("RecordT")


class FollowStage(ABC, Generic[RecordT]):
    """One member of a group that follows a log."""

    stage: str
    """Its name in log entries."""
    poll_s: float = POLL_S
    commit_every_s: float = COMMIT_EVERY_S

    def __init__(
        self,
        follower: Follower[RecordT],
        waiting: Waiting,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._waiting = waiting
        self._monotonic_s = monotonic_s
        self._committed_s = monotonic_s()
        self._has_uncommitted = False
        self._pending: RecordT | None = None
        """Given and not taken yet: a stage that failed and is started again goes on with it."""

    async def run(self) -> None:
        """Take records for ever; ended by cancelling, between two steps."""
        while True:
            if self._pending is None:
                self._pending = await self._insist(self._poll, "log")
            record = self._pending
            if record is not None:
                await self._take(record)
                self._pending, self._has_uncommitted = None, True
            await self._commit_when_due(is_idle=record is None)
            await self._rest(record)

    def _poll(self) -> RecordT | None:
        return self._follower.poll(self.poll_s)

    async def _rest(self, record: RecordT | None) -> None:
        """Wait before the next record; here not at all, for the log waits."""

    @abstractmethod
    async def _take(self, record: RecordT) -> None:
        """Make a record durable; the same one may come again."""

    async def _commit_when_due(self, *, is_idle: bool) -> None:
        if not self._has_uncommitted:
            return
        if not is_idle and self._monotonic_s() - self._committed_s < self.commit_every_s:
            return
        await self._insist(self._follower.commit, "log")
        self._committed_s, self._has_uncommitted = self._monotonic_s(), False

    async def _insist(self, attempt: Callable[[], OutcomeT], what: str) -> OutcomeT:
        return await insist(attempt, what, self._waiting, stage=self.stage, retry_s=RETRY_S)

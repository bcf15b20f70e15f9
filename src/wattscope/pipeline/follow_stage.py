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
from typing import ClassVar, Generic, TypeVar

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

    stage: ClassVar[str]
    """Its name in log entries."""

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

    async def run(self) -> None:
        """Take records for ever; ended by cancelling, between two steps."""
        while True:
            record = await self._insist(lambda: self._follower.poll(POLL_S), "log")
            if record is not None:
                await self._take(record)
                self._has_uncommitted = True
            await self._commit_when_due(is_idle=record is None)

    @abstractmethod
    async def _take(self, record: RecordT) -> None:
        """Make a record durable; the same one may come again."""

    async def _commit_when_due(self, *, is_idle: bool) -> None:
        if not self._has_uncommitted:
            return
        if not is_idle and self._monotonic_s() - self._committed_s < COMMIT_EVERY_S:
            return
        await self._insist(self._follower.commit, "log")
        self._committed_s, self._has_uncommitted = self._monotonic_s(), False

    async def _insist(self, attempt: Callable[[], OutcomeT], what: str) -> OutcomeT:
        return await insist(attempt, what, self._waiting, stage=self.stage, retry_s=RETRY_S)

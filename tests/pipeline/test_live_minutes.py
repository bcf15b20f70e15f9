"""Sums that were made elsewhere are committed only after the live view has taken them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from wattscope.core.errors import TransientError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Int32Column
from wattscope.pipeline import follow_stage
from wattscope.pipeline.live_minutes import FeedMinutes
from wattscope.ports import FollowedMinutes, MinuteSums

START_US = 1_767_225_600_000_000
STRANGER = Rejection(ReasonCode.UNKNOWN_DEVICE, "aggregates/0 offset 7: nobody knows it")


def minutes(*totals: float, refused: tuple[Rejection, ...] = ()) -> FollowedMinutes:
    """A minute of so many series."""
    n = len(totals)
    sums = MinuteSums(
        np.full(n, START_US, np.int64),
        np.ones(n, np.int64),
        np.array(totals),
        np.array(totals),
        np.array(totals),
    )
    return FollowedMinutes(np.arange(n, dtype=np.int32), sums, 1, refused)


class Partition:
    """A topic in memory that gives again what was not committed."""

    def __init__(self, *records: FollowedMinutes) -> None:
        self.records = records
        self.n_given = self.n_committed = 0
        self.is_away = False

    def poll(self, timeout_s: float) -> FollowedMinutes | None:  # noqa: ARG002  # it never waits
        if self.is_away:
            raise TransientError("the log is away")
        if self.n_given == len(self.records):
            time.sleep(0.01)
            return None
        self.n_given += 1
        return self.records[self.n_given - 1]

    def commit(self) -> None:
        if self.is_away:
            raise TransientError("the log is away")
        self.n_committed = self.n_given

    def lag(self) -> dict[str, int]:
        return {"0": len(self.records) - self.n_committed}

    def close(self) -> None:
        """A new member begins at the newest commit."""
        self.n_given = self.n_committed


class View:
    """What it was given, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.taken: list[list[float]] = []
        self.on_put: Callable[[], None] = lambda: None

    def put_minutes(self, series: Int32Column, sums: MinuteSums) -> None:
        assert len(series) == len(sums.sum)
        if self.is_away:
            raise TransientError("Redis is away")
        self.on_put()
        self.taken.append(sums.sum.tolist())

    def minutes_of(self, series: Int32Column) -> tuple[MinuteSums, MinuteSums]:
        raise NotImplementedError


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.setattr(follow_stage, "RETRY_S", 0.01)
    return View()


@asynccontextmanager
async def feeding(partition: Partition, view: View) -> AsyncIterator[FeedMinutes]:
    feed = FeedMinutes(partition, view, monotonic_s=time.monotonic)
    work = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        partition.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_sums_are_taken_then_committed(view: View) -> None:
    partition = Partition(minutes(1.0, 2.0), minutes(3.0))
    committed_at_put: list[int] = []
    view.on_put = lambda: committed_at_put.append(partition.n_committed)
    async with feeding(partition, view) as feed:
        await until(lambda: partition.n_committed == 2)
    assert view.taken == [[1.0, 2.0], [3.0]]
    assert committed_at_put[0] == 0
    assert (feed.state.n_taken, feed.state.n_longer) == (3, 2)


async def test_view_that_is_away_is_waited_for_and_nothing_is_committed(view: View) -> None:
    partition = Partition(minutes(1.0))
    view.is_away = True
    async with feeding(partition, view) as feed:
        await until(lambda: feed.state.fault == "live view: Redis is away")
        assert partition.n_committed == 0
        view.is_away = False
        await until(lambda: partition.n_committed == 1)
        assert feed.state.fault == ""
    assert view.taken == [[1.0]]


async def die_and_go_on(view: View) -> list[list[float]]:
    """What the view has in the end when the first process ends while the view is away."""
    partition = Partition(minutes(1.0), minutes(2.0))
    view.is_away = True
    async with feeding(partition, view) as feed:
        await until(lambda: bool(feed.state.fault))
    view.is_away = False
    async with feeding(partition, view):
        await until(lambda: partition.n_committed == 2)
    return view.taken


async def test_what_was_not_taken_is_given_to_the_next(view: View) -> None:
    assert await die_and_go_on(view) == [[1.0], [2.0]]


async def test_commit_before_the_view_has_taken_them_loses_sums(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = FeedMinutes._take

    async def commit_and_take(feed: FeedMinutes, record: FollowedMinutes) -> None:
        feed._follower.commit()
        await take(feed, record)

    monkeypatch.setattr(FeedMinutes, "_take", commit_and_take)
    assert await die_and_go_on(view) == [[2.0]]


async def test_log_that_is_away_is_waited_for(view: View) -> None:
    partition = Partition(minutes(1.0))
    partition.is_away = True
    async with feeding(partition, view) as feed:
        await until(lambda: feed.state.fault == "log: the log is away")
        partition.is_away = False
        await until(lambda: partition.n_committed == 1)


async def test_what_was_left_out_is_counted_and_passed(view: View) -> None:
    partition = Partition(minutes(refused=(STRANGER, STRANGER)), minutes(1.0, refused=(STRANGER,)))
    async with feeding(partition, view) as feed:
        await until(lambda: partition.n_committed == 2)
    assert feed.state.refused == {"unknown_device": 3}
    # A record without any sums asks nothing of the view.
    assert view.taken == [[1.0]]

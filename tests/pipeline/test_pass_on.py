"""Everything is passed on in order and once, whoever is away, and nobody is asked too often."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from wattscope.core.errors import NotTakenError, TransientError
from wattscope.core.reading import Batch, build_batch
from wattscope.logs.bookmark import Bookmark
from wattscope.logs.segment_follower import SegmentFollower
from wattscope.logs.segment_log import SegmentLog, leave_to_kernel
from wattscope.pipeline import follow_stage
from wattscope.pipeline.pass_on import LONGEST_RETRY_S, Pacing, PassOn
from wattscope.ports import OutputReceipt

NOW_US = 1_700_000_000_000_000


@dataclass
class Receiver:
    """An output that does as it is told."""

    kind: str = "influx"
    address: str = "http://example:8086 home"
    taken: list[float] = field(default_factory=list)
    n_asked: int = 0
    answers: list[Exception] = field(default_factory=list)
    """What the next attempts raise."""
    receipts: list[OutputReceipt] = field(default_factory=list)
    """What the next that are taken say."""
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def send(self, batch: Batch) -> OutputReceipt:
        self.n_asked += 1
        self.gate.wait(30)
        if self.answers:
            raise self.answers.pop(0)
        self.taken += batch.value.tolist()
        return self.receipts.pop(0) if self.receipts else OutputReceipt(len(batch))

    def close(self) -> None:
        self.gate.set()


class Way:
    """A log with a receiver behind it, and a clock that only jumps."""

    def __init__(self, folder: Path) -> None:
        self.log = SegmentLog(folder / "log", sync=leave_to_kernel)
        self.bookmark = Bookmark(folder / "place.json")
        self.receiver = Receiver()
        self.slept: list[float] = []
        self.taken_before: list[int] = []
        """How many values had been taken when each pause began."""
        self.clock_s = 0.0
        self.pacing = Pacing(gather_s=0.25, full_rows=4)
        # The place is found before anything comes.
        self.follow()

    def follow(self) -> SegmentFollower:
        return SegmentFollower("old", self.log, self.bookmark, max_rows=4)

    def write(self, *numbers: float) -> None:
        for one in numbers:
            self.log.append(build_batch([(1, round(one), one, 0)]))

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.taken_before.append(len(self.receiver.taken))
        self.clock_s += delay_s
        await asyncio.sleep(0.001)

    @property
    def waits(self) -> list[float]:
        """The waits after failures."""
        return [one for one in self.slept if one != self.pacing.gather_s]

    @asynccontextmanager
    async def passing(self, draw: float = 0.0) -> AsyncIterator[PassOn]:
        """One process, ended as a process is."""
        made = PassOn(
            "old",
            self.follow(),
            self.receiver,
            self.pacing,
            now_us=lambda: NOW_US + round(1e6 * self.clock_s),
            monotonic_s=lambda: self.clock_s,
            draw=lambda: draw,
            sleep=self.sleep,
        )
        work = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            work.cancel()
            self.receiver.close()
            with contextlib.suppress(asyncio.CancelledError):
                await work


@pytest.fixture
def way(tmp_path: Path, no_fsync: None) -> Way:  # noqa: ARG001  # no machine crashes
    return Way(tmp_path)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.002)


async def test_everything_is_passed_on_in_order_and_its_place_remembered(way: Way) -> None:
    way.write(1, 2, 3, 4, 5, 6)
    async with way.passing() as passing:
        await until(lambda: way.bookmark.read() == 6)
        way.write(7)
        await until(lambda: len(way.receiver.taken) == 7)
        assert passing.state.n_taken == 7
        assert passing.state.last_success_us is not None
    assert way.receiver.taken == [1, 2, 3, 4, 5, 6, 7]


async def test_what_is_behind_is_sent_without_a_pause(way: Way) -> None:
    way.write(*range(12))
    async with way.passing():
        await until(lambda: bool(way.slept) and len(way.receiver.taken) == 12)
    # Three full ones; the pause comes when there is no more.
    assert way.taken_before[0] == 12


async def test_receiver_that_is_away_is_asked_ever_more_slowly_and_gets_the_same(way: Way) -> None:
    way.write(1, 2)
    way.receiver.answers = [NotTakenError("nobody is there") for _ in range(12)]
    with capture_logs() as said:
        async with way.passing() as passing:
            await until(lambda: way.receiver.taken == [1, 2])
            assert passing.state.n_attempts_failed == 12
            assert passing.state.fault == ""
            assert passing.state.last_error == "nobody is there"
            assert passing.state.retry_at_us is None
    # Half of each, for the draw is 0.
    assert way.waits == [min(2.0**n, LONGEST_RETRY_S) / 2 for n in range(12)]
    assert [one["event"] for one in said] == ["output takes nothing", "output takes values again"]


async def test_jitter_spreads_the_attempts(way: Way) -> None:
    way.write(1)
    way.receiver.answers = [NotTakenError("away")] * 3
    async with way.passing(draw=0.5):
        await until(lambda: way.receiver.taken == [1])
    assert way.waits == [0.75, 1.5, 3.0]


async def test_receiver_that_says_when_is_not_asked_earlier(way: Way) -> None:
    way.write(1)
    way.receiver.answers = [NotTakenError("busy", wait_s=90.0), NotTakenError("busy", wait_s=0.0)]
    async with way.passing(draw=0.9) as passing:
        await until(lambda: way.receiver.taken == [1])
        assert passing.state.n_attempts_failed == 2
    assert way.waits[0] >= 90.0
    assert way.waits[0] <= 99.0


async def test_while_it_waits_health_says_why_and_until_when(way: Way) -> None:
    way.write(1)
    way.receiver.answers = [NotTakenError("busy", wait_s=90.0)]
    asleep = asyncio.Event()

    async def sleep(delay_s: float) -> None:  # noqa: ARG001  # it never wakes up
        asleep.set()
        await asyncio.Event().wait()

    way.sleep = sleep  # type: ignore[method-assign]  # see above
    async with way.passing() as passing:
        await asleep.wait()
        state = passing.state
        assert (state.fault, state.retry_at_us) == ("busy", NOW_US + 90_000_000)
        assert passing.follower.lag() == {"log": 1}


async def test_what_was_not_sent_when_the_process_died_is_sent_by_the_next(way: Way) -> None:
    way.write(1, 2, 3)
    way.receiver.gate.clear()
    async with way.passing():
        await until(lambda: way.receiver.n_asked == 1)
        assert way.bookmark.read() == 0
        way.receiver.answers = [NotTakenError("it died")]
    assert way.receiver.taken == []
    async with way.passing():
        await until(lambda: way.receiver.taken == [1, 2, 3])


async def test_stage_that_failed_goes_on_with_what_it_held(way: Way) -> None:
    """An error that nobody thought of ends the stage; the supervisor begins it again."""
    way.write(1, 2, 3, 4)
    way.receiver.answers = [ZeroDivisionError()]
    passing = PassOn(
        "old",
        way.follow(),
        way.receiver,
        way.pacing,
        now_us=lambda: NOW_US,
        monotonic_s=lambda: way.clock_s,
        draw=lambda: 0.0,
        sleep=way.sleep,
    )
    with pytest.raises(ZeroDivisionError):
        await passing.run()
    again = asyncio.create_task(passing.run())
    await until(lambda: way.receiver.taken == [1, 2, 3, 4])
    again.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await again


async def test_points_that_are_refused_are_told_once_and_counted(way: Way) -> None:
    way.write(1, 2, 3, 4, 5, 6, 7, 8)
    way.receiver.receipts = [OutputReceipt(4, 1, 2, "type conflict") for _ in range(2)]
    with capture_logs() as said:
        async with way.passing() as passing:
            await until(lambda: len(way.receiver.taken) == 8)
            await until(lambda: passing.state.n_refused == 4)
            assert (passing.state.n_left_out, passing.state.last_refusal) == (2, "type conflict")
    told = [one for one in said if one["event"] == "output refuses points for good"]
    assert [(one["points"], one["reason"]) for one in told] == [(2, "type conflict")]


async def test_disk_that_refuses_the_place_is_waited_for(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_stage, "RETRY_S", 0.001)
    way.write(1)
    write, n_refused = way.bookmark.write, 0

    def refuse(offset: int) -> None:
        nonlocal n_refused
        n_refused += 1
        if n_refused < 3:
            raise TransientError("the disk refuses")
        write(offset)

    monkeypatch.setattr(way.bookmark, "write", refuse)
    async with way.passing():
        await until(lambda: way.bookmark.read() == 1)
    assert way.receiver.taken == [1]

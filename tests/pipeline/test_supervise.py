from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from wattscope.core.errors import StorageError, TransientError
from wattscope.pipeline import supervise
from wattscope.pipeline.supervise import FIRST_DELAY_S, LONGEST_DELAY_S, keep_running


class Clock:
    """Sleeps that take no time, and what time it would be."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []

    async def sleep(self, length_s: float) -> None:
        self.slept_s.append(length_s)
        self.now_s += length_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("wattscope.pipeline.supervise.asyncio.sleep", made.sleep)
    return made


def failing(n_failures: int, error: Exception) -> Callable[[], Awaitable[None]]:
    """A stage that fails so often and then ends."""
    left = n_failures

    async def stage() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error

    return stage


def middle() -> float:
    """The draw at which the jitter changes nothing."""
    return 0.5


def run(stage: Callable[[], Awaitable[None]], draw: Callable[[], float] = middle) -> None:
    asyncio.run(keep_running("stage", stage, draw=draw))


def test_stage_that_ends_is_not_started_again(clock: Clock) -> None:
    run(failing(0, ValueError()))
    assert clock.slept_s == []


@pytest.mark.parametrize("error", [TransientError("away"), ValueError("a bug"), OSError(5, "io")])
def test_stage_that_fails_is_started_again(clock: Clock, error: Exception) -> None:
    run(failing(3, error))
    assert len(clock.slept_s) == 3


def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    run(failing(9, TransientError("away")))
    assert clock.slept_s == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (FIRST_DELAY_S, LONGEST_DELAY_S) == (1, 60)


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.5), (0.999, 1.499)])
def test_jitter_spreads_the_pauses(clock: Clock, drawn: float, factor: float) -> None:
    run(failing(2, TransientError("away")), draw=lambda: drawn)
    assert clock.slept_s == pytest.approx([factor, 2 * factor])


def test_error_that_cannot_be_helped_ends_the_stage(clock: Clock) -> None:
    with pytest.raises(StorageError, match="in use"):
        run(failing(99, StorageError("in use")))
    assert clock.slept_s == []


def test_cancelling_ends_the_stage(clock: Clock) -> None:
    with pytest.raises(asyncio.CancelledError):
        run(failing(99, asyncio.CancelledError()))  # type: ignore[arg-type]  # raised all the same
    assert clock.slept_s == []


def test_stage_that_ran_long_begins_with_a_short_pause(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0

    async def stage() -> None:
        nonlocal runs
        runs += 1
        if runs == 4:
            clock.now_s += 2 * LONGEST_DELAY_S
        if runs <= 5:
            raise TransientError("away")

    async def supervised() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: clock.now_s)
        await keep_running("stage", stage, draw=middle)
        monkeypatch.undo()

    asyncio.run(supervised())
    assert clock.slept_s == [1, 2, 4, 1, 2]


def test_flush_comes_when_it_is_due_and_at_the_latest_after_its_time(clock: Clock) -> None:
    flushed_at: list[int] = []
    looked = 0

    def is_due() -> bool:
        nonlocal looked
        looked += 1
        if looked >= 30:
            raise asyncio.CancelledError
        return looked == 3

    async def regularly() -> None:
        await supervise.flush_regularly(
            is_due, lambda: flushed_at.append(looked), every_s=10, look_s=1
        )

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(regularly())
    assert flushed_at == [3, 13, 23]
    assert set(clock.slept_s) == {1}

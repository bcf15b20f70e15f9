"""The rule of the watermarks: for a small card and a large disk, and without flapping."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.disk_space import (
    MB,
    SpaceMarks,
    SpaceState,
    choose_marks,
    choose_reserve,
    judge_space,
)

GB = 1000 * MB
OK, WARNING, REFUSING = SpaceState.OK, SpaceState.WARNING, SpaceState.REFUSING
MARKS = SpaceMarks(1000 * MB, 200 * MB)


def test_marks_suit_the_disk() -> None:
    assert choose_marks(2000 * GB, None, None) == SpaceMarks(1000 * MB, 200 * MB)
    assert choose_marks(8 * GB, None, None) == SpaceMarks(800 * MB, 200 * MB)
    assert choose_marks(1 * GB, None, None) == SpaceMarks(100 * MB, 50 * MB)
    assert choose_marks(4 * MB, None, None) == SpaceMarks(400_000, 200_000)


def test_marks_that_were_set_are_taken_as_they_are() -> None:
    assert choose_marks(8 * GB, 4 * GB, 3 * GB) == SpaceMarks(4 * GB, 3 * GB)
    assert choose_marks(8 * GB, 0, 0) == SpaceMarks(0, 0)
    # No warning behind the refusal.
    assert choose_marks(8 * GB, None, 2 * GB) == SpaceMarks(2 * GB, 2 * GB)


def test_states_follow_the_marks() -> None:
    for free_mb, state in ((1000, OK), (999, WARNING), (200, WARNING), (199, REFUSING)):
        assert judge_space(free_mb * MB, MARKS, OK) is state, free_mb


def test_state_is_left_a_tenth_above_its_mark() -> None:
    for free_mb, before, state in (
        (219, REFUSING, REFUSING),
        (220, REFUSING, WARNING),
        (1099, WARNING, WARNING),
        (1100, WARNING, OK),
        (1099, REFUSING, WARNING),
        (1100, REFUSING, OK),
    ):
        assert judge_space(free_mb * MB, MARKS, before) is state, (free_mb, before)


def test_marks_of_zero_never_speak() -> None:
    assert judge_space(0, SpaceMarks(0, 0), OK) is OK


@given(free=st.integers(0, 10 * GB), wobble=st.lists(st.integers(-9 * MB, 9 * MB), max_size=30))
def test_wobbling_free_space_changes_the_state_twice_at_most(free: int, wobble: list[int]) -> None:
    """Down when it crosses a mark for the first time; up only a tenth above."""
    states = [OK]
    for step in wobble:
        states.append(judge_space(max(0, free + step), MARKS, states[-1]))
    changes = [(a, b) for a, b in itertools.pairwise(states[1:]) if a is not b]
    assert len(changes) <= 1


def test_reserve_is_small_beside_the_disk() -> None:
    assert choose_reserve(2000 * GB) == 32 * MB
    assert choose_reserve(64 * MB) == 3_200_000

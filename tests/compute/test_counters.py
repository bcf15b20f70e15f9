"""Named cases of counters that misbehave, each small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.compute.slow_rollups import Row
from tests.compute.test_rollups import IMPLAUSIBLE, MIN, H, batch_of, choose_lead, register
from wattscope.compute.counter_walk import LOOK_AHEAD, CounterLimits
from wattscope.compute.counters import LEAD_READINGS, Judge
from wattscope.compute.rollups import roll_up
from wattscope.compute.segments import SeriesRule, list_counter_steps
from wattscope.core.counter_steps import CounterDecision, CounterStep, StepKind

RESET, ROLLOVER, SWAP = StepKind.RESET, StepKind.ROLLOVER, StepKind.SWAP
GLITCH, JUMP, NORMAL = StepKind.GLITCH, StepKind.JUMP, StepKind.NORMAL
PLAIN = register()
RATED = replace(PLAIN, rating_w=6000.0)
"""100 Wh a minute, 120 with the margin."""


def rows_of(values: Sequence[float]) -> list[Row]:
    """One reading a minute."""
    return [Row(at * MIN, float(value)) for at, value in enumerate(values)]


def energy(values: Sequence[float], rule: SeriesRule) -> float:
    found = roll_up(batch_of(rows_of(values)), batch_of([]), {1: rule}, H)
    return float(np.nansum(found.energy_wh))


def steps(values: Sequence[float], rule: SeriesRule) -> list[CounterStep]:
    return list_counter_steps(batch_of(rows_of(values)), batch_of([]), {1: rule})


def places(values: Sequence[float], rule: SeriesRule) -> list[tuple[int, StepKind]]:
    return [(step.at_us // MIN, step.kind) for step in steps(values, rule)]


# Energy, and what is listed with the minute of its reading.
CASES: dict[str, tuple[Sequence[float], SeriesRule, float, list[tuple[int, StepKind]]]] = {
    "counts on": ((5000, 5010, 5010, 5030), PLAIN, 30, []),
    "reset": ((5000, 5010, 3, 8, 12), PLAIN, 22, [(2, RESET)]),
    "reset, rated": ((5000, 5010, 3, 8, 12), RATED, 22, [(2, RESET)]),
    "reset below zero": ((5000, 5010, -3, 8, 12), PLAIN, 25, [(2, RESET)]),
    "reset after a gap of a glitch": ((5000, 9, 4, 8, 12), PLAIN, 12, [(1, GLITCH), (2, RESET)]),
    "rollover": ((990, 995, 4, 8, 12), replace(PLAIN, rollover=1000.0), 22, [(2, ROLLOVER)]),
    "rollover, rated": (
        *((65_530, 65_534, 4, 8, 12), replace(RATED, rollover=65_536.0)),
        *(18, [(2, ROLLOVER)]),
    ),
    "fall far from the modulus": (
        *((500, 510, 4, 8, 12), replace(PLAIN, rollover=1000.0)),
        *(22, [(2, RESET)]),
    ),
    "swap to a lower level": ((9000, 9010, 4000, 4010, 4020), RATED, 30, [(2, SWAP)]),
    "swap to a higher level": ((4000, 4010, 9000, 9010, 9020), RATED, 30, [(2, JUMP)]),
    "lost its last count": ((9000, 9010, 8990, 8992, 8994), PLAIN, 14, [(2, SWAP)]),
    "glitch to 0": ((5000, 0, 5010, 5020), PLAIN, 20, [(1, GLITCH)]),
    "glitch below 0": ((5000, -1, 5010, 5020), PLAIN, 20, [(1, GLITCH)]),
    "glitch to 0 twice": ((5000, 0, 0, 5010, 5020), PLAIN, 20, [(1, GLITCH), (2, GLITCH)]),
    "glitch up": ((5000, 99_999, 5010, 5020), PLAIN, 20, [(1, GLITCH)]),
    "glitch up twice": ((5000, 77_777, 77_777, 5010), PLAIN, 10, [(1, GLITCH), (2, GLITCH)]),
    "glitch up twice, rated": ((5000, 6000, 9000, 5010), RATED, 10, [(1, GLITCH), (2, GLITCH)]),
    "glitch down and up": ((5000, 0, 99_999, 5010), PLAIN, 10, [(1, GLITCH), (2, GLITCH)]),
    "every second reading wrong": (
        *((5000, 0, 5010, 0, 5020, 0, 5030, 5040), PLAIN),
        *(40, [(1, GLITCH), (3, GLITCH), (5, GLITCH)]),
    ),
    "Wh sent as kWh for once": ((5000, 5_000_005, 5010, 5020), RATED, 20, [(1, GLITCH)]),
    "glitch above the modulus, then rollover": (
        *((980, 5000, 4, 8, 12), replace(PLAIN, rollover=1000.0)),
        *(32, [(1, GLITCH), (2, ROLLOVER)]),
    ),
    "ahead of its time": ((5000, 5125, 5130, 5140), RATED, 140, []),
    "at the rating": ((5000, 5120, 5240, 5360), RATED, 360, []),
    "whole kWh, read each minute": ((5000, 5000, 6000, 6000, 6000), RATED, 1000, []),
    "daily counter read every eight hours": (
        *((3000, 5000, 600, 3100, 5200, 700, 3000, 5100), PLAIN),
        *(2000 + 600 + 2500 + 2100 + 700 + 2300 + 2100, [(2, RESET), (5, RESET)]),
    ),
    "low for good": ((0, 0, 1, 2, 5), PLAIN, 5, []),
}


@pytest.mark.parametrize("name", CASES)
def test_energy_and_list_of_a_named_case(name: str) -> None:
    values, rule, expected, listed = CASES[name]
    assert energy(values, rule) == pytest.approx(expected)
    assert places(values, rule) == listed


@pytest.mark.parametrize("name", CASES)
def test_named_case_is_the_same_in_any_two_calls(name: str) -> None:
    values, rule, expected, _ = CASES[name]
    rows = rows_of(values)
    for cut in range(len(rows) + 1):
        parts = [
            roll_up(batch_of(rows[:cut]), batch_of([]), {1: rule}, H),
            roll_up(batch_of(rows[cut:]), batch_of(choose_lead(rows[:cut])), {1: rule}, H),
        ]
        total = sum(float(np.nansum(part.energy_wh)) for part in parts)
        assert total == pytest.approx(expected)


# ── held ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "rule", "kind"),
    [
        ((5000, 5010, 3), PLAIN, RESET),
        ((5000, 5010, 3, 5), PLAIN, RESET),
        ((5000, 5010, 9999), RATED, JUMP),
        ((5000, 5010, 9999, 9999), RATED, JUMP),
        ((990, 1000, 4, 6), replace(PLAIN, rollover=1001.0), ROLLOVER),
    ],
)
def test_doubtful_reading_at_the_end_is_held_and_counts_nothing(
    values: Sequence[float], rule: SeriesRule, kind: StepKind
) -> None:
    assert energy(values, rule) == pytest.approx(10)
    [held] = steps(values, rule)
    assert (held.kind, held.is_held, held.growth) == (kind, True, 0.0)
    assert (held.before, held.after) == (values[1], values[2])


def test_held_reading_that_is_confirmed_counts_over_its_own_time() -> None:
    rows = [Row(0, 5000.0), *(Row(2 * H + at * MIN, 60.0 + at) for at in range(3))]
    found = roll_up(batch_of(rows), batch_of([]), {1: PLAIN}, H)
    assert found.increase.tolist() == [pytest.approx(30), pytest.approx(30), pytest.approx(2)]


def test_step_whose_growth_is_unknown_covers_nothing() -> None:
    values = (9000, 9010, 4000, 4010, 4020)
    found = roll_up(batch_of(rows_of(values)), batch_of([]), {1: RATED}, H)
    assert found.coverage.tolist() == [pytest.approx(3 / 60)]


# ── decided by a person ──────────────────────────────────────────────────────────────────────


def decide(
    rule: SeriesRule, minute: int, kind: StepKind, growth: float | None = None
) -> SeriesRule:
    return replace(rule, decisions=(CounterDecision(1, minute * MIN, kind, growth),))


FALLEN = (5000, 5010, 3000, 3010, 3020, 3030)


@pytest.mark.parametrize(
    ("kind", "growth", "expected"),
    [
        (RESET, None, 3040),
        (SWAP, None, 40),
        (SWAP, 7.0, 47),
        (GLITCH, None, 3040),
        (NORMAL, None, 40),
        (ROLLOVER, None, 10 + 10_000 - 5010 + 3000 + 30),
    ],
)
def test_decision_replaces_the_word_of_the_machine(
    kind: StepKind, growth: float | None, expected: float
) -> None:
    rule = decide(replace(PLAIN, rollover=10_000.0), 2, kind, growth)
    assert energy(FALLEN, rule) == pytest.approx(expected)
    decided = [step for step in steps(FALLEN, rule) if step.is_decided]
    assert [(step.at_us // MIN, step.kind, step.is_held) for step in decided] == [(2, kind, False)]


def test_decision_taken_back_gives_the_word_of_the_machine_again() -> None:
    rule = decide(PLAIN, 2, SWAP)
    assert energy(FALLEN, replace(rule, decisions=())) == energy(FALLEN, PLAIN)


def test_first_reading_that_is_struck_out_is_counted_from_nowhere() -> None:
    rule = decide(PLAIN, 0, GLITCH)
    assert energy((9000, 5000, 5010, 5020, 5030), rule) == pytest.approx(30)


def test_decided_reading_is_not_held() -> None:
    assert energy((5000, 5010, 3), decide(PLAIN, 2, RESET)) == pytest.approx(13)


@pytest.mark.parametrize("kind", StepKind)
@pytest.mark.parametrize("minute", range(7))
def test_decisions_are_the_same_in_any_three_calls(kind: StepKind, minute: int) -> None:
    rows = rows_of((5000, 5010, 3000, 3010, 0, 3020, 3030))
    rule = decide(replace(PLAIN, rollover=10_000.0), minute, kind)
    whole = float(np.nansum(roll_up(batch_of(rows), batch_of([]), {1: rule}, H).energy_wh))
    for low, high in product(range(8), range(8)):
        bounds = sorted((low, high))
        parts = zip([0, *bounds], [*bounds, len(rows)], strict=True)
        total = sum(
            float(
                np.nansum(
                    roll_up(
                        batch_of(rows[a:b]), batch_of(choose_lead(rows[:a])), {1: rule}, H
                    ).energy_wh
                )
            )
            for a, b in parts
        )
        assert total == pytest.approx(whole)


# ── the machine and its columns ──────────────────────────────────────────────────────────────


def test_unusable_readings_confirm_and_refute_nothing() -> None:
    rows = rows_of((5000, 5010, 3, 5, 7))
    rows[3] = rows[3]._replace(quality=IMPLAUSIBLE)
    found = list_counter_steps(batch_of(rows), batch_of([]), {1: PLAIN})
    assert [step.is_held for step in found] == [True]


def test_lead_is_listed_by_the_call_that_had_it() -> None:
    rows = rows_of((5000, 0, 5010, 5020, 0, 5030, 5040))
    found = list_counter_steps(batch_of(rows[4:]), batch_of(rows[:4]), {1: PLAIN})
    assert [step.at_us // MIN for step in found] == [4]


def test_series_say_nothing_about_each_other() -> None:
    value = np.array([5000.0, 5010.0, 3.0, 5020.0, 5030.0])
    series = np.array([1, 1, 1, 2, 2])
    said = Judge(series, np.arange(5) * MIN, value, {}).say()
    assert said.origin.tolist() == [-1, 0, -1, -1, 3]


def test_rising_register_is_never_walked() -> None:
    value = np.cumsum(np.ones(1000))
    judge = Judge(np.ones(1000, np.int64), np.arange(1000) * MIN, value, {})
    assert not judge.is_doubtful.any()
    assert judge.say().walked == {}


def test_word_on_a_reading_needs_no_more_than_the_lead() -> None:
    """Every second reading wrong, for ever: the same word wherever the readings begin."""
    value = np.tile([5000.0, 0.0, 70.0], 30)
    t = np.arange(90) * MIN
    limits = {1: CounterLimits()}
    whole = Judge(np.ones(90, np.int64), t, value, limits).say()
    for start in range(90 - LEAD_READINGS - LOOK_AHEAD):
        part = Judge(np.ones(90 - start, np.int64), t[start:], value[start:], limits).say()
        at = LEAD_READINGS - LOOK_AHEAD
        origin = part.origin[at]
        assert whole.origin[start + at] == (origin + start if origin >= 0 else -1)
        assert whole.growth[start + at] == part.growth[at]

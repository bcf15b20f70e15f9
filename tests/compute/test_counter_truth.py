"""Generated histories of counters: the energy is the truth, whatever befell the register."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.compute.counter_histories import FAULTS, History, histories, make_history
from tests.compute.slow_rollups import Row
from tests.compute.test_rollups import batch_of, choose_lead
from wattscope.compute import counter_walk, counters, segments
from wattscope.compute.counter_walk import CounterLimits, Outcome
from wattscope.compute.rollups import concat_rollups, merge_rollups, roll_up
from wattscope.core.counter_steps import StepKind
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.ports import Rollup

SIZE_US = 15 * 60 * 1_000_000
TRUTH_WH = 1.0
"""0.001 kWh."""


def roll_at_once(history: History) -> Rollup:
    rows = history.rows
    shuffled = random.Random(len(rows)).sample(rows, len(rows))
    return roll_up(batch_of(shuffled), batch_of([]), {1: history.rule}, SIZE_US)


def roll_in_parts(history: History, seed: int) -> Rollup:
    """Successive calls, each with what came before as its lead, as the store makes them."""
    rows, draw = history.rows, random.Random(seed)
    n_cuts = draw.choice((1, 3, 10, len(rows)))
    cuts = sorted(draw.randrange(len(rows) + 1) for _ in range(n_cuts))
    return concat_rollups(
        [
            roll_up(
                batch_of(rows[a:b]), batch_of(choose_lead(rows[:a])), {1: history.rule}, SIZE_US
            )
            for a, b in pairwise([0, *cuts, len(rows)])
        ]
    )


def find_lie(history: History, rollup: Rollup) -> str:
    """What is wrong with the energy of a history; empty when nothing is."""
    increase = np.nan_to_num(rollup.increase)
    total = float(increase.sum())
    if abs(total - history.truth_wh) > TRUTH_WH:
        return f"{total} Wh instead of {history.truth_wh}"
    if increase.min(initial=0.0) < -1e-6 * max(1.0, history.truth_wh):
        return f"a bucket of {increase.min()} Wh"
    if history.rule.rating_w is not None:
        most = history.rule.rating_w * SIZE_US / US_PER_HOUR * 1.2 + 2 * history.scale
        if increase.max(initial=0.0) > most * (1 + 1e-9):
            return f"a bucket of {increase.max()} Wh where {most} is the most"
    return ""


def merge(rollup: Rollup, rows: list[Row]) -> Rollup:
    first, last = rows[0].t // SIZE_US, rows[-1].t // SIZE_US
    edges = np.arange(first, last + 2, dtype=np.int64) * SIZE_US
    return merge_rollups(rollup, edges, SIZE_US)


def find_any_lie(history: History, seed: int) -> str:
    """What is wrong with one call over all rows, or with many calls."""
    at_once, in_parts = roll_at_once(history), merge(roll_in_parts(history, seed), history.rows)
    lie = find_lie(history, at_once) or find_lie(history, in_parts)
    if lie:
        return lie
    whole = merge(at_once, history.rows)
    for name in ("increase", "energy_wh", "count", "coverage"):
        one, many = (np.nan_to_num(getattr(part, name)) for part in (whole, in_parts))
        if not np.allclose(one, many, rtol=1e-9, atol=1e-6 * max(1.0, np.abs(one).max())):
            return f"{name} of many calls is not that of one"
    return ""


SEEDS = st.integers(0, 2**32)


@given(history=histories(), seed=SEEDS)
@settings(max_examples=300, deadline=None)
def test_energy_is_the_truth(history: History, seed: int) -> None:
    assert find_any_lie(history, seed) == ""


@pytest.mark.long
@given(history=histories(), seed=SEEDS)
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_energy_is_the_truth_at_length(history: History, seed: int) -> None:
    assert find_any_lie(history, seed) == ""


# ── the generator says what it makes, and a broken judge does not pass ───────────────────────


def test_generated_histories_hold_every_fault() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(200):
        history = make_history(seed * 7919, random.Random(seed).choices(FAULTS, k=6))
        kinds.update(history.kinds)
    faults = {"reset", "swap", "low", "low twice", "high", "high twice", "rollover"}
    assert set(kinds) == faults
    assert min(kinds.values()) >= 20


def believe_everything(
    value: Sequence[float], _t: Sequence[int], _limits: CounterLimits
) -> list[Outcome]:
    """The walk without any judgement: what falls is a reset."""
    found = [Outcome(-1, 0.0, StepKind.NORMAL)]
    for at, (before, after) in enumerate(pairwise(value)):
        growth = after - before if after >= before else max(after, 0.0)
        found.append(Outcome(at, growth, StepKind.NORMAL))
    return found


def switch_off_judgement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counters, "walk", believe_everything)


def switch_off_taking_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "_find_open_ends", lambda *_: [])


def switch_off_rating(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counter_walk, "RATING_MARGIN", 1e12)


def switch_off_rollover(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counter_walk._Walk, "_count_over", lambda *_: None)


def switch_off_double_glitches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counter_walk, "LOOK_AHEAD", 1)


@pytest.mark.parametrize(
    "switch_off",
    [
        switch_off_judgement,
        switch_off_taking_back,
        switch_off_rating,
        switch_off_rollover,
        switch_off_double_glitches,
    ],
)
def test_without_the_safeguard_the_energy_is_not_the_truth(
    switch_off: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch)

    @given(history=histories(), seed=SEEDS)
    @settings(
        max_examples=2000, deadline=None, database=None, phases=[Phase.generate], derandomize=True
    )
    def check(history: History, seed: int) -> None:
        assert find_any_lie(history, seed) == ""

    with pytest.raises(AssertionError):
        check()

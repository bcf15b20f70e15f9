"""States of a machine: limits, noise, gaps, and energies that add up."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.rollups import roll_up
from wattscope.compute.running_states import (
    Cells,
    RunningState,
    StateLimits,
    Stretch,
    clip,
    count_starts,
    cut_cells,
    find_stretches,
)
from wattscope.compute.segments import SeriesRule
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, Quality, empty_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.topology import Sampling

STEP_US = 30 * US_PER_S
STANDBY, ACTIVE, HIGH = RunningState
LIMITS = StateLimits(20.0, 2000.0, 0.1, 60 * US_PER_S)
RULE = SeriesRule(QuantityKind.GAUGE, Sampling.INSTANT, STEP_US, is_power=True, is_energy=False)


def sample(powers: Sequence[float | None], step_us: int = STEP_US) -> Batch:
    """One value a step; None is no reading, NaN one that is marked missing."""
    known = [(at * step_us, power) for at, power in enumerate(powers) if power is not None]
    value = np.array([power for _, power in known], np.float64)
    quality = np.where(np.isnan(value), int(Quality.MISSING), 0).astype(np.uint8)
    return Batch(
        np.ones(len(known), np.int32), np.array([t for t, _ in known], np.int64), value, quality
    )


def find(powers: Sequence[float | None], limits: StateLimits = LIMITS) -> list[Stretch]:
    return find_stretches(cut_cells(sample(powers), RULE), limits)


def name(stretches: list[Stretch]) -> list[tuple[RunningState, float]]:
    """States with their length [steps]."""
    return [(one.state, one.duration_us / STEP_US) for one in stretches]


def test_states_follow_the_limits_and_change_half_way_between_samples() -> None:
    stretches = find([6.0] * 10 + [46.0] * 10 + [2400.0] * 10)
    assert name(stretches) == [(STANDBY, 9.5), (ACTIVE, 10.0), (HIGH, 9.5)]
    assert stretches[1].start_us == 9.5 * STEP_US


@pytest.mark.parametrize(
    ("power", "state"),
    [(0.0, STANDBY), (19.9, STANDBY), (20.0, ACTIVE), (1999.0, ACTIVE), (2000.0, HIGH)],
)
def test_limit_itself_belongs_to_the_higher_state(power: float, state: RunningState) -> None:
    assert {one.state for one in find([power] * 5)} == {state}


def test_lower_state_needs_power_to_fall_below_the_limit_by_the_hysteresis() -> None:
    kept = find([2100.0] * 10 + [1850.0] * 10)
    assert name(kept) == [(HIGH, 19.0)]
    left = find([2100.0] * 10 + [1790.0] * 10)
    assert name(left) == [(HIGH, 9.5), (ACTIVE, 9.5)]
    # From below, the same power is the lower state.
    assert name(find([500.0] * 10 + [1850.0] * 10)) == [(ACTIVE, 19.0)]


def test_noise_around_a_limit_makes_no_starts() -> None:
    noisy: list[float | None] = [18.5, 20.5] * 100
    stretches = find([6.0] * 10 + noisy + [6.0] * 10)
    assert count_starts(stretches, ACTIVE, 0, 1000 * STEP_US) == 1
    # Without hysteresis and least duration it would be a hundred.
    bare = StateLimits(20.0, 2000.0, 0.0, 0)
    assert count_starts(find([6.0, *noisy], bare), ACTIVE, 0, 1000 * STEP_US) == 100


def test_moment_is_no_state_of_its_own() -> None:
    assert name(find([6.0] * 10 + [46.0] + [6.0] * 10)) == [(STANDBY, 20.0)]
    assert name(find([46.0] + [6.0] * 10)) == [(STANDBY, 10.0)]
    assert name(find([6.0] * 10 + [46.0])) == [(STANDBY, 10.0)]


def test_way_up_through_the_middle_is_no_stop_in_it() -> None:
    assert name(find([6.0] * 10 + [900.0] + [2400.0] * 10)) == [(STANDBY, 10.5), (HIGH, 9.5)]


def test_quick_changes_that_last_together_are_one_state() -> None:
    quick: list[float | None] = [500.0, 2400.0] * 20
    assert name(find([6.0] * 10 + quick + [6.0] * 10))[0] == (STANDBY, 9.5)
    assert {state for state, _ in name(find([6.0] * 10 + quick + [6.0] * 10))[1:-1]} <= {
        ACTIVE,
        HIGH,
    }
    assert count_starts(find([6.0] * 10 + quick + [6.0] * 10), ACTIVE, 0, 10**12) == 1


@pytest.mark.parametrize("hole", [[None] * 20, [float("nan")]])
def test_gap_is_no_state_and_what_follows_it_no_start(hole: list[float | None]) -> None:
    stretches = find([6.0] * 10 + hole + [2400.0] * 10)
    assert name(stretches) == [(STANDBY, 9.0), (HIGH, 9.0)]
    assert stretches[0].end_us < stretches[1].start_us
    assert not stretches[1].goes_on
    assert count_starts(stretches, HIGH, 0, 10**12) == 0


def test_starts_count_at_their_own_instant_only() -> None:
    stretches = find([6.0] * 10 + [2400.0] * 10 + [6.0] * 10 + [46.0] * 10)
    at_us = [one.start_us for one in stretches]
    assert count_starts(stretches, ACTIVE, 0, 10**12) == 2
    assert count_starts(stretches, HIGH, 0, 10**12) == 1
    assert count_starts(stretches, ACTIVE, at_us[1], at_us[3]) == 1
    assert count_starts(stretches, ACTIVE, at_us[1] + 1, at_us[3]) == 0


def test_mean_stands_for_its_own_interval() -> None:
    rule = SeriesRule(QuantityKind.GAUGE, Sampling.MEAN, STEP_US, is_power=True, is_energy=False)
    cells = cut_cells(sample([6.0, 6.0, 46.0, None, 46.0]), rule)
    assert cells.start_us.tolist() == [at * STEP_US for at in (0, 1, 2, 4)]
    assert cells.end_us.tolist() == [at * STEP_US for at in (1, 2, 3, 5)]


def test_nothing_measured_is_nothing() -> None:
    assert find([]) == []
    assert find([46.0]) == []


def test_parts_of_a_stretch_have_their_part_of_the_energy() -> None:
    cells = Cells(
        np.array([0, US_PER_HOUR]), np.array([US_PER_HOUR, 2 * US_PER_HOUR]), np.array([6.0, 46.0])
    )
    assert cells.energy_wh(0, 2 * US_PER_HOUR) == 52.0
    assert cells.energy_wh(US_PER_HOUR // 2, US_PER_HOUR * 3 // 2) == 26.0
    assert cells.energy_wh(3 * US_PER_HOUR, 4 * US_PER_HOUR) == 0.0


POWERS = st.lists(
    st.one_of(st.none(), st.floats(-100, 4000), st.sampled_from([6.0, 19.0, 46.0, 1900.0, 2400.0])),
    min_size=2,
    max_size=120,
)


@given(POWERS, st.integers(0, 200))
def test_states_add_up_to_the_energy_and_the_time_of_the_rollup(
    powers: list[float | None], min_s: int
) -> None:
    rows = sample(powers)
    cells = cut_cells(rows, RULE)
    stretches = find_stretches(cells, StateLimits(20.0, 2000.0, 0.1, min_s * US_PER_S))
    day = roll_up(rows, empty_batch(), {1: RULE}, 24 * US_PER_HOUR)
    energy = sum(cells.energy_wh(one.start_us, one.end_us) for one in stretches)
    known_us = sum(one.duration_us for one in stretches)
    if len(day.energy_wh) and not np.isnan(day.energy_wh).all():
        assert energy == pytest.approx(float(np.nansum(day.energy_wh)), abs=1e-6)
    assert known_us == pytest.approx(float(day.coverage.sum()) * 24 * US_PER_HOUR, abs=10)
    for before, now in itertools.pairwise(stretches):
        assert before.end_us <= now.start_us
        assert now.goes_on == (before.end_us == now.start_us)
        if now.goes_on:
            assert before.state is not now.state


@given(POWERS)
def test_days_cut_from_stretches_lose_nothing(powers: list[float | None]) -> None:
    stretches = find(powers)
    middle = 20 * STEP_US
    halves = clip(stretches, 0, middle) + clip(stretches, middle, 10**12)
    assert sum(one.duration_us for one in halves) == sum(one.duration_us for one in stretches)

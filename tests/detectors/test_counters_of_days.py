"""Counters that cannot be used, and days that lack readings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, Window
from wattscope.detectors.counter_trust import CounterTrust
from wattscope.detectors.incomplete_day import IncompleteDay

COUNTER = "energy_production_wh"


def build_counted(n_days: int = 6) -> Window:
    farm = build_farm(3, n_days, cloudiness=0.2)
    power = np.maximum(farm.values[POWER], 0.0)
    counter = 5e5 + np.cumsum(power, axis=1) * farm.step_us / US_PER_HOUR
    return replace(farm, values={POWER: power, COUNTER: counter})


def with_values(window: Window, name: str, matrix: Matrix) -> Window:
    return replace(window, values={**window.values, name: matrix})


def days_of(window: Window) -> list[tuple[str, int]]:
    start = int(window.slot_us[0])
    return [
        (one.device, round((one.end_us - start) / US_PER_DAY - 0.5))
        for one in IncompleteDay().find(window)
    ]


# ------------------------------------------------------------------ counters
def test_counter_that_rises_can_be_used() -> None:
    assert CounterTrust().find(build_counted()) == []


def test_counter_that_begins_again_each_midnight_can_be_used() -> None:
    window = build_counted()
    counter = window.values[COUNTER].copy()
    for day in range(1, 6):
        counter[:, day * 96 :] -= counter[:, [day * 96 - 1]]
    assert CounterTrust().find(with_values(window, COUNTER, np.maximum(counter, 0.0))) == []


@pytest.mark.parametrize(("n_falls", "is_told"), [(1, False), (2, False), (3, True), (20, True)])
def test_counter_that_falls_again_and_again_cannot(n_falls: int, is_told: bool) -> None:  # noqa: FBT001 - a case
    window = build_counted()
    counter = window.values[COUNTER].copy()
    for at in range(n_falls):
        counter[1, 40 + 20 * at :] -= 10_000.0
    found = CounterTrust().find(with_values(window, COUNTER, counter))
    assert [one.device for one in found] == (["panel-001"] if is_told else [])
    if is_told:
        assert found[0].kind == "counter_unusable"
        assert found[0].evidence["falls_n"] == n_falls
        assert found[0].start_us == window.slot_us[40]
        assert "energy comes from power" in found[0].detail


def test_counter_of_both_ways_may_fall() -> None:
    window = build_counted()
    counter = window.values[COUNTER].copy()
    for at in range(20):
        counter[:, 40 + 20 * at :] -= 10_000.0
    both_ways = replace(window, values={"energy_total_wh": counter})
    assert CounterTrust().find(both_ways) == []
    assert len(CounterTrust().find(replace(window, values={"energy_import_wh": counter}))) == 3


def test_gap_is_no_fall() -> None:
    window = build_counted()
    counter = window.values[COUNTER].copy()
    counter[:, ::3] = np.nan
    assert CounterTrust().find(with_values(window, COUNTER, counter)) == []


# ------------------------------------------------------------------ days
@pytest.mark.parametrize("has_counter", [True, False])
def test_day_that_lacks_hours_of_sun_is_incomplete(has_counter: bool) -> None:  # noqa: FBT001 - a case
    window = build_counted()
    power = window.values[POWER].copy()
    power[1, 2 * 96 + 40 : 2 * 96 + 56] = np.nan
    window = with_values(window, POWER, power)
    if not has_counter:
        window = replace(window, values={POWER: power})
    assert days_of(window) == [("panel-001", 2)]


@pytest.mark.parametrize("has_counter", [True, False])
def test_night_without_readings_costs_nothing(has_counter: bool) -> None:  # noqa: FBT001 - a case
    window = build_counted()
    power = window.values[POWER].copy()
    power[1, 2 * 96 + 86 : 3 * 96 + 10] = np.nan
    window = with_values(window, POWER, power)
    if not has_counter:
        window = replace(window, values={POWER: power})
    assert days_of(window) == []


def test_day_with_all_readings_is_complete_whatever_the_counter_says() -> None:
    window = build_counted()
    counter = window.values[COUNTER] * 1.3
    assert days_of(with_values(window, COUNTER, counter)) == []


def test_untrue_counter_does_not_judge() -> None:
    window = build_counted()
    counter = window.values[COUNTER].copy()
    for at in range(8):
        counter[:, 40 + 60 * at :] -= 50_000.0
    power = window.values[POWER].copy()
    power[1, 5] = np.nan
    broken = with_values(with_values(window, COUNTER, counter), POWER, power)
    assert days_of(broken) == []


def test_dark_day_is_not_incomplete() -> None:
    window = build_counted()
    power = window.values[POWER].copy()
    power[:, 3 * 96 : 4 * 96] *= 0.2
    assert days_of(replace(window, values={POWER: power})) == []

"""Less from year to year."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change, days_since, scale_power
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import Window
from wattscope.detectors.degradation import Degradation


@cache
def build_years(n_days: int = 1000) -> Window:
    """A farm as means of days."""
    farm = build_farm(8, n_days, step_min=60, cloudiness=0.6)
    return replace(
        farm,
        slot_us=farm.slot_us[::24],
        step_us=US_PER_DAY,
        values={POWER: np.maximum(farm.values[POWER], 0.0).reshape(8, n_days, 24).mean(2)},
        weather={name: one.reshape(n_days, 24).mean(1) for name, one in farm.weather.items()},
    )


def aging(window: Window, per_year: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(1.0 - per_year * days_since(window, 0) / 365.0)


def test_farm_that_does_not_age_does_not_degrade() -> None:
    assert Degradation().find(build_years()) == []


@pytest.mark.parametrize("per_year", [0.02, 0.04])
def test_device_that_ages_faster_than_its_siblings_is_found(per_year: float) -> None:
    farm = build_years()
    (found,) = Degradation().find(scale_power(farm, 3, aging(farm, per_year)))
    assert (found.kind, found.device) == ("degradation", "panel-003")
    assert found.evidence["loss_per_year_share"] == pytest.approx(per_year, rel=0.2)
    assert (
        found.evidence["loss_per_year_low_share"]
        <= per_year
        <= 1.05 * found.evidence["loss_per_year_high_share"]
    )


def test_plant_that_ages_as_a_whole_is_found_by_its_light() -> None:
    farm = build_years()
    (found,) = Degradation().find(change(farm, POWER, farm.values[POWER] * aging(farm, 0.03)))
    assert found.device == "inverter-0"
    assert found.evidence["loss_per_year_share"] == pytest.approx(0.03, rel=0.3)


def test_dirt_of_each_summer_is_no_aging() -> None:
    farm = build_years()
    season = days_since(farm, 0) % 365.0
    dirty = np.where((season > 30) & (season < 90), 1.0 - 0.003 * (season - 30), 1.0)
    assert Degradation().find(scale_power(farm, 3, dirty)) == []


def test_less_than_two_years_tell_nothing() -> None:
    farm = build_years()
    aged = scale_power(farm, 3, aging(farm, 0.05))
    short = aged.cut(int(aged.slot_us[0]), int(aged.slot_us[420]))
    assert Degradation().find(short) == []

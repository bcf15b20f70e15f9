"""Clear days by the shape of what a plant gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm
from tests.detectors.quality_sets import STEP_US, read_power
from wattscope.compute.clear_days import find_clear_days, find_sunny_slots
from wattscope.compute.production import cut_days, find_power
from wattscope.core.time_grid import US_PER_MINUTE


def test_measured_cloudy_day_is_told_from_the_measured_clear_one(shared_data: Path) -> None:
    """The file holds a day with clouds and a clear one, a value a minute."""
    window = read_power(
        shared_data / "pv-quality" / "serf_east_1min_ac_power.csv.gz", US_PER_MINUTE
    )
    found = find_power(window)
    assert found is not None
    clear = find_clear_days(found[1], cut_days(window), window.step_us)
    assert clear.tolist() == [False, True]


def test_night_below_zero_is_no_production(shared_data: Path) -> None:
    window = read_power(shared_data / "pv-quality" / "serf_east_15min_ac_power.csv.gz", STEP_US)
    given = window.values["active_power_w"]
    assert np.nanmin(given) < -6.0
    found = find_power(window)
    assert found is not None
    assert np.nanmin(found[1]) == 0.0
    assert np.array_equal(found[1][given > 0.0], given[given > 0.0])


@pytest.mark.parametrize(("cloudiness", "low", "high"), [(0.0, 20, 20), (1.0, 0, 2)])
def test_made_up_skies_are_told(cloudiness: float, low: int, high: int) -> None:
    farm = build_farm(n_days=20, cloudiness=cloudiness)
    days = cut_days(farm)
    clear = find_clear_days(np.maximum(farm.values[POWER], 0.0), days, farm.step_us)
    # Of a window in UTC the first and last local day are parts of days.
    assert low <= clear[:20].sum() <= high


def test_even_grey_day_is_not_clear() -> None:
    farm = build_farm(n_days=20, cloudiness=0.0)
    power = np.maximum(farm.values[POWER], 0.0)
    days = cut_days(farm)
    power[:, days.of_slot == 7] *= 0.3
    clear = find_clear_days(power, days, farm.step_us)
    assert not clear[7]
    assert clear[6]
    assert clear[8]


def test_sun_between_clouds_counts() -> None:
    farm = build_farm(n_days=20, cloudiness=0.8)
    days = cut_days(farm)
    power = np.maximum(farm.values[POWER], 0.0)
    sunny = find_sunny_slots(power, days, farm.slot_us, farm.step_us)
    light = farm.weather["irradiance_w_m2"]
    assert light[sunny].min() > 20.0
    noon = (farm.slot_us // farm.step_us) % 96 == 45
    assert light[sunny & noon].min() > light[~sunny & noon].max() * 0.9

"""What a plant's light allows: losses of all at once, snow, limits from outside, darkness."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change, days_since, from_day, scale_power
from tests.detectors.quality_sets import ZONE, read_roof, read_snow
from wattscope.compute.expected_power import ExpectedMethod, expect_power
from wattscope.core.time_grid import US_PER_DAY, load_zone, local_date
from wattscope.core.window import Window
from wattscope.detectors.expected_power import ExpectedPower


def weaken_all(window: Window, day: float, factor: float) -> Window:
    return change(window, POWER, window.values[POWER] * from_day(window, day, factor))


@pytest.mark.parametrize("has_weather", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_farm_without_faults_raises_nothing(seed: int, has_weather: bool) -> None:  # noqa: FBT001 - a case
    assert ExpectedPower().find(build_farm(seed=seed, has_weather=has_weather)) == []


def test_expectation_from_measured_light_is_close() -> None:
    farm = build_farm()
    told = expect_power(farm)
    assert told.method is ExpectedMethod.IRRADIANCE
    power = farm.values[POWER]
    is_lit = farm.weather["irradiance_w_m2"] > 200.0
    apart = power[:, is_lit] / told.expected_w[:, is_lit] - 1.0
    assert np.abs(np.median(apart)) < 0.01
    assert np.abs(apart).max() < 0.06
    inside = (power >= told.low_w) & (power <= told.high_w)
    assert 0.85 < inside[:, is_lit].mean() < 0.97
    assert np.nanmax(told.expected_w[:, farm.weather["irradiance_w_m2"] == 0.0]) == 0.0


def test_expectation_from_a_clear_sky_is_told_on_clear_days_only() -> None:
    farm = build_farm(has_weather=False)
    told = expect_power(farm)
    assert told.method is ExpectedMethod.CLEAR_SKY
    power, is_day = farm.values[POWER], farm.values[POWER].mean(0) > 100.0
    told_by_day = told.is_told & is_day
    apart = power[:, told_by_day] / told.expected_w[:, told_by_day] - 1.0
    assert np.abs(np.median(apart)) < 0.02
    # On other days it is a bound that nothing exceeds, and says nothing of too little.
    others = ~told.is_told & is_day
    assert (power[:, others] <= 1.08 * told.expected_w[:, others]).mean() > 0.99
    assert (told.low_w[:, others] == 0.0).all()


@pytest.mark.parametrize("missing", ["weather and place", "all power"])
def test_what_cannot_be_told_is_not_told(missing: str) -> None:
    farm = build_farm(4, 5)
    site = replace(farm.site, latitude=None)
    bare = replace(farm, site=site, weather={})
    if missing == "all power":
        bare = change(farm, POWER, np.full_like(farm.values[POWER], np.nan))
    told = expect_power(bare)
    assert np.isnan(told.expected_w).all()
    assert ExpectedPower().find(bare) == []


def test_loss_of_the_whole_plant_is_found_where_peers_see_none() -> None:
    (found,) = ExpectedPower().find(weaken_all(build_farm(), 15, 0.8))
    assert (found.kind, found.device) == ("underperformance", "inverter-0")
    assert found.evidence["loss_share"] == pytest.approx(0.2, abs=0.03)


def test_loss_of_the_whole_plant_is_found_on_clear_days_without_weather() -> None:
    farm = build_farm(has_weather=False, cloudiness=0.2)
    (found,) = ExpectedPower().find(weaken_all(farm, 15, 0.8))
    assert found.kind == "underperformance"


def test_loss_of_some_devices_is_not_the_plants() -> None:
    farm = build_farm()
    power = farm.values[POWER].copy()
    power[:5, 1000:1400] = 0.0
    assert ExpectedPower().find(change(farm, POWER, power)) == []


def test_lone_device_is_held_against_the_light() -> None:
    farm = build_farm(1)
    (found,) = ExpectedPower().find(scale_power(farm, 0, from_day(farm, 15, 0.8)))
    assert (found.kind, found.device) == ("underperformance", "panel-000")


def test_missing_weather_raises_no_alarm() -> None:
    farm = build_farm()
    light = np.where(days_since(farm, 10) > 0, np.nan, farm.weather["irradiance_w_m2"])
    weather = {**farm.weather, "irradiance_w_m2": light}
    assert ExpectedPower().find(replace(farm, weather=weather)) == []


def test_dark_plant_in_the_light_is_out() -> None:
    farm = build_farm(n_days=10, cloudiness=0.0)
    power = farm.values[POWER].copy()
    power[:, 5 * 96 + 40 : 5 * 96 + 50] = 0.0
    findings = ExpectedPower().find(change(farm, POWER, power))
    assert [one.device for one in findings] == [device.id for device in farm.devices]
    assert {(one.kind, one.start_us, one.end_us) for one in findings} == {
        ("outage", farm.slot_us[5 * 96 + 40], farm.slot_us[5 * 96 + 50])
    }


def test_limit_from_outside_is_curtailment_and_no_fault() -> None:
    farm = build_farm(n_days=10, cloudiness=0.0)
    power = farm.values[POWER].copy()
    held = slice(5 * 96 + 40, 5 * 96 + 48)
    noise = 1.0 + 0.002 * np.random.default_rng(3).standard_normal((12, 8))
    power[:, held] = np.minimum(power[:, held], 200.0 * noise)
    (found,) = ExpectedPower().find(change(farm, POWER, power))
    assert found.kind == "curtailment"
    assert found.start_us == farm.slot_us[held.start]


def test_snow_of_a_made_up_winter_is_told_as_such() -> None:
    farm = build_farm(n_days=12, air_c=-4.0, start=datetime(2024, 1, 5, tzinfo=UTC), cloudiness=0.2)
    since = days_since(farm, 6)
    covered = change(
        farm, POWER, farm.values[POWER] * np.where((since > 0) & (since < 3), 0.02, 1.0)
    )
    (found,) = ExpectedPower().find(covered)
    assert found.kind == "snow"
    assert round((found.end_us - found.start_us) / US_PER_DAY) in {2, 3}
    # The same loss in the warmth is a fault.
    warm = replace(
        covered, weather={**covered.weather, "temperature_c": farm.weather["temperature_c"] + 20}
    )
    assert {one.kind for one in ExpectedPower().find(warm)} <= {"outage", "underperformance"}


def test_measured_snow_is_found_on_the_days_of_the_snowfall(shared_data: Path) -> None:
    """38 and 25 mm fell on 7 and 8 January: the file ``snow_snowfall``."""
    window = read_snow(shared_data / "pv-quality")
    (found,) = ExpectedPower().find(window)
    assert found.kind == "snow"
    days = [local_date(instant, load_zone(ZONE)).day for instant in (found.start_us, found.end_us)]
    assert days == [7, 9]


def test_measured_winter_of_a_roof_raises_nothing_but_snow(shared_data: Path) -> None:
    window = read_roof(shared_data / "pv-quality")
    assert [one.kind for one in ExpectedPower().find(window)] == ["snow"]
    told = expect_power(window)
    assert told.method is ExpectedMethod.IRRADIANCE

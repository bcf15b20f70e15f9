"""A flat top while the light goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change, clip, days_since, scale_power, soil
from tests.detectors.quality_sets import read_roof
from wattscope.core.time_grid import US_PER_DAY
from wattscope.detectors.clipping import Clipping


@pytest.mark.parametrize("has_weather", [True, False])
@pytest.mark.parametrize("n_panels", [1, 12])
@pytest.mark.parametrize("cloudiness", [0.0, 0.5])
def test_plain_noon_is_no_limit(n_panels: int, has_weather: bool, cloudiness: float) -> None:  # noqa: FBT001 - a case
    farm = build_farm(n_panels, noise=0.003, has_weather=has_weather, cloudiness=cloudiness)
    assert Clipping().find(farm) == []


@pytest.mark.parametrize("n_panels", [1, 12])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_limit_is_found_with_its_power(n_panels: int, noise: float) -> None:
    farm = build_farm(n_panels)
    window = clip(farm, 0, 250.0)
    jitter = 1.0 + noise * np.random.default_rng(5).standard_normal(window.values[POWER].shape)
    (found,) = Clipping().find(change(window, POWER, window.values[POWER] * jitter))
    assert found.device == "panel-000"
    assert found.evidence["limit_w"] == pytest.approx(250.0, rel=0.01)
    assert found.lost_wh > 0.0


def test_limit_that_was_set_and_lifted_within_the_window_is_found() -> None:
    farm = build_farm()
    since = days_since(farm, 8)
    power = farm.values[POWER].copy()
    during = (since >= 0) & (since < 9)
    power[3, during] = np.minimum(power[3, during], 220.0)
    (found,) = Clipping().find(change(farm, POWER, power))
    begins, ends = (
        (instant - int(farm.slot_us[0])) / US_PER_DAY for instant in (found.start_us, found.end_us)
    )
    assert 8.0 <= begins < ends <= 17.0


def test_all_devices_at_their_limit_are_seen_by_the_light() -> None:
    """Siblings that are cut off as well do not vary; the sensor does."""
    farm = build_farm(2)
    window = clip(clip(farm, 0, 250.0), 1, 250.0)
    assert {one.device for one in Clipping().find(window)} == {"panel-000", "panel-001"}


def test_dirt_is_no_limit_and_no_weather_no_guess() -> None:
    farm = build_farm()
    assert Clipping().find(scale_power(farm, 3, soil(farm, 5, 0.01))) == []
    alone = clip(build_farm(1, has_weather=False), 0, 250.0)
    nowhere = replace(alone, site=replace(alone.site, latitude=None))
    assert Clipping().find(nowhere) == []


def test_measured_winter_has_no_limit(shared_data: Path) -> None:
    assert Clipping().find(read_roof(shared_data / "pv-quality")) == []

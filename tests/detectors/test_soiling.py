"""Slow falls, what ends them, and the day on which a limit is crossed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change, clip, from_day, scale_power, soil
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Window
from wattscope.detectors.soiling import Soiling


def begin_day(window: Window, found: Finding) -> float:
    return (found.start_us - int(window.slot_us[0])) / US_PER_DAY


@pytest.mark.parametrize("has_weather", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_clean_farm_is_clean(seed: int, has_weather: bool) -> None:  # noqa: FBT001 - a case
    assert Soiling().find(build_farm(seed=seed, has_weather=has_weather)) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_panel_that_gets_dirty_is_found_with_its_rate_and_loss(seed: int) -> None:
    farm = build_farm(seed=seed)
    window = scale_power(farm, 3, soil(farm, 10, 0.005))
    (found,) = Soiling().find(window)
    assert (found.kind, found.device) == ("soiling", "panel-003")
    assert found.evidence["loss_per_day_share"] == pytest.approx(0.005, rel=0.1)
    assert 7.0 < begin_day(farm, found) < 12.0
    lost = (farm.values[POWER] - window.values[POWER])[3].sum() * farm.step_us / US_PER_HOUR
    assert found.lost_wh == pytest.approx(lost, rel=0.25)
    assert found.evidence["until_limit_days"] == 0.0


def test_day_of_the_limit_is_foretold() -> None:
    farm = build_farm(n_days=20)
    # 0.25 % a day from day 4 on: 5 % on day 24.
    (found,) = Soiling().find(scale_power(farm, 3, soil(farm, 4, 0.0025)))
    left = found.evidence["until_limit_days"]
    assert left == pytest.approx(4.0, abs=1.5)
    assert found.evidence["until_limit_early_days"] <= left
    assert found.evidence["until_limit_late_days"] >= left
    assert "5% in" in found.detail


def test_cleaning_ends_it_and_nothing_is_foretold_any_more() -> None:
    farm = build_farm()
    (found,) = Soiling().find(scale_power(farm, 3, soil(farm, 3, 0.004, clean_day=20)))
    assert begin_day(farm, found) < 6.0
    assert found.end_us <= farm.slot_us[0] + 20.5 * US_PER_DAY
    assert "until_limit_days" not in found.evidence


def test_each_time_between_two_rains_is_one() -> None:
    farm = build_farm(n_days=40)
    dirt = soil(farm, 2, 0.005, clean_day=18) * soil(farm, 20, 0.005)
    findings = Soiling().find(scale_power(farm, 3, dirt))
    assert len(findings) == 2
    assert findings[0].end_us <= findings[1].start_us


def test_plant_that_gets_dirty_as_a_whole_is_found_by_its_light() -> None:
    farm = build_farm()
    window = change(farm, POWER, farm.values[POWER] * soil(farm, 5, 0.005))
    (found,) = Soiling().find(window)
    assert found.device == "inverter-0"


def test_step_and_limit_are_other_matters() -> None:
    farm = build_farm()
    assert Soiling().find(scale_power(farm, 3, from_day(farm, 15, 0.9))) == []
    assert Soiling().find(clip(farm, 3, 280.0)) == []


def test_rate_is_as_sure_as_the_days_are_alike() -> None:
    calm, rough = build_farm(noise=0.005), build_farm(noise=0.15)
    sureness = [
        Soiling().find(scale_power(farm, 3, soil(farm, 8, 0.006)))[0].confidence
        for farm in (calm, rough)
    ]
    assert sureness[0] > sureness[1]


def test_unknown_days_are_no_cleaning() -> None:
    farm = build_farm()
    power = scale_power(farm, 3, soil(farm, 5, 0.005)).values[POWER].copy()
    power[3, 14 * 96 : 16 * 96] = np.nan
    assert len(Soiling().find(change(farm, POWER, power))) == 1

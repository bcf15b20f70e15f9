"""A fixed part of the power that is gone from a day on, at all hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import (
    POWER,
    build_farm,
    change,
    clip,
    days_since,
    from_day,
    scale_power,
    shade,
    soil,
)
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.detectors.string_out import StringOut


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_whole_farm_has_all_its_strings(seed: int) -> None:
    assert StringOut().find(build_farm(seed=seed)) == []


@pytest.mark.parametrize(("missing", "of"), [(1, 3), (1, 4), (1, 8), (1, 12), (2, 5)])
@pytest.mark.parametrize("seed", [1, 2])
def test_missing_part_is_found_with_its_instant(seed: int, missing: int, of: int) -> None:
    farm = build_farm(seed=seed)
    window = scale_power(farm, 3, from_day(farm, 12.5, 1 - missing / of))
    (found,) = StringOut().find(window)
    assert found.device == "panel-003"
    assert (found.evidence["missing_n"], found.evidence["of_n"]) == (missing, of)
    begins = (found.start_us - int(farm.slot_us[0])) / US_PER_DAY
    assert begins == pytest.approx(12.5, abs=0.15)
    lost = (farm.values[POWER] - window.values[POWER])[3].sum() * farm.step_us / US_PER_HOUR
    assert found.lost_wh == pytest.approx(lost, rel=0.1)


def test_string_that_comes_back_ends_it() -> None:
    farm = build_farm()
    since = days_since(farm, 10)
    (found,) = StringOut().find(
        scale_power(farm, 3, np.where((since >= 0) & (since < 6), 0.75, 1.0))
    )
    ends = (found.end_us - int(farm.slot_us[0])) / US_PER_DAY
    assert ends == pytest.approx(16.0, abs=0.6)


def test_shadow_dirt_limit_and_outage_are_no_strings() -> None:
    farm = build_farm()
    others = (
        scale_power(farm, 3, shade(farm, 8, (200.0, 260.0), 0.5)),
        scale_power(farm, 3, soil(farm, 5, 0.01)),
        clip(farm, 3, 250.0),
        scale_power(farm, 3, from_day(farm, 12, 0.0)),
    )
    for window in others:
        assert StringOut().find(window) == []


def test_inverter_that_tells_its_strings_apart_names_the_dead_one() -> None:
    farm = build_farm(1, 5, cloudiness=0.0)
    power = farm.values[POWER]
    strings = {f"dc_power_s{n}_w": power * share for n, share in ((1, 0.5), (2, 0.5), (3, 0.0))}
    dead = strings["dc_power_s2_w"].copy()
    dead[0, 2 * 96 + 40 : 2 * 96 + 60] = 0.0
    window = replace(farm, values={**farm.values, **strings, "dc_power_s2_w": dead})
    (found,) = StringOut().find(window)
    assert found.evidence["string_n"] == 2.0
    assert found.start_us == farm.slot_us[2 * 96 + 40]
    assert found.end_us == farm.slot_us[2 * 96 + 60]


def test_lone_device_is_held_against_the_light() -> None:
    farm = build_farm(1, cloudiness=0.3)
    (found,) = StringOut().find(scale_power(farm, 0, from_day(farm, 20, 0.75)))
    assert found.evidence["of_n"] == 4.0


def test_gaps_do_not_make_a_step() -> None:
    farm = build_farm()
    power = farm.values[POWER].copy()
    power[3, 10 * 96 : 20 * 96] = np.nan
    assert StringOut().find(change(farm, POWER, power)) == []

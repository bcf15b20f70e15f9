"""Shadows: less while the sun stands in one part of the sky."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import (
    POWER,
    build_farm,
    change,
    clip,
    from_day,
    scale_power,
    shade,
    soil,
)
from wattscope.core.time_grid import US_PER_DAY
from wattscope.detectors.shade import Shade


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_open_field_has_no_shadows(seed: int) -> None:
    assert Shade().find(build_farm(seed=seed)) == []


@pytest.mark.parametrize("has_place", [True, False])
@pytest.mark.parametrize(
    ("azimuths", "depth"), [((220.0, 260.0), 0.4), ((80.0, 120.0), 0.3), ((160.0, 200.0), 0.25)]
)
def test_shadow_is_found_with_its_depth_and_hours(
    azimuths: tuple[float, float],
    depth: float,
    has_place: bool,  # noqa: FBT001 - a case
) -> None:
    farm = build_farm()
    window = scale_power(farm, 3, shade(farm, 8, azimuths, depth))
    if not has_place:
        window = replace(window, site=replace(window.site, latitude=None))
    (found,) = Shade().find(window)
    assert found.device == "panel-003"
    assert found.evidence["depth_share"] == pytest.approx(depth, abs=0.06)
    begins = (found.start_us - int(farm.slot_us[0])) / US_PER_DAY
    assert 7.9 < begins < 13.0


def test_dirt_strings_and_limits_throw_no_shadow() -> None:
    farm = build_farm()
    for window in (
        scale_power(farm, 3, soil(farm, 5, 0.01)),
        scale_power(farm, 3, from_day(farm, 12.5, 0.66)),
        clip(farm, 3, 280.0),
    ):
        assert Shade().find(window) == []


def test_panel_that_looks_another_way_is_not_shaded() -> None:
    """Its part of the siblings' power falls evenly over the day; a shadow has an edge."""
    farm = build_farm()
    hours = farm.slot_us % US_PER_DAY / US_PER_DAY * 24.0
    turned = scale_power(farm, 3, 1.0 - 0.03 * (hours - 11.3))
    assert Shade().find(turned) == []


def test_shadow_on_one_day_alone_is_a_bird() -> None:
    farm = build_farm(cloudiness=0.0)
    dip = np.ones(len(farm.slot_us))
    dip[10 * 96 + 40 : 10 * 96 + 48] = 0.5
    assert Shade().find(scale_power(farm, 3, dip)) == []


def test_covered_sky_tells_nothing() -> None:
    farm = build_farm(n_days=2)
    assert Shade().find(scale_power(farm, 3, shade(farm, 0, (220.0, 260.0), 0.4))) == []
    empty = change(farm, POWER, np.full_like(farm.values[POWER], np.nan))
    assert Shade().find(empty) == []

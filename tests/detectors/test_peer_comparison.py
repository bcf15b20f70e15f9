"""Less energy than siblings of the same size, day after day."""

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
)
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.detectors.peer_comparison import PeerComparison


@pytest.mark.parametrize("has_ratings", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_farm_without_faults_underperforms_nowhere(seed: int, has_ratings: bool) -> None:  # noqa: FBT001 - a case
    assert PeerComparison().find(build_farm(seed=seed, has_ratings=has_ratings)) == []


@pytest.mark.parametrize("has_ratings", [True, False])
def test_device_that_was_always_weak_is_found(has_ratings: bool) -> None:  # noqa: FBT001 - a case
    farm = build_farm(has_ratings=has_ratings)
    window = scale_power(farm, 3, from_day(farm, 0, 0.9))
    (found,) = PeerComparison().find(window)
    assert found.device == "panel-003"
    assert found.evidence["loss_share"] == pytest.approx(0.1, abs=0.02)


def test_loss_begins_and_ends_with_the_fault() -> None:
    farm = build_farm()
    since = days_since(farm, 10)
    window = scale_power(farm, 3, np.where((since >= 0) & (since < 8), 0.85, 1.0))
    (found,) = PeerComparison().find(window)
    begins, ends = (
        (instant - int(farm.slot_us[0])) / US_PER_HOUR / 24.0
        for instant in (found.start_us, found.end_us)
    )
    assert 10.0 <= begins < 11.0
    assert 17.0 < ends <= 18.5
    lost = (farm.values[POWER] - window.values[POWER])[3].sum() * farm.step_us / US_PER_HOUR
    assert found.lost_wh == pytest.approx(lost, rel=0.2)


def test_size_of_unlike_devices_without_ratings_is_not_guessed() -> None:
    farm = build_farm(has_ratings=False)
    sizes = np.linspace(0.5, 1.5, 12)[:, None]
    assert PeerComparison().find(change(farm, POWER, farm.values[POWER] * sizes)) == []


def test_outage_and_limit_are_other_matters() -> None:
    farm = build_farm()
    assert PeerComparison().find(clip(farm, 3, 280.0)) == []
    power = farm.values[POWER].copy()
    power[3, 960:1152] = 0.0
    assert PeerComparison().find(change(farm, POWER, power)) == []


def test_panels_that_look_another_way_are_not_compared() -> None:
    farm = build_farm()
    moved = np.roll(farm.values[POWER], 8, axis=1)[:6]
    window = change(farm, POWER, np.concatenate([moved, farm.values[POWER][6:]]))
    devices = tuple(
        replace(one, azimuth_deg=90.0 if at < 6 else 180.0) for at, one in enumerate(farm.devices)
    )
    assert PeerComparison().find(replace(window, devices=devices)) == []

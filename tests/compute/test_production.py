"""Power as it is produced, local days, siblings, and counters side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change
from wattscope.compute.counter_falls import count_falls, grow_by_day
from wattscope.compute.peers import group_siblings, view_peers
from wattscope.compute.production import cut_days, find_power, find_stuck
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, day_start_us, load_zone
from wattscope.core.topology import Device, DeviceKind
from wattscope.core.window import Window


def power_of(window: Window) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    found = find_power(window)
    assert found is not None
    return found[1]


def test_sign_of_production_is_told_by_the_larger_side() -> None:
    farm = build_farm(4, 5)
    given = np.maximum(farm.values[POWER], 0.0)
    turned = change(farm, POWER, np.concatenate([-given[:2], given[2:]]))
    assert power_of(turned) == pytest.approx(given)


def test_draw_at_night_is_no_production() -> None:
    farm = build_farm(4, 5)
    drawing = change(farm, POWER, np.where(farm.values[POWER] > 1.0, farm.values[POWER], -6.0))
    assert power_of(drawing).min() == 0.0


@pytest.mark.parametrize("n_slots", [3, 40])
def test_sensor_that_repeats_everything_is_stuck_after_an_hour(n_slots: int) -> None:
    farm = build_farm(3, 3)
    at = slice(44, 44 + n_slots)
    values = {name: matrix.copy() for name, matrix in farm.values.items()}
    for matrix in values.values():
        matrix[1, at] = matrix[1, at.start]
    stuck = find_stuck(replace(farm, values=values), POWER)
    assert stuck[1, at].all() == (n_slots > 4)
    assert stuck.sum() == (n_slots if n_slots > 4 else 0)


def test_inverter_at_its_limit_is_not_stuck() -> None:
    farm = build_farm(3, 3, cloudiness=0.0)
    limited = change(farm, POWER, np.minimum(farm.values[POWER], 200.0))
    assert not find_stuck(limited, POWER).any()
    # With its power alone as well: no sun lasts that long at a limit.
    assert not find_stuck(replace(limited, values={POWER: limited.values[POWER]}), POWER).any()


def test_days_are_those_of_the_site_over_the_change_of_the_clock() -> None:
    zone = load_zone("Europe/Berlin")
    start = day_start_us(np.datetime64("2024-03-30").astype(object), zone)
    farm = build_farm(3, 1)
    slot_us = start + US_PER_HOUR * np.arange(24 + 23 + 24, dtype=np.int64)
    window = replace(
        farm, slot_us=slot_us, step_us=US_PER_HOUR, values={POWER: np.ones((3, len(slot_us)))}
    )
    days = cut_days(window)
    assert days.sum(window.values[POWER])[0].tolist() == [24.0, 23.0, 24.0]
    assert np.diff(days.edges_us).tolist() == [24 * US_PER_HOUR, 23 * US_PER_HOUR, 24 * US_PER_HOUR]


def test_empty_window_has_no_days() -> None:
    farm = build_farm(3, 1)
    assert cut_days(farm.cut(0, 1)).count == 0
    assert find_power(farm.cut(0, 1)) is None


def test_siblings_share_parent_kind_and_direction() -> None:
    def panel(name: str, parent: str, azimuth: float = 180.0) -> Device:
        return Device(name, "s", name, DeviceKind.PANEL, parent, azimuth_deg=azimuth)

    devices = [
        *(panel(f"a{n}", "one") for n in range(3)),
        *(panel(f"b{n}", "one", 90.0) for n in range(2)),
        *(panel(f"c{n}", "two", 90.0) for n in range(2)),
        Device("i", "s", "i", DeviceKind.INVERTER),
    ]
    groups = [rows.tolist() for rows in group_siblings(devices, 3)]
    assert groups == [[0, 1, 2], [3, 4, 5, 6]]


def test_siblings_tell_what_a_device_should_give_whatever_their_sizes() -> None:
    farm = build_farm(6, 5, noise=0.0)
    sizes = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])[:, None]
    window = change(farm, POWER, farm.values[POWER] * sizes)
    devices = tuple(
        replace(one, rating_w=400.0 * float(size))
        for one, size in zip(farm.devices, sizes[:, 0], strict=True)
    )
    for known in (replace(window, devices=devices), _without_ratings(window)):
        view = view_peers(known)
        assert view is not None
        share = view.power_w[view.is_day] / view.usual_w[view.is_day]
        assert share == pytest.approx(1.0, abs=0.01)
    assert view_peers(replace(farm, values={})) is None


def _without_ratings(window: Window) -> Window:
    devices = tuple(replace(one, rating_w=None) for one in window.devices)
    return replace(window, devices=devices)


def test_counters_grow_by_day_over_gaps() -> None:
    farm = build_farm(1, 3)
    farm = replace(farm, site=replace(farm.site, time_zone="UTC"))
    counter = np.arange(3.0 * 96)[None].copy()
    counter[0, 90:100] = np.nan
    assert grow_by_day(counter, cut_days(farm)).tolist() == [[89.0, 102.0, 96.0]]
    assert int(farm.slot_us[96] - farm.slot_us[0]) == US_PER_DAY


def test_falls_are_counted_by_where_they_lead() -> None:
    counter = np.array([[1.0, 2.0, 3.0, 0.0, 1.0, 5.0, 4.0], [1.0] * 7, [np.nan] * 7])
    falls = count_falls(counter)
    assert falls.n_resets.tolist() == [1, 0, 0]
    assert falls.n_others.tolist() == [1, 0, 0]
    assert falls.first.tolist() == falls.last.tolist() == [6, -1, -1]
    empty = count_falls(np.empty((2, 0)))
    assert empty.first.tolist() == [-1, -1]

"""Sensors that walk away from their siblings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm, change, days_since, scale_power, soil
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.topology import DeviceKind
from wattscope.core.window import Window
from wattscope.detectors.sensor_drift import SensorDrift


def walk(
    window: Window, quantity: str, per_day: float, *, day: float = 8.0, most: float = 1e9
) -> Window:
    """The fourth sensor rises each day by an amount, or by a share of its value."""
    values = window.values[quantity].copy()
    way = np.clip(per_day * np.maximum(days_since(window, day), 0.0), -most, most)
    values[3] = values[3] + way if quantity == "temperature_c" else values[3] * (1.0 + way)
    return change(window, quantity, values)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_true_sensors_do_not_walk(seed: int) -> None:
    assert SensorDrift().find(build_farm(seed=seed)) == []


@pytest.mark.parametrize(
    ("quantity", "per_day", "key"),
    [
        ("temperature_c", 0.4, "drift_k"),
        ("temperature_c", -0.4, "drift_k"),
        ("dc_voltage_v", 0.005, "drift_share"),
        ("dc_voltage_v", -0.005, "drift_share"),
    ],
)
def test_walking_sensor_is_found_with_its_way(quantity: str, per_day: float, key: str) -> None:
    farm = build_farm()
    (found,) = SensorDrift().find(walk(farm, quantity, per_day))
    assert (found.kind, found.device, found.quantity) == ("sensor_drift", "panel-003", quantity)
    assert found.evidence[key] == pytest.approx(22 * per_day, rel=0.15)
    begins = (found.start_us - int(farm.slot_us[0])) / US_PER_DAY
    assert begins == pytest.approx(8.0, abs=2.0)


def test_sensor_that_stops_walking_is_found() -> None:
    farm = build_farm()
    (found,) = SensorDrift().find(walk(farm, "temperature_c", 1.5, most=10.0))
    assert found.device == "panel-003"


def test_step_is_no_drift() -> None:
    farm = build_farm()
    values = farm.values["temperature_c"].copy()
    values[3] += np.where(days_since(farm, 15) > 0, 6.0, 0.0)
    assert SensorDrift().find(change(farm, "temperature_c", values)) == []


def test_warm_weeks_and_dirt_are_no_drift() -> None:
    farm = build_farm()
    warmer = farm.values["temperature_c"] + 0.5 * days_since(farm, 0)
    assert SensorDrift().find(change(farm, "temperature_c", warmer)) == []
    assert SensorDrift().find(scale_power(farm, 3, soil(farm, 5, 0.01))) == []


def test_rooms_of_a_house_are_no_siblings() -> None:
    farm = walk(build_farm(), "temperature_c", 0.4)
    rooms = tuple(replace(one, kind=DeviceKind.SENSOR) for one in farm.devices)
    assert SensorDrift().find(replace(farm, devices=rooms)) == []


def test_two_sensors_cannot_tell_which_one_walks() -> None:
    farm = build_farm(2)
    values = farm.values["temperature_c"].copy()
    values[1] += 0.5 * np.maximum(days_since(farm, 5), 0.0)
    window = change(farm, "temperature_c", values)
    assert POWER in window.values
    assert SensorDrift().find(window) == []

"""Ratios that are stuck near a power of ten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.farm import POWER, build_farm
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.core.window import Matrix, Window
from wattscope.detectors.unit_slip import UnitSlip


def build_inverters(**scales: float) -> Window:
    """Inverters that tell AC, DC, voltage, current and a counter, each times a factor."""
    farm = build_farm(3, 7, cloudiness=0.3)
    ac = np.maximum(farm.values[POWER], 0.0)
    dc = ac / 0.96
    voltage = np.where(dc > 0.0, 600.0, 0.0)
    values: dict[str, Matrix] = {
        "active_power_w": ac,
        "dc_power_w": dc,
        "dc_voltage_v": voltage,
        "dc_current_a": np.divide(dc, voltage, out=np.zeros_like(dc), where=voltage > 0.0),
        "energy_production_wh": 1e6 + np.cumsum(ac, axis=1) * farm.step_us / US_PER_HOUR,
    }
    return replace(farm, values={name: one * scales.get(name, 1.0) for name, one in values.items()})


def told(window: Window) -> set[tuple[str, float]]:
    findings = UnitSlip().find(window)
    assert all(one.kind == "unit_slip" for one in findings)
    return {(one.quantity, one.evidence["factor_ratio"]) for one in findings}


def test_right_units_give_no_report() -> None:
    assert told(build_inverters()) == set()


@pytest.mark.parametrize("factor", [0.001, 0.1, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("quantity", ["active_power_w", "dc_power_w"])
def test_wrong_one_of_two_powers_is_told_by_the_counter(quantity: str, factor: float) -> None:
    assert told(build_inverters(**{quantity: factor})) == {(quantity, factor)}


def test_power_that_does_not_fit_its_counter_is_told_without_dc() -> None:
    window = build_inverters(active_power_w=0.001)
    only = {name: window.values[name] for name in ("active_power_w", "energy_production_wh")}
    assert told(replace(window, values=only)) == {("active_power_w", 0.001)}


def test_power_that_does_not_fit_voltage_and_current_is_told() -> None:
    window = build_inverters(dc_power_w=10.0)
    only = {name: window.values[name] for name in ("dc_power_w", "dc_voltage_v", "dc_current_a")}
    assert told(replace(window, values=only)) == {("dc_power_w", 10.0)}


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0, 3.0, 5.0])
def test_other_ratios_are_no_slip_of_the_unit(factor: float) -> None:
    assert told(build_inverters(dc_power_w=factor)) == set()


def test_ratio_that_wavers_is_no_slip() -> None:
    window = build_inverters()
    random = 10.0 ** np.random.default_rng(2).uniform(-2.0, 0.0, window.values["dc_power_w"].shape)
    values = {name: window.values[name] for name in ("active_power_w", "dc_power_w")}
    values["dc_power_w"] = values["dc_power_w"] * random
    assert told(replace(window, values=values)) == set()


def test_night_says_nothing() -> None:
    window = build_inverters(dc_power_w=10.0)
    assert told(window.cut(int(window.slot_us[0]), int(window.slot_us[10]))) == set()

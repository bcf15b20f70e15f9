"""The simulated panels keep to physics, to their faults and to their seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulate.panel_plants import (
    DEVICES,
    HOUR_US,
    JUNE_US,
    MINUTE_US,
    SITE,
    generate,
    make_plant,
    power_of,
)
from wattscope.compute.solar import find_sun
from wattscope.core.errors import SettingsError
from wattscope.core.topology import Site
from wattscope.simulate.panel_plant import PanelPlant
from wattscope.simulate.solar_faults import Fault, FaultKind

DAY_US = 24 * HOUR_US
DAY = 24 * 12
"""Slots of five minutes a day."""


def test_power_is_voltage_times_current_as_the_sensor_rounds_them() -> None:
    values = generate([]).panels.values
    product = values["dc_voltage_v"] * values["dc_current_a"]
    np.testing.assert_allclose(values["production_power_w"], product, atol=0.0501)


def test_readings_stay_within_the_ranges_of_the_panel_profile() -> None:
    """-20..80 °C, 0..60 V, 0..15 A, 0..1000 W (solar-farm, SensorReading), in winter and summer."""
    plant = make_plant(seed=4)
    for month in range(12):
        start_us = JUNE_US + month * 30 * DAY_US
        values = plant.generate(start_us, start_us + 3 * DAY_US, 10 * MINUTE_US).panels.values
        for name, low, high in (
            ("temperature_c", -20.0, 80.0),
            ("dc_voltage_v", 0.0, 60.0),
            ("dc_current_a", 0.0, 15.0),
            ("production_power_w", 0.0, 1000.0),
        ):
            assert low <= values[name].min()
            assert values[name].max() <= high


def test_nothing_is_produced_at_night() -> None:
    window = generate([]).panels
    sun = find_sun(window.slot_us, 48.1, 11.6)
    is_night = sun.elevation_deg < -1.0
    assert is_night.any()
    assert not window.values["production_power_w"][:, is_night].any()


def test_a_clear_june_day_gives_what_such_a_roof_gives() -> None:
    """A kilowatt of panels at 30° gives 6 to 8.5 kWh on a clear day of June at 48° north."""
    produced_kwh = power_of(generate([], cloudiness=0.0)).sum(axis=1) / 12 / 1000
    assert produced_kwh == pytest.approx(7.3 * 0.4, rel=0.15)


def test_clouds_are_the_same_for_all_panels() -> None:
    power_w = power_of(generate([], days=3, cloudiness=0.6))
    bright = power_w[0] > 50.0
    share = power_w[:, bright] / power_w[0, bright]
    # Only the ratings, and what sensors add, differ.
    assert np.abs(share / np.median(share, axis=1, keepdims=True) - 1.0).max() < 0.02


def test_heat_costs_power_and_voltage() -> None:
    cold, hot = (generate([], cloudiness=0.0, mean_air_c=mean_c) for mean_c in (0.0, 25.0))
    at = int(np.argmax(power_of(cold)[0]))
    loss = 1.0 - power_of(hot)[0, at] / power_of(cold)[0, at]
    assert loss == pytest.approx(25.0 * 0.0037, rel=0.2)
    volt = [one.panels.values["dc_voltage_v"][0, at] for one in (cold, hot)]
    assert volt[1] < 0.95 * volt[0]


def test_readings_depend_on_the_seed_and_on_nothing_else() -> None:
    first, again, other = (generate([], seed=seed) for seed in (3, 3, 4))
    for name, matrix in first.panels.values.items():
        np.testing.assert_array_equal(matrix, again.panels.values[name])
    assert not np.array_equal(power_of(first), power_of(other))


def test_an_instant_gives_the_same_alone_and_among_others() -> None:
    plant, faults = make_plant(), [Fault(FaultKind.SENSOR_DRIFT, "Panel-003", JUNE_US - DAY_US)]
    instants = JUNE_US + 9 * HOUR_US + MINUTE_US * np.arange(60, dtype=np.int64)
    block = plant.read(instants, faults)
    alone = plant.read(instants[17:18], faults)
    for whole, one in zip(block, alone, strict=True):
        np.testing.assert_array_equal(whole[:, 17:18], one)


def test_inverters_sum_up_their_panels() -> None:
    generated = generate([])
    assert [one.id for one in generated.inverters.devices] == ["Inverter-1", "Inverter-2"]
    dc_w = generated.inverters.values["dc_power_w"]
    np.testing.assert_allclose(dc_w[1], power_of(generated)[10:].sum(axis=0), atol=0.06)
    ac_w = generated.inverters.values["production_power_w"]
    np.testing.assert_allclose(ac_w, 0.97 * dc_w, atol=0.06)


def test_panels_that_look_east_rise_earlier() -> None:
    east = [replace(one, azimuth_deg=90.0) for one in DEVICES]
    plant = PanelPlant(SITE, [*east, replace(DEVICES[-1], id="south")])
    power_w = plant.generate(JUNE_US, JUNE_US + DAY_US, 5 * MINUTE_US, []).panels.values[
        "production_power_w"
    ]
    assert np.argmax(power_w[0]) < np.argmax(power_w[-1])


def test_a_plant_without_a_place_or_ratings_is_refused_with_what_to_do() -> None:
    with pytest.raises(SettingsError, match="latitude"):
        PanelPlant(Site("roof", "Roof", "UTC"), DEVICES)
    unrated = [replace(one, rating_w=None) for one in DEVICES]
    with pytest.raises(SettingsError, match="'Panel-001' has no rating_w"):
        PanelPlant(SITE, unrated)


def fault(kind: FaultKind, device: str = "Panel-007", start_h: float = 24.0) -> Fault:
    """From a day after the begin on, for two days."""
    start_us = JUNE_US + int(start_h * HOUR_US)
    return Fault(kind, device, start_us, start_us + 2 * DAY_US)


def compare(one: Fault, days: float = 4.0, **changes: object) -> np.ndarray:
    """Power with a fault beside power without it, NaN at night."""
    with_w, without_w = (power_of(generate(faults, days, **changes)) for faults in ([one], []))
    return np.divide(with_w, without_w, out=np.full_like(with_w, np.nan), where=without_w > 20.0)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_leaves_others_and_other_times_alone(kind: FaultKind) -> None:
    one = fault(kind)
    with_fault, without = generate([one], days=4.0), generate([], days=4.0)
    truths = {truth.device for truth in with_fault.truths}
    rows = [row for row, panel in enumerate(with_fault.panels.devices) if panel.id in truths]
    assert rows
    for name, matrix in with_fault.panels.values.items():
        expected = without.panels.values[name].copy()
        expected[rows, DAY : 3 * DAY] = matrix[rows, DAY : 3 * DAY]
        np.testing.assert_array_equal(matrix, expected)
    assert any(
        not np.array_equal(matrix, without.panels.values[name])
        for name, matrix in with_fault.panels.values.items()
    )


def test_soiling_costs_more_each_day() -> None:
    share = compare(fault(FaultKind.SOILING))[6]
    first, second = (np.nanmean(share[day * DAY : (day + 1) * DAY]) for day in (1, 2))
    assert 0.98 < second / first < 0.995
    assert 1.0 - first == pytest.approx((1.0 - second) / 3, rel=0.15)


def test_shade_takes_the_same_hours_of_a_clear_day() -> None:
    share = compare(fault(FaultKind.SHADE), cloudiness=0.0)[6]
    days = share[DAY : 3 * DAY].reshape(2, DAY)
    dark = days < 0.8
    assert 6 <= dark[0].sum() <= 50
    assert np.abs(np.flatnonzero(dark[0])[[0, -1]] - np.flatnonzero(dark[1])[[0, -1]]).max() <= 1


def test_a_string_that_is_out_has_voltage_and_no_current() -> None:
    generated = generate([fault(FaultKind.STRING_OUT)], days=4.0)
    rows, noon = slice(5, 10), DAY + 11 * 12
    assert {truth.device for truth in generated.truths} == {f"Panel-0{n:02}" for n in range(6, 11)}
    values = generated.panels.values
    assert not values["dc_current_a"][rows, DAY : 3 * DAY].any()
    assert (values["dc_voltage_v"][rows, noon] > 1.1 * values["dc_voltage_v"][0, noon]).all()


def test_an_inverter_that_trips_takes_all_its_panels_along() -> None:
    generated = generate([fault(FaultKind.INVERTER_TRIP, "Panel-012")], days=4.0)
    assert len(generated.truths) == 10
    ac_w = generated.inverters.values["production_power_w"]
    assert not ac_w[1, DAY : 3 * DAY].any()
    assert ac_w[0, DAY : 3 * DAY].any()


def test_a_fault_may_name_the_string_or_the_inverter_itself() -> None:
    assert len(generate([fault(FaultKind.STRING_OUT, "String-3")], days=2.0).truths) == 5
    assert len(generate([fault(FaultKind.INVERTER_TRIP, "Inverter-2")], days=2.0).truths) == 10


def test_a_stuck_sensor_repeats_what_it_said() -> None:
    generated = generate([fault(FaultKind.SENSOR_STUCK, start_h=35.0)], days=4.0)
    for matrix in generated.panels.values.values():
        stuck = matrix[6, 35 * 12 : 83 * 12]
        assert (stuck == stuck[0]).all()
        assert stuck[0] != 0.0


def test_a_drifting_sensor_leaves_power_alone() -> None:
    one = fault(FaultKind.SENSOR_DRIFT)
    with_fault, without = generate([one], days=4.0), generate([], days=4.0)
    np.testing.assert_array_equal(power_of(with_fault), power_of(without))
    away = (with_fault.panels.values["temperature_c"] - without.panels.values["temperature_c"])[
        6, DAY : 3 * DAY
    ]
    assert 1.5 < away[-1] < 4.1
    assert (np.diff(away) > -0.11).all()


def test_clipping_cuts_at_one_height() -> None:
    generated = generate([fault(FaultKind.CLIPPING)], days=4.0, cloudiness=0.0)
    power_w = power_of(generated)[6, DAY : 3 * DAY]
    top = power_w > 0.98 * power_w.max()
    assert top.sum() > 60
    assert 0.43 * 400 < power_w.max() < 0.67 * 400
    volt = generated.panels.values["dc_voltage_v"][:, DAY + 11 * 12]
    assert volt[6] > volt[5]


def test_a_fault_of_a_panel_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="'Panel-077': no such panel; there are Panel-001"):
        make_plant(faults=("shade:Panel-077",))


def test_settings_and_the_seed_tell_faults_without_being_asked() -> None:
    plant = make_plant(faults=("clipping:Panel-001:2026-06-08",), faults_a_month=7)
    truths = plant.list_truths(JUNE_US - 20 * DAY_US, JUNE_US + 30 * DAY_US)
    assert len({truth.fault for truth in truths}) > 7
    assert {truth.kind for truth in truths} == set(FaultKind)
    own = plant.generate(JUNE_US, JUNE_US + DAY_US, 30 * MINUTE_US)
    assert ("Panel-001", FaultKind.CLIPPING) in {(one.device, one.kind) for one in own.truths}

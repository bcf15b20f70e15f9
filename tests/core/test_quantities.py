from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.quantities import (
    QUANTITIES,
    QuantityKind,
    find_quantity,
    own_quantity,
    unit_of,
)
from wattscope.core.units import list_units

SUFFIXES = {
    "W": "_w",
    "Wh": "_wh",
    "VA": "_va",
    "var": "_var",
    "V": "_v",
    "A": "_a",
    "Hz": "_hz",
    "°C": "_c",
    "%": "_pct",
    "W/m²": "_w_m2",
    "m³": "_m3",
    "kg": "_kg",
    "varh": "_varh",
    "°": "_deg",
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_name_ends_in_its_unit(name: str) -> None:
    quantity = QUANTITIES[name]
    assert quantity.name == name
    if quantity.unit:
        assert name.endswith(SUFFIXES[quantity.unit])
    else:
        assert name.startswith(("power_factor", "operating_state", "event_flags"))


@pytest.mark.parametrize("name", QUANTITIES)
def test_range_is_finite_and_holds_zero(name: str) -> None:
    quantity = QUANTITIES[name]
    assert math.isfinite(quantity.low)
    assert math.isfinite(quantity.high)
    assert quantity.low <= 0 < quantity.high


@pytest.mark.parametrize("name", QUANTITIES)
def test_base_unit_can_be_spoken(name: str) -> None:
    quantity = QUANTITIES[name]
    assert quantity.unit in list_units(quantity.unit)
    assert quantity.title


def test_import_and_export_are_apart_and_never_negative() -> None:
    for name, quantity in QUANTITIES.items():
        if "_import" in name or "_export" in name:
            assert quantity.low == 0
            assert quantity.kind in {QuantityKind.COUNTER, QuantityKind.DELTA}


def test_every_export_has_its_import() -> None:
    for name in QUANTITIES:
        if "_export_" in name:
            assert name.replace("_export_", "_import_") in QUANTITIES


def test_power_integrates_and_energy_counts() -> None:
    assert QUANTITIES["active_power_w"].is_power
    assert not QUANTITIES["reactive_power_var"].is_power
    assert QUANTITIES["energy_import_wh"].is_energy
    for quantity in QUANTITIES.values():
        if quantity.is_power:
            assert quantity.kind is QuantityKind.GAUGE
        if quantity.is_energy:
            assert quantity.kind is not QuantityKind.GAUGE


@pytest.mark.parametrize("name", ["energy_capacity_wh", "energy_stored_wh"])
def test_energy_that_a_battery_holds_counts_nothing(name: str) -> None:
    assert QUANTITIES[name].kind is QuantityKind.GAUGE
    assert not QUANTITIES[name].is_energy


@pytest.mark.parametrize("stem", ["active_power", "voltage", "current", "energy_import"])
def test_phases_have_names_of_their_own(stem: str) -> None:
    found = [name for name in QUANTITIES if name.startswith((f"{stem}_l",))]
    assert len(found) == 3


@pytest.mark.parametrize("name", QUANTITIES)
def test_catalogue_is_found_by_name(name: str) -> None:
    assert find_quantity(name) is QUANTITIES[name]
    assert unit_of(name) == QUANTITIES[name].unit


@pytest.mark.parametrize(
    ("name", "whole", "title"),
    [
        ("dc_power_s1_w", "dc_power_w", "DC power, string 1"),
        ("dc_voltage_s12_v", "dc_voltage_v", "DC voltage, string 12"),
        ("dc_current_s64_a", "dc_current_a", "DC current, string 64"),
    ],
)
def test_string_of_an_inverter_is_like_all_of_them(name: str, whole: str, title: str) -> None:
    found = find_quantity(name)
    assert found is not None
    assert (found.name, found.title) == (name, title)
    like = QUANTITIES[whole]
    assert (found.unit, found.kind, found.low, found.high) == (
        like.unit,
        like.kind,
        like.low,
        like.high,
    )


@pytest.mark.parametrize(
    "name",
    [
        *("", "voltage", "dc_power_s0_w", "dc_power_s65_w", "dc_power_s01_w", "dc_power_s1_v"),
        *("dc_power_s1", "ac_power_s1_w", "__w", "Flow__l", "1a__w", "a__", "a__b__c d", "x__a/b"),
        *("a" * 41 + "__w", "a__" + "u" * 13, "a__b_c_d_e_f", "dc_power_s1_w\n", "a__w\n"),
    ],
)
def test_name_that_is_no_quantity_is_none(name: str) -> None:
    assert find_quantity(name) is None
    assert unit_of(name) == ""


@pytest.mark.parametrize(
    ("measurement", "unit", "name", "shown", "title"),
    [
        ("Flow Rate", "l/min", "flow_rate__l_per_min", "l/min", "Flow rate"),
        ("test_measurement", "test_u", "test_measurement__test_u", "test_u", "Test measurement"),
        ("Valve", "", "valve__1", "", "Valve"),
        ("Valve", "%", "valve__%", "%", "Valve"),
        ("outdoor", " °C ", "outdoor__°C", "°C", "Outdoor"),
        ("a--b (c)", "m³/h", "a_b_c__m³_per_h", "m³/h", "A b c"),
    ],
)
def test_quantity_of_a_meters_own_holds_its_unit_in_its_name(
    measurement: str, unit: str, name: str, shown: str, title: str
) -> None:
    found = own_quantity(measurement, unit)
    assert found is not None
    assert (found.name, found.unit, found.title) == (name, shown, title)
    assert found.kind is QuantityKind.GAUGE
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert find_quantity(name) == found
    assert unit_of(name) == shown


@pytest.mark.parametrize(
    ("measurement", "unit"),
    [("", "V"), ("7up", "V"), ("x" * 41, "V"), ("x", "a b"), ("x", "a/b/c")],
)
def test_words_that_make_no_name_are_no_quantity(measurement: str, unit: str) -> None:
    assert own_quantity(measurement, unit) is None


@given(st.text(max_size=50), st.text(max_size=20))
def test_any_words_are_a_quantity_with_a_safe_name_or_none(measurement: str, unit: str) -> None:
    found = own_quantity(measurement, unit)
    if found is not None:
        assert find_quantity(found.name) == found
        assert found.name.isprintable()
        assert not set(found.name) & set("/\\'\"; ")

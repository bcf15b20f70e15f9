from __future__ import annotations

import math

import pytest

from wattscope.core.quantities import QUANTITIES, QuantityKind
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


@pytest.mark.parametrize("stem", ["active_power", "voltage", "current", "energy_import"])
def test_phases_have_names_of_their_own(stem: str) -> None:
    found = [name for name in QUANTITIES if name.startswith((f"{stem}_l",))]
    assert len(found) == 3

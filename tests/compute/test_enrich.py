from __future__ import annotations

import pytest

from wattscope.compute.enrich import give_meaning
from wattscope.core.quantities import QUANTITIES
from wattscope.core.topology import Device, DeviceKind


def device(*, is_swapped: bool = False, is_production: bool = False) -> Device:
    return Device(
        "m",
        "home",
        "Meter",
        DeviceKind.METER,
        is_direction_swapped=is_swapped,
        is_production=is_production,
    )


@pytest.mark.parametrize("name", QUANTITIES)
def test_plain_device_counts_as_its_profile_says(name: str) -> None:
    meaning = give_meaning(name, device())
    assert (meaning.quantity, meaning.factor) == (name, 1.0)


@pytest.mark.parametrize("name", QUANTITIES)
def test_swapping_twice_changes_nothing(name: str) -> None:
    swapped = give_meaning(name, device(is_swapped=True))
    again = give_meaning(swapped.quantity, device(is_swapped=True))
    assert (again.quantity, swapped.factor * again.factor) == (name, 1.0)


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize("is_production", [False, True])
def test_every_meaning_is_in_the_catalogue(name: str, is_production: bool) -> None:  # noqa: FBT001  # a case of the table
    meaning = give_meaning(name, device(is_swapped=True, is_production=is_production))
    assert meaning.quantity in QUANTITIES
    assert QUANTITIES[meaning.quantity].unit == QUANTITIES[name].unit


@pytest.mark.parametrize(
    ("name", "expected", "factor"),
    [
        ("energy_import_wh", "energy_export_wh", 1.0),
        ("energy_export_l2_wh", "energy_import_l2_wh", 1.0),
        ("energy_import_t4_wh", "energy_export_t4_wh", 1.0),
        ("energy_import_delta_wh", "energy_export_delta_wh", 1.0),
        ("active_power_w", "active_power_w", -1.0),
        ("reactive_power_l3_var", "reactive_power_l3_var", -1.0),
        ("current_a", "current_a", -1.0),
        ("power_factor", "power_factor", -1.0),
        ("power_factor_l1", "power_factor_l1", -1.0),
        ("voltage_v", "voltage_v", 1.0),
        ("temperature_c", "temperature_c", 1.0),
        ("gas_import_m3", "gas_import_m3", 1.0),
        ("water_import_m3", "water_import_m3", 1.0),
    ],
)
def test_swapping_turns_directions_round(name: str, expected: str, factor: float) -> None:
    meaning = give_meaning(name, device(is_swapped=True))
    assert (meaning.quantity, meaning.factor) == (expected, factor)


def test_meter_in_front_of_an_inverter_counts_production() -> None:
    meaning = give_meaning("energy_import_wh", device(is_production=True))
    assert meaning.quantity == "energy_production_wh"
    assert give_meaning("active_power_w", device(is_production=True)).quantity == (
        "production_power_w"
    )


def test_swapped_meter_in_front_of_an_inverter_counts_what_it_exports() -> None:
    both = device(is_swapped=True, is_production=True)
    assert give_meaning("energy_export_wh", both).quantity == "energy_production_wh"
    power = give_meaning("active_power_w", both)
    assert (power.quantity, power.factor) == ("production_power_w", -1.0)

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.measurement_names import find_measurement
from wattscope.core.quantities import QUANTITIES, find_quantity


@pytest.mark.parametrize(
    ("name", "unit", "quantity", "factor"),
    [
        ("voltageL1", "V", "voltage_l1_v", 1.0),
        ("VoltageL1", "V", "voltage_l1_v", 1.0),
        ("Voltage L1", "V", "voltage_l1_v", 1.0),
        ("voltage_l1_v", "V", "voltage_l1_v", 1.0),
        ("voltage_l1_v", "", "voltage_l1_v", 1.0),
        ("activePower", "W", "active_power_w", 1.0),
        ("Power", "kW", "active_power_w", 1000.0),
        ("Cosphi", "", "power_factor", 1.0),
        ("CosphiL3", "", "power_factor_l3", 1.0),
        ("Import", "kWh", "energy_import_wh", 1000.0),
        ("ExportT2", "kWh", "energy_export_t2_wh", 1000.0),
        ("Sum", "kWh", "energy_total_wh", 1000.0),
        ("ReactiveSumL2", "kvarh", "reactive_energy_total_l2_varh", 1000.0),
        ("THDL1", "%", "thd_l1_pct", 1.0),
        ("PhaseAngle", "°", "phase_angle_deg", 1.0),
        ("currentN", "A", "current_n_a", 1.0),
        ("HeatSinkTemp", "°C", "heat_sink_temperature_c", 1.0),
        ("ChargeState", "%", "state_of_charge_pct", 1.0),
        ("DCPowerS2", "kW", "dc_power_s2_w", 1000.0),
        ("String1Voltage", "V", "dc_voltage_s1_v", 1.0),
        ("String3Current", "A", "dc_current_s3_a", 1.0),
    ],
)
def test_measurement_has_the_quantity_that_it_means(
    name: str, unit: str, quantity: str, factor: float
) -> None:
    found = find_measurement(name, unit)
    assert found is not None
    assert (found[0].name, found[1].factor) == (quantity, factor)


@pytest.mark.parametrize(
    ("name", "unit", "quantity"),
    [
        ("test_measurement", "test_u", "test_measurement__test_u"),
        ("Flow Rate", "l/min", "flow_rate__l_per_min"),
        ("valve", "", "valve__1"),
        ("VoltageL4", "V", "voltagel4__V"),
        ("ImportPower", "W", "importpower__W"),
        # A known word with the unit of something else is not that quantity.
        ("Import", "imp", "import__imp"),
    ],
)
def test_measurement_beyond_the_catalogue_keeps_its_name_and_unit(
    name: str, unit: str, quantity: str
) -> None:
    found = find_measurement(name, unit)
    assert found is not None
    assert (found[0].name, found[1].factor, found[1].offset) == (quantity, 1.0, 0.0)
    assert find_quantity(found[0].name) == found[0]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("voltage_v", "kW"), ("energy_import_wh", "W"), ("", "V"), ("1st", "V"), ("x", "a b c d")],
)
def test_unit_or_name_that_cannot_be_is_refused(name: str, unit: str) -> None:
    assert find_measurement(name, unit) is None


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_name_of_the_catalogue_is_itself(name: str) -> None:
    found = find_measurement(name, QUANTITIES[name].unit)
    assert found is not None
    assert found[0] is QUANTITIES[name]
    assert found[1].factor == 1.0


def test_every_measurement_of_the_real_tables_is_in_the_catalogue(shared_data: Path) -> None:
    with (shared_data / "modbus-maps" / "meters.csv").open(encoding="utf-8", newline="") as file:
        pairs = {(row["measurement"], row["unit"]) for row in csv.DictReader(file)}
    assert len(pairs) > 60
    for name, unit in pairs:
        found = find_measurement(name, unit)
        assert found is not None
        assert found[0].name in QUANTITIES, (name, unit)


@given(st.text(max_size=30), st.text(max_size=12))
def test_any_name_and_unit_are_a_quantity_that_can_be_found_again_or_none(
    name: str, unit: str
) -> None:
    found = find_measurement(name, unit)
    if found is not None:
        assert find_quantity(found[0].name) == found[0]

"""Every quantity is told with a class and a unit that Home Assistant accepts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.encode.home_assistant import (
    Places,
    Sensor,
    build_discovery,
    describe_sensor,
    encode_state,
    name_device,
)
from wattscope.core.quantities import QUANTITIES, Quantity, find_quantity
from wattscope.core.topology import Device, DeviceKind

# What Home Assistant accepts, by class: units, and state classes. From the tables of its component
# "sensor", as far as quantities here have such a class.
ALLOWED: dict[str | None, tuple[set[str | None], set[str]]] = {
    "apparent_power": ({"mVA", "VA", "kVA"}, {"measurement"}),
    "battery": ({"%"}, {"measurement"}),
    "current": ({"A", "mA"}, {"measurement"}),
    "energy": ({"Wh", "kWh", "MWh", "J", "MJ"}, {"total", "total_increasing"}),
    "energy_storage": ({"Wh", "kWh", "MWh", "J", "MJ"}, {"measurement"}),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, {"measurement"}),
    "gas": ({"m³", "ft³", "CCF"}, {"total", "total_increasing"}),
    "irradiance": ({"W/m²"}, {"measurement"}),
    "power": ({"W", "kW", "MW", "GW", "TW"}, {"measurement"}),
    "power_factor": ({"%", None}, {"measurement"}),
    "reactive_power": ({"var"}, {"measurement"}),
    "temperature": ({"°C", "K", "°F"}, {"measurement"}),
    "voltage": ({"V", "mV", "µV", "kV", "MV"}, {"measurement"}),
    "water": ({"m³", "ft³", "CCF", "gal", "L"}, {"total", "total_increasing"}),
}
OWN = [find_quantity(name) for name in ("flow_rate__l_per_min", "valve__1", "dc_power_s2_w")]
ALL = [*QUANTITIES.values(), *(one for one in OWN if one is not None)]
ATTIC = Device("attic", "home", "Attic", DeviceKind.HEAT_PUMP, parent="main")


@pytest.mark.parametrize("quantity", ALL, ids=lambda one: one.name)
def test_class_unit_and_kind_fit_each_other(quantity: Quantity) -> None:
    sensor = describe_sensor(quantity)
    if sensor.device_class is not None:
        units, state_classes = ALLOWED[sensor.device_class]
        assert sensor.unit in units
        assert sensor.state_class in state_classes
    assert sensor.unit != ""
    assert sensor.divisor == (1000.0 if sensor.unit == "kWh" else 1.0)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("active_power_l2_w", Sensor("power", "measurement", "W")),
        ("energy_import_wh", Sensor("energy", "total_increasing", "kWh", 1000.0, is_summed=True)),
        (
            "energy_export_t2_wh",
            Sensor("energy", "total_increasing", "kWh", 1000.0, is_summed=True),
        ),
        ("energy_total_wh", Sensor("energy", "total", "kWh", 1000.0)),
        ("energy_today_wh", Sensor("energy", "total_increasing", "kWh", 1000.0)),
        ("energy_stored_wh", Sensor("energy_storage", "measurement", "kWh", 1000.0)),
        ("energy_import_delta_wh", Sensor(None, "measurement", "Wh")),
        ("reactive_energy_import_varh", Sensor(None, "total_increasing", "varh", is_summed=True)),
        ("power_factor_l1", Sensor("power_factor", "measurement", None)),
        ("state_of_charge_pct", Sensor("battery", "measurement", "%")),
        ("state_of_health_pct", Sensor(None, "measurement", "%")),
        ("gas_import_m3", Sensor("gas", "total_increasing", "m³", is_summed=True)),
        ("water_import_m3", Sensor("water", "total_increasing", "m³", is_summed=True)),
        ("irradiance_w_m2", Sensor("irradiance", "measurement", "W/m²")),
        ("operating_state", Sensor(None, None, None)),
        ("flow_rate__l_per_min", Sensor(None, "measurement", "l/min")),
        ("dc_power_s2_w", Sensor("power", "measurement", "W")),
    ],
)
def test_quantity_is_shown_as(name: str, wanted: Sensor) -> None:
    quantity = find_quantity(name)
    assert quantity is not None
    assert describe_sensor(quantity) == wanted


def check_discovery(payload: bytes) -> dict[str, Any]:
    """A device discovery message by the published form of 2026."""
    found: dict[str, Any] = json.loads(payload)
    assert set(found) == {
        "device",
        "origin",
        "availability",
        "availability_mode",
        "state_topic",
        "components",
    }
    assert set(found["device"]) <= {"identifiers", "name", "model", "via_device"}
    assert found["device"]["identifiers"]
    assert found["origin"]["name"]
    assert found["availability_mode"] == "all"
    assert all(set(one) == {"topic"} for one in found["availability"])
    assert found["components"]
    for key, one in found["components"].items():
        known = {"platform", "unique_id", "name", "device_class", "state_class"}
        known |= {"unit_of_measurement", "value_template", "entity_category"}
        assert set(one) <= known
        assert one["platform"] == "sensor"
        assert one["value_template"] == f"{{{{ value_json['{key}'] }}}}"
        assert not set(key) & set("'\"\\{}")
    ids = [one["unique_id"] for one in found["components"].values()]
    assert len(set(ids)) == len(ids)
    return found


def test_device_is_announced_with_all_it_measures() -> None:
    payload = build_discovery(ATTIC, ALL, Places(), version="1.2.3", above="wattscope_home_main")
    found = check_discovery(payload)
    assert found["device"] == {
        "identifiers": ["wattscope_home_attic"],
        "name": "Attic",
        "model": "heat pump",
        "via_device": "wattscope_home_main",
    }
    assert found["origin"] == {"name": "Wattscope", "sw_version": "1.2.3"}
    assert found["availability"] == [
        {"topic": "wattscope/status"},
        {"topic": "wattscope/wattscope_home_attic/available"},
    ]
    assert found["state_topic"] == "wattscope/wattscope_home_attic/state"
    assert len(found["components"]) == len(ALL)
    assert found["components"]["energy_import_wh"] == {
        "platform": "sensor",
        "unique_id": "wattscope_home_attic_energy_import_wh",
        "name": "Energy imported",
        "device_class": "energy",
        "state_class": "total_increasing",
        "unit_of_measurement": "kWh",
        "value_template": "{{ value_json['energy_import_wh'] }}",
    }
    assert found["components"]["event_flags"]["entity_category"] == "diagnostic"


def test_what_is_not_known_is_null_and_never_zero() -> None:
    watts, kwh = Sensor("power", None, "W"), Sensor("energy", None, "kWh", 1000.0)
    values = {"a": (watts, 12.5), "b": (watts, None), "c": (kwh, 1234.5), "d": (watts, 0.0)}
    values |= {"e": (watts, float("nan"))}
    assert json.loads(encode_state(values)) == {
        "a": 12.5,
        "b": None,
        "c": 1.2345,
        "d": 0.0,
        "e": None,
    }


NAMES = st.text(min_size=1, max_size=8)


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
def test_no_two_devices_have_one_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    try:
        keys = name_device(*one), name_device(*other)
    except UnicodeEncodeError:
        # Half of a pair of UTF-16 is no text.
        return
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", key) for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a_b", "c"), ("a", "b_c")),
        (("home", "hall 2"), ("home", "hall_2")),
        (
            ("home", "hall 2"),
            ("home", name_device("home", "hall 2").removeprefix("wattscope_home_")),
        ),
    ],
)
def test_names_that_look_alike_have_other_keys(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert name_device(*one) != name_device(*other)

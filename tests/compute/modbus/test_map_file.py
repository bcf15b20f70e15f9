from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.map_file import multiply, parse_register_map
from wattscope.core.errors import SettingsError
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType
from wattscope.core.topology import DeviceKind


def _build_table(**changes: object) -> dict[str, Any]:
    """A map without fault, with changes; None takes a key away."""
    table: dict[str, Any] = {
        "title": "Shed",
        "protocol": "modbus",
        "kind": "meter",
        "function": 4,
        "type": "float32",
        "registers": {"voltage_v": 0},
    }
    table |= changes
    return {key: value for key, value in table.items() if value is not None}


def _list_faults(**changes: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        parse_register_map("shed", _build_table(**changes))
    assert raised.value.where == "profile shed"
    return raised.value.faults


def _parse_one(entry: object, key: str = "voltage_v", **changes: object) -> Register:
    (only,) = parse_register_map("shed", _build_table(registers={key: entry}, **changes)).registers
    return only


def test_map_holds_what_the_file_tells() -> None:
    found = parse_register_map(
        "shed",
        _build_table(
            kind="inverter",
            order="CDAB",
            max_block=60,
            is_production=True,
            rollover_wh=655_360,
            registers={
                "voltage_v": 0x0010,
                "energy_import_wh": {"address": 0x48, "unit": "kWh", "scale": 0.01},
                "temperature_c": {
                    "address": 9,
                    "function": 3,
                    "type": "int16",
                    "order": "ABCD",
                    "scale": 0.1,
                    "offset": -40,
                    "missing": [0x8000, 0x7FFF],
                    "poll": "slow",
                },
            },
        ),
    )
    swapped = ByteOrder.CDAB
    assert found == RegisterMap(
        "shed",
        "Shed",
        (
            Register("voltage_v", 4, 16, RegisterType.FLOAT32, swapped),
            Register("energy_import_wh", 4, 72, RegisterType.FLOAT32, swapped, factor=10.0),
            Register(
                quantity="temperature_c",
                function=3,
                address=9,
                type=RegisterType.INT16,
                factor=0.1,
                offset=-40.0,
                missing=(0x8000, 0x7FFF),
                poll="slow",
            ),
        ),
        kind=DeviceKind.INVERTER,
        is_production=True,
        rollover_wh=655_360.0,
        max_block=60,
    )


def test_what_is_left_out_has_its_default() -> None:
    found = parse_register_map("shed", _build_table())
    assert (found.is_production, found.rollover_wh, found.max_block) == (False, None, 125)
    assert not found.is_sunspec
    assert found.registers == (Register("voltage_v", 4, 0, RegisterType.FLOAT32),)


def test_sunspec_device_tells_its_own_registers() -> None:
    table = {"title": "Any", "protocol": "sunspec", "kind": "inverter"}
    found = parse_register_map("any", table)
    assert (found.is_sunspec, found.registers) == (True, ())
    with pytest.raises(SettingsError, match="a SunSpec device tells its own; remove them"):
        parse_register_map("any", {**table, **_build_table(protocol="sunspec")})


@pytest.mark.parametrize(
    ("key", "unit", "quantity", "factor", "offset"),
    [
        ("VoltageL1", "V", "voltage_l1_v", 1.0, 0.0),
        ("ImportT2", "kWh", "energy_import_t2_wh", 1000.0, 0.0),
        ("Valve", "%", "valve__%", 1.0, 0.0),
        ("test_measurement", "test_u", "test_measurement__test_u", 1.0, 0.0),
        ("flow_rate__l_per_min", "l/min", "flow_rate__l_per_min", 1.0, 0.0),
        ("Outdoor", "°F", "outdoor__°F", 1.0, 0.0),
        ("temperature_c", "°F", "temperature_c", 5 / 9, -160 / 9),
        ("dc_power_s2_w", "kW", "dc_power_s2_w", 1000.0, 0.0),
    ],
)
def test_measurement_of_any_name_has_a_quantity(
    key: str, unit: str, quantity: str, factor: float, offset: float
) -> None:
    register = _parse_one({"address": 7, "unit": unit}, key)
    assert register.quantity == quantity
    assert (register.factor, register.offset) == pytest.approx((factor, offset))


def test_offset_is_in_the_unit_of_the_entry() -> None:
    register = _parse_one({"address": 7, "unit": "kW", "scale": 0.1, "offset": 2}, "active_power_w")
    assert (register.factor, register.offset) == (100.0, 2000.0)


def test_scale_times_unit_is_the_decimal_that_was_meant() -> None:
    assert [multiply(scale, 1000.0) for scale in (0.1, 0.01, 0.001, 1.1)] == [100, 10, 1, 1100]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"titel": "x"}, "titel: unknown key; did you mean title?"),
        ({"title": None}, "title: must be a text that is not empty"),
        ({"title": 7}, "title: must be a text that is not empty"),
        ({"protocol": "modbuss"}, "protocol: 'modbuss' is unknown; did you mean modbus?"),
        ({"protocol": None}, "protocol: missing; use one of modbus, sunspec"),
        ({"kind": "metre"}, "kind: 'metre' is unknown; did you mean meter?"),
        ({"max_block": 126}, "max_block: 126 is not an integer from 1 to 125"),
        ({"max_block": 0}, "max_block: 0 is not an integer from 1 to 125"),
        ({"max_block": True}, "max_block: True is not an integer from 1 to 125"),
        ({"is_production": 1}, "is_production: must be true or false"),
        ({"rollover_wh": 0}, "rollover_wh: must be a number of Wh above 0"),
        ({"rollover_wh": float("inf")}, "rollover_wh: must be a number of Wh above 0"),
        ({"registers": None}, "registers: missing; name at least one"),
        ({"registers": {}}, "registers: missing; name at least one"),
        ({"function": None}, "registers.voltage_v.function: None is not an integer from 3 to 4"),
        ({"function": 6}, "registers.voltage_v.function: 6 is not an integer from 3 to 4"),
        (
            {"type": None},
            "registers.voltage_v.type: missing; use one of int16, uint16, int32, uint32, int64,",
        ),
        ({"type": "float"}, "registers.voltage_v.type: 'float' is unknown; did you mean float64?"),
        ({"order": "abcd"}, "registers.voltage_v.order: 'abcd' is unknown; use one of ABCD,"),
    ],
)
def test_fault_of_the_map_is_named(changes: dict[str, Any], fault: str) -> None:
    (only,) = _list_faults(**changes)
    assert only.startswith(fault)


@pytest.mark.parametrize(
    ("key", "entry", "fault"),
    [
        ("voltage_v", "0", "registers.voltage_v: must be an address, or a table with one"),
        ("voltage_v", True, "registers.voltage_v: must be an address, or a table with one"),
        ("voltage_v", {}, "registers.voltage_v.address: None is not an integer from 0 to 65534"),
        ("voltage_v", -1, "registers.voltage_v.address: -1 is not an integer from 0 to 65534"),
        ("voltage_v", 65_535, "registers.voltage_v.address: 65535 is not an integer from 0 to"),
        ("voltage_v", {"address": "0"}, "registers.voltage_v.address: '0' is not an integer from"),
        (
            "voltage_v",
            {"address": 1, "adress": 1},
            "registers.voltage_v.adress: unknown key; did you mean address?",
        ),
        (
            "voltage_v",
            {"address": 1, "unit": "kW"},
            "registers.voltage_v.unit: 'kW' does not measure it; use V, kV, mV",
        ),
        ("voltage_v", {"address": 1, "unit": 5}, "registers.voltage_v.unit: must be a text"),
        (
            "voltage_v",
            {"address": 1, "scale": 0},
            "registers.voltage_v.scale: must be a number other than 0",
        ),
        (
            "voltage_v",
            {"address": 1, "scale": float("nan")},
            "registers.voltage_v.scale: must be a number other than 0",
        ),
        (
            "voltage_v",
            {"address": 1, "type": "int16", "missing": [65_536]},
            "registers.voltage_v.missing: 65536 is no bit pattern of a int16, 0 to 65535",
        ),
        (
            "voltage_v",
            {"address": 1, "missing": -1},
            "registers.voltage_v.missing: -1 is no bit pattern of a float32, 0 to 4294967295",
        ),
        ("voltage_v", {"address": 1, "poll": ""}, "registers.voltage_v.poll: must be a text"),
        ("€", 1, "registers.€: no quantity can be named so; "),
        (
            "Some Voltage",
            {"address": 1, "unit": "V per hour of the day"},
            "registers.Some Voltage: no quantity can be named so; ",
        ),
    ],
)
def test_fault_of_an_entry_is_named_with_its_key(key: str, entry: object, fault: str) -> None:
    (only,) = _list_faults(registers={key: entry})
    assert only.startswith(fault)


def test_name_near_one_of_the_catalogue_is_suggested() -> None:
    (only,) = _list_faults(registers={"1active_power_w": 1})
    assert only.endswith("did you mean active_power_w?")


def test_quantity_that_two_entries_tell_is_refused() -> None:
    faults = _list_faults(registers={"voltage_l1_v": 0, "VoltageL1": {"address": 2, "unit": "V"}})
    assert faults == ("registers.VoltageL1: is voltage_l1_v, as voltage_l1_v is; remove one",)


def test_all_faults_are_listed_at_once() -> None:
    faults = _list_faults(
        titel="x", kind="x", max_block=-1, registers={"a": {"address": -1, "unti": "V"}}
    )
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "kind",
        "max_block",
        "registers.a.address",
        "registers.a.unti",
        "titel",
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["address", "unit", "scale", "type", "missing"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
KEYS = ("title", "protocol", "kind", "function", "type", "order", "max_block", "registers", "x")


@given(st.dictionaries(st.sampled_from(KEYS), anything))
def test_any_table_is_a_map_or_refused(changes: dict[str, Any]) -> None:
    try:
        found = parse_register_map("shed", _build_table(**changes))
    except SettingsError as refused:
        assert refused.faults  # noqa: PT017  # both ends are right
    else:
        assert found.title

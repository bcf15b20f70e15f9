"""Rows of registers become the registers that were meant, or faults with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compute.modbus.book_rows import METER, REGISTER, build
from wattscope.core.registers import ByteOrder, Register, RegisterType

BAD_REGISTERS: dict[str, tuple[dict[str, Any], str]] = {
    "address 70,000": ({"register_address": 70_000}, "40001 of many manuals is 0"),
    "second half beyond the end": ({"register_address": 65_535}, "from 0 to 65534"),
    "address is a word": ({"register_address": "0x34"}, "register_address '0x34' is no integer"),
    "no address": ({"register_address": None}, "register_address is empty"),
    "function 6 writes": ({"function_code": 6}, "function_code 6 is no integer from 3 to 4"),
    "unknown data type": ({"data_type": 4}, "data_type 4 is no integer from 1 to 3"),
    "no data type": ({"data_type": None}, "data_type is empty"),
    "unknown value type": ({"value_type": "int8"}, "value_type 'int8' is unknown"),
    "no measurement": ({"measurement_name": " "}, "measurement_name is empty"),
    "measurement of no letters": ({"measurement_name": "§§"}, "names no quantity"),
    "unit of another kind": ({"quantity": "voltage_v"}, "data_unit 'W' does not measure voltage_v"),
    "unknown quantity": ({"quantity": "active_powr_w"}, "did you mean active_power_w"),
    "scale of 0": ({"scale": 0}, "scale 0"),
    "scale is a word": ({"scale": "ten"}, "scale 'ten' is no number"),
    "word order 3": ({"word_order": 3}, "word_order 3 is no integer from 1 to 2"),
    "pattern too wide": ({"missing_value": "0x1FFFFFFFF"}, "is no bit pattern of a float32"),
    "pattern is a word": ({"missing_value": "none"}, "write it as 0x8000"),
    "unknown poll group": ({"poll_group": "fast"}, "poll_group: "),
    "same quantity again": ({"measurement_name": "Voltage", "data_unit": "V"}, "is kept"),
}


@pytest.mark.parametrize(("change", "words"), BAD_REGISTERS.values(), ids=BAD_REGISTERS.keys())
def test_bad_register_is_named_and_the_others_are_read(change: dict[str, Any], words: str) -> None:
    good = {**REGISTER, "measurement_name": "voltage", "data_unit": "V", "register_address": 0}
    fleet = build({**METER, "type": "own"}, registers=(good, {**REGISTER, **change}))
    [meter] = fleet.meters
    assert [(one.quantity, one.address) for one in meter.map.registers] == [("voltage_v", 0)]
    [fault] = fleet.faults
    assert (fault.table, fault.row.split()[0]) == ("registers", "2")
    assert words in fault.reason


REGISTERS: dict[str, tuple[dict[str, Any], Register]] = {
    "seed": ({}, Register("active_power_w", 4, 52, RegisterType.FLOAT32)),
    "int": ({"data_type": 1}, Register("active_power_w", 4, 52, RegisterType.INT16)),
    "long": ({"data_type": 2}, Register("active_power_w", 4, 52, RegisterType.INT32)),
    "kW in tenths": (
        {"data_unit": "kW", "scale": 0.1, "value_offset": 2},
        Register("active_power_w", 4, 52, RegisterType.FLOAT32, factor=100.0, offset=2000.0),
    ),
    "unsigned of 64 bits": (
        {"value_type": "uint64", "missing_value": "0xFFFFFFFFFFFFFFFF"},
        Register("active_power_w", 4, 52, RegisterType.UINT64, missing=((1 << 64) - 1,)),
    ),
    "negative pattern": (
        {"data_type": 1, "missing_value": "-32768, 0x7FFF"},
        Register("active_power_w", 4, 52, RegisterType.INT16, missing=(0x8000, 0x7FFF)),
    ),
    "words little": (
        {"word_order": 1, "byte_order": 2},
        Register("active_power_w", 4, 52, RegisterType.FLOAT32, ByteOrder.CDAB),
    ),
    "bytes little": (
        {"word_order": 2, "byte_order": 1},
        Register("active_power_w", 4, 52, RegisterType.FLOAT32, ByteOrder.BADC),
    ),
    "both little": (
        {"word_order": 1, "byte_order": 1},
        Register("active_power_w", 4, 52, RegisterType.FLOAT32, ByteOrder.DCBA),
    ),
    "named by its quantity": (
        {"measurement_name": "P ges.", "data_unit": "kW", "quantity": "production_power_w"},
        Register("production_power_w", 4, 52, RegisterType.FLOAT32, factor=1000.0),
    ),
    "of its own": (
        {"measurement_name": "Flow Rate", "data_unit": "l/min"},
        Register("flow_rate__l_per_min", 4, 52, RegisterType.FLOAT32),
    ),
    "of its own by name": (
        {"data_unit": "l/min", "quantity": "flow_rate__l_per_min"},
        Register("flow_rate__l_per_min", 4, 52, RegisterType.FLOAT32),
    ),
    "texts for numbers": (
        {"register_address": "52", "data_type": "3", "function_code": 4.0},
        Register("active_power_w", 4, 52, RegisterType.FLOAT32),
    ),
}


@pytest.mark.parametrize(("change", "register"), REGISTERS.values(), ids=REGISTERS.keys())
def test_row_becomes_the_register(change: dict[str, Any], register: Register) -> None:
    fleet = build({**METER, "type": "own"}, registers=({**REGISTER, **change},))
    assert fleet.faults == ()
    assert fleet.meters[0].map.registers == (register,)


def test_type_in_sql_wins_over_the_profile_of_its_name() -> None:
    fleet = build(METER, registers=({**REGISTER, "type": "sdm630"},))
    assert [one.quantity for one in fleet.meters[0].map.registers] == ["active_power_w"]


def test_type_without_one_usable_row_says_so() -> None:
    fleet = build({**METER, "type": "own"}, registers=({**REGISTER, "function_code": 9},))
    assert fleet.meters == ()
    assert [one.table for one in fleet.faults] == ["registers", "energy_meters"]
    assert "none of its rows in registers can be used" in fleet.faults[1].reason

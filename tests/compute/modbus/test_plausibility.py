from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.compute.modbus.plausibility import (
    Interpretation,
    Look,
    judge_profile,
    judge_value,
    show_orders,
)
from wattscope.compute.modbus.values import arrange, decode_value, encode_value
from wattscope.core.quantities import QUANTITIES
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType
from wattscope.registry.profile_library import ProfileLibrary

LIBRARY = ProfileLibrary()
MAPS = [
    parse_register_map(name, table)
    for name in LIBRARY.names()
    if is_register_map(table := LIBRARY.read(name)) and table["protocol"] == "modbus"
]
MAPS = [one for one in MAPS if all(r.quantity in QUANTITIES for r in one.registers)]
"""All meters; the virtual one has a measurement of its own, of which nothing can be said."""
USUAL = {"V": 231.4, "Hz": 49.98, "A": 3.2, "W": 740.0, "VA": 745.0, "var": -90.0, "": 0.99} | {
    "Wh": 1_234_560.0,
    "varh": 54_320.0,
    "%": 1.5,
    "°": 7.5,
}


@pytest.mark.parametrize(
    ("quantity", "value", "look"),
    [
        ("voltage_v", 230.0, Look.GOOD),
        ("voltage_l1_v", 207.0, Look.GOOD),
        ("voltage_l1_v", 253.0, Look.GOOD),
        ("voltage_l1_v", 110.0, Look.GOOD),
        ("voltage_l1_v", 126.0, Look.GOOD),
        ("voltage_l1_v", 404.0, Look.GOOD),
        ("voltage_l1_v", 0.0, Look.POSSIBLE),
        ("voltage_l1_v", 4.2, Look.POSSIBLE),
        ("voltage_l1_v", 206.0, Look.BAD),
        ("voltage_l1_v", 2301.0, Look.BAD),
        ("voltage_l1_v", 60.0, Look.BAD),
        ("voltage_l1_v", -230.0, Look.BAD),
        ("frequency_hz", 49.9, Look.GOOD),
        ("frequency_hz", 60.1, Look.GOOD),
        ("frequency_hz", 0.0, Look.POSSIBLE),
        ("frequency_hz", 4998.0, Look.BAD),
        ("frequency_hz", 55.0, Look.BAD),
        ("power_factor", -1.0, Look.POSSIBLE),
        ("power_factor", 1.01, Look.BAD),
        ("current_l1_a", 16.0, Look.POSSIBLE),
        ("current_l1_a", 20_000.0, Look.BAD),
        ("active_power_w", -5000.0, Look.POSSIBLE),
        ("active_power_w", 1e23, Look.BAD),
        ("active_power_w", 1.4e-41, Look.BAD),
        ("energy_import_wh", 12_345.0, Look.POSSIBLE),
        ("energy_import_wh", -1.0, Look.BAD),
        ("energy_import_wh", 1e14, Look.BAD),
        ("energy_total_wh", -1.0, Look.POSSIBLE),
        ("dc_voltage_s1_v", 640.0, Look.POSSIBLE),
        ("dc_voltage_v", 5000.0, Look.BAD),
        ("flow_rate__l_per_min", 17.0, Look.POSSIBLE),
        ("flow_rate__l_per_min", 1e23, Look.BAD),
        ("flow_rate__l_per_min", 1e-41, Look.BAD),
        ("voltage_v", math.nan, Look.BAD),
        ("voltage_v", math.inf, Look.BAD),
        ("", 5.0, Look.POSSIBLE),
    ],
)
def test_value_looks_as_a_person_would_say(quantity: str, value: float, look: Look) -> None:
    assert judge_value(quantity, value) is look


@given(st.sampled_from(sorted(QUANTITIES)), st.floats())
def test_any_value_has_a_look(quantity: str, value: float) -> None:
    look = judge_value(quantity, value)
    low, high = QUANTITIES[quantity].low, QUANTITIES[quantity].high
    assert look is Look.BAD or low <= value <= high


@pytest.mark.parametrize("order", ByteOrder)
def test_right_order_of_a_voltage_stands_first_and_alone(order: ByteOrder) -> None:
    raw = arrange(struct.pack(">f", 230.1), order)
    good = [one for one in show_orders(raw, "voltage_l1_v") if one.look is Look.GOOD]
    assert good == [Interpretation(RegisterType.FLOAT32, order, 230.1, Look.GOOD)]
    assert show_orders(raw, "voltage_l1_v")[0] == good[0]


def test_words_are_shown_in_every_way_that_fits() -> None:
    two = show_orders(bytes.fromhex("43660000"))
    kinds = [(one.type, one.order) for one in two]
    assert len(set(kinds)) == len(kinds) == 2 * 2 + 3 * 4
    values = {(one.type, one.order): one.value for one in two}
    assert values[RegisterType.FLOAT32, ByteOrder.ABCD] == 230.0
    assert values[RegisterType.UINT16, ByteOrder.ABCD] == 0x4366
    assert values[RegisterType.UINT16, ByteOrder.BADC] == 0x6643
    assert values[RegisterType.UINT32, ByteOrder.CDAB] == 0x00004366
    assert 0 < values[RegisterType.FLOAT32, ByteOrder.CDAB] < 1e-40
    assert {one.look for one in two if 0 < abs(one.value) < 1e-40} == {Look.BAD}
    assert len(show_orders(bytes(8))) == 2 * 2 + 6 * 4
    assert show_orders(b"\x01") == []


def test_factor_turns_raw_words_into_the_unit_that_is_judged() -> None:
    best = show_orders((2301).to_bytes(2, "big"), "voltage_l1_v", 0.1)[0]
    assert (best.type, best.value, best.look) == (RegisterType.INT16, 230.1, Look.GOOD)


@given(st.binary(max_size=16), st.sampled_from([None, "voltage_v", "energy_import_wh", "x__l"]))
def test_any_words_can_be_shown(raw: bytes, quantity: str | None) -> None:
    shown = show_orders(raw, quantity)
    looks = list(Look)
    assert [looks.index(one.look) for one in shown] == sorted(
        looks.index(one.look) for one in shown
    )


def _usual_values(device_map: RegisterMap) -> dict[str, float]:
    return {r.quantity: USUAL[QUANTITIES[r.quantity].unit] for r in device_map.registers}


def _read_with(
    device_map: RegisterMap, registers: dict[tuple[int, int], bytes]
) -> dict[str, float]:
    """What a profile makes of the registers of some device."""
    values = {}
    for one in device_map.registers:
        words = [registers.get((one.function, at)) for at in range(one.address, one.end)]
        if None not in words:
            values[one.quantity] = decode_value(b"".join(w for w in words if w), one)
    return values


def _write(device_map: RegisterMap) -> dict[tuple[int, int], bytes]:
    """The registers of a healthy device of that type."""
    registers = {}
    for one in device_map.registers:
        raw = encode_value(USUAL[QUANTITIES[one.quantity].unit], one)
        for n in range(one.type.n_registers):
            registers[one.function, one.address + n] = raw[2 * n : 2 * n + 2]
    return registers


@pytest.mark.parametrize("device_map", MAPS, ids=lambda one: one.name)
def test_right_profile_fits_a_healthy_device(device_map: RegisterMap) -> None:
    values = _read_with(device_map, _write(device_map))
    assert values.keys() == _usual_values(device_map).keys()
    judgement = judge_profile(device_map, values)
    if any("voltage" in name or "frequency" in name for name in values):
        assert (judgement.is_fitting, judgement.score) == (True, 1.0), judgement.words
    else:
        # A map of power and energy only has nothing by which to know it.
        assert (judgement.is_fitting, judgement.score) == (False, 0.25)


def test_profile_of_another_maker_does_not_fit() -> None:
    """Of the pairs of types that differ in function or layout; relatives share their registers."""
    by_name = {one.name: one for one in MAPS}
    for there, asked in (
        ("sdm630", "wago-879-30xx"),
        ("wago-879-30xx", "sdm630"),
        ("sdm630", "em24"),
        ("em24", "sdm630"),
        ("em24", "solaredge-mtr3y"),
        ("abb-ab-series", "ds100"),
        ("orno-we514", "orno-we516"),
        ("eltako-dsz15", "sdm72-v2"),
    ):
        values = _read_with(by_name[asked], _write(by_name[there]))
        judgement = judge_profile(by_name[asked], values)
        assert not judgement.is_fitting, (there, asked, judgement.words)
        assert judgement.score < 0.3


def test_words_turned_round_do_not_fit() -> None:
    sdm630 = next(one for one in MAPS if one.name == "sdm630")
    turned = {
        one.quantity: decode_value(
            arrange(encode_value(USUAL[QUANTITIES[one.quantity].unit], one), ByteOrder.CDAB), one
        )
        for one in sdm630.registers
    }
    judgement = judge_profile(sdm630, turned)
    assert not judgement.is_fitting
    assert judgement.score < 0.1


def test_words_of_a_judgement_name_the_values() -> None:
    register = Register("voltage_v", 3, 0, RegisterType.FLOAT32)
    other = Register("frequency_hz", 3, 2, RegisterType.FLOAT32)
    pair = RegisterMap("x", "x", (register, other))
    assert judge_profile(pair, {"voltage_v": 231.4, "frequency_hz": 3.5e-41}).words == (
        "2 of 2 values, 1 look right, 1 wrong: voltage_v 231.4, frequency_hz 3.5e-41"
    )
    half = judge_profile(pair, {"voltage_v": 231.4})
    assert (half.score, half.is_fitting) == (0.5, True)
    assert judge_profile(pair, {}).words == "gave no value"
    assert judge_profile(pair, {"voltage_v": math.nan}).words == "gave no value"
    zeros = judge_profile(pair, {"voltage_v": 0.0, "frequency_hz": 0.0})
    assert (zeros.score, zeros.is_fitting) == (0.0, False)


@given(st.dictionaries(st.sampled_from(sorted(QUANTITIES)), st.floats(), max_size=8))
def test_any_values_are_judged(values: dict[str, float]) -> None:
    judgement = judge_profile(MAPS[0], values)
    assert 0.0 <= judgement.score <= 1.0
    assert judgement.words

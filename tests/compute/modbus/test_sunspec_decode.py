from __future__ import annotations

import math
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.modbus.sunspec_device import Device, build_common, build_model
from wattscope.compute.modbus.image import Block
from wattscope.compute.modbus.sunspec import (
    decode_models,
    plan_models,
    read_identity,
)
from wattscope.compute.modbus.sunspec_models import MODELS, Point, PointType
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import find_quantity

NEGATIVE = (1 << 32) - 1_234_567
RAW = {
    PointType.INT16: -123,
    PointType.UINT16: 40_000,
    PointType.ENUM16: 4,
    PointType.UINT32: 50_010,
    PointType.BITFIELD32: 0b1001,
    PointType.ACC32: 3_000_000_000,
    PointType.UINT64: 9_000_000_000_001,
    PointType.FLOAT32: 230.10000610351562,
}


def _decode(*models: bytes, max_block: int = 125) -> dict[str, float]:
    """What a poll of a device with these models says."""
    device = Device(*models)
    decoded = decode_models(device.poll(plan_models(device.walk(), 1, max_block)))
    assert not isinstance(decoded, Rejection), decoded
    quantities, values = decoded
    assert len(set(quantities)) == len(quantities) == len(values)
    return dict(zip(quantities, values, strict=True))


def test_inverter_is_read_as_a_person_would() -> None:
    raw = {"A": 217, "PhVphA": 2301, "W": 4987, "Hz": 5001, "PF": -9985, "WH": 123_456_789} | {
        "DCA": 65_535,
        "DCW": 5100,
        "TmpSnk": -55,
        "St": 4,
        "Evt1": 0b1000_0000,
    }
    scales = {6: -1, 13: -1, 15: 0, 17: -2, 23: -2, 26: 1, 32: 0, 37: -1}
    assert _decode(build_common(), build_model(103, raw, scales=scales)) == {
        "current_a": 21.7,
        "voltage_l1_v": 230.1,
        "production_power_w": 4987.0,
        "frequency_hz": 50.01,
        "power_factor": -0.9985,
        "energy_production_wh": 1_234_567_890.0,
        "dc_power_w": 5100.0,
        "heat_sink_temperature_c": -5.5,
        "operating_state": 4.0,
        "event_flags": 128.0,
    }


def test_registers_written_down_by_hand_are_read() -> None:
    words = """
        0067 0032  00d9 0048 0048 0049 ffff  ffff ffff ffff 08fd 08fe 08ff ffff
        1388 0000  1389 fffe 1388 0000 8000 8000  8000 8000  075b cd15 0000
        ffff 8000 ffff 8000 8000 8000  0173 8000 8000 8000 ffff
        0004 ffff 0000 0000
    """
    block = Block(3, 40_070, bytes.fromhex(words))
    decoded = decode_models([block])
    assert not isinstance(decoded, Rejection)
    assert dict(zip(*decoded, strict=True)) == {
        "current_a": 21.7,
        "current_l1_a": 7.2,
        "current_l2_a": 7.2,
        "current_l3_a": 7.3,
        "voltage_l1_v": 230.1,
        "voltage_l2_v": 230.2,
        "voltage_l3_v": 230.3,
        "production_power_w": 5000.0,
        "frequency_hz": 50.01,
        "apparent_power_va": 5000.0,
        "energy_production_wh": 123_456_789.0,
        "temperature_c": 37.1,
        "operating_state": 4.0,
        "event_flags": 0.0,
    }


@pytest.mark.parametrize("model_id", MODELS)
def test_every_point_of_every_model_becomes_its_quantity(model_id: int) -> None:
    model = MODELS[model_id]
    scales = {p.scale_at: -2 for p in (*model.points, *model.module_points) if p.scale_at}
    found = _decode(
        build_model(
            model_id,
            {point.name: RAW[point.type] for point in model.points},
            scales=scales,
            modules=[{point.name: RAW[point.type] for point in model.module_points}] * 2
            if model.module_length
            else (),
        )
    )
    expected = {point.quantity: _reckon(point) for point in model.points}
    for number in range(1, 3):
        for point in model.module_points:
            expected[point.quantity.format(n=number)] = _reckon(point)
    assert found == expected
    assert all(find_quantity(name) is not None for name in found)


def _reckon(point: Point) -> float:
    """The value of ``RAW`` with scale factor -2."""
    shifted = (230.1 if point.type is PointType.FLOAT32 else RAW[point.type]) + point.plus
    hundredths = (0 if point.scale_at is None else 2) - point.power
    return float(shifted / 10.0**hundredths)


@pytest.mark.parametrize(
    ("model_id", "raw", "quantity"),
    [
        (103, {"W": -0x8000}, "production_power_w"),
        (103, {"DCV": 0xFFFF}, "dc_voltage_v"),
        (103, {"St": 0xFFFF}, "operating_state"),
        (103, {"WH": 0}, "energy_production_wh"),
        (103, {"Evt1": 0xFFFFFFFF}, "event_flags"),
        (103, {"Evt1": 0x80000000}, "event_flags"),
        (113, {"W": math.nan}, "production_power_w"),
        (113, {"W": math.inf}, "production_power_w"),
        (701, {"Hz": 0xFFFFFFFF}, "frequency_hz"),
        (701, {"TotWhInj": (1 << 64) - 1}, "energy_production_wh"),
    ],
)
def test_pattern_for_no_value_is_a_gap_and_never_a_number(
    model_id: int, raw: Mapping[str, float], quantity: str
) -> None:
    other = {"A": 10}
    assert quantity not in _decode(build_model(model_id, {**raw, **other}))


@pytest.mark.parametrize(
    ("scale", "value"), [(-10, 1e-10), (10, 1e10), (-0x8000, None), (11, None), (-11, None)]
)
def test_scale_factor_that_cannot_be_leaves_no_value(scale: int, value: float | None) -> None:
    found = _decode(build_model(103, {"W": 1, "St": 4}, scales={15: scale}))
    assert found.get("production_power_w") == value


def test_scale_factor_counts_as_it_is_in_the_same_poll() -> None:
    for scale, power in ((-1, 12.3), (0, 123.0), (2, 12_300.0)):
        found = _decode(build_model(103, {"W": 123}, scales={15: scale}))
        assert found["production_power_w"] == power


def test_strings_are_counted_from_one() -> None:
    modules = [{"DCA": 12, "DCV": 350, "DCW": 4200}, {"DCV": 0}, {"DCW": 7}]
    found = _decode(build_model(160, scales={2: -1}, modules=modules))
    assert found == {
        "dc_current_s1_a": 1.2,
        "dc_voltage_s1_v": 350.0,
        "dc_power_s1_w": 4200.0,
        "dc_voltage_s2_v": 0.0,
        "dc_power_s3_w": 7.0,
    }


def test_strings_that_the_device_does_not_count_are_not_read() -> None:
    model = bytearray(build_model(160, modules=[{"DCW": 1}, {"DCW": 2}]))
    struct.pack_into(">H", model, 16, 1)
    assert _decode(bytes(model)) == {"dc_power_s1_w": 1.0}
    struct.pack_into(">H", model, 16, 0xFFFF)
    assert _decode(bytes(model)) == {"dc_power_s1_w": 1.0, "dc_power_s2_w": 2.0}


def test_models_of_one_thing_stand_in_for_each_other() -> None:
    whole = {"W": 4000, "WH": 1000, "TmpCab": 30}
    found = _decode(
        build_model(113, {"W": 3999.5, "WH": 999.0, "TmpCab": 31.5, "Hz": 50.0}),
        build_model(103, {**whole, "TmpCab": -0x8000}),
        build_model(160, modules=[{"DCW": 2000}]),
    )
    assert found == {
        "production_power_w": 4000.0,
        "energy_production_wh": 1000.0,
        "temperature_c": 31.5,
        "frequency_hz": 50.0,
        "dc_power_s1_w": 2000.0,
    }


def test_counter_never_comes_from_another_model_for_a_while() -> None:
    """The float of the other model has fewer digits: its counter would run backwards."""
    found = _decode(build_model(103, {"W": 0, "WH": 0}), build_model(113, {"W": 1, "WH": 999.0}))
    assert found == {"production_power_w": 0.0}


def test_meter_and_inverter_in_one_chain_do_not_mix() -> None:
    found = _decode(
        build_model(103, {"W": 4000}),
        build_model(203, {"W": -3000, "A": 13, "TotWhImp": 5, "TotWhExp": 6}),
        build_model(203, {"W": 1, "Hz": 50}),
    )
    assert found == {
        "production_power_w": 4000.0,
        "active_power_w": -3000.0,
        "energy_import_wh": 5.0,
        "energy_export_wh": 6.0,
    }


@pytest.mark.parametrize(
    ("maker", "expected"), [("KOSTAL", 1_234_567.0), ("Fronius", float(NEGATIVE))]
)
def test_negative_counter_is_turned_round_where_the_maker_is_known_for_it(
    maker: str, expected: float
) -> None:
    found = _decode(build_common(maker), build_model(103, {"WH": NEGATIVE}))
    assert found == {"energy_production_wh": expected}
    large = _decode(build_common(maker), build_model(103, {"WH": 1_234_567}))
    assert large == {"energy_production_wh": 1_234_567.0}


@pytest.mark.parametrize("max_block", [4, 10, 22, 60, 100, 125])
def test_long_model_says_the_same_in_blocks_of_any_size(max_block: int) -> None:
    raw = {point.name: RAW[point.type] for point in MODELS[701].points}
    model = build_model(701, raw, scales=dict.fromkeys(range(113, 123), -1))
    assert _decode(model, max_block=max_block) == _decode(model)


def test_half_a_model_says_nothing() -> None:
    """The first of two requests failed: the rest must not be taken for a model."""
    raw = {point.name: RAW[point.type] for point in MODELS[701].points}
    device = Device(build_model(701, raw))
    first, second = device.poll(plan_models(device.walk(), 1, 64))
    for half in ([first], [second]):
        decoded = decode_models(half)
        assert isinstance(decoded, Rejection)
        assert decoded.code is ReasonCode.UNKNOWN_FORMAT
    inside = Block(3, 40_100, struct.pack(">HH", 500, 2) + bytes(4) + build_model(103, {"W": 1}))
    assert isinstance(decode_models([inside]), Rejection)


@pytest.mark.parametrize("more", [-3, 3, 100])
def test_model_of_a_length_that_it_cannot_have_is_not_read(more: int) -> None:
    device = Device(build_model(103, {"W": 5, "St": 4}, more=more))
    assert plan_models(device.walk(), 1) == ()
    run = Block(3, 40_002, device.registers[4:])
    assert isinstance(decode_models([run]), Rejection)
    padded = Device(build_model(103, {"W": 5}, more=2))
    assert len(plan_models(padded.walk(), 1)) == 1


def test_one_failed_request_costs_its_own_model_only() -> None:
    device = Device(build_model(203, {"W": 700}), build_model(103, {"W": 5}))
    blocks = device.poll(plan_models(device.walk(), 1))
    assert len(blocks) == 2
    assert decode_models(blocks[1:]) == (("production_power_w",), (5.0,))
    assert decode_models(blocks[:1]) == (("active_power_w",), (700.0,))


def test_device_without_any_value_is_refused_with_its_models() -> None:
    decoded = decode_models([Block(3, 40_070, build_model(103))])
    assert decoded == Rejection(ReasonCode.NO_VALUE, "SunSpec models 103 have no value at all")


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [Block(3, 0, b"")],
        [Block(3, 9, b"\0\x67\0")],
        [Block(4, 40_070, build_model(103, {"W": 5}))],
    ],
)
def test_what_holds_no_model_is_refused(blocks: list[Block]) -> None:
    decoded = decode_models(blocks)
    assert isinstance(decoded, Rejection)
    assert decoded.code is ReasonCode.UNKNOWN_FORMAT


def test_identity_is_a_text_that_can_be_shown() -> None:
    common = build_common("\x1b[31mÜber\tWerk  ", "7\0garbage")
    found = read_identity([Block(3, 40_002, common)])
    assert found is not None
    assert (found.manufacturer, found.serial) == ("[31mÜberWerk", "7")
    assert read_identity([Block(3, 40_000, b"SunS" + common)]) == found
    assert read_identity([Block(3, 40_002, common[:20])]) is None
    assert read_identity([Block(3, 40_002, build_model(103))]) is None


words = st.one_of(
    st.sampled_from([1, 103, 160, 203, 701, 714, 50, 153, 66, 8, 28, 105, 0xFFFF, 0x8000]),
    st.integers(0, 0xFFFF),
)
some_bytes = st.binary(max_size=40) | st.lists(words, max_size=140).map(
    lambda row: struct.pack(f">{len(row)}H", *row)
)
headed = st.builds(
    lambda model_id, more, tail: (
        struct.pack(">HH", model_id, MODELS[model_id].length + more) + tail * 300
    ),
    st.sampled_from(sorted(MODELS)),
    st.integers(0, 45),
    st.binary(min_size=1, max_size=7),
)


@given(
    st.lists(
        st.builds(Block, st.sampled_from([3, 4]), st.integers(0, 0xFFFF), some_bytes | headed),
        max_size=4,
    )
)
def test_any_bytes_are_values_or_refused(blocks: list[Block]) -> None:
    read_identity(blocks)
    decoded = decode_models(blocks)
    if isinstance(decoded, Rejection):
        assert 0 < len(decoded.detail) < 400
        assert decoded.detail.isprintable()
        return
    quantities, values = decoded
    assert len(set(quantities)) == len(quantities) == len(values) > 0
    assert all(find_quantity(name) is not None for name in quantities)
    assert all(type(value) is float and math.isfinite(value) for value in values)

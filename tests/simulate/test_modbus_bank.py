"""Registers of virtual meters: what is read where, and that a reader understands it."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from wattscope.compute.modbus.frames import Fault, Refusal
from wattscope.compute.modbus.image import Block
from wattscope.compute.modbus.map_file import is_register_map, parse_register_map
from wattscope.compute.modbus.sunspec import decode_models, plan_models, walk_chain
from wattscope.compute.modbus.values import decode_value, encode_value, make_block_reader
from wattscope.core.findings import Rejection
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType
from wattscope.core.time_grid import US_PER_S
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.any_meter import EPOCH_S, ID, AnyMeter
from wattscope.simulate.modbus_bank import Gaps, RegisterBank
from wattscope.simulate.modbus_sunspec import (
    BASE,
    FLOAT_INVERTER,
    INVERTER,
    METER,
    Point,
    SunSpecBank,
    points_of,
    write_point,
)
from wattscope.simulate.told_columns import as_read, as_read_point

LIBRARY = ProfileLibrary()
MAPS = [
    parse_register_map(name, table)
    for name, table in ((name, LIBRARY.read(name)) for name in LIBRARY.names())
    if is_register_map(table) and table["protocol"] == "modbus"
]
NOW_US = (EPOCH_S + 20_000_000) * US_PER_S
TWO = RegisterMap(
    "two",
    "Two values with a gap",
    (
        Register("voltage_v", 4, 10, RegisterType.FLOAT32),
        Register("frequency_hz", 4, 20, RegisterType.UINT16, factor=0.01),
        Register("active_power_w", 3, 5, RegisterType.INT16),
    ),
)


def _two(gaps: Gaps = Gaps.ZERO) -> RegisterBank:
    return RegisterBank(
        TWO,
        lambda _: {"voltage_v": 230.1, "frequency_hz": 50.02, "active_power_w": -7.0},
        gaps=gaps,
    )


def _tell(values: Mapping[str, float], _at_us: int) -> Mapping[str, float]:
    return values


def test_registers_lie_where_the_map_has_them() -> None:
    bank = _two()
    assert bank.read(4, 10, 2, 0) == struct.pack(">f", 230.1)
    assert bank.read(4, 20, 1, 0) == struct.pack(">H", 5002)
    assert bank.read(3, 5, 1, 0) == struct.pack(">h", -7)


def test_a_gap_reads_as_zeros_and_what_is_outside_is_refused() -> None:
    bank = _two()
    assert bank.read(4, 12, 8, 0) == bytes(16)
    whole = bank.read(4, 10, 11, 0)
    assert whole is not None
    assert len(whole) == 22
    assert [bank.read(4, *span, 0) for span in ((9, 2), (20, 2), (21, 1), (0, 1))] == [None] * 4
    assert bank.read(3, 10, 1, 0) is None


def test_a_gap_can_be_refused_too() -> None:
    bank = _two(Gaps.REFUSE)
    assert bank.read(4, 10, 2, 0) is not None
    assert bank.read(4, 12, 1, 0) is None
    assert bank.read(4, 10, 11, 0) is None


def test_an_image_is_made_once_a_second_and_of_one_instant() -> None:
    asked: list[int] = []

    def values_at(at_us: int) -> Mapping[str, float]:
        asked.append(at_us)
        return {"voltage_v": at_us / US_PER_S, "frequency_hz": 50.0}

    bank = RegisterBank(TWO, values_at)
    for at_us in (5 * US_PER_S, 5 * US_PER_S + 400_000, 6 * US_PER_S - 1, 6 * US_PER_S):
        for _ in range(3):
            bank.read(4, 10, 11, at_us)
    assert asked == [5 * US_PER_S, 6 * US_PER_S]
    assert bank.read(4, 10, 2, 5 * US_PER_S) == struct.pack(">f", 5.0)
    assert asked == [5 * US_PER_S, 6 * US_PER_S], "the second before is kept"


@pytest.mark.parametrize("register_map", MAPS, ids=lambda one: one.name)
def test_a_meter_of_every_profile_is_read_as_its_model_says(register_map: RegisterMap) -> None:
    table = AnyMeter(register_map, seed=3).tables_at(np.array([NOW_US], np.int64))[ID]
    values = {name: float(column[0]) for name, column in table.items()}
    bank = RegisterBank(register_map, lambda _: values)
    for register in register_map.registers:
        raw = bank.read(register.function, register.address, register.type.n_registers, NOW_US)
        assert raw is not None
        assert raw == encode_value(values[register.quantity], register), register.quantity
        told, expected = decode_value(raw, register), values[register.quantity]
        step = 0.0 if register.type.is_float else abs(register.factor)
        assert told == pytest.approx(expected, rel=1e-6, abs=0.51 * step), register.quantity
        assert as_read(np.array([expected]), register)[0] == told, register.quantity


@pytest.mark.parametrize("register_map", MAPS, ids=lambda one: one.name)
def test_extremes_and_nothing_are_told_as_single_registers_tell_them(
    register_map: RegisterMap,
) -> None:
    for value in (math.nan, 1e300, -1e300, -0.0):
        values = dict.fromkeys((one.quantity for one in register_map.registers), value)
        bank = RegisterBank(register_map, partial(_tell, values))
        for one in register_map.registers:
            raw = bank.read(one.function, one.address, one.type.n_registers, 0)
            assert raw == encode_value(value, one), (one.quantity, value)


@pytest.mark.parametrize("order", list(ByteOrder))
@pytest.mark.parametrize("kind", list(RegisterType))
def test_columns_are_read_as_single_values_are(kind: RegisterType, order: ByteOrder) -> None:
    column = np.array([0.0, 1.0, 230.13, 1234.567, 99_999.99, 4_321_987.654, 0.004])
    for factor, offset in ((1.0, 0.0), (0.1, 0.0), (0.001, 0.0), (1000.0, 0.0), (10.0, 5.0)):
        register = Register("voltage_v", 3, 0, kind, order, factor, offset)
        lowest, highest = (
            (-math.inf, math.inf)
            if kind.is_float
            else ((raw * factor + offset) for raw in (-30_000, 32_000))
        )
        fitting = column[(column >= lowest) & (column <= highest)]
        told = [decode_value(encode_value(one, register), register) for one in fitting.tolist()]
        assert as_read(fitting, register).tolist() == told


def test_what_is_unavailable_reads_as_no_value() -> None:
    odd = RegisterMap(
        "odd",
        "",
        (
            Register("voltage_v", 3, 0, RegisterType.FLOAT32),
            Register("power_factor", 3, 2, RegisterType.INT16, missing=(0x7FFF,)),
            Register("frequency_hz", 3, 3, RegisterType.UINT16),
            Register("active_power_w", 3, 4, RegisterType.INT32),
        ),
    )
    raw = RegisterBank(odd, lambda _: {}).read_unavailable(3, 0, 6)
    assert raw is not None
    assert math.isnan(decode_value(raw[:4], odd.registers[0]))
    assert math.isnan(decode_value(raw[4:6], odd.registers[1]))
    assert raw[6:].hex() == "ffff80000000"


def _walk_chain(bank: SunSpecBank) -> dict[int, bytes]:
    """The models of a device, as any SunSpec reader finds them."""
    assert bank.read(3, BASE, 2, 0) == b"SunS"
    found: dict[int, bytes] = {}
    at = BASE + 2
    while True:
        head = bank.read(3, at, 2, 0)
        assert head is not None
        number, length = struct.unpack(">HH", head)
        if number == 0xFFFF:
            assert length == 0
            assert bank.read(3, at + 2, 1, 0) is None
            return found
        body = b"".join(bank.read(3, at + 2 + n, 1, 0) or b"" for n in range(length))
        found[number] = body
        at += 2 + length


@pytest.mark.parametrize(
    ("models", "lengths"),
    [
        (INVERTER, {1: 66, 103: 50, 160: 48}),
        (FLOAT_INVERTER, {1: 66, 113: 60, 160: 48}),
        (METER, {1: 66, 203: 105}),
    ],
)
def test_a_sunspec_chain_has_the_lengths_of_its_models(
    models: tuple[int, ...], lengths: dict[int, int]
) -> None:
    chain = _walk_chain(SunSpecBank(models, lambda _: {}))
    assert {number: len(body) // 2 for number, body in chain.items()} == lengths


def test_an_inverter_tells_its_values_with_their_scale_factors() -> None:
    values = {
        "current_a": 12.34,
        "voltage_l2_v": 229.8,
        "production_power_w": 8421.0,
        "frequency_hz": 50.01,
        "power_factor": 0.998,
        "energy_production_wh": 35_858_658.0,
        "temperature_c": -4.5,
        "operating_state": 4.0,
        "dc_power_s2_w": 4310.0,
    }
    chain = _walk_chain(SunSpecBank(INVERTER, lambda _: values))
    body = chain[103]

    def word(offset: int, kind: str = "h") -> int:
        """A point by its offset from the model's id, as its definition counts."""
        [number] = struct.unpack_from(f">{kind}", body, 2 * (offset - 2))
        return int(number)

    assert word(2, "H") * 10.0 ** word(6) == pytest.approx(12.34)
    assert word(11, "H") * 10.0 ** word(13) == pytest.approx(229.8)
    assert word(14) * 10.0 ** word(15) == 8421
    assert word(16, "H") * 10.0 ** word(17) == pytest.approx(50.01)
    assert word(22) * 10.0 ** word(23) == pytest.approx(99.8)
    assert word(24, "I") * 10.0 ** word(26) == 35_858_658
    assert word(33) * 10.0 ** word(37) == pytest.approx(-4.5)
    assert word(34) == -0x8000
    assert word(38) == 4
    strings = chain[160]
    assert struct.unpack_from(">H", strings, 12)[0] == 2
    assert struct.unpack_from(">H", strings, 2 * (8 + 20 + 11))[0] == 4310
    assert b"String 2" in strings


@pytest.mark.parametrize("models", [INVERTER, FLOAT_INVERTER, METER])
def test_the_program_reads_from_a_device_what_a_past_of_it_would_say(
    models: tuple[int, ...],
) -> None:
    values = {quantity: 40.0 + number for number, quantity in enumerate(points_of(models))}
    values |= {name: 0.97 for name in values if name.startswith("power_factor")}
    bank = SunSpecBank(models, lambda _: values, serial="7")
    walk = walk_chain(1)
    reply: bytes | Refusal | None = None
    while True:
        try:
            request = next(walk) if reply is None else walk.send(reply)
        except StopIteration as end:
            chain = end.value
            break
        told = bank.read(request.function, request.address, request.count, 0)
        reply = Refusal(Fault.EXCEPTION, code=2) if told is None else told
    assert chain.fault == ""
    blocks = [
        Block(one.function, one.address, bank.read(one.function, one.address, one.count, 0) or b"")
        for one in plan_models(chain, 1)
    ]
    decoded = decode_models(blocks)
    assert not isinstance(decoded, Rejection)
    found = dict(zip(*decoded, strict=True))
    expected = {
        quantity: float(as_read_point(np.array([values[quantity]]), point)[0])
        for quantity, point in points_of(models).items()
    }
    assert set(found) == set(expected)
    assert found == pytest.approx(expected)


def test_an_accumulator_begins_again_and_never_tells_a_bound() -> None:
    point = Point("acc32", "energy_production_wh")
    assert write_point(point, {"energy_production_wh": 2.0**32 + 7}) == bytes.fromhex("00000007")
    assert write_point(Point("int16", "w"), {"w": 1e9}) == bytes.fromhex("7fff")


@pytest.mark.parametrize("models", [INVERTER, FLOAT_INVERTER, METER])
def test_columns_of_sunspec_points_have_their_resolution(models: tuple[int, ...]) -> None:
    column = np.array([0.0, 0.97, 230.06, 1234.5])
    for point in points_of(models).values():
        told = as_read_point(column, point)
        for value, one in zip(column.tolist(), told.tolist(), strict=True):
            raw = write_point(point, {point.quantity: value})
            letter = {"float32": "f", "acc32": "I", "bitfield32": "I", "uint16": "H"}
            [number] = struct.unpack(
                f">{letter.get(point.kind, 'h' if len(raw) == 2 else 'I')}", raw
            )
            if point.kind != "float32" and abs(number) >= 0x7FFF:
                continue
            scale = 1.0 if point.kind == "float32" else 10.0**point.exponent
            assert one == pytest.approx(number * scale / point.factor, rel=1e-6)


def test_a_whole_meter_is_read_in_blocks_as_the_program_does() -> None:
    register_map = next(one for one in MAPS if one.name == "sdm630")
    table = AnyMeter(register_map, seed=9).tables_at(np.array([NOW_US], np.int64))[ID]
    values = {name: float(column[0]) for name, column in table.items()}
    block = RegisterBank(register_map, lambda _: values).read(4, 0, 80, NOW_US)
    assert block is not None
    reader = make_block_reader(register_map.registers, 4, 0, 80)
    told = dict(zip(reader.quantities, reader.read(block), strict=True))
    assert told == pytest.approx({name: values[name] for name in told}, rel=1e-6)
    assert len(told) == 28

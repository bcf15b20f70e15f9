from __future__ import annotations

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wattscope.compute.modbus.values import (
    arrange,
    decode_value,
    encode_value,
    make_block_reader,
    make_finish,
    shorten,
)
from wattscope.core.registers import ByteOrder, Register, RegisterType

TYPES, ORDERS = tuple(RegisterType), tuple(ByteOrder)
INTEGERS = tuple(kind for kind in TYPES if not kind.is_float)
SAMPLES = {
    RegisterType.INT16: ("fed4", -300),
    RegisterType.UINT16: ("fed4", 65_236),
    RegisterType.INT32: ("fffe7960", -100_000),
    RegisterType.UINT32: ("fffe7960", 4_294_867_296),
    RegisterType.INT64: ("ffffffffff439eb2", -12_345_678),
    RegisterType.UINT64: ("0000000000bc614e", 12_345_678),
    RegisterType.FLOAT32: ("43660000", 230.0),
    RegisterType.FLOAT64: ("406cc33333333333", 230.1),
}
WRITTEN = {
    ByteOrder.ABCD: "0123456789abcdef",
    ByteOrder.CDAB: "cdef89ab45670123",
    ByteOrder.BADC: "23016745ab89efcd",
    ByteOrder.DCBA: "efcdab8967452301",
}


def _register(
    kind: RegisterType,
    order: ByteOrder = ByteOrder.ABCD,
    *,
    factor: float = 1.0,
    offset: float = 0.0,
    missing: tuple[int, ...] = (),
) -> Register:
    return Register("voltage_v", 3, 0, kind, order, factor, offset, missing)


def _bounds(kind: RegisterType) -> tuple[int, int]:
    bits = 16 * kind.n_registers
    return (0, (1 << bits) - 1) if kind.value[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


@pytest.mark.parametrize("kind", TYPES)
def test_value_known_by_hand_is_read_in_every_order(kind: RegisterType) -> None:
    written, value = SAMPLES[kind]
    raw = bytes.fromhex(written)
    assert len(raw) == 2 * kind.n_registers
    for order in ORDERS:
        assert decode_value(arrange(raw, order), _register(kind, order)) == value


@pytest.mark.parametrize("order", ORDERS)
def test_order_is_named_by_where_the_bytes_stand(order: ByteOrder) -> None:
    most_first = bytes.fromhex(WRITTEN[ByteOrder.ABCD])
    assert arrange(bytes.fromhex(WRITTEN[order]), order) == most_first
    letters = {0xA: "A", 0xB: "B", 0xC: "C", 0xD: "D"}
    four = arrange(bytes((0xA, 0xB, 0xC, 0xD)), order)
    assert "".join(letters[one] for one in four) == order.value


@given(st.sampled_from(ORDERS), st.sampled_from([b"\1\2", b"\1\2\3\4", bytes(range(8))]))
def test_arranging_twice_changes_nothing(order: ByteOrder, raw: bytes) -> None:
    assert arrange(arrange(raw, order), order) == raw


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", INTEGERS)
@given(data=st.data())
def test_integer_survives_the_way_to_registers_and_back(
    kind: RegisterType, order: ByteOrder, data: st.DataObject
) -> None:
    low, high = _bounds(kind)
    number = data.draw(st.integers(max(low, -(2**53)), min(high, 2**53)))
    register = _register(kind, order)
    raw = encode_value(float(number), register)
    assert len(raw) == 2 * kind.n_registers
    assert decode_value(raw, register) == number


@pytest.mark.parametrize("order", ORDERS)
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_double_survives_the_way_to_registers_and_back(order: ByteOrder, number: float) -> None:
    register = _register(RegisterType.FLOAT64, order)
    assert decode_value(encode_value(number, register), register) == number


@pytest.mark.parametrize("order", ORDERS)
@given(tenths=st.integers(-9_999_999, 9_999_999))
def test_decimal_of_seven_digits_survives_single_precision(order: ByteOrder, tenths: int) -> None:
    register = _register(RegisterType.FLOAT32, order)
    assert decode_value(encode_value(tenths / 10, register), register) == tenths / 10


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [1e30, -1e30])
def test_value_that_does_not_fit_stays_at_the_bound(kind: RegisterType, value: float) -> None:
    decoded = decode_value(encode_value(value, _register(kind)), _register(kind))
    if kind.is_float:
        assert math.isclose(decoded, value, rel_tol=1e-6)
    else:
        assert decoded == float(_bounds(kind)[value > 0])
    larger = encode_value(value * 1e200, _register(kind))
    assert math.isfinite(decode_value(larger, _register(kind)))


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (RegisterType.INT16, 0x8000),
        (RegisterType.UINT16, 0xFFFF),
        (RegisterType.INT16, 0x7FFF),
        (RegisterType.INT32, 0x80000000),
        (RegisterType.UINT32, 0xFFFFFFFF),
        (RegisterType.INT64, 0x8000000000000000),
        (RegisterType.UINT64, 0xFFFFFFFFFFFFFFFF),
        (RegisterType.FLOAT32, 0xC2C80000),
        (RegisterType.FLOAT64, 0xBFF0000000000000),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_pattern_for_no_value_is_not_a_number(
    kind: RegisterType, pattern: int, order: ByteOrder
) -> None:
    raw = arrange(pattern.to_bytes(2 * kind.n_registers, "big"), order)
    marked = _register(kind, order, factor=0.1, offset=5.0, missing=(pattern,))
    assert math.isnan(decode_value(raw, marked))
    assert not math.isnan(decode_value(raw, replace(marked, missing=(pattern - 1,))))


@pytest.mark.parametrize("kind", [RegisterType.FLOAT32, RegisterType.FLOAT64])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_float_that_is_no_number_is_a_gap(kind: RegisterType, number: float) -> None:
    letter = ">f" if kind is RegisterType.FLOAT32 else ">d"
    for missing in ((), (0x7FC00000,)):
        register = _register(kind, factor=1000.0, missing=missing)
        assert math.isnan(decode_value(struct.pack(letter, number), register))


def test_missing_value_is_written_as_the_first_pattern() -> None:
    marked = _register(RegisterType.INT16, missing=(0x8000, 0x7FFF))
    assert encode_value(math.nan, marked).hex() == "8000"
    single = _register(RegisterType.FLOAT32)
    assert math.isnan(decode_value(encode_value(math.nan, single), single))
    assert encode_value(math.nan, _register(RegisterType.UINT32)).hex() == "00000000"


def test_pattern_wider_than_the_value_is_refused() -> None:
    with pytest.raises(OverflowError):
        make_finish(_register(RegisterType.INT16, missing=(0x10000,)))


@pytest.mark.parametrize(
    ("raw", "factor", "offset", "value"),
    [
        (2301, 0.1, 0.0, 230.1),
        (4999, 0.01, 0.0, 49.99),
        (-7, 0.001, 0.0, -0.007),
        (12_345_678, 10.0, 0.0, 123_456_780.0),
        (3, 0.5, 0.0, 1.5),
        (212, 5 / 9, -160 / 9, 100.0),
        (0, 0.1, -40.0, -40.0),
    ],
)
def test_decimals_stay_decimals(raw: int, factor: float, offset: float, value: float) -> None:
    register = _register(RegisterType.INT32, factor=factor, offset=offset)
    decoded = decode_value(raw.to_bytes(4, "big", signed=True), register)
    assert decoded == value if offset == 0 else math.isclose(decoded, value)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 9))
def test_power_of_ten_gives_the_double_that_the_decimal_is(raw: int, digits: int) -> None:
    register = _register(RegisterType.INT32, factor=10.0**-digits)
    decoded = decode_value(raw.to_bytes(4, "big", signed=True), register)
    assert decoded == float(f"{raw}e-{digits}")


@pytest.mark.parametrize(
    "decimal", [230.1, 49.98, 0.1, 1e-3, 999_999.9, 16_777_216.0, 3.141593, 0.0]
)
def test_single_becomes_the_decimal_that_was_meant(decimal: float) -> None:
    (number,) = struct.unpack(">f", struct.pack(">f", decimal))
    assert shorten(number) == decimal
    assert shorten(-number) == -decimal


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(3.4028234663852886e38)
@example(1e-45)
def test_shortened_number_is_the_same_single(number: float) -> None:
    assert struct.pack(">f", shorten(number)) == struct.pack(">f", number)


@given(st.integers(-999_999, 999_999), st.integers(-6, 4))
def test_every_decimal_of_six_digits_comes_back(digits: int, power: int) -> None:
    decimal = float(f"{digits}e{power}")
    (number,) = struct.unpack(">f", struct.pack(">f", decimal))
    assert shorten(number) == decimal


registers = st.lists(
    st.builds(
        Register,
        st.just("voltage_v"),
        st.sampled_from([3, 4]),
        st.integers(90, 130),
        st.sampled_from(TYPES),
        st.sampled_from(ORDERS),
        st.sampled_from([1.0, 0.1, 1000.0]),
        st.sampled_from([0.0, -40.0]),
        st.sampled_from([(), (0x8000,), (0xFFFF, 0)]),
    ),
    max_size=12,
)


@given(registers, st.binary(min_size=60, max_size=60), st.sampled_from([3, 4]))
def test_block_reader_says_what_each_register_says_alone(
    some: list[Register], block: bytes, function: int
) -> None:
    named = [replace(one, quantity=f"q{n}") for n, one in enumerate(some)]
    reader = make_block_reader(named, function, 100, 30)
    inside = [r for r in named if r.function == function and r.address >= 100 and r.end <= 130]
    assert sorted(reader.quantities) == sorted(r.quantity for r in inside)
    values = dict(zip(reader.quantities, reader.read(block), strict=True))
    for register in inside:
        start = 2 * (register.address - 100)
        raw = block[start : start + 2 * register.type.n_registers]
        alone, together = decode_value(raw, register), values[register.quantity]
        assert alone == together or (math.isnan(alone) and math.isnan(together))


def test_block_reader_gives_quantities_in_the_order_of_addresses() -> None:
    named = [
        Register("b", 3, 12, RegisterType.INT16),
        Register("a", 3, 10, RegisterType.UINT16),
        Register("cut", 3, 13, RegisterType.INT32),
        Register("input", 4, 10, RegisterType.INT16),
    ]
    reader = make_block_reader(named, 3, 10, 4)
    assert reader.quantities == ("a", "b")
    assert reader.read(bytes.fromhex("0001 0002 ffff 0004")) == (1.0, -1.0)

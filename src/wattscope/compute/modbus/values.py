"""From register bytes to values in base units, and back for virtual meters.

Values stay what the meter meant: an integer of tenths becomes the double nearest to the decimal,
and a single-precision float becomes the shortest decimal that is that float, so that 230.1 V is
230.1 and not 230.10000610351562.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from wattscope.core.registers import ByteOrder, Register, RegisterType

_LETTERS: Final = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}
_SINGLE: Final = struct.Struct(">f")
_SMALLEST_NORMAL: Final = 1.1754943508222875e-38
_MAX_EXACT_POWER: Final = 22
"""Powers of ten up to this are exact in double precision."""

Finish = Callable[[float], float]
"""From the raw number to the base unit; NaN for "no value"."""


def arrange(raw: bytes, order: ByteOrder) -> bytes:
    """The bytes of one value with the most significant first.

    It is its own inverse: it also lays out big-endian bytes as a device has them.

    >>> arrange(bytes.fromhex("CCDDAABB"), ByteOrder.CDAB).hex()
    'aabbccdd'
    """
    if order is ByteOrder.ABCD:
        return raw
    if order is ByteOrder.DCBA:
        return raw[::-1]
    pairs = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    if order is ByteOrder.CDAB:
        return b"".join(reversed(pairs))
    return b"".join(pair[::-1] for pair in pairs)


def decode_value(raw: bytes, register: Register) -> float:
    """The value of one register's bytes in its base unit; NaN where it says that it has none."""
    [number] = struct.unpack(f">{_LETTERS[register.type]}", arrange(raw, register.order))
    return make_finish(register)(number)


def encode_value(value: float, register: Register) -> bytes:
    """The bytes with which a device would tell a value; what does not fit stays at the bound.

    NaN becomes the first bit pattern for "no value", or 0 where there is none.
    """
    width = 2 * register.type.n_registers
    if math.isnan(value):
        if register.type.is_float:
            return arrange(struct.pack(f">{_LETTERS[register.type]}", value), register.order)
        pattern = register.missing[0] if register.missing else 0
        return arrange(pattern.to_bytes(width, "big"), register.order)
    raw = (value - register.offset) / register.factor
    if register.type.is_float:
        raw = max(-3.4e38, min(raw, 3.4e38)) if register.type is RegisterType.FLOAT32 else raw
        return arrange(struct.pack(f">{_LETTERS[register.type]}", raw), register.order)
    is_signed = not register.type.value.startswith("u")
    bits = 8 * width - is_signed
    number = max(-(1 << bits) if is_signed else 0, min(round(raw), (1 << bits) - 1))
    return arrange(number.to_bytes(width, "big", signed=is_signed), register.order)


def make_finish(register: Register) -> Finish:
    """What is done to the raw number of a register.

    Raises:
        OverflowError: A pattern in ``missing`` is wider than the value.
    """
    missing = _missing_numbers(register)
    scale = _make_scale(register.factor, register.offset)
    if register.type is RegisterType.FLOAT32:
        is_plain = register.factor == 1.0 and not register.offset

        def finish_single(number: float) -> float:
            if not math.isfinite(number) or number in missing:
                return math.nan
            short = shorten(number)
            if is_plain or short is number:
                return scale(short)
            # Of seven digits times a power of ten nine are enough: 1.001 kWh are 1001 Wh.
            return float(f"{scale(short):.9g}")

        return finish_single
    if register.type is RegisterType.FLOAT64:
        return lambda number: (
            scale(number) if math.isfinite(number) and number not in missing else math.nan
        )
    if missing:
        return lambda number: math.nan if number in missing else scale(number)
    return scale


def shorten(number: float) -> float:
    """The shortest decimal that is this single-precision number; itself where seven digits fail.

    >>> shorten(230.10000610351562), shorten(0.0)
    (230.1, 0.0)
    """
    if -_SMALLEST_NORMAL < number < _SMALLEST_NORMAL:
        return number
    short = float(f"{number:.7g}")
    return short if _SINGLE.pack(number) == _pack_single(short) else number


def _pack_single(number: float) -> bytes:
    try:
        return _SINGLE.pack(number)
    except OverflowError:
        return b""


def _make_scale(factor: float, offset: float) -> Finish:
    """Times factor plus offset; a power of ten below one divides, which gives the nearest decimal.

    0.1 is no double, so 2301 * 0.1 is 230.10000000000002, while 2301 / 10 is 230.1.
    """
    divisor = _find_divisor(factor)
    if divisor is not None and not offset:
        return lambda number: number / divisor
    if factor == 1.0 and not offset:
        return float
    return lambda number: number * factor + offset


def _find_divisor(factor: float) -> float | None:
    """The power of ten that a factor below one is the inverse of."""
    for exponent in range(1, _MAX_EXACT_POWER + 1):
        if factor == 10.0**-exponent or factor == 1 / 10.0**exponent:
            return 10.0**exponent
    return None


def _missing_numbers(register: Register) -> frozenset[float]:
    """The bit patterns for "no value" as the numbers that they are read as."""
    width, letter = 2 * register.type.n_registers, _LETTERS[register.type]
    numbers = (
        struct.unpack(f">{letter}", pattern.to_bytes(width, "big"))[0]
        for pattern in register.missing
    )
    return frozenset(number for number in numbers if number == number)  # noqa: PLR0124  # not NaN


@dataclass(frozen=True, slots=True)
class BlockReader:
    """Reads the registers that lie in one block, all at once."""

    quantities: tuple[str, ...]
    """In the order of the addresses; registers that do not lie in the block whole are left out."""
    read: Callable[[bytes], tuple[float, ...]]
    """From the block's bytes to one value a quantity, in base units."""


def make_block_reader(
    registers: Sequence[Register], function: int, start: int, count: int
) -> BlockReader:
    """A reader of the registers of ``function`` within ``[start, start + count)``."""
    inside = sorted(
        (
            r
            for r in registers
            if r.function == function and start <= r.address and r.end <= start + count
        ),
        key=lambda r: r.address,
    )
    quantities = tuple(r.quantity for r in inside)
    finishes = tuple(make_finish(r) for r in inside)
    layout = _find_layout(inside, start)
    if layout is not None:
        unpack = struct.Struct(layout).unpack_from

        def read_at_once(block: bytes) -> tuple[float, ...]:
            return tuple([f(n) for f, n in zip(finishes, unpack(block), strict=True)])

        return BlockReader(quantities, read_at_once)
    parts = [
        (slice(2 * (r.address - start), 2 * (r.end - start)), struct.Struct(f">{_LETTERS[r.type]}"))
        for r in inside
    ]
    orders = [r.order for r in inside]

    def read_each(block: bytes) -> tuple[float, ...]:
        return tuple(
            [
                finish(one.unpack(arrange(block[where], order))[0])
                for finish, (where, one), order in zip(finishes, parts, orders, strict=True)
            ]
        )

    return BlockReader(quantities, read_each)


def _find_layout(inside: Sequence[Register], start: int) -> str | None:
    """One struct format over all registers; None where they overlap or turn their bytes round."""
    at, letters = start, ">"
    for register in inside:
        if register.order is not ByteOrder.ABCD or register.address < at:
            return None
        letters += f"{2 * (register.address - at)}x" + _LETTERS[register.type]
        at = register.end
    return letters

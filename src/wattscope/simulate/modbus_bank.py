"""The registers of a virtual meter, as bytes that are made once a second and cut for each request.

It promises that all registers of one second are of one instant, and that answering costs nothing
for each register: a request is a slice.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol

from wattscope.compute.modbus.values import arrange, encode_value
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType
from wattscope.core.time_grid import US_PER_S

ValuesAt = Callable[[int], Mapping[str, float]]
"""A model: quantity to value [base unit] at an instant [µs since 1970, UTC]."""

_BIGGEST: Final = 3.4e38
"""Bound of single precision, as ``encode_value`` has it."""
_KEPT_IMAGES: Final = 2
"""The newest and, where a meter is told to repeat old registers, those."""


class Gaps(Enum):
    """What a meter says of addresses between its registers."""

    ZERO = "zero"
    """They read as 0, as with most real meters; before the first and after the last one it
    refuses (exception 2)."""
    REFUSE = "refuse"
    """It refuses every block that touches one (exception 2)."""


class Bank(Protocol):
    """What a virtual unit answers from."""

    def read(self, function: int, address: int, count: int, at_us: int) -> bytes | None:
        """Two bytes a register as of an instant [µs]; None where it has no such registers."""
        ...

    def read_unavailable(self, function: int, address: int, count: int) -> bytes | None:
        """The same registers when the meter has no value for any of them."""
        ...


class RegisterBank:
    """Registers as a map has them, with the values of a model."""

    def __init__(
        self,
        register_map: RegisterMap,
        values_at: ValuesAt,
        *,
        gaps: Gaps = Gaps.ZERO,
        refresh_us: int = US_PER_S,
    ) -> None:
        """``refresh_us``: how long registers stay as they are [µs]."""
        self._values_at = values_at
        self._refresh_us = refresh_us
        by_function: dict[int, list[Register]] = {}
        for register in register_map.registers:
            by_function.setdefault(register.function, []).append(register)
        self._areas = {
            function: _Area(registers, gaps) for function, registers in by_function.items()
        }
        self._images: dict[int, dict[int, bytes]] = {}

    def read(self, function: int, address: int, count: int, at_us: int) -> bytes | None:
        """A slice of the image of that second."""
        area = self._areas.get(function)
        if area is None or not area.has(address, count):
            return None
        stamp = at_us // self._refresh_us
        image = self._images.get(stamp) or self._draw(stamp)
        return area.cut(image[function], address, count)

    def read_unavailable(self, function: int, address: int, count: int) -> bytes | None:
        """The patterns for "no value"; where the map names none, those of SunSpec."""
        area = self._areas.get(function)
        if area is None or not area.has(address, count):
            return None
        return area.cut(area.encode({}, _encode_unavailable), address, count)

    def _draw(self, stamp: int) -> dict[int, bytes]:
        """All registers as of one instant."""
        values = self._values_at(stamp * self._refresh_us)
        image = {function: area.draw(values) for function, area in self._areas.items()}
        while len(self._images) >= _KEPT_IMAGES:
            del self._images[min(self._images)]
        self._images[stamp] = image
        return image


class _Area:
    """All registers of one function: from the first to the last one, and what lies between."""

    def __init__(self, registers: list[Register], gaps: Gaps) -> None:
        self._registers = sorted(registers, key=lambda register: register.address)
        self._start = min(register.address for register in registers)
        self._end = max(register.end for register in registers)
        self._is_there = bytearray(self._end - self._start)
        for one in registers:
            there = slice(one.address - self._start, one.end - self._start)
            self._is_there[there] = b"\1" * one.type.n_registers
        if gaps is Gaps.ZERO:
            self._is_there[:] = b"\1" * len(self._is_there)
        self._pack = _make_packer(self._registers)

    def has(self, address: int, count: int) -> bool:
        """Whether every one of the addresses can be read."""
        first, end = address - self._start, address + count - self._start
        is_inside = first >= 0 and end <= len(self._is_there)
        return is_inside and 0 not in self._is_there[first:end]

    def cut(self, image: bytes, address: int, count: int) -> bytes:
        """The bytes of some registers."""
        first = 2 * (address - self._start)
        return image[first : first + 2 * count]

    def draw(self, values: Mapping[str, float]) -> bytes:
        """The image of all registers, at once where they are alike."""
        if self._pack is not None:
            return self._pack(values)
        return self.encode(values, encode_value)

    def encode(
        self, values: Mapping[str, float], encode: Callable[[float, Register], bytes]
    ) -> bytes:
        """The image of all registers; what the model does not know has no value."""
        image = bytearray(2 * (self._end - self._start))
        for one in self._registers:
            first = 2 * (one.address - self._start)
            last = first + 2 * one.type.n_registers
            image[first:last] = encode(values.get(one.quantity, math.nan), one)
        return bytes(image)


def _make_packer(registers: Sequence[Register]) -> Callable[[Mapping[str, float]], bytes] | None:
    """Writes an image as ``encode_value`` would; None unless all are plain floats in a row.

    Such maps are the usual ones, and eight times faster this way.
    """
    at, layout = registers[0].address, ">"
    for one in registers:
        is_plain = one.type is RegisterType.FLOAT32 and one.order is ByteOrder.ABCD
        if not is_plain or one.address < at:
            return None
        layout += f"{2 * (one.address - at)}xf"
        at = one.end
    pack = struct.Struct(layout).pack
    columns = [(one.quantity, one.factor, one.offset) for one in registers]

    def pack_all(values: Mapping[str, float]) -> bytes:
        told = values.get
        raw = [(told(name, math.nan) - offset) / factor for name, factor, offset in columns]
        return pack(*[max(-_BIGGEST, min(one, _BIGGEST)) if one == one else one for one in raw])  # noqa: PLR0124  # not NaN

    return pack_all


def _encode_unavailable(_value: float, register: Register) -> bytes:
    """The bit pattern that stands for "not implemented", in the register's own order.

    Where the map knows none: NaN, 0x8000… for signed and 0xFFFF… for unsigned integers (SunSpec
    Information Model Specification 1.9, 4.2).
    """
    width = 2 * register.type.n_registers
    if register.missing or register.type.is_float:
        return encode_value(math.nan, register)
    is_unsigned = register.type.value.startswith("u")
    return arrange(b"\xff" * width if is_unsigned else b"\x80" + bytes(width - 1), register.order)

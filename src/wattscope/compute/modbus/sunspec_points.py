"""Points of one SunSpec model of a certain length: where each lies, and its value."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from wattscope.compute.modbus.sunspec_models import HEADER, MODELS, Model, Point, PointType
from wattscope.compute.modbus.values import shorten
from wattscope.core.quantities import MAX_STRINGS, QuantityKind, find_quantity

MAX_SCALE: Final = 10
"""Scale factors are -10 to 10 (SunSpec Information Model Specification 1.9)."""
_ODD_LENGTH: Final = 2
"""By how many registers devices may depart from a model's length: some pad, some do not pad."""
_NO_MODULES: Final = 0xFFFF
_SIGN_BIT: Final = 0x8000_0000
_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point where it lies in a model."""

    point: Point
    quantity: str
    kind: QuantityKind
    offset: int
    """From the ID of the model."""
    module: int
    """Number of its module, from 1; 0: it is in none."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of a model."""

    model: Model
    points: tuple[PlacedPoint, ...]
    n_modules: int
    """As many as there is room for."""
    size: int
    """Registers from the ID to the end of the last one that is used."""
    torn_at: frozenset[int]
    """Offsets at which a request must not begin, for they lie within a value."""

    def count_modules(self, raw: bytes) -> int:
        """How many modules a device says it has, within those that there is room for."""
        if not self.model.module_length:
            return 0
        (said,) = struct.unpack_from(">H", raw, 2 * self.model.n_modules_at)
        return self.n_modules if said == _NO_MODULES else min(said, self.n_modules)


@lru_cache(maxsize=256)
def find_layout(model_id: int, length: int) -> Layout | None:
    """The layout of a model; None when it is not known, or cannot have this length."""
    model = MODELS.get(model_id)
    if model is None:
        return None
    n_modules, over = 0, length - model.length
    if model.module_length and over > 0:
        n_modules, over = divmod(over, model.module_length)
    if abs(over) > _ODD_LENGTH:
        return None
    n_modules = min(n_modules, MAX_STRINGS)
    points = [_place(point, 0, 0) for point in model.points]
    for number in range(1, n_modules + 1):
        start = HEADER + model.length + (number - 1) * model.module_length
        points += [_place(point, start, number) for point in model.module_points]
    ends = [placed.offset + placed.point.type.n_registers for placed in points]
    scales = [placed.point.scale_at + 1 for placed in points if placed.point.scale_at is not None]
    torn = {placed.offset + n for placed in points for n in range(1, placed.point.type.n_registers)}
    # A request for less than a header would not tell what it holds.
    torn.add(HEADER - 1)
    size = min(max([HEADER, *ends, *scales]), HEADER + length)
    return Layout(model, tuple(points), n_modules, size, frozenset(torn))


def _place(point: Point, start: int, module: int) -> PlacedPoint:
    name = point.quantity.format(n=module)
    quantity = find_quantity(name)
    if quantity is None:
        raise ValueError(f"point {point.name} names no quantity: {name!r}")
    return PlacedPoint(point, name, quantity.kind, start + point.offset, module)


def read_point(raw: bytes, placed: PlacedPoint, *, is_negative: bool = False) -> float:
    """The value of a point in its base unit; NaN where the device says that it has none.

    Args:
        raw: The model from its ID on, at least as long as its layout's ``size``.
        placed: The point.
        is_negative: Whether accumulators of this device may come as negative numbers.
    """
    point = placed.point
    if 2 * (placed.offset + point.type.n_registers) > len(raw):
        return _NAN
    (number,) = struct.unpack_from(f">{point.type.letter}", raw, 2 * placed.offset)
    if point.type is PointType.FLOAT32:
        number = shorten(number) if abs(number) < float("inf") else _NAN
    elif number in point.type.missing:
        return _NAN
    if is_negative and point.type is PointType.ACC32 and number >= _SIGN_BIT:
        number = (1 << 32) - number
    power = point.power
    if point.scale_at is not None:
        (scale,) = struct.unpack_from(">h", raw, 2 * point.scale_at)
        if not -MAX_SCALE <= scale <= MAX_SCALE:
            return _NAN
        power += int(scale)
    shifted = float(number + point.plus)
    return shifted / 10.0**-power if power < 0 else shifted * 10.0**power

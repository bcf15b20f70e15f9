"""What a reader makes of columns that registers tell: the resolution of each register, and no more.

It is ``decode_value(encode_value(x))`` for whole columns, so that a simulated past is exactly what
would have been stored; ``compute/modbus/values.py`` is the meaning, this is the speed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from wattscope.core.reading import FloatColumn
from wattscope.core.registers import Register, RegisterType
from wattscope.simulate.modbus_sunspec import Point

_DIGITS: Final = 7
_SCALED_DIGITS: Final = 9
"""Decimal digits that single precision always keeps."""
_MAX_EXACT_POWER: Final = 22
_SMALLEST: Final = 1e-9
"""Below this no meter prints digits; such numbers are left as they are."""


def as_read(column: FloatColumn, register: Register) -> FloatColumn:
    """The values that a reader makes of a register that is told these.

    >>> register = Register("active_power_w", 3, 0, RegisterType.INT16, factor=10.0)
    >>> as_read(np.array([1234.0, 1236.0]), register).tolist()
    [1230.0, 1240.0]
    """
    raw = (column - register.offset) / register.factor
    if register.type is RegisterType.FLOAT32:
        raw = shorten_column(raw)
        if register.factor != 1.0 or register.offset:
            scaled = _scale(raw, register.factor, register.offset)
            # As the reader does: of seven digits times a power of ten nine are enough.
            is_exact = raw == raw.astype(np.float32).astype(np.float64)
            return np.where(is_exact, scaled, _round_digits(scaled, _SCALED_DIGITS))
    elif not register.type.is_float:
        raw = np.rint(raw)
    return _scale(raw, register.factor, register.offset)


def as_read_point(column: FloatColumn, point: Point) -> FloatColumn:
    """Likewise of a SunSpec point.

    >>> as_read_point(np.array([230.06]), Point("uint16", "voltage_v", -1)).tolist()
    [230.1]
    """
    told = column * point.factor
    if point.kind == "float32":
        return shorten_column(told) / point.factor
    return _scale(np.rint(told / 10.0**point.exponent), 10.0**point.exponent / point.factor, 0.0)


def shorten_column(column: FloatColumn) -> FloatColumn:
    """The shortest decimals that are these numbers in single precision.

    >>> shorten_column(np.array([230.10000610351562, 0.0])).tolist()
    [230.1, 0.0]
    """
    single = column.astype(np.float32)
    exact = single.astype(np.float64)
    short = _round_digits(exact, _DIGITS)
    is_same = (np.abs(exact) > _SMALLEST) & (short.astype(np.float32) == single)
    return np.where(is_same, short, exact)


def _round_digits(column: FloatColumn, n_digits: int) -> FloatColumn:
    """The doubles nearest to the numbers with so many significant digits."""
    size = np.abs(column)
    magnitude = np.floor(np.log10(np.where(size > _SMALLEST, size, 1.0))).astype(np.int64)
    power = 10.0 ** np.abs(n_digits - 1 - magnitude)
    return np.where(
        magnitude < n_digits, np.rint(column * power) / power, np.rint(column / power) * power
    )


def _scale(raw: FloatColumn, factor: float, offset: float) -> FloatColumn:
    """Times factor plus offset; a power of ten below one divides, as the reader does."""
    if not offset and factor < 1.0:
        for exponent in range(1, _MAX_EXACT_POWER + 1):
            if factor in {10.0**-exponent, 1 / 10.0**exponent}:
                return raw / 10.0**exponent
    return raw * factor + offset if offset else raw * factor

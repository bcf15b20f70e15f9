"""Whether values look like what they should be: for commissioning only, never for storing.

A float whose words are turned round reads as 1e-41 or 1e23, and a wrong profile gives 3 V. What
is said here is a hint to a person; no order is switched and no profile chosen by itself.

Bands: nominal low voltages of IEC 60038 (230 and 400 V, and 110 V as of portable supplies) and of
ANSI C84.1 (120, 277 and 480 V), each plus or minus 10 %; mains run at 50 or 60 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from wattscope.compute.modbus.values import decode_value
from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.registers import ByteOrder, Register, RegisterMap, RegisterType

NOMINAL_VOLTAGES: Final = (110.0, 120.0, 230.0, 277.0, 400.0, 480.0)
"""[V]"""
VOLTAGE_TOLERANCE: Final = 0.1
NOMINAL_FREQUENCIES: Final = (50.0, 60.0)
"""[Hz]"""
FREQUENCY_TOLERANCE: Final = 0.03
"""Of the nominal frequency; islands and generators wander this far."""
TINY: Final = 1e-4
"""Smaller magnitudes than this, but 0, are no measurement [any base unit]."""
_MAX_POWER: Final = 5e6
"""More than a meter of low voltage sees [W, VA, var]."""
_MAX_CURRENT: Final = 1e4
"""[A]"""
_MAX_ENERGY: Final = 1e12
"""More than a meter counts in its life [Wh, varh]."""


class Look(Enum):
    """How a value looks for its quantity."""

    GOOD = "good"
    """Within the band in which only such a value lies, such as 229.8 V."""
    POSSIBLE = "possible"
    """Nothing speaks against it, such as 0 A."""
    BAD = "bad"
    """No healthy device says so."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The same bytes read in one way."""

    type: RegisterType
    order: ByteOrder
    value: float
    """Raw number times the factor that was given; NaN: not a number."""
    look: Look


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a profile fits a device, by the values that it makes of the device's registers."""

    score: float
    """0 (cannot be it) to 1 (voltage, frequency and all else look right)."""
    words: str
    """Why, for a person."""
    is_fitting: bool
    """Whether to propose it: something looks good and nothing looks bad."""


def judge_value(quantity: str, value: float) -> Look:
    """How a value looks for a quantity.

    >>> judge_value("voltage_l1_v", 229.8).value, judge_value("voltage_l1_v", 3.1e-41).value
    ('good', 'bad')
    """
    found = find_quantity(quantity)
    if not math.isfinite(value) or 0 < abs(value) < TINY:
        return Look.BAD
    if found is None or "__" in quantity:
        return Look.POSSIBLE if abs(value) < _MAX_ENERGY else Look.BAD
    if not found.low <= value <= found.high:
        return Look.BAD
    judge = _JUDGES.get(found.unit)
    if found.kind is QuantityKind.COUNTER:
        return Look.POSSIBLE if abs(value) <= _MAX_ENERGY else Look.BAD
    if quantity.startswith("dc_") or judge is None:
        return Look.POSSIBLE
    return judge(value)


def _judge_voltage(value: float) -> Look:
    if _is_near(value, NOMINAL_VOLTAGES, VOLTAGE_TOLERANCE):
        return Look.GOOD
    # A phase that is not connected reads 0 or, by induction, a few volts.
    return Look.POSSIBLE if 0 <= value < 30 else Look.BAD


def _judge_frequency(value: float) -> Look:
    if _is_near(value, NOMINAL_FREQUENCIES, FREQUENCY_TOLERANCE):
        return Look.GOOD
    return Look.POSSIBLE if value == 0 else Look.BAD


def _judge_up_to(bound: float) -> Callable[[float], Look]:
    return lambda value: Look.POSSIBLE if abs(value) <= bound else Look.BAD


def _is_near(value: float, nominals: tuple[float, ...], tolerance: float) -> bool:
    return any(abs(value - one) <= tolerance * one for one in nominals)


_JUDGES: Final[dict[str, Callable[[float], Look]]] = {
    "V": _judge_voltage,
    "Hz": _judge_frequency,
    "A": _judge_up_to(_MAX_CURRENT),
    "W": _judge_up_to(_MAX_POWER),
    "VA": _judge_up_to(_MAX_POWER),
    "var": _judge_up_to(_MAX_POWER),
}


def show_orders(
    raw: bytes, quantity: str | None = None, factor: float = 1.0
) -> list[Interpretation]:
    """What bytes of registers mean in every type and order that they are wide enough for.

    Args:
        raw: Two bytes a register, as they came; a value is read from the first of them on.
        quantity: What it should be; left out, only what no quantity can be is bad.
        factor: To the quantity's base unit, as of the register's scale.

    Returns:
        Best looks first; then integers before floats, narrow before wide, ABCD before others. Of
        a single register, orders that are the same are listed once.
    """
    found = []
    for kind in RegisterType:
        width = 2 * kind.n_registers
        if width > len(raw):
            continue
        # The words of a single register cannot be swapped.
        orders = ByteOrder if kind.n_registers > 1 else (ByteOrder.ABCD, ByteOrder.BADC)
        for order in orders:
            register = Register("", 3, 0, kind, order, factor)
            value = decode_value(raw[:width], register)
            look = judge_value(quantity or "", value)
            found.append(Interpretation(kind, order, value, look))
    looks = list(Look)
    return sorted(found, key=lambda one: looks.index(one.look))


def judge_profile(device_map: RegisterMap, values: Mapping[str, float]) -> Judgement:
    """Whether a profile fits a device.

    Args:
        device_map: The profile.
        values: What it makes of the device's registers, by quantity; NaN or left out where the
            device gave none.
    """
    n_asked = len(device_map.registers) or len(values)
    told = {name: value for name, value in values.items() if not math.isnan(value)}
    looks = {name: judge_value(name, value) for name, value in told.items()}
    bad = [name for name, look in looks.items() if look is Look.BAD]
    good = [name for name, look in looks.items() if look is Look.GOOD]
    if not told:
        return Judgement(0.0, "gave no value", is_fitting=False)
    if all(value == 0 for value in told.values()):
        return Judgement(0.0, "every value is 0, which proves nothing", is_fitting=False)
    words = [f"{name} {told[name]:.4g}" for name in (*good[:3], *bad[:3])]
    share = max(0.0, len(told) - 2 * len(bad)) / max(n_asked, len(told))
    score = share * (1.0 if good else 0.25)
    told_words = f"{len(told)} of {n_asked} values, {len(good)} look right, {len(bad)} wrong"
    shown = f": {', '.join(words)}" if words else ""
    return Judgement(round(score, 3), told_words + shown, is_fitting=bool(good) and not bad)

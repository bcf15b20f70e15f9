"""Factors from the units that devices speak to the base units of the catalogue.

A value is converted once, where it enters, and never back. Temperatures in °F are the one
conversion with an offset.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conversion:
    """``base = raw * factor + offset``."""

    base_unit: str
    factor: float
    offset: float = 0.0

    def to_base(self, raw: float) -> float:
        """The raw value in the base unit."""
        return scale_decimal(raw, self.factor) + self.offset


def scale_decimal(raw: float, factor: float) -> float:
    """A product as the decimal that it is: a meter that says 1.001 kWh means 1001 Wh.

    The nearest float to 1.001 times 1000 is not 1001. Fifteen digits are what a float holds of any
    decimal, so rounding to as many takes nothing from a value that was a decimal.

    >>> scale_decimal(1.001, 1000.0), 1.001 * 1000.0
    (1001.0, 1000.9999999999999)
    """
    product = raw * factor
    if factor == 1.0 or product.is_integer():
        return product
    return float(f"{product:.15g}")


_FACTORS: dict[str, dict[str, float]] = {
    "W": {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9},
    # A watt-minute is what Shelly's first generation counts in (vendor's MQTT documentation).
    "Wh": {"Wmin": 1 / 60, "Ws": 1 / 3600, "J": 1 / 3600, "MJ": 1e6 / 3600}
    | {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9},
    "VA": {"VA": 1.0, "kVA": 1e3},
    "var": {"var": 1.0, "kvar": 1e3, "VAr": 1.0, "kVAr": 1e3},
    "varh": {"varh": 1.0, "kvarh": 1e3, "Mvarh": 1e6, "VArh": 1.0, "kVArh": 1e3},
    "V": {"mV": 1e-3, "V": 1.0, "kV": 1e3},
    "A": {"mA": 1e-3, "A": 1.0, "kA": 1e3},
    "Hz": {"Hz": 1.0, "mHz": 1e-3, "kHz": 1e3},
    "°C": {"°C": 1.0, "C": 1.0},
    "%": {"%": 1.0, "ratio": 100.0},
    "°": {"°": 1.0, "deg": 1.0},
    "": {"": 1.0, "ratio": 1.0, "%ratio": 0.01},
    "W/m²": {"W/m²": 1.0, "W/m2": 1.0, "kW/m2": 1e3},
    "kg": {"g": 1e-3, "kg": 1.0, "t": 1e3},
    "m³": {"m³": 1.0, "m3": 1.0, "L": 1e-3},
}


def find_conversion(unit: str, base_unit: str) -> Conversion | None:
    """The conversion from ``unit`` to ``base_unit``, or None when they measure different things.

    >>> find_conversion("kWh", "Wh").to_base(1.5)
    1500.0
    >>> find_conversion("kWh", "W") is None
    True
    """
    if unit == base_unit:
        return Conversion(base_unit, 1.0)
    if base_unit == "°C" and unit in {"°F", "F"}:
        return Conversion(base_unit, 5 / 9, -160 / 9)
    factor = _FACTORS.get(base_unit, {}).get(unit)
    return None if factor is None else Conversion(base_unit, factor)


def list_units(base_unit: str) -> list[str]:
    """The units that convert to ``base_unit``, for error messages."""
    return sorted(_FACTORS.get(base_unit, {}))

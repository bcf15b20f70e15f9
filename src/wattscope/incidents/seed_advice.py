"""What to do about a panel whose values do not fit together: four cases, asked in this order.

They are for what makes power from the sun. A meter of 90 W is not dirty and a heat pump of 61 °C is
not too hot: who looks after those is told to look at the chart.

The texts and their order are those that operators know. Two of the limits are read as they were
meant: 100 W was a quarter of a panel of 400 W, so it is a quarter of the rating here; and low power
and low voltage are asked by day only, for at night every panel has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wattscope.compute.production import is_solar
from wattscope.core.topology import Device, DeviceKind

HOT: Final = "High temperature detected. Check cooling system."
LOW_POWER: Final = "Low power output. Inspect panel for debris or damage."
LOW_VOLTAGE: Final = "Low voltage. Check electrical connections."
OTHER: Final = "Performance anomaly detected. Schedule inspection."
UNUSUAL: Final = "Unusual for this device. See on its chart what changed, and whether it was meant."

_HOT_C = 60.0
_LOW_POWER_SHARE = 0.25
_LOW_POWER_W = 100.0
_LOW_VOLTAGE_V = 40.0

_OF_SOLAR = frozenset({DeviceKind.PLANT, DeviceKind.STRING})
"""What measures nothing itself: what is wrong there is seen at its panels."""
_TEMPERATURES = ("temperature_c", "module_temperature_c")
_POWERS = ("active_power_w", "production_power_w", "dc_power_w", "power_w")
_VOLTAGES = ("dc_voltage_v", "voltage_v")


def advise(
    values: Mapping[str, float], device: Device | None = None, *, is_day: bool = True
) -> str:
    """The text for the first case that fits.

    Args:
        values: What was measured, by quantity; what is not there fits no case.
        device: Of which the values are; None, or without a rated power: a panel of 400 W.
        is_day: Whether the sun is up.

    >>> advise({"temperature_c": 61.0, "active_power_w": 50.0})
    'High temperature detected. Check cooling system.'
    >>> advise({"active_power_w": 90.0})
    'Low power output. Inspect panel for debris or damage.'
    >>> small = Device("p1", "roof", "Panel 1", DeviceKind.PANEL, rating_w=300.0)
    >>> advise({"active_power_w": 90.0}, small)
    'Performance anomaly detected. Schedule inspection.'
    >>> advise({"active_power_w": 90.0}, Device("fridge", "home", "Fridge", DeviceKind.PLUG))
    'Unusual for this device. See on its chart what changed, and whether it was meant.'
    """
    if device is not None and not (is_solar(device) or device.kind in _OF_SOLAR):
        return UNUSUAL
    temperature = _find(values, _TEMPERATURES)
    if temperature is not None and temperature > _HOT_C:
        return HOT
    rating_w = None if device is None else device.rating_w
    limit_w = _LOW_POWER_W if rating_w is None else _LOW_POWER_SHARE * rating_w
    power = _find(values, _POWERS)
    if is_day and power is not None and power < limit_w:
        return LOW_POWER
    voltage = _find(values, _VOLTAGES)
    if is_day and voltage is not None and voltage < _LOW_VOLTAGE_V:
        return LOW_VOLTAGE
    return OTHER


def _find(values: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((values[name] for name in names if name in values), None)

"""What a panel or inverter says at an instant, as one row of numbers for an isolation forest.

The features are temperature, voltage, current, power, and the power ratio P/(V·I). At night V·I
is nothing or nearly nothing and the ratio would be noise, or a division by zero: such rows are not
scored at all, and neither are rows in which a value is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from wattscope.compute.production import POWER_QUANTITIES

Floats = npt.NDArray[np.float64]

POWER_RATIO = "power_ratio"
"""Power over voltage times current; where one of them is not measured, over DC power."""
NIGHT_SHARE = 0.02
"""Below this share of the rated power it counts as night. At 2 % an inverter barely feeds, and
half or twice of it moves dawn by a few minutes."""

_TEMPERATURES = ("temperature_c", "heat_sink_temperature_c")
_VOLTAGES = ("dc_voltage_v", "voltage_v")
_CURRENTS = ("dc_current_a", "current_a")
_DC_POWER = "dc_power_w"


def choose_features(available: Collection[str]) -> tuple[str, ...]:
    """The features that can be made of these quantities, in order; empty without any power.

    >>> choose_features({"voltage_v", "current_a", "active_power_w"})
    ('voltage_v', 'current_a', 'active_power_w', 'power_ratio')
    """
    roles = (_TEMPERATURES, _VOLTAGES, _CURRENTS, POWER_QUANTITIES)
    temperature, voltage, current, power = (_find_first(role, available) for role in roles)
    if power is None:
        return ()
    is_electric = voltage is not None and current is not None
    dc_power = _DC_POWER if _DC_POWER in available and power != _DC_POWER else None
    names = (temperature, voltage, current, power, None if is_electric else dc_power)
    found = tuple(name for name in names if name is not None)
    return (*found, POWER_RATIO) if is_electric or dc_power is not None else found


def list_quantities(features: Collection[str]) -> tuple[str, ...]:
    """The quantities that features are made of."""
    return tuple(name for name in features if name != POWER_RATIO)


def is_choice(features: tuple[str, ...]) -> bool:
    """Whether these are features that ``choose_features`` gives."""
    return bool(features) and choose_features(list_quantities(features)) == features


def find_reference_power(features: Collection[str], values: Mapping[str, Floats]) -> Floats:
    """What tells day from night, and what power is compared with: V·I, DC power or power [W]."""
    voltage, current = _find_first(_VOLTAGES, features), _find_first(_CURRENTS, features)
    if voltage is not None and current is not None:
        return values[voltage] * values[current]
    return values[_DC_POWER if POWER_RATIO in features else _first_power(features)]


def build_rows(
    features: Collection[str], values: Mapping[str, Floats], night_w: npt.ArrayLike
) -> Floats:
    """Rows to train on or to score.

    Args:
        features: As ``choose_features`` gave them.
        values: Quantity to values [base unit], all of one shape; NaN where missing.
        night_w: Reference power at and below which it is night [W]; fits the shape.

    Returns:
        Shape of the values and one axis more, for the features; NaN in all features of a row that
        is not to be scored.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        reference = find_reference_power(features, values)
        is_day = (reference > np.maximum(night_w, 0.0)) & np.isfinite(reference)
    rows = np.stack(
        [
            _divide(values[_first_power(features)], reference, is_day)
            if name == POWER_RATIO
            else values[name]
            for name in features
        ],
        axis=-1,
    )
    rows[~(is_day & np.isfinite(rows).all(axis=-1))] = np.nan
    return rows


def _divide(power: Floats, reference: Floats, is_day: npt.NDArray[np.bool_]) -> Floats:
    ratio = np.full(power.shape, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        np.divide(power, reference, out=ratio, where=is_day)
    return ratio


def _first_power(features: Collection[str]) -> str:
    return next(name for name in POWER_QUANTITIES if name in features)


def _find_first(names: Collection[str], available: Collection[str]) -> str | None:
    return next((name for name in names if name in available), None)

"""The grid that simulated meters hang on: its frequency and its voltages."""

from __future__ import annotations

import numpy as np

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.simulate.noise import hash_unit, smooth_noise

# Independent noises of one world; the numbers are part of what a seed means.
_DRIFT, _FLICKER, _EVENT, _EVENT_SIZE, _VOLTAGE = 101, 102, 103, 104, 105

_EVENT_S = 900
"""Time that the frequency is away in an excursion [s]."""
_EVENT_SHARE = 0.004
"""Of the quarter hours, those with an excursion: about one in two and a half days."""
_SAG_V_PER_W = 0.0004
"""How much the voltage of a phase falls with its load [V/W]."""


def frequency_at(seed: int, instant_s: Int64Column) -> FloatColumn:
    """Frequency [Hz]: 50 ± 0.05, and now and then a quarter hour up to 0.25 away."""
    drift = smooth_noise(seed, _DRIFT, instant_s, 600) - 0.5
    flicker = smooth_noise(seed, _FLICKER, instant_s, 20) - 0.5
    event, past_s = np.divmod(instant_s, _EVENT_S)
    is_away = hash_unit(seed, _EVENT, event) < _EVENT_SHARE
    size = hash_unit(seed, _EVENT_SIZE, event) - 0.5
    away = np.sign(size) * (0.08 + 0.24 * np.abs(size)) * np.sin(np.pi * past_s / _EVENT_S)
    return 50.0 + 0.07 * drift + 0.03 * flicker + np.where(is_away, away, 0.0)


def voltages_at(
    seed: int, instant_s: Int64Column, power_w: FloatColumn, nominal_v: float
) -> FloatColumn:
    """Voltages of the phases [V], shape ``(3, n)``: nominal ± 1.5 %, lower under load.

    Args:
        seed: Chooses the world.
        instant_s: Instants in rising order [s since 1970].
        power_w: Power of each phase, shape ``(3, n)``.
        nominal_v: Phase to neutral.
    """
    sway = np.array([smooth_noise(seed, _VOLTAGE + 10 * n, instant_s, 700) for n in range(3)])
    lowest_v = 0.85 * nominal_v
    return np.maximum(nominal_v * (1.0 + 0.03 * (sway - 0.5)) - _SAG_V_PER_W * power_w, lowest_v)

"""The power that a device cannot exceed, where it runs into it again and again.

On a plain summer's day power moves slowly around noon as well; a limit is told from that by how
much time is spent within a hair of the highest power and how little right below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import quantile
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.core.window import Matrix

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What counts as running into a limit."""

    hair: float = 0.01
    """Powers within this share of the limit are at it."""
    crowd: float = 4.0
    """How many times the time at the limit exceeds that in an equal band right below it."""
    min_hours: float = 2.0
    """Least time at the limit in the window [h]."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Highest powers, and where devices were at them."""

    limit_w: Floats
    """What each device exceeds in 0.2 % of the time only [W]; shape ``(n_devices,)``."""
    is_at: Flags
    """Whether it ran into it; false at all times for a device that has no limit; shape
    ``(n_devices, n_slots)``."""


def find_limits(power_w: Matrix, step_us: int, options: LimitOptions | None = None) -> Limits:
    """Limits of devices, told by their power alone.

    Args:
        power_w: Produced [W]; shape ``(n_devices, n_slots)``.
        step_us: Length of a slot [µs].
        options: What counts.
    """
    options = options or LimitOptions()
    limit = quantile(power_w, 0.998)[:, None]
    with np.errstate(invalid="ignore"):
        is_at = (np.abs(power_w - limit) <= options.hair * limit) & (limit > 0.0)
        # A band of twice the width, right below.
        is_below = power_w >= (1.0 - 5.0 * options.hair) * limit
        is_below &= power_w < (1.0 - options.hair) * limit
    is_crowded = is_at.sum(1) >= options.crowd / 2.0 * np.maximum(is_below.sum(1), 1)
    is_enough = is_at.sum(1) * step_us >= options.min_hours * US_PER_HOUR
    is_at &= (is_crowded & is_enough)[:, None]
    return Limits(limit[:, 0], is_at)

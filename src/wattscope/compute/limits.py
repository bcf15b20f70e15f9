"""The power that a device cannot exceed, where it runs into it again and again.

On a plain summer's day power moves slowly around noon as well; a limit is told from that by how
much time is spent within a hair of one power and how little right beside it, and by the light, or
the siblings, varying meanwhile. The limit may have been set, or lifted, within the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import quantile
from wattscope.compute.spans import find_spans
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.window import Matrix

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_LOWEST = 0.2
"""No limit is looked for below this share of a device's best hours."""


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What counts as running into a limit."""

    hair: float = 0.01
    """Powers within this share of the limit are at it."""
    crowd: float = 4.0
    """How many times the time at the limit exceeds that in an equal band beside it."""
    min_run_s: float = 2700.0
    """Shortest time at the limit [s]."""
    min_hours: float = 2.0
    """Least time at the limit in the window [h]."""
    min_variation: float = 0.06
    """By how much the light varies meanwhile, as a share."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of devices, and where they were at them."""

    limit_w: Floats
    """[W]; NaN for a device without one; shape ``(n_devices,)``."""
    is_at: Flags
    """Shape ``(n_devices, n_slots)``."""


def find_limits(
    power_w: Matrix, light: Matrix, step_us: int, options: LimitOptions | None = None
) -> Limits:
    """Limits of devices, told by their power and the light at them.

    Args:
        power_w: Produced [W]; shape ``(n_devices, n_slots)``.
        light: What tells the light: of siblings, of a sensor, of a clear sky, in any unit; NaN
            where unknown.
        step_us: Length of a slot [µs].
        options: What counts.
    """
    options = options or LimitOptions()
    steady = _find_steady(power_w, step_us, options)
    limit_w = np.full(len(power_w), np.nan)
    is_at = np.zeros(power_w.shape, np.bool_)
    least = options.min_hours * US_PER_HOUR / step_us
    for row in np.flatnonzero(steady.sum(1) >= max(least, 3)).tolist():
        level = _find_crowd(power_w[row], steady[row], options)
        if level is None:
            continue
        at = steady[row] & (np.abs(power_w[row] - level) <= options.hair * level)
        if at.sum() >= max(least, 3) and _varies(light[row], at, options.min_variation):
            limit_w[row], is_at[row] = level, at
    return Limits(limit_w, is_at)


def _find_steady(power: Matrix, step_us: int, options: LimitOptions) -> Flags:
    """Slots in runs over which power hardly moves from one to the next."""
    best = quantile(power, 0.998)[:, None]
    with np.errstate(invalid="ignore"):
        is_same = np.abs(np.diff(power, axis=1)) <= options.hair * power[:, 1:]
        is_same &= power[:, 1:] >= _LOWEST * best
    least = max(2, int(options.min_run_s * US_PER_S / step_us) - 1)
    spans = find_spans(is_same, least)
    # A step between two slots belongs to both.
    edges = np.zeros((len(power), power.shape[1] + 1), np.int64)
    np.add.at(edges, (spans.row, spans.start), 1)
    np.add.at(edges, (spans.row, spans.end + 1), -1)
    return np.asarray(np.cumsum(edges, axis=1)[:, :-1] > 0, np.bool_)


def _find_crowd(power: FloatColumn, steady: Flags, options: LimitOptions) -> float | None:
    """The power around which a device spends far more time than right beside it."""
    known = np.sort(power[steady])
    whole = np.sort(power[np.isfinite(power)])
    width = 1.0 + options.hair
    low, high = (
        np.searchsorted(known, known / width),
        np.searchsorted(known, known * width, "right"),
    )
    inside = high - low
    place = int(np.argmax(inside))
    level = float(np.median(known[low[place] : high[place]]))
    n_inside = _count(whole, level / width, level * width)
    # Two bands of twice the width, below and above.
    below = _count(whole, level / width**5, level / width)
    above = _count(whole, level * width, level * width**5)
    is_crowded = n_inside >= options.crowd / 2.0 * max(below, above, 1)
    return level if is_crowded else None


def _count(ordered: FloatColumn, low: float, high: float) -> int:
    return int(np.searchsorted(ordered, high, "right") - np.searchsorted(ordered, low, "right"))


def _varies(light: FloatColumn, at: Flags, least: float) -> bool:
    meanwhile = light[at & np.isfinite(light)]
    if not len(meanwhile):
        return False
    low, high = float(quantile(meanwhile, 0.1)), float(quantile(meanwhile, 0.9))
    return high >= (1.0 + least) * low

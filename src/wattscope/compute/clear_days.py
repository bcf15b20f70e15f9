"""Which days had a clear sky, told by the shape of what a plant itself gave.

On a clear day power rises once and falls once; clouds make it go up and down. The way up and down
over the day, summed, is then twice the peak, and longer under clouds. A smooth day under an even
grey sky is told by its energy, which is far below that of the best days around it.

The measure is the one of line length in Reno, Hansen (2016), Identification of periods of clear sky
irradiance in time series of GHI measurements, doi 10.1016/j.renene.2015.12.031, over a whole day
and without a model of the sky.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.production import Days
from wattscope.compute.robust import median, quantile
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.core.window import Matrix

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_SUNNY = 0.85
"""From this share of the best that an hour of the day gave, the sun came through."""
_LIT = 0.05
"""The least that the best must be, as a share of the best hours of all."""
_BLOCK_US = 30 * US_PER_MINUTE


@dataclass(frozen=True, slots=True)
class ClearDayOptions:
    """What counts as clear."""

    max_detour: float = 1.08
    """The way up and down over twice the peak; 1 is a perfect day."""
    min_energy: float = 0.8
    """Least energy, as a share of the best day within ``reach`` days."""
    reach: int = 15
    min_known: float = 0.9
    """Least part of a day's slots that must have values."""


def find_clear_days(
    power_w: Matrix, days: Days, step_us: int, options: ClearDayOptions | None = None
) -> Flags:
    """Which days of a plant were clear; shape ``(n_days,)``.

    Args:
        power_w: Of each device [W], never below 0; shape ``(n_devices, n_slots)``.
        days: The window's days.
        step_us: Length of a slot [µs].
        options: What counts as clear.
    """
    options = options or ClearDayOptions()
    sky = plant_profile(power_w)
    per_block = max(1, _BLOCK_US // step_us)
    is_known = np.isfinite(sky)
    share_known = days.sum(is_known.astype(np.float64)[None])[0] / np.diff(
        np.append(days.starts, len(sky))
    )
    energy = days.sum(sky[None])[0]
    clear = np.zeros(days.count, np.bool_)
    for at in range(days.count):
        begin = days.starts[at]
        end = days.starts[at + 1] if at + 1 < days.count else len(sky)
        best = energy[max(0, at - options.reach) : at + options.reach + 1].max()
        clear[at] = (
            share_known[at] >= options.min_known
            and energy[at] > 0.0
            and energy[at] >= options.min_energy * best
            and _detour(sky[begin:end], int(per_block)) <= options.max_detour
        )
    return clear


def find_sunny_slots(power_w: Matrix, days: Days, slot_us: Int64Column, step_us: int) -> Flags:
    """Where the sun came through, on whatever day: near the best that this hour of the day gave.

    Args:
        power_w: Of each device [W], never below 0; shape ``(n_devices, n_slots)``.
        days: The window's days.
        slot_us: Where slots begin [µs].
        step_us: Length of a slot [µs].
    """
    sky = plant_profile(power_w)
    hour = np.asarray((slot_us - days.edges_us[days.of_slot]) // step_us, np.int64)
    table = np.full((days.count, int(hour.max(initial=0)) + 1), np.nan)
    table[days.of_slot, hour] = sky
    best = quantile(table, 0.95, 0)[hour]
    with np.errstate(invalid="ignore"):
        return np.asarray((sky >= _SUNNY * best) & (best >= _LIT), np.bool_)


def plant_profile(power_w: Matrix) -> Floats:
    """Median of what its devices give, each over its own best hours; shape ``(n_slots,)``."""
    best = quantile(power_w, 0.98)
    best = np.where(best > 0.0, best, np.nan)
    return median(power_w / best[:, None], 0)


def _detour(sky: Floats, per_block: int) -> float:
    """How much longer the way up and down is than up to the peak and down again."""
    n_blocks = len(sky) // per_block
    if n_blocks == 0:
        return float("inf")
    blocks = np.nan_to_num(sky[: n_blocks * per_block]).reshape(n_blocks, per_block).mean(1)
    peak = float(blocks.max())
    way = float(np.abs(np.diff(blocks, prepend=0.0, append=0.0)).sum())
    return way / (2.0 * peak) if peak > 0.0 else float("inf")

"""When the middle of a solar device's day was, by its own clock.

The middle is that between its first and its last power, which clouds move far less than the
middle of its energy. The sun's own wandering through the year (the equation of time) is taken off.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import quantile
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.window import Matrix

Floats = npt.NDArray[np.float64]

_AWAKE_SHARE = 0.02
"""Power from this part of a usual day's peak on counts as day."""
_LEAST_DAY_US = 4 * US_PER_HOUR
"""A shorter day is one with missing readings, or under snow."""
# 2000-01-01 00:00 UTC.
_Y2000_US = 946_684_800_000_000


def equation_of_time(instant_us: Int64Column) -> Floats:
    """What a sundial is ahead of a clock [minutes].

    Spencer (1971), Fourier series representation of the position of the sun, Search 2 (5), 172.

    >>> equation_of_time(np.array([1_699_012_800_000_000])).round(1)  # early November
    array([16.4])
    """
    days = (np.asarray(instant_us, np.int64) - _Y2000_US) / US_PER_DAY
    angle = 2.0 * np.pi * (days % 365.25) / 365.25
    return np.asarray(
        229.18
        * (
            0.000075
            + 0.001868 * np.cos(angle)
            - 0.032077 * np.sin(angle)
            - 0.014615 * np.cos(2.0 * angle)
            - 0.040849 * np.sin(2.0 * angle)
        ),
        np.float64,
    )


def find_middles(power_w: Matrix, slot_us: Int64Column, step_us: int) -> tuple[Int64Column, Floats]:
    """The middle of each day of each device.

    Args:
        power_w: Shape ``(n_devices, n_slots)``.
        slot_us: Where slots begin [µs].
        step_us: Length of a slot [µs].

    Returns:
        Where days begin [µs], and the minutes from there to the middle of the device's day with
        the equation of time taken off, shape ``(n_devices, n_days)``; NaN where it is not known.
        A day begins twelve hours before the usual middle, so that no day is cut in two.
    """
    n_devices, n_slots = power_w.shape
    if n_slots == 0 or n_devices == 0:
        return np.empty(0, np.int64), np.empty((n_devices, 0))
    peak = quantile(power_w, 0.98)
    with np.errstate(invalid="ignore"):
        is_awake = (power_w > _AWAKE_SHARE * peak[:, None]) & (peak[:, None] > 0.0)
    noon_us = _usual_middle(is_awake, slot_us, step_us)
    first_us = noon_us - US_PER_DAY // 2
    day = (slot_us - first_us) // US_PER_DAY
    starts = np.unique(day)
    into = (slot_us + step_us // 2 - first_us) % US_PER_DAY
    middles = np.full((n_devices, len(starts)), np.nan)
    for place, one in enumerate(starts.tolist()):
        here = day == one
        awake = is_awake[:, here]
        at = into[here].astype(np.float64)
        begin = np.where(awake, at, np.inf).min(1)
        end = np.where(awake, at, -np.inf).max(1)
        is_whole = _is_whole(power_w[:, here], awake, step_us)
        good = is_whole & (end - begin >= _LEAST_DAY_US)
        middles[good, place] = (begin[good] + end[good]) / 2.0 / US_PER_MINUTE
    starts_us = first_us + starts * US_PER_DAY
    return starts_us, middles + equation_of_time(starts_us)[None]


def _is_whole(
    power_w: Matrix, is_awake: npt.NDArray[np.bool_], step_us: int
) -> npt.NDArray[np.bool_]:
    """Whether the hour before the first power and the hour after the last one are known."""
    n_slots = power_w.shape[1]
    margin = max(1, US_PER_HOUR // step_us)
    known = np.isfinite(power_w)
    found = np.zeros(len(power_w), np.bool_)
    for row in np.flatnonzero(is_awake.any(1)).tolist():
        slots = np.flatnonzero(is_awake[row])
        low, high = max(0, slots[0] - margin), min(n_slots, slots[-1] + 1 + margin)
        is_inside = slots[0] >= margin and slots[-1] + margin < n_slots
        found[row] = is_inside and bool(known[row, low:high].all())
    return found


def _usual_middle(is_awake: npt.NDArray[np.bool_], slot_us: Int64Column, step_us: int) -> int:
    """An instant at which devices are in the middle of their day [µs], of whatever day."""
    into = (slot_us + step_us // 2) % US_PER_DAY
    angle = 2.0 * np.pi * into / US_PER_DAY
    weight = is_awake.sum(0)
    east, north = float((weight * np.sin(angle)).sum()), float((weight * np.cos(angle)).sum())
    return round(math.atan2(east, north) / (2.0 * math.pi) * US_PER_DAY)

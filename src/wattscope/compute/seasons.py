"""What a day or a week usually looks like, where it explains a series; else nothing is expected.

::

    series  _-_._-_._-_._-_-_-      usual day  _-_.      rest  ____________-_-

A usual value is the median over all cycles of the window at the same local time, so that a few
strange days do not become usual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import median, quantile
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, from_us, load_zone

Floats = npt.NDArray[np.float64]

_CYCLES = (US_PER_DAY, 7 * US_PER_DAY)
_LEAST_CYCLES = 4
"""Fewer days or weeks tell no usual one."""
_HALF_WIDTH_US = US_PER_HOUR // 2
"""Neighbours in time that tell the usual value together with the slot."""


class _Cycle(NamedTuple):
    """How slots fold into days or weeks."""

    of_slot: Int64Column
    """Which cycle, from 0."""
    place: Int64Column
    """Where in the cycle, from 0."""
    length: int
    """Slots of a cycle."""


def find_season(
    values: Floats, slot_us: Int64Column, step_us: int, time_zone: str, *, gain: float
) -> Floats:
    """The usual day or week of each row; 0 where neither explains enough of it.

    Args:
        values: About 0, its level already taken away; shape ``(n_rows, n_slots)``.
        slot_us: Where slots begin [µs].
        step_us: Length of a slot [µs].
        time_zone: In whose local time days repeat.
        gain: The mean deviation must shrink to less than this part of what it was.
    """
    season = np.zeros_like(values)
    if values.size == 0:
        return season
    local_us = slot_us + _find_offsets(slot_us, time_zone)
    left = _mean_deviation(values)
    for cycle_us in _CYCLES:
        if cycle_us % step_us or len(slot_us) * step_us < _LEAST_CYCLES * cycle_us:
            continue
        length = cycle_us // step_us
        number = local_us // step_us
        cycle = _Cycle(number // length - number.min() // length, number % length, length)
        usual = _find_usual(values, cycle, step_us)[:, cycle.place]
        rest = _mean_deviation(values - usual)
        explains = rest < gain * left
        season[explains], left[explains] = usual[explains], rest[explains]
    return season


def _find_usual(values: Floats, cycle: _Cycle, step_us: int) -> Floats:
    """The usual cycle of each row; shape ``(n_rows, cycle.length)``."""
    n_cycles = int(cycle.of_slot.max()) + 1
    folded = np.full((len(values), n_cycles, cycle.length), np.nan)
    folded[:, cycle.of_slot, cycle.place] = values
    half = min(_HALF_WIDTH_US // step_us, cycle.length // 2)
    if half == 0:
        # A week of hours has few cycles: the hour before and after help to tell it.
        half = 1 if cycle.length > US_PER_DAY // step_us else 0
    places = np.arange(0, cycle.length, max(1, half))
    found = np.empty((len(values), len(places)))
    for number, place in enumerate(places.tolist()):
        near = np.arange(place - half, place + half + 1) % cycle.length
        found[:, number] = median(folded[:, :, near].reshape(len(values), -1))
    found = np.nan_to_num(found)
    closed = np.column_stack([found, found[:, 0]])
    at = np.append(places, cycle.length)
    every = np.arange(cycle.length)
    return np.stack([np.interp(every, at, row) for row in closed])


def _mean_deviation(values: Floats) -> Floats:
    """Mean distance from the median of each row, without its farthest hundredth."""
    apart = np.abs(values - median(values)[:, None])
    with np.errstate(invalid="ignore"):
        kept = np.where(apart <= quantile(apart, 0.99)[:, None], apart, np.nan)
    known = np.isfinite(kept)
    count = np.maximum(known.sum(-1), 1)
    means: Floats = np.where(known, kept, 0.0).sum(-1) / count
    return means


def _find_offsets(slot_us: Int64Column, time_zone: str) -> Int64Column:
    """What local time is ahead of UTC at each slot [µs]."""
    zone = load_zone(time_zone)
    hours, of_slot = np.unique(slot_us // US_PER_HOUR, return_inverse=True)
    offsets = []
    for hour in hours.tolist():
        ahead = from_us(hour * US_PER_HOUR).astimezone(zone).utcoffset()
        offsets.append(round(ahead.total_seconds() * 1e6) if ahead is not None else 0)
    return np.asarray(np.array(offsets, np.int64)[of_slot])

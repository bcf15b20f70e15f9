"""Counters side by side on a grid of slots: how often they fall, and what they grew by each day."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.production import Days
from wattscope.core.window import Matrix

Ints = npt.NDArray[np.int64]

CLEAN_RESET = 0.01
"""A counter that begins again does so near zero: at this share of what it was, or below."""


class Falls(NamedTuple):
    """Falls of each counter; shape ``(n_devices,)``."""

    n_resets: Ints
    """To near zero: the counter began again, and goes on from there."""
    n_others: Ints
    """To anything else: which no counter that works does."""
    first: Ints
    """Slot of the first fall of the second kind; -1 where there is none."""
    last: Ints
    """Slot of the last one."""


def carry_forward(counter: Matrix) -> Matrix:
    """Each slot's value, or the last known one before it; NaN before the first."""
    known = np.isfinite(counter)
    places = np.where(known, np.arange(counter.shape[1]), -1)
    np.maximum.accumulate(places, axis=1, out=places)
    carried = np.take_along_axis(counter, np.maximum(places, 0), axis=1)
    return np.where(places >= 0, carried, np.nan)


def count_falls(counter: Matrix) -> Falls:
    """How often counters fall, gaps bridged; shape of ``counter`` is ``(n_devices, n_slots)``."""
    carried = carry_forward(counter)
    before, after = carried[:, :-1], carried[:, 1:]
    with np.errstate(invalid="ignore"):
        falls = after < before
        is_reset = falls & (after <= CLEAN_RESET * before)
    is_other = falls & ~is_reset
    if not is_other.shape[1]:
        none = np.zeros(len(counter), np.int64)
        return Falls(none, none, none - 1, none - 1)
    has = is_other.any(axis=1)
    first = np.where(has, is_other.argmax(axis=1) + 1, -1).astype(np.int64)
    last = np.where(has, is_other.shape[1] - is_other[:, ::-1].argmax(axis=1), -1)
    return Falls(is_reset.sum(1), is_other.sum(1), first, last.astype(np.int64))


def grow_by_day(counter: Matrix, days: Days) -> Matrix:
    """What counters grew by on each day; shape ``(n_devices, n_days)``.

    From the last value of the day before (on the first day: the first value of the day) to the last
    value of the day; NaN where either is unknown, or where the counter fell.
    """
    carried = carry_forward(counter)
    ends = np.append(days.starts[1:], counter.shape[1]) - 1
    at_end = carried[:, ends]
    known = np.isfinite(counter)
    first = np.where(known.any(1), known.argmax(1), 0)
    at_start = np.concatenate([np.full((len(counter), 1), np.nan), at_end[:, :-1]], axis=1)
    day_of_first = days.of_slot[first]
    rows = np.arange(len(counter))
    at_start[rows, day_of_first] = counter[rows, first]
    growth = at_end - at_start
    return np.where(growth >= 0.0, growth, np.nan)

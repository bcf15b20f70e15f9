"""What the slots around each one say about it: middles, means and quantiles.

Rows are devices, columns are slots; NaN is "not known". But for ``median_around``, what a slot gets
depends on this slot and earlier ones alone, so that a longer window tells the same about the same
instant. The slots before the first full stretch share what that stretch says, for something has to
be known to begin with.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import quantile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOOKS_A_STRETCH = 48
"""A median over many slots moves slowly: it is taken anew so many times in each stretch."""
_LOOKS_A_WINDOW = 40
"""So many times in a window a quantile of all the past is taken anew."""
_VALUES_AT_ONCE = 4_000_000
"""Bounds the memory of the copies that sorting needs."""
_LARGEST = 1e100
"""No quantity is larger; sums of what is smaller stay finite."""


def keep_sound(values: Floats) -> Floats:
    """The same, with what is not finite, or too large to be added up, not known."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) <= _LARGEST, values, np.nan)


def running_median(values: Floats, width: int) -> Floats:
    """The median of the last ``width`` slots; NaN where none of them is known.

    It is renewed every ``width / 48`` slots and held in between.

    Args:
        values: Shape ``(n_rows, n_slots)``.
        width: Slots of a stretch, at least 1.

    >>> running_median(np.array([[1.0, 9.0, 2.0, np.nan, 3.0]]), 3)
    array([[2. , 2. , 2. , 5.5, 2.5]])
    """
    n_rows, n_slots = values.shape
    if n_rows == 0 or n_slots == 0:
        return values.copy()
    width = max(1, min(width, n_slots))
    ends = np.arange(width, n_slots + 1, max(1, width // _LOOKS_A_STRETCH))
    stretches = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)
    found = np.empty((n_rows, len(ends)))
    # A few ends of all rows at once, so that copies stay small.
    group = max(1, _VALUES_AT_ONCE // (n_rows * width))
    for low in range(0, len(ends), group):
        some = slice(low, low + group)
        found[:, some] = _middle(stretches[:, ends[some] - width])
    return found[:, _held(ends, n_slots)]


def median_around(values: Floats, reach: int) -> Floats:
    """The median of each slot and ``reach`` slots on both sides; it does look ahead.

    >>> median_around(np.array([[1.0, 9.0, 2.0]]), 1)
    array([[5. , 2. , 5.5]])
    """
    n_rows, n_slots = values.shape
    found = np.empty_like(values)
    width = 2 * reach + 1
    padded = np.pad(values, ((0, 0), (reach, reach)), constant_values=np.nan)
    if values.size == 0:
        return found
    around = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    group = max(1, _VALUES_AT_ONCE // (n_rows * width))
    for low in range(0, n_slots, group):
        some = slice(low, low + group)
        found[:, some] = quantile(around[:, some], 0.5)
    return found


def running_mean(values: Floats, width: int) -> Floats:
    """The mean of the last ``width`` slots; NaN where fewer than half of them are known.

    >>> running_mean(np.array([[2.0, 4.0, np.nan, np.nan]]), 2)
    array([[2., 3., 4., nan]])
    """
    n_slots = values.shape[1]
    width = max(1, width)
    known = np.isfinite(values)
    total = _running_sum(np.where(known, values, 0.0))
    count = _running_sum(known.astype(np.float64))
    past = np.arange(1, n_slots + 1)
    first = np.maximum(past - width, 0)
    n_known = count[:, past] - count[:, first]
    means = np.full(values.shape, np.nan)
    enough = n_known >= max(1.0, width / 2.0)
    np.divide(total[:, past] - total[:, first], n_known, out=means, where=enough)
    return means


def past_quantile(values: Floats, q: float, first: int) -> Floats:
    """The quantile of everything up to a slot; NaN where nothing is known.

    It is renewed forty times in the window and held in between.

    Args:
        values: Shape ``(n_rows, n_slots)``.
        q: 0 to 1.
        first: Slots that tell what those before them get.

    >>> past_quantile(np.array([[0.0, 1.0, 2.0, 3.0]]), 1.0, 2)
    array([[1., 1., 2., 3.]])
    """
    n_slots = values.shape[1]
    if n_slots == 0:
        return values.copy()
    first = max(1, min(first, n_slots))
    ends = np.unique(np.linspace(first, n_slots, min(_LOOKS_A_WINDOW, n_slots)).astype(np.int64))
    found = np.stack([quantile(values[:, :end], q) for end in ends], axis=1)
    return found[:, _held(ends, n_slots)]


def _held(ends: Ints, n_slots: int) -> Ints:
    """For each slot the newest look that saw no later one; at the beginning the first look."""
    newest = np.searchsorted(ends, np.arange(1, n_slots + 1), side="right") - 1
    return np.maximum(newest, 0)


def _middle(stretches: Floats) -> Floats:
    """Medians along the last axis; much faster where everything is known."""
    if np.isnan(stretches).any():
        return quantile(stretches, 0.5)
    return np.asarray(np.median(stretches, axis=-1), np.float64)


def _running_sum(values: Floats) -> Floats:
    """Sums of all slots before each one, and of all."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums

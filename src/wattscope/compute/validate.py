"""Judging decoded values: instants that cannot be, values that no healthy device gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Quality
from wattscope.core.time_grid import US_PER_MINUTE

MAX_FUTURE_US = 5 * US_PER_MINUTE
"""A reading from further ahead than this is set aside: some clock is wrong."""


def find_future(t: npt.NDArray[np.int64], now_us: int) -> npt.NDArray[np.bool_]:
    """Rows whose instant lies more than five minutes ahead of ``now_us``."""
    return t > now_us + MAX_FUTURE_US


def find_out_of_range(
    value: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Values beyond ``[low, high]``, which no sensor of the kind can mean; never NaN.

    >>> find_out_of_range(np.array([1.0, 9.0, np.nan]), np.zeros(3), np.full(3, 5.0)).tolist()
    [False, True, False]
    """
    return (value < low) | (value > high)


def grade_values(
    value: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> npt.NDArray[np.uint8]:
    """Quality of each value: missing where NaN, implausible outside ``[low, high]``.

    >>> grade_values(np.array([1.0, 9.0, np.nan]), np.zeros(3), np.full(3, 5.0)).tolist()
    [0, 2, 1]
    """
    quality = np.where((value < low) | (value > high), int(Quality.IMPLAUSIBLE), 0)
    quality[np.isnan(value)] = int(Quality.MISSING)
    return quality.astype(np.uint8)

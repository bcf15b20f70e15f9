"""What a counter grew by between two readings, however the register misbehaved.

A register that only grows may still fall: the meter restarts at zero (reset), or one reading is
wrong and the next is right again (glitch). A lone wrong reading is left out, whether it is too low
or too high, so that no outlier can latch; what remains and falls is a reset, after which the new
value itself is the growth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolColumn = npt.NDArray[np.bool_]


def find_lone_outliers(value: npt.NDArray[np.float64], is_same_as_next: BoolColumn) -> BoolColumn:
    """Rows that leave a rising register and come back with the very next reading.

    Args:
        value: Register values in time order, series after series, shape ``(n,)``.
        is_same_as_next: Whether row ``i`` and row ``i + 1`` are of one series, shape ``(n - 1,)``.

    Returns:
        Shape ``(n,)``; the first and the last row of a series are never outliers.

    >>> find_lone_outliers(np.array([5.0, 0.0, 6.0, 99.0, 7.0]), np.ones(4, bool)).tolist()
    [False, True, False, True, False]
    """
    outliers = np.zeros(len(value), np.bool_)
    if len(value) < 3:
        return outliers
    before, here, after = value[:-2], value[1:-1], value[2:]
    has_both = is_same_as_next[:-1] & is_same_as_next[1:]
    is_dip = (here < before) & (after >= before)
    is_spike = (here > after) & (after >= before)
    outliers[1:-1] = has_both & (is_dip | is_spike)
    return outliers


def increases(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Growth of a counter from one reading to the next, never negative.

    A fall is a reset to zero: what the register shows since then is the growth.

    >>> increases(np.array([10.0, 12.0]), np.array([12.0, 3.0])).tolist()
    [2.0, 3.0]
    """
    return np.where(after >= before, after - before, np.maximum(after, 0.0))

"""Lasting steps of a level, up or down, in a series of days or slots; NaN is an unknown one.

::

    ..·.·..·.│                    before: median of the last ``reach`` known values
             │ ·..·.·..·.·        after:  median of as many from here on

Not to be mixed up with ``steps_and_slopes``, which looks for falls of a share about 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import NORMAL_MAD, median

Floats = npt.NDArray[np.float64]

# Standard error of a median over that of a mean, for normal noise: Kenney, Keeping (1962),
# Mathematics of Statistics, part 1, 3rd edition, p. 211.
_MEDIAN_ERROR = 1.2533


class LevelStep(NamedTuple):
    """Where a level changed."""

    place: int
    """First value at the new level."""
    before: float
    after: float
    sureness: float
    """Size over its standard error."""


def find_level_steps(
    values: Floats, reach: int, *, least: float, sureness: float
) -> list[LevelStep]:
    """Steps that last, by place; of several within ``reach`` the surest one.

    Args:
        values: Shape ``(n,)``.
        reach: Known values on each side that tell the levels.
        least: Smallest step, in the unit of the values.
        sureness: Least size over the standard error of the two medians.
    """
    places = np.flatnonzero(np.isfinite(values))
    known = values[places]
    if len(known) < 2 * reach:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(known, reach)
    level = median(windows)
    noise = NORMAL_MAD * median(np.abs(windows - level[:, None]))
    before, after = level[:-reach], level[reach:]
    error = _MEDIAN_ERROR * np.sqrt((noise[:-reach] ** 2 + noise[reach:] ** 2) / reach)
    size = np.abs(after - before)
    score = size / np.maximum(error, 1e-9 + 0.01 * least)
    is_step = (size >= least) & (score >= sureness)
    steps: list[LevelStep] = []
    for at in np.argsort(-np.where(is_step, score, -1.0)).tolist():
        if not is_step[at]:
            break
        place = _place(known, at, reach)
        if all(abs(place - np.searchsorted(places, one.place)) >= reach for one in steps):
            steps.append(
                LevelStep(int(places[place]), float(before[at]), float(after[at]), float(score[at]))
            )
    return sorted(steps)


def _place(known: Floats, at: int, reach: int) -> int:
    """The cut that leaves the least distance to the medians of both sides."""
    around = known[at : at + 2 * reach]
    low, high = max(1, reach // 2), len(around) - max(1, reach // 2)
    left = [
        np.abs(part - np.median(part)).sum()
        for cut in range(low, high + 1)
        for part in (around[:cut], around[cut:])
    ]
    costs = np.array(left).reshape(-1, 2).sum(1)
    return at + low + int(np.argmin(costs))

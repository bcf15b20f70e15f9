"""Lasting steps down, and slow falls with recoveries, in shares of days.

::

    step      ──────╮              slow fall   ╲     ╲      ╱ cleaned, or rain
                    ╰──────                     ╲    │╲    │
                                                 ╲───╯ ╲───╯
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import NORMAL_MAD, Slope, fit_slope, median

Floats = npt.NDArray[np.float64]


class Step(NamedTuple):
    """A fall from one level to another that lasts."""

    start: int
    """First day at the lower level."""
    end: int
    """First day no longer at it."""
    before: float
    after: float


class Fall(NamedTuple):
    """A slow fall between two recoveries."""

    start: int
    """First day."""
    end: int
    """First day after it."""
    slope: Slope
    """Per day, with day 0 the first of the series."""

    @property
    def clean(self) -> float:
        """The level at its first day."""
        return self.slope.level + self.slope.per_x * self.start

    @property
    def dirty(self) -> float:
        """The level at its last day."""
        return self.slope.level + self.slope.per_x * (self.end - 1)


def day_noise(shares: Floats) -> float:
    """How far two days in a row usually lie apart, as the deviation of one of them."""
    known = shares[np.isfinite(shares)]
    if len(known) < 3:
        return float("inf")
    return float(NORMAL_MAD * median(np.abs(np.diff(known))) / np.sqrt(2.0))


def find_steps(shares: Floats, least: float, *, min_days: int = 2, reach: int = 5) -> list[Step]:
    """Falls by at least ``least`` from one day to the next that last; NaN is an unknown day.

    Args:
        shares: Of each day, about 1; shape ``(n_days,)``.
        least: Smallest fall, in the unit of the shares; noise may ask for more.
        min_days: Known days that the lower level must last.
        reach: Known days before and after that tell the levels.
    """
    places = np.flatnonzero(np.isfinite(shares))
    known = shares[places]
    need = max(least, 4.0 * day_noise(shares))
    steps: list[Step] = []
    at = min_days
    while at <= len(known) - min_days:
        before = float(median(known[max(0, at - reach) : at]))
        after = float(median(known[at : at + reach]))
        middle = (before + after) / 2.0
        is_step = (
            before - after >= need
            and known[at - 1] > middle
            and bool((known[at : at + min_days] < middle).all())
        )
        if not is_step:
            at += 1
            continue
        back = np.flatnonzero(known[at:] > middle)
        length = int(back[0]) if len(back) else len(known) - at
        end = int(places[at + length]) if at + length < len(known) else len(shares)
        after = float(median(known[at : at + length]))
        steps.append(Step(int(places[at]), end, before, after))
        at += max(length, 1)
    return steps


def find_falls(
    shares: Floats, least: float, *, min_days: int = 7, jump: float = 0.02
) -> list[Fall]:
    """Slow falls by at least ``least`` in all; each ends where the share jumps up again.

    A fall that is one step rather than a slope is left out: a step is another matter.

    Args:
        shares: Of each day, about 1; NaN where unknown; shape ``(n_days,)``.
        least: Smallest fall.
        min_days: Shortest fall.
        jump: What counts as a recovery.
    """
    noise = day_noise(shares)
    cuts = [0, *_find_jumps(shares, max(jump, 4.0 * noise)), len(shares)]
    x = np.arange(len(shares), dtype=np.float64)
    falls = []
    for start, end in zip(cuts[:-1], cuts[1:], strict=True):
        part = shares[start:end]
        if np.isfinite(part).sum() < min_days:
            continue
        start, end = _trim(shares, start, end, noise, min_days)
        slope = fit_slope(x[start:end], shares[start:end])
        if slope is None or slope.high >= 0.0:
            continue
        fall = Fall(start, end, slope)
        if fall.clean - fall.dirty >= max(least, 3.0 * noise) and _is_slope(shares, fall):
            falls.append(fall)
    return falls


def _find_jumps(shares: Floats, least: float) -> list[int]:
    """Days from which the share is higher by ``least`` than it was."""
    jumps: list[int] = []
    for at in range(2, len(shares) - 1):
        before, after = median(shares[at - 2 : at]), median(shares[at : at + 2])
        is_first = shares[at] - shares[at - 1] >= least / 2.0
        if after - before >= least and is_first and (not jumps or at - jumps[-1] > 1):
            jumps.append(at)
    return jumps


def _trim(shares: Floats, start: int, end: int, noise: float, min_days: int) -> tuple[int, int]:
    """Leave out the days before the fall begins: those still at the level of the first ones."""
    part = shares[start:end]
    top = float(np.nanmax(_smooth(part)))
    still_clean = np.flatnonzero(_smooth(part) >= top - max(noise, 0.003))
    begin = min(start + int(still_clean[-1]), end - min_days)
    return max(start, begin), end


def _smooth(shares: Floats) -> Floats:
    """Medians over three days."""
    padded = np.concatenate(([np.nan], shares, [np.nan]))
    return median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), 0)


def _is_slope(shares: Floats, fall: Fall) -> bool:
    """Whether a line tells the days better than two levels do."""
    y = shares[fall.start : fall.end]
    x = np.arange(fall.start, fall.end, dtype=np.float64)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    line = np.abs(y - fall.slope.level - fall.slope.per_x * x).sum()
    levels = min(
        np.abs(y[:at] - median(y[:at])).sum() + np.abs(y[at:] - median(y[at:])).sum()
        for at in range(2, len(y) - 1)
    )
    return bool(line < levels)

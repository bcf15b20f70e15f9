"""Lasting steps down, and slow falls with recoveries, in shares of days.

::

    step      ──────╮              slow fall   ──╮
                    ╰──────                      ╰──╮  ╭── cleaned, or rain
                                                    ╰──╯
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import NORMAL_MAD, Slope, fit_slope, median

Floats = npt.NDArray[np.float64]


_MOST_OF_A_FALL = 0.6
"""What falls by more than this part of the whole within two days is a step, else a slope."""


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
    if len(known) < 2 * min_days:
        return []
    before, after = _medians_around(known, reach)
    middle = (before + after) / 2.0
    lasting = np.all([np.roll(known, -n) < middle for n in range(min_days)], axis=0)
    lasting[len(known) - min_days + 1 :] = False
    lasting[:min_days] = False
    is_step = lasting & (before - after >= need) & (np.roll(known, 1) > middle)
    is_step &= _steepest(known) >= _MOST_OF_A_FALL * (before - after)
    steps: list[Step] = []
    free = 0
    for at in np.flatnonzero(is_step).tolist():
        if at < free:
            continue
        back = np.flatnonzero(known[at:] > middle[at])
        free = at + int(back[0]) if len(back) else len(known)
        end = int(places[free]) if free < len(known) else len(shares)
        level = float(median(known[at:free]))
        steps.append(Step(int(places[at]), end, float(before[at]), level))
    return steps


def _steepest(known: Floats) -> Floats:
    """By how much the values fall within two days around each one."""
    around = np.concatenate(([np.nan] * 2, known, [np.nan] * 2))
    falls = np.stack([around[1:-3] - around[3:-1], around[:-4] - around[2:-2]])
    return np.asarray(np.fmax(*falls), np.float64)


def _medians_around(known: Floats, reach: int) -> tuple[Floats, Floats]:
    """Medians of the ``reach`` values before each one, and of as many from it on."""
    edge = np.full(reach, np.nan)
    padded = np.concatenate((edge, known, edge))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach)
    return median(windows[: len(known)]), median(windows[reach : reach + len(known)])


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
    for begin, end in itertools.pairwise(cuts):
        if np.isfinite(shares[begin:end]).sum() < min_days:
            continue
        start = _trim(shares, begin, end, noise, min_days)
        if np.isfinite(shares[start:end]).sum() < min_days:
            continue
        slope = fit_slope(x[start:end], shares[start:end])
        if slope is None or slope.high >= 0.0:
            continue
        fall = Fall(start, end, slope)
        if fall.clean - fall.dirty >= max(least, 3.0 * noise) and _is_slope(shares, fall):
            falls.append(fall)
    return falls


def _find_jumps(shares: Floats, least: float) -> list[int]:
    """Days from which the share is higher by ``least`` than it was."""
    before, after = _medians_around(shares, 2)
    with np.errstate(invalid="ignore"):
        is_jump = (after - before >= least) & (np.diff(shares, prepend=np.nan) >= least / 2.0)
    jumps: list[int] = []
    for at in np.flatnonzero(is_jump).tolist():
        if 2 <= at < len(shares) - 1 and (not jumps or at - jumps[-1] > 1):
            jumps.append(at)
    return jumps


def _trim(shares: Floats, start: int, end: int, noise: float, min_days: int) -> int:
    """Where the fall begins: after the last day that is still at the level of the first ones."""
    smooth = _smooth(shares[start:end])
    still_clean = np.flatnonzero(smooth >= np.nanmax(smooth) - max(noise, 0.003))
    return max(start, min(start + int(still_clean[-1]), end - min_days))


def _smooth(shares: Floats) -> Floats:
    """Medians over three days."""
    padded = np.concatenate(([np.nan], shares, [np.nan]))
    return median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), 0)


def _is_slope(shares: Floats, fall: Fall) -> bool:
    """Whether it fell day by day: no two days took most of it, as a step would."""
    smooth = _smooth(shares[fall.start : fall.end])
    known = smooth[np.isfinite(smooth)]
    if len(known) <= 2:
        return False
    steepest = float((known[:-2] - known[2:]).max())
    return steepest <= _MOST_OF_A_FALL * float(known.max() - known.min())

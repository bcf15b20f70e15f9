"""Energy of many meters by days: sums, ranks, shares and what has changed; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.ports import Rollup

COMPLETE = 0.95
"""Stretches of which at least this share is covered are compared with each other."""


@dataclass(frozen=True, slots=True)
class DayTable:
    """Energy and coverage of each meter on each day; shape ``(n_meters, n_days)``."""

    energy_wh: npt.NDArray[np.float64]
    """NaN where nothing was counted."""
    coverage: npt.NDArray[np.float64]
    """Share of the day that has data, 0 to 1."""

    def days(self, start: int, end: int) -> DayTable:
        """The days from ``start`` to before ``end``."""
        return DayTable(self.energy_wh[:, start:end], self.coverage[:, start:end])


def lay_out(
    rollup: Rollup, meter: Int64Column, day: Int64Column, n_meters: int, n_days: int
) -> DayTable:
    """Buckets of days as a table.

    Args:
        rollup: One bucket a meter and day, any of them missing.
        meter: Row of each bucket.
        day: Column of each bucket.
        n_meters: Rows of the table.
        n_days: Columns of the table.
    """
    energy = np.full((n_meters, n_days), np.nan)
    coverage = np.zeros((n_meters, n_days))
    energy[meter, day] = rollup.energy_wh
    coverage[meter, day] = rollup.coverage
    return DayTable(energy, coverage)


def sum_known(table: npt.NDArray[np.float64], axis: int) -> FloatColumn:
    """Sums of what is known; NaN where nothing is.

    >>> sum_known(np.array([[1.0, np.nan], [2.0, np.nan]]), axis=0).tolist()
    [3.0, nan]
    """
    is_known = ~np.isnan(table)
    return np.where(is_known.any(axis=axis), np.nansum(table, axis=axis), np.nan)


def compare(now: DayTable, before: DayTable) -> FloatColumn:
    """By meter how its energy has changed against an earlier stretch, as a share of that.

    NaN where a stretch is empty or has gaps: less data is not less energy.

    >>> day = lambda wh, share: DayTable(np.array([[wh]]), np.array([[share]]))
    >>> compare(day(110.0, 1.0), day(100.0, 1.0)).round(6).tolist()
    [0.1]
    >>> compare(day(110.0, 1.0), day(50.0, 0.5)).tolist()
    [nan]
    """
    n_meters = len(now.energy_wh)
    if not now.energy_wh.shape[1] or not before.energy_wh.shape[1]:
        return np.full(n_meters, np.nan)
    energy, earlier = sum_known(now.energy_wh, 1), sum_known(before.energy_wh, 1)
    is_fair = (now.coverage.mean(axis=1) >= COMPLETE) & (before.coverage.mean(axis=1) >= COMPLETE)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = energy / earlier - 1.0
    fair: FloatColumn = np.where(is_fair & (earlier > 0), change, np.nan)
    return fair


def rank(values: FloatColumn, *, is_falling: bool) -> npt.NDArray[np.intp]:
    """Places by value; unknown ones last, equal ones in the order in which they stand.

    >>> rank(np.array([2.0, np.nan, 3.0, 2.0]), is_falling=True).tolist()
    [2, 0, 3, 1]
    """
    key = np.where(np.isnan(values), np.inf, -values if is_falling else values)
    return np.argsort(key, kind="stable")


def region_of(meter: str, digit: int) -> str | None:
    """The digit of an id that names its region; None where the id has no such digit.

    >>> region_of("4711003921", 1), region_of("meter-07", 2), region_of("hall", 1)
    ('4', '7', None)
    """
    digits = [one for one in meter if one in "0123456789"]
    return digits[digit - 1] if len(digits) >= digit else None


def sum_by_region(values: FloatColumn, regions: Sequence[str | None]) -> dict[str | None, float]:
    """What is known, added up by region; NaN where nothing is."""
    sums: dict[str | None, float] = {}
    for region, value in zip(regions, values.tolist(), strict=True):
        before = sums.get(region, np.nan)
        sums[region] = value if np.isnan(before) else before if np.isnan(value) else before + value
    return sums

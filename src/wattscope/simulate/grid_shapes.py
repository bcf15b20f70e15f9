"""When whom uses how much: the hours, weekdays and seasons behind ``grid_loads.py``.

The hours are drawn after the standard load profiles of the German grid (VDEW 1999: H0 households,
G0 to G4 trade, G3 industry that runs through), rounded to what a person can check by eye.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column

HOURS: Final = 24
_DAYS_A_YEAR: Final = 365.2425
_COLDEST_DAY: Final = 15.0
"""Of the year, north of the equator."""
_MONDAY: Final = 3
"""1 January 1970 was a Thursday."""
_SATURDAY, _SUNDAY = 5, 6


class LoadClass(IntEnum):
    """Who is behind a meter."""

    HOUSEHOLD = 0
    SHOP = 1
    """A shop or an office."""
    ONE_SHIFT = 2
    TWO_SHIFTS = 3
    AROUND_THE_CLOCK = 4


class DayType(IntEnum):
    """What kind of day it is; a holiday is a Sunday."""

    WORKDAY = 0
    SATURDAY = 1
    SUNDAY = 2


# Workday, Saturday and Sunday, each in two lines: the hours before noon and after it.
_DRAWN: Final = {
    LoadClass.HOUSEHOLD: """
        .55 .45 .40 .38 .38 .42 .70 1.05 1.1 1.0 .95 1.0
        1.15 1.1 .95 .90 .95 1.2 1.55 1.75 1.65 1.45 1.15 .80
        .60 .50 .43 .40 .38 .40 .52 .75 1.1 1.3 1.35 1.35
        1.4 1.3 1.15 1.1 1.1 1.25 1.5 1.65 1.55 1.35 1.15 .85
        .65 .52 .45 .40 .38 .38 .45 .65 1.0 1.3 1.45 1.6
        1.65 1.4 1.15 1.05 1.05 1.2 1.5 1.65 1.55 1.35 1.05 .75
    """,
    LoadClass.SHOP: """
        .42 .40 .40 .40 .42 .48 .65 .95 1.4 1.65 1.75 1.75
        1.7 1.7 1.75 1.75 1.75 1.7 1.6 1.35 .85 .55 .48 .44
        .42 .40 .40 .40 .42 .48 .62 .90 1.35 1.6 1.7 1.7
        1.65 1.5 1.25 1.05 .95 .85 .70 .60 .50 .46 .44 .42
        .42 .40 .40 .40 .40 .42 .44 .46 .48 .48 .48 .48
        .48 .48 .48 .48 .48 .48 .50 .50 .48 .46 .44 .42
    """,
    LoadClass.ONE_SHIFT: """
        .30 .28 .28 .28 .30 .45 1.2 2.1 2.35 2.35 2.3 2.25
        1.9 2.25 2.3 2.2 1.7 .90 .50 .40 .35 .32 .30 .30
        .30 .28 .28 .28 .28 .32 .50 .70 .75 .75 .70 .65
        .55 .45 .40 .35 .32 .30 .30 .30 .30 .30 .30 .30
        .28 .28 .28 .28 .28 .28 .28 .28 .28 .28 .28 .28
        .28 .28 .28 .28 .28 .28 .28 .28 .28 .28 .28 .28
    """,
    LoadClass.TWO_SHIFTS: """
        .45 .40 .40 .40 .50 1.0 1.6 1.7 1.7 1.7 1.65 1.6
        1.55 1.45 1.55 1.65 1.65 1.6 1.55 1.5 1.4 1.2 .80 .55
        .45 .40 .40 .40 .45 .70 1.0 1.1 1.1 1.1 1.05 1.0
        .90 .70 .55 .50 .45 .45 .40 .40 .40 .40 .40 .40
        .40 .40 .40 .40 .40 .40 .40 .40 .40 .40 .40 .40
        .40 .40 .40 .40 .40 .40 .40 .40 .40 .40 .42 .45
    """,
    LoadClass.AROUND_THE_CLOCK: """
        .95 .94 .93 .93 .94 .98 1.05 1.1 1.12 1.12 1.12 1.1
        1.08 1.1 1.1 1.1 1.08 1.05 1.03 1.02 1.0 .98 .97 .96
        .93 .92 .91 .90 .90 .91 .92 .93 .93 .93 .93 .92
        .91 .90 .90 .89 .88 .88 .88 .88 .87 .87 .86 .86
        .85 .85 .84 .84 .84 .84 .84 .84 .85 .85 .85 .85
        .85 .85 .85 .85 .85 .86 .86 .87 .88 .89 .91 .93
    """,
}


def _scale_shapes() -> npt.NDArray[np.float64]:
    """All classes, so that the mean of a week of five workdays is 1."""
    hours = [[float(one) for one in _DRAWN[load].split()] for load in LoadClass]
    drawn = np.array(hours).reshape(len(LoadClass), len(DayType), HOURS)
    week = np.array([5.0, 1.0, 1.0]) / 7.0
    means = (drawn.mean(axis=2) * week).sum(axis=1)
    return np.asarray(drawn / means[:, None, None])


SHAPES: Final = _scale_shapes()
"""Power beside its mean at the full hours, shape ``(n_classes, n_day_types, 24)``."""
SEASON_SHARES: Final = np.array([1.0, 0.5, 0.25, 0.25, 0.25])
"""How far a class follows the season, beside households."""


def tell_day_types(local_day: Int64Column, holidays: Collection[str]) -> Int64Column:
    """What kind of day each is.

    Args:
        local_day: Local days since 1970-01-01.
        holidays: Days as ``12-25`` or ``2026-04-06``.

    >>> tell_day_types(np.array([0, 2, 3]), ["01-01"]).tolist()
    [2, 1, 2]
    """
    weekday = (local_day + _MONDAY) % 7
    types = np.where(weekday == _SATURDAY, int(DayType.SATURDAY), int(DayType.WORKDAY))
    types[weekday == _SUNDAY] = int(DayType.SUNDAY)
    if holidays:
        days, place = np.unique(local_day, return_inverse=True)
        words = days.astype("datetime64[D]").astype(str).tolist()
        wanted = frozenset(holidays)
        is_free = np.array([one in wanted or one[5:] in wanted for one in words], np.bool_)
        types[is_free[place]] = int(DayType.SUNDAY)
    return types


def look_up_shape(
    load_class: Int64Column, day_type: Int64Column, hour: FloatColumn
) -> npt.NDArray[np.float64]:
    """Power beside its mean; straight lines join the full hours. Arguments are broadcast."""
    whole = np.floor(hour)
    part = hour - whole
    at = whole.astype(np.int64) % HOURS
    here = SHAPES[load_class, day_type, at]
    then = SHAPES[load_class, day_type, (at + 1) % HOURS]
    return np.asarray(here + (then - here) * part)


def season_of(day: Int64Column, share: float, *, is_south: bool) -> FloatColumn:
    """How much more or less than in the mean of a year is used on days since 1970, about 1."""
    turn = 2.0 * np.pi * (day % _DAYS_A_YEAR - _COLDEST_DAY) / _DAYS_A_YEAR
    return np.asarray(1.0 + (-share if is_south else share) * np.cos(turn))

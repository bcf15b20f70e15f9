"""Rows of one series to one value a step: the newest, or what a function makes of a window.

::

    step              t0          t1          t2
    window        (---------] (---------] (---------]      of Edition.V3; of V2 [---------]
    rows        x   x   x   x   x       x   x   x
                     └ begin   └ end: first row that is not in it any more

A window is a pair of places in the columns, found for all steps at once; what is summed is summed
window by window, never as a difference of running totals, which would lose digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.promql.frames import Marks
from wattscope.compute.promql.tree import Edition
from wattscope.core.reading import FloatColumn, Int64Column

_US_PER_S = 1e6
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over the rows of one series."""

    t_us: Int64Column
    """Ascending [µs]."""
    value: FloatColumn
    begin: Places
    """For each step, the place of the first row of its window."""
    end: Places
    """Behind the last one; equal to ``begin`` where there is none."""
    end_us: Int64Column
    """Where each window ends [µs]."""
    range_us: int
    edition: Edition

    def of(self, steps: Places) -> Windows:
        """The windows of some steps."""
        return Windows(
            self.t_us,
            self.value,
            self.begin[steps],
            self.end[steps],
            self.end_us[steps],
            self.range_us,
            self.edition,
        )


def lay_windows(
    t_us: Int64Column, value: FloatColumn, end_us: Int64Column, range_us: int, edition: Edition
) -> Windows:
    """The windows of ``range_us`` that end at some instants."""
    side = "right" if edition is Edition.V3 else "left"
    begin = np.searchsorted(t_us, end_us - range_us, side)  # type: ignore[call-overload]  # a str
    end = np.searchsorted(t_us, end_us, "right")
    return Windows(t_us, value, begin, np.maximum(begin, end), end_us, range_us, edition)


def count_rows(windows: Windows) -> int:
    """Rows of all windows together; one that is in two counts twice."""
    return int((windows.end - windows.begin).sum())


Reduction = Callable[[Windows], FloatColumn]


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """What is made of a window."""

    reduce: Reduction
    """Called for windows that hold enough."""
    least: int = 1
    """Rows that a window must hold."""
    keeps_name: bool = False
    """Whether the value is still one of the metric."""


def reduce_windows(windows: Windows, function: RangeFunction) -> tuple[FloatColumn, Marks]:
    """One value a step, and whether there is one."""
    is_there = windows.end - windows.begin >= function.least
    steps = np.flatnonzero(is_there)
    values = np.zeros(len(is_there))
    if len(steps):
        values[steps] = function.reduce(windows.of(steps))
    return values, is_there


def _reduce_each(
    operation: np.ufunc, column: FloatColumn, begin: Places, end: Places
) -> FloatColumn:
    """``operation`` over each stretch ``[begin, end)``, none of them empty."""
    # A last entry, for an end may lie behind the last row and must still be a place.
    padded = np.append(column, 0.0)
    pairs = np.column_stack((begin, end)).ravel()
    found: FloatColumn = operation.reduceat(padded, pairs)[::2]
    return found


def _fold(operation: np.ufunc) -> Reduction:
    return lambda windows: _reduce_each(operation, windows.value, windows.begin, windows.end)


def _count(windows: Windows) -> FloatColumn:
    return (windows.end - windows.begin).astype(np.float64)


def _average(windows: Windows) -> FloatColumn:
    return _fold(np.add)(windows) / _count(windows)


def _last(windows: Windows) -> FloatColumn:
    return windows.value[windows.end - 1]


def _one(windows: Windows) -> FloatColumn:
    return np.ones(len(windows.begin))


def _between(windows: Windows, column: FloatColumn) -> FloatColumn:
    """The sum of what lies between successive rows of each window; ``column`` has it at the later.

    Every window holds two rows at least.
    """
    return _reduce_each(np.add, column, windows.begin + 1, windows.end)


def _count_changes(windows: Windows) -> FloatColumn:
    before, after = windows.value[:-1], windows.value[1:]
    is_change = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return _count_between(windows, is_change)


def _count_resets(windows: Windows) -> FloatColumn:
    return _count_between(windows, windows.value[1:] < windows.value[:-1])


def _count_between(windows: Windows, marks: Marks) -> FloatColumn:
    counts = np.zeros(len(windows.begin))
    steps = np.flatnonzero(windows.end - windows.begin >= 2)
    if len(steps):
        counts[steps] = _between(windows.of(steps), np.r_[0.0, marks])
    return counts


def _instant_change(*, is_rate: bool) -> Reduction:
    """What the last two rows tell (``funcIrate``, ``funcIdelta``)."""

    def reduce(windows: Windows) -> FloatColumn:
        last = windows.end - 1
        change = windows.value[last] - windows.value[last - 1]
        if not is_rate:
            return change
        change = np.where(
            windows.value[last] < windows.value[last - 1], windows.value[last], change
        )
        return change / ((windows.t_us[last] - windows.t_us[last - 1]) / _US_PER_S)

    return reduce


def _extrapolate(*, is_counter: bool, is_rate: bool) -> Reduction:
    """``rate``, ``increase`` and ``delta`` (``extrapolatedRate`` of Prometheus).

    What lies between the first and the last row is stretched to the window's ends where these are
    near: within 1.1 times the mean distance of rows; else by half of that distance. A counter is
    not stretched to before it was zero.
    """

    def reduce(windows: Windows) -> FloatColumn:
        first, last = windows.begin, windows.end - 1
        first_value = windows.value[first]
        grown = windows.value[last] - first_value
        if is_counter:
            lost = np.r_[
                0.0, np.where(windows.value[1:] < windows.value[:-1], windows.value[:-1], 0)
            ]
            if lost.any():
                grown = grown + _between(windows, lost)
        sampled_s = (windows.t_us[last] - windows.t_us[first]) / _US_PER_S
        apart_s = sampled_s / (last - first)
        start_s = (windows.t_us[first] - (windows.end_us - windows.range_us)) / _US_PER_S
        end_s = (windows.end_us - windows.t_us[last]) / _US_PER_S
        near_s = apart_s * 1.1
        if windows.edition is Edition.V3:
            start_s = np.where(start_s >= near_s, apart_s / 2, start_s)
        if is_counter:
            start_s = _cut_at_zero(start_s, sampled_s, first_value, grown)
        start_s = np.where(start_s >= near_s, apart_s / 2, start_s)
        end_s = np.where(end_s >= near_s, apart_s / 2, end_s)
        factor = (sampled_s + start_s + end_s) / sampled_s
        if is_rate:
            factor = factor / (windows.range_us / _US_PER_S)
        return grown * factor

    return reduce


def _cut_at_zero(
    start_s: FloatColumn, sampled_s: FloatColumn, first_value: FloatColumn, grown: FloatColumn
) -> FloatColumn:
    """How far before its first row a counter may be stretched [s]."""
    can_tell = (grown > 0) & (first_value >= 0)
    zero_s = sampled_s * (first_value / np.where(can_tell, grown, 1.0))
    return np.where(can_tell & (zero_s < start_s), zero_s, start_s)


NEWEST = RangeFunction(_last, keeps_name=True)
"""What a selector without a range means."""
RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    "avg_over_time": RangeFunction(_average),
    "changes": RangeFunction(_count_changes),
    "count_over_time": RangeFunction(_count),
    "delta": RangeFunction(_extrapolate(is_counter=False, is_rate=False), 2),
    "idelta": RangeFunction(_instant_change(is_rate=False), 2),
    "increase": RangeFunction(_extrapolate(is_counter=True, is_rate=False), 2),
    "irate": RangeFunction(_instant_change(is_rate=True), 2),
    "last_over_time": NEWEST,
    "max_over_time": RangeFunction(_fold(np.maximum)),
    "min_over_time": RangeFunction(_fold(np.minimum)),
    "present_over_time": RangeFunction(_one),
    "rate": RangeFunction(_extrapolate(is_counter=True, is_rate=True), 2),
    "resets": RangeFunction(_count_resets),
    "sum_over_time": RangeFunction(_fold(np.add)),
}
"""Functions of a range selector."""

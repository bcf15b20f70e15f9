"""Days that repeat the day before them value by value: somebody filled a gap with a copy.

Real consumption never repeats exactly over a day; equality of every value in every series does
not happen by chance, so there is nothing to tune.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from wattscope.compute.production import cut_days
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import View, Window

Day = npt.NDArray[np.float64]

_ANY_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class CopiedDay:
    """Options of the detector ``copied_day``: there are none but when it looks."""

    name: str = "copied_day"
    view: View = View("15m", 14 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen

    def find(self, window: Window) -> list[Finding]:
        """Local days that repeat the day before in all gauges of a device, by device, then day."""
        days = cut_days(window)
        gauges = [window.values[name] for name in sorted(window.values) if _is_gauge(name)]
        ends = [*days.starts.tolist(), len(window.slot_us)][1:]
        found = []
        for row, device in enumerate(window.devices):
            told = {
                _ANY_DAY + timedelta(days=number): [one[row, start:end] for one in gauges]
                for number, (start, end) in enumerate(zip(days.starts.tolist(), ends, strict=True))
            }
            for day in find_copied_days(told):
                first = int(days.starts[(day - _ANY_DAY).days])
                past = ends[(day - _ANY_DAY).days]
                found.append(
                    Finding(
                        "copied_day",
                        device.id,
                        int(window.slot_us[first]),
                        int(window.slot_us[past - 1]) + window.step_us,
                        "every value of this day is that of the day before",
                        {"values_n": float(len(gauges) * (past - first))},
                        "",
                        self.name,
                    )
                )
        return found


def _is_gauge(name: str) -> bool:
    quantity = find_quantity(name)
    return quantity is None or quantity.kind is QuantityKind.GAUGE


def find_copied_days(days: Mapping[date, Sequence[Day]]) -> list[date]:
    """Days equal to the day before in every series.

    Args:
        days: For each date its values, one array a series, always in the same order. A day with
            no values, or whose values are all one constant in every series, is never a copy:
            a house without power repeats itself truly.

    Returns:
        The copies, rising.

    >>> a, b = [np.array([1.0, 2.0])], [np.array([1.0, 3.0])]
    >>> find_copied_days({date(2024, 1, 1): a, date(2024, 1, 2): a, date(2024, 1, 3): b})
    [datetime.date(2024, 1, 2)]
    """
    return [
        day
        for day in sorted(days)
        if day - timedelta(days=1) in days
        and _is_lively(days[day])
        and _is_equal(days[day], days[day - timedelta(days=1)])
    ]


def _is_lively(day: Sequence[Day]) -> bool:
    """Whether anything tells this day from a constant."""
    if all(len(values) <= 1 for values in day):
        return len(day) > 1 and any(len(values) and np.any(values != 0) for values in day)
    known = [values[~np.isnan(values)] for values in day]
    return any(len(values) > 1 and bool(np.any(values != values[0])) for values in known)


def _is_equal(day: Sequence[Day], before: Sequence[Day]) -> bool:
    return len(day) == len(before) and all(
        len(a) == len(b) and bool(np.all((a == b) | (np.isnan(a) & np.isnan(b))))
        for a, b in zip(day, before, strict=True)
    )

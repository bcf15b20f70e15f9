"""Days whose readings of power do not make up the day: their energy must not be summed up.

Where a device has a counter that works, it judges: power, integrated, must give at least most of
what the counter grew by. Where it has none, the hours that are missing are weighed by what is
usually produced at them: a night without readings costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wattscope.compute.counter_falls import count_falls, grow_by_day
from wattscope.compute.production import Days, cut_days, find_power
from wattscope.compute.robust import median
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, View, Window

_COUNTER = "energy_production_wh"


@dataclass(frozen=True, slots=True)
class IncompleteDay:
    """Options of the detector ``incomplete_day``."""

    name: str = "incomplete_day"
    view: View = View("15m", 30 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    min_share: float = 0.9
    """Of what the counter says, or of what is usual, power must give at least this."""
    max_falls: int = 2
    """A counter that falls more often does not judge."""
    min_day_share: float = 0.02
    """A day on which the counter grew by less than this part of a usual one is no day."""

    def find(self, window: Window) -> list[Finding]:
        """Incomplete days, by device, then day."""
        found = find_power(window)
        if found is None:
            return []
        quantity, power = found
        days = cut_days(window)
        measured = days.sum(power) * window.step_us / US_PER_HOUR
        wanted = _usual_energy(power, days, window)
        is_counted = np.zeros(len(window.devices), np.bool_)
        if _COUNTER in window.values:
            counter = window.values[_COUNTER]
            growth = grow_by_day(counter, days)
            is_counted = count_falls(counter).n_others <= self.max_falls
            is_counted &= np.isfinite(growth).any(1)
            wanted = np.where(is_counted[:, None], growth, wanted)
        least = self.min_day_share * median(wanted)[:, None]
        with np.errstate(invalid="ignore"):
            is_short = (measured < self.min_share * wanted) & (wanted > least)
            has_gap = days.sum((~np.isfinite(power)).astype(np.float64)) > 0.0
        is_short &= has_gap
        return [
            Finding(
                "incomplete_day",
                window.devices[row].id,
                max(int(days.edges_us[day]), int(window.slot_us[0])),
                min(int(days.edges_us[day + 1]), window.end_us),
                f"readings make up {measured[row, day] / 1000:.4g} kWh, "
                f"{'the counter' if is_counted[row] else 'a day with all of them'} "
                f"{wanted[row, day] / 1000:.4g} kWh",
                {
                    "measured_wh": float(measured[row, day]),
                    "counted_wh": float(wanted[row, day]),
                },
                quantity,
                self.name,
                1.0 if is_counted[row] else 0.8,
            )
            for row, day in np.argwhere(is_short).tolist()
        ]


def _usual_energy(power: Matrix, days: Days, window: Window) -> Matrix:
    """What each day would have given: what was measured, and the usual for the hours that are not.

    The usual of an hour is the median of that hour over the window's days, scaled to the day.
    """
    hours = np.asarray((window.slot_us - days.edges_us[days.of_slot]) // window.step_us, np.int64)
    curve = np.full((len(power), int(hours.max()) + 1), np.nan)
    for hour in range(curve.shape[1]):
        at = hours == hour
        if at.any():
            curve[:, hour] = median(power[:, at])
    usual = np.nan_to_num(curve)[:, hours]
    known = np.isfinite(power)
    measured = days.sum(power)
    seen = days.sum(np.where(known, usual, 0.0))
    whole = days.sum(usual)
    scaled = np.divide(whole, seen, out=np.ones_like(whole), where=seen > 0.0) * measured
    return scaled * window.step_us / US_PER_HOUR

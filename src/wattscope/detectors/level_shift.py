"""A lasting step of the level: a meter swapped, a string added, a current transformer turned.

Means of days are looked at. A step divides the series in two for good and is at least a factor of
1.5, or half of what is usual where values have both signs; the season, or a bent trend in less than
fifteen months, is fitted together with it, so that autumn is no step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wattscope.compute.lasting_steps import Floats, LastingStep, find_lasting_steps
from wattscope.compute.production import Days, cut_days
from wattscope.compute.robust import median
from wattscope.compute.running import keep_sound
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity, unit_of
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import Matrix, View, Window

_TINY = 1e-12
_LOWEST = 0.05
"""Of the usual day: lower ones count as if they had so much, for logarithms know no zero."""


@dataclass(frozen=True, slots=True)
class LevelShift:
    """Options of the detector ``level_shift``."""

    name: str = "level_shift"
    view: View = View("1h", 180 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    reach_days: int = 14
    """Known days before and after a step at least."""
    least_factor: float = 1.5
    """Between the two levels [x]."""
    sureness: float = 6.0
    """Size of the step over its standard error [x]."""
    least_coverage: float = 0.7
    """Share of a day's slots that must be known."""

    def find(self, window: Window) -> list[Finding]:
        """Steps, by device, then start."""
        days = cut_days(window)
        found = []
        for name in sorted(window.values):
            quantity = find_quantity(name)
            if quantity is not None and quantity.kind is not QuantityKind.GAUGE:
                continue
            means = self._daily(days, keep_sound(window.values[name]), window.step_us)
            for row, levels in enumerate(means):
                found += [
                    self._tell(window, days, (name, row), levels, step)
                    for step in self._look(levels)
                ]
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(found, key=lambda one: (order[one.device], one.start_us, one.quantity))

    def _look(self, levels: Floats) -> list[LastingStep]:
        """Steps of one series of days."""
        usual = float(median(np.abs(levels)))
        if not usual > _TINY:
            return []
        with np.errstate(invalid="ignore"):
            is_signed = bool((levels < -_LOWEST * usual).any())
            if is_signed:
                scaled, least = levels / usual, (self.least_factor - 1.0)
            else:
                scaled = np.log(np.maximum(levels / usual, _LOWEST))
                least = float(np.log(self.least_factor))
        return find_lasting_steps(scaled, self.reach_days, least=least, sureness=self.sureness)

    def _daily(self, days: Days, values: Matrix, step_us: int) -> Matrix:
        """Mean of each day; NaN where too little of it is known."""
        if not days.count:
            return np.empty((len(values), 0))
        known = np.isfinite(values)
        count = np.add.reduceat(known.astype(np.float64), days.starts, axis=1)
        total = np.add.reduceat(np.where(known, values, 0.0), days.starts, axis=1)
        slots = np.maximum(np.diff(days.edges_us) // step_us, 1)
        enough = (count > 0.0) & (count >= self.least_coverage * slots)
        means = np.full(total.shape, np.nan)
        np.divide(total, count, out=means, where=enough)
        return means

    def _tell(
        self,
        window: Window,
        days: Days,
        where: tuple[str, int],
        levels: Floats,
        step: LastingStep,
    ) -> Finding:
        name, row = where
        unit = unit_of(name)
        before = float(median(levels[max(0, step.place - self.reach_days) : step.place]))
        after = float(median(levels[step.place : step.place + self.reach_days]))
        start_us = int(window.slot_us[days.starts[step.place]])
        reach_us = int(days.edges_us[min(step.place + self.reach_days, days.count)])
        return Finding(
            "level_shift",
            window.devices[row].id,
            start_us,
            max(start_us + window.step_us, min(reach_us, window.end_us)),
            f"{name} went from {before:.4g} {unit} to {after:.4g} {unit} a day in the mean and "
            "stays there".replace("  ", " "),
            {f"before_{name}": before, f"after_{name}": after, "sureness_x": step.sureness},
            name,
            self.name,
            min(0.95, 1.0 - self.sureness / (4.0 * step.sureness)),
        )

"""A clock that jumps: a solar device whose day moves by half an hour or more overnight.

The sun keeps time to the minute. A device whose stamps follow summer time, or whose clock was set
anew, sees the middle of its day jump; one whose zone is wrong has it at the wrong time all along,
which can be told where the site's longitude is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wattscope.compute.level_steps import find_level_steps
from wattscope.compute.production import find_power, is_solar
from wattscope.compute.robust import median
from wattscope.compute.running import keep_sound
from wattscope.compute.sun_days import Floats, find_middles
from wattscope.core.findings import Finding
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.window import View, Window

_MINUTES_A_DEGREE = 4.0
_MINUTES_A_DAY = 1440.0


@dataclass(frozen=True, slots=True)
class ClockShift:
    """Options of the detector ``clock_shift``."""

    name: str = "clock_shift"
    view: View = View("15m", 60 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    least_minutes: float = 30.0
    """Smallest jump [min]."""
    wrong_minutes: float = 45.0
    """From here on a steady clock is wrong; shade at the horizon moves the middle by less [min]."""
    reach_days: int = 7
    """Days on each side that tell a jump."""
    sureness: float = 5.0
    """Size of the jump over its standard error [x]."""

    def find(self, window: Window) -> list[Finding]:
        """Stretches from one jump to the next, and clocks that are wrong all along."""
        solar = [is_solar(device) for device in window.devices]
        sound = {name: keep_sound(matrix) for name, matrix in window.values.items()}
        power = find_power(replace(window, values=sound)) if any(solar) else None
        if power is None:
            return []
        quantity, values = power
        starts_us, middles = find_middles(values, window.slot_us, window.step_us)
        return [
            finding
            for row in np.flatnonzero(solar).tolist()
            for finding in self._look(window, row, starts_us, middles[row], quantity)
        ]

    def _look(
        self, window: Window, row: int, starts_us: Int64Column, middles: Floats, quantity: str
    ) -> list[Finding]:
        steps = find_level_steps(
            middles, self.reach_days, least=self.least_minutes, sureness=self.sureness
        )
        # A day of sun begins at midnight of the sun; the clock was set in the night before.
        starts = [int(starts_us[step.place]) for step in steps]
        ends = [*starts, window.end_us][1:]
        found = [
            self._tell(
                window,
                row,
                (start, end),
                quantity,
                step.after - step.before,
                "its clock jumped: the middle of its day moved by",
            )
            for step, start, end in zip(steps, starts, ends, strict=True)
        ]
        wrong = self._find_wrong(window, starts_us, middles)
        if not steps and wrong is not None:
            span = (int(window.slot_us[0]), window.end_us)
            words = "its clock or its zone is wrong: the sun is off by"
            found.append(self._tell(window, row, span, quantity, wrong, words))
        return found

    def _find_wrong(self, window: Window, starts_us: Int64Column, middles: Floats) -> float | None:
        """Minutes by which the middle of days is off the sun's; None where that is not known."""
        longitude = window.site.longitude
        if longitude is None or np.isfinite(middles).sum() < self.reach_days:
            return None
        # Minutes of UTC at which a sundial at this longitude shows noon.
        noon = _MINUTES_A_DAY / 2.0 - _MINUTES_A_DEGREE * longitude
        seen = starts_us % US_PER_DAY / US_PER_MINUTE + middles
        off = (seen - noon + _MINUTES_A_DAY / 2.0) % _MINUTES_A_DAY - _MINUTES_A_DAY / 2.0
        wrong = float(median(off))
        return wrong if abs(wrong) >= self.wrong_minutes else None

    def _tell(
        self,
        window: Window,
        row: int,
        span: tuple[int, int],
        quantity: str,
        minutes: float,
        words: str,
    ) -> Finding:
        slot = int(np.searchsorted(window.slot_us, span[0]))
        start_us = int(window.slot_us[min(slot, len(window.slot_us) - 1)])
        hours = abs(minutes) * US_PER_MINUTE / US_PER_HOUR
        return Finding(
            "clock_shift",
            window.devices[row].id,
            start_us,
            max(start_us + window.step_us, min(span[1], window.end_us)),
            f"{words} {minutes:+.0f} min",
            {"shift_min": minutes, "shift_h": hours},
            quantity,
            self.name,
            min(0.95, 0.5 + abs(minutes) / 120.0),
        )

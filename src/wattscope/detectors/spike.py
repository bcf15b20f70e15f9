"""Single values far from their neighbours in time: a garbled telegram, not the weather.

A spike stands beyond *all* of the two values before and the two after it, by more than five times
what the device usually moves from one reading to the next, then and there as well as over the whole
window. A step, a ramp and a cloud that stays for two readings have a neighbour on their own side;
under broken clouds everything moves. Where three or more devices stand side by side, it must also
be five times what the middle one of them does at that instant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import median, quantile
from wattscope.compute.running import keep_sound, median_around
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity, unit_of
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import Matrix, View, Window

Floats = npt.NDArray[np.float64]

_ENOUGH_SIBLINGS = 3
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Spike:
    """Options of the detector ``spike``."""

    name: str = "spike"
    view: View = View("15m", 7 * US_PER_DAY, 900.0)  # noqa: RUF009 - frozen
    limit: float = 5.0
    """How many usual moves beyond the neighbours [x]."""
    neighbours: int = 2
    """On each side; at least half of all must be known."""
    nearby: int = 12
    """Readings on each side that tell what is usual then and there."""
    least_share: float = 0.05
    """Of what lies between the usual low and high of the series: less is never a spike."""

    def find(self, window: Window) -> list[Finding]:
        """Spikes, by device, then start."""
        found: list[Finding] = []
        for name in sorted(window.values):
            quantity = find_quantity(name)
            if quantity is None or quantity.kind is QuantityKind.GAUGE:
                found += self._look(window, name, keep_sound(window.values[name]))
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(found, key=lambda one: (order[one.device], one.start_us, one.quantity))

    def _look(self, window: Window, name: str, values: Matrix) -> list[Finding]:
        if values.shape[1] < 2 * self.neighbours + 1:
            return []
        low, high, enough = _neighbour_range(values, self.neighbours)
        with np.errstate(invalid="ignore"):
            beyond = np.where(values > high, values - high, np.where(values < low, low - values, 0))
            moves = np.abs(np.diff(values, axis=1, prepend=np.nan))
            moves = np.where(moves > 0.0, moves, np.nan)
            usual = np.fmax(median(moves)[:, None], median_around(moves, self.nearby))
            if len(values) >= _ENOUGH_SIBLINGS:
                # A cloud's edge passes over all of them.
                usual = np.fmax(usual, median(beyond, 0)[None])
            usual = np.maximum(usual, _TINY)
            width = (quantile(values, 0.95) - quantile(values, 0.05))[:, None]
            least = np.fmax(self.limit * usual, self.least_share * width)
            is_spike = enough & np.isfinite(values) & (beyond > least)
        return [
            self._tell(window, name, row, slot, float(beyond[row, slot] / usual[row, slot]))
            for row, slot in np.argwhere(is_spike).tolist()
        ]

    def _tell(self, window: Window, name: str, row: int, slot: int, times: float) -> Finding:
        value = float(window.values[name][row, slot])
        start_us = int(window.slot_us[slot])
        return Finding(
            "spike",
            window.devices[row].id,
            start_us,
            start_us + window.step_us,
            f"{name} is {value:.5g} {unit_of(name)} once, {times:.3g} usual moves beyond the values"
            " around it".replace("  ", " "),
            {name: value, "beyond_x": times},
            name,
            self.name,
            min(0.99, 1.0 - self.limit / (4.0 * max(times, self.limit))),
        )


def _neighbour_range(values: Matrix, reach: int) -> tuple[Matrix, Matrix, npt.NDArray[np.bool_]]:
    """Lowest and highest neighbour of each slot, and whether half of them are known."""
    n_slots = values.shape[1]
    padded = np.pad(values, ((0, 0), (reach, reach)), constant_values=np.nan)
    shifts = [at for at in range(2 * reach + 1) if at != reach]
    around = np.stack([padded[:, at : at + n_slots] for at in shifts])
    known = np.isfinite(around)
    low = np.where(known, around, np.inf).min(0)
    high = np.where(known, around, -np.inf).max(0)
    return low, high, known.sum(0) >= reach

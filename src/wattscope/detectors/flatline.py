"""A value that does not move any more, though its last digits may: a sensor that lost its contact.

Over the last six hours the value kept within a twentieth of what it covers in its quietest hours:
those of which nine in ten are livelier. What is too coarse to tell is never flat; neither is a
device that gave next to nothing at any time of these hours, as a solar plant at night.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wattscope.compute.robust import median, quantile
from wattscope.compute.running import Floats, keep_sound
from wattscope.compute.spans import find_spans
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity, unit_of
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, View, Window


@dataclass(frozen=True, slots=True)
class Flatline:
    """Options of the detector ``flatline``."""

    name: str = "flatline"
    view: View = View("15m", 14 * US_PER_DAY, 3600.0)  # noqa: RUF009 - frozen
    hours: float = 6.0
    """Over which a value must have stood still [h]."""
    share: float = 0.05
    """Of what it covers in that time when it is quiet."""
    quiet: float = 0.1
    """Share of the times that are quieter."""
    least_steps: float = 20.0
    """A sensor that usually covers fewer of its own steps is too coarse."""
    zero_share: float = 0.005
    """Values below this part of the usual top are as good as zero."""

    def find(self, window: Window) -> list[Finding]:
        """Stretches without motion, by device, then start."""
        width = round(self.hours * US_PER_HOUR / window.step_us)
        if width < 4 or len(window.slot_us) < 4 * width:
            return []
        found = []
        for name in sorted(window.values):
            quantity = find_quantity(name)
            if quantity is None or quantity.kind is QuantityKind.GAUGE:
                found += self._look(window, name, keep_sound(window.values[name]), width)
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(found, key=lambda one: (order[one.device], one.start_us, one.quantity))

    def _look(self, window: Window, name: str, values: Matrix, width: int) -> list[Finding]:
        covered = _running(np.max, values, width) - _running(np.min, values, width)
        with np.errstate(invalid="ignore"):
            moved = np.where(covered > 0.0, covered, np.nan)
            usual, quiet = median(moved)[:, None], quantile(moved, self.quiet)[:, None]
            moves = np.abs(np.diff(values, axis=1))
            # The smallest move that is not chance: a coarse sensor never moves by less.
            least_move = quantile(np.where(moves > 0.0, moves, np.nan), 0.02)[:, None]
            is_fine = usual >= self.least_steps * least_move
            top = quantile(np.abs(values), 0.95)[:, None]
            is_flat = (covered <= self.share * quiet) & is_fine
            is_flat &= _running(np.min, np.abs(values), width) >= self.zero_share * top
        ends = find_spans(is_flat)
        return [
            self._tell(window, (name, row), start - width + 1, past)
            for row, start, past in zip(*(one.tolist() for one in ends), strict=True)
        ]

    def _tell(self, window: Window, where: tuple[str, int], start: int, past: int) -> Finding:
        name, row = where
        value = float(median(window.values[name][row, start:past]))
        hours = (past - start) * window.step_us / US_PER_HOUR
        return Finding(
            "flatline",
            window.devices[row].id,
            int(window.slot_us[start]),
            int(window.slot_us[past - 1]) + window.step_us,
            f"{name} has stood at {value:.5g} {unit_of(name)} for {hours:.3g} h".replace("  ", " "),
            {name: value, "lasting_h": hours},
            name,
            self.name,
            0.85,
        )


def _running(fold: Callable[..., Floats], values: Matrix, width: int) -> Floats:
    """Lowest or highest of the last ``width`` slots; NaN where any of them is not known."""
    found = np.full(values.shape, np.nan)
    for row, series in enumerate(values):
        around = np.lib.stride_tricks.sliding_window_view(series, width)
        found[row, width - 1 :] = fold(around, -1)
    return found

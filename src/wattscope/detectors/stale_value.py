"""The same value again and again: a sensor that hangs, or a gateway that repeats its last answer.

Three equal values other than zero in a row are stale, with four exceptions that keep healthy
devices quiet. A coarse sensor repeats itself all the time: a run must be three times as long as
nine tenths of the device's own runs. What moves slowly, as the temperature of a night, repeats
itself by rounding: where a value moves by ``a`` from slot to slot around a run and its scale has
steps of ``r``, the next one is equal with a chance of about ``r / (r + a)``, and a run must be one
in a million. What stands at its limit, as an inverter does at noon, is equal for a good reason:
values within 1 % of the usual top are not counted. And what is less than half a percent of that
top is as good as zero: an inverter's few watts at night.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import quantile
from wattscope.compute.running import keep_sound
from wattscope.core.findings import Finding
from wattscope.core.quantities import QuantityKind, find_quantity, unit_of
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.window import View, Window

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_FEW_MOVES = 4
_FINER = 1e-2
_ROUNDED = 1e-12
"""How far a decimal of six digits is from a whole number of millionths, as a share of it."""


@dataclass(frozen=True, slots=True)
class StaleValue:
    """Options of the detector ``stale_value``."""

    name: str = "stale_value"
    view: View = View("native", 7 * US_PER_DAY, 600.0)  # noqa: RUF009 - frozen
    least: int = 3
    """Shortest run [slots]."""
    least_s: float = 900.0
    """Likewise [s]: what speaks every second may well say the same for a minute."""
    times_usual: float = 3.0
    """How many times longer than nine tenths of the runs [x]."""
    chance: float = 1e-6
    """A run that rounding makes more often is none."""
    n_around: int = 12
    """Moves on each side of a run that tell how much a value moves [slots]."""
    limit_share: float = 0.99
    """Values from this part of the usual top on stand at a limit."""
    zero_share: float = 0.005
    """Values below this part of the usual top are as good as zero."""
    least_runs: int = 20
    """Fewer runs tell no usual length; then only the shortest run counts."""
    quantities: tuple[str, ...] = ()
    """Which to look at; empty for all gauges of power, voltage, current, temperature, light."""

    def find(self, window: Window) -> list[Finding]:
        """Runs of equal values, by device, then start."""
        found = [
            finding
            for name in sorted(window.values)
            if self._is_wanted(name)
            for row, values in enumerate(keep_sound(window.values[name]))
            for finding in self._look(window, name, row, values)
        ]
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(found, key=lambda one: (order[one.device], one.start_us, one.quantity))

    def _is_wanted(self, name: str) -> bool:
        if self.quantities:
            return name in self.quantities
        quantity = find_quantity(name)
        return quantity is None or (
            quantity.kind is QuantityKind.GAUGE and quantity.unit not in {"", "%", "Hz"}
        )

    def _look(self, window: Window, name: str, row: int, values: Floats) -> list[Finding]:
        start, length = _find_runs(values)
        value = values[start]
        is_counted = np.isfinite(value) & (value != 0.0)
        start, length, value = start[is_counted], length[is_counted], value[is_counted]
        least = max(float(self.least), self.least_s * US_PER_S / window.step_us)
        if not (length >= least).any():
            return []
        top = float(quantile(np.abs(value), 0.95))
        if len(start) >= self.least_runs:
            least = max(least, self.times_usual * float(quantile(length.astype(np.float64), 0.9)))
        # Few values tell no limit: one that never changes may well be stale.
        at_limit = (np.abs(value) >= self.limit_share * top) & (len(start) >= self.least_runs)
        at_zero = np.abs(value) < self.zero_share * top
        is_long = (length >= least) & ~at_limit & ~at_zero
        kept = np.flatnonzero(is_long)
        kept = kept[self._is_no_rounding(values, start[kept], length[kept])]
        return [
            self._tell(window, name, row, (int(first), int(n)))
            for first, n in zip(start[kept], length[kept], strict=True)
        ]

    def _is_no_rounding(self, values: Floats, start: Ints, length: Ints) -> npt.NDArray[np.bool_]:
        """Whether runs are longer than rounding of a slow value would make them."""
        moves = np.abs(np.diff(values))
        # Less than a billionth is the last bit of a float, no step of a scale.
        real = moves[np.isfinite(moves) & (moves > 1e-9 * float(np.nanmax(np.abs(values))))]
        if not len(real) or not len(start):
            return np.ones(len(start), np.bool_)
        step, most = float(real.min()), float(quantile(real, 0.95))
        millionths = values[np.isfinite(values)] * 1e6
        if (np.abs(millionths - np.round(millionths)) > _ROUNDED * np.abs(millionths)).any():
            # Means have no scale of their own; their steps are finer than any that was seen.
            step *= _FINER
        before = [moves[max(0, at - 1 - self.n_around) : max(0, at - 1)] for at in start]
        after = [
            moves[at + n : at + n + self.n_around] for at, n in zip(start, length, strict=True)
        ]
        usual = float(np.mean(np.minimum(real, most)))
        pace = np.array(
            [
                min(_mean_move(one, most, usual), _mean_move(other, most, usual))
                for one, other in zip(before, after, strict=True)
            ]
        )
        chance = (step / (step + pace)) ** (length - 1)
        return np.asarray(chance <= self.chance, np.bool_)

    def _tell(self, window: Window, name: str, row: int, run: tuple[int, int]) -> Finding:
        first, n_slots = run
        value = float(window.values[name][row, first])
        hours = n_slots * window.step_us / US_PER_HOUR
        return Finding(
            "stale",
            window.devices[row].id,
            int(window.slot_us[first]),
            int(window.slot_us[first + n_slots - 1]) + window.step_us,
            f"{name} is {value:.6g} {unit_of(name)} {n_slots} times in a row, for "
            f"{hours:.3g} h".replace("  ", " "),
            {name: value, "repeats_n": float(n_slots), "lasting_h": hours},
            name,
            self.name,
            min(0.99, 1.0 - 0.5 / n_slots),
        )


def _mean_move(moves: Floats, most: float, usual: float) -> float:
    """Mean of some moves without their jumps; the usual one where hardly any is known."""
    known = moves[np.isfinite(moves)]
    return float(np.minimum(known, most).mean()) if len(known) >= _FEW_MOVES else usual


def _find_runs(values: Floats) -> tuple[Ints, Ints]:
    """Where runs of equal values begin, and their lengths; a gap ends a run."""
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    return starts, np.diff(np.append(starts, len(values)))

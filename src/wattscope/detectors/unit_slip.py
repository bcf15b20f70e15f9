"""Values ten, a hundred or a thousand times too large or small, told by a ratio stuck there.

Three ratios are known to be near 1 whatever the weather: AC over DC power of an inverter, power
over voltage times current, and power integrated over what a counter grew by. Where one is steady
near a power of ten, a decimal point or a "kilo" was lost; which of the two values is wrong is told
by a third one where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.counter_falls import count_falls, grow_by_day
from wattscope.compute.production import cut_days
from wattscope.compute.robust import median, quantile, spread
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, View, Window

Floats = npt.NDArray[np.float64]

_WORDS = {1: "ten", 2: "a hundred", 3: "a thousand", 6: "a million"}
_COUNTER = "energy_production_wh"


@dataclass(frozen=True, slots=True)
class Slip:
    """A ratio of a device that is stuck near a power of ten."""

    quantity: str
    """The one that is wrong."""
    ratio: float
    """As measured."""
    power_of_ten: int
    """The quantity is this power of ten times what it should be."""
    against: str
    """What it was held against, in words."""


@dataclass(frozen=True, slots=True)
class UnitSlip:
    """Options of the detector ``unit_slip``."""

    name: str = "unit_slip"
    view: View = View("15m", 30 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    tolerance: float = 0.25
    """How far a ratio may be from a power of ten, as a share of it: losses of inverters, power
    factors and gaps are well within."""
    steadiness: float = 0.05
    """How far it may waver over time, in decades."""
    load_share: float = 0.1
    """Only while a device gives this share of its best hours: near zero ratios mean nothing."""
    min_slots: int = 12
    """Fewer say nothing."""
    min_days: int = 3
    """Nor do fewer days of a counter."""

    def find(self, window: Window) -> list[Finding]:
        """Quantities in a wrong unit, by device."""
        findings = []
        for row, device in enumerate(window.devices):
            slips: dict[str, Slip] = {}
            for slip in self._look(window, row):
                slips.setdefault(slip.quantity, slip)
            findings += [self._tell(window, device.id, row, one) for one in slips.values()]
        return findings

    def _look(self, window: Window, row: int) -> list[Slip]:
        ac = _row(window, row, "active_power_w", "production_power_w")
        dc = _row(window, row, "dc_power_w")
        slips = []
        from_counter = self._hold_against_counter(window, row, ac)
        if ac is not None and dc is not None:
            ratio = self._find_ratio(ac[1], dc[1])
            power = self._decades(ratio)
            if power is not None:
                # The counter sides with one of the two.
                ac_is_wrong = from_counter is not None and from_counter.power_of_ten == power
                wrong, sign = (ac[0], 1) if ac_is_wrong else (dc[0], -1)
                slips.append(Slip(wrong, ratio, sign * power, "AC over DC power"))
        if from_counter is not None:
            slips.append(from_counter)
        one = dc or ac
        voltage = _row(window, row, "dc_voltage_v")
        current = _row(window, row, "dc_current_a")
        if one is not None and voltage is not None and current is not None:
            ratio = self._find_ratio(one[1], voltage[1] * current[1])
            power = self._decades(ratio)
            if power is not None:
                slips.append(Slip(one[0], ratio, power, "power over voltage times current"))
        return slips

    def _hold_against_counter(
        self, window: Window, row: int, power: tuple[str, Floats] | None
    ) -> Slip | None:
        counter = _row(window, row, _COUNTER)
        if power is None or counter is None or count_falls(counter[1][None]).n_others[0] > 0:
            return None
        days = cut_days(window)
        given = np.maximum(power[1], 0.0)
        energy = days.sum(given[None])[0] * window.step_us / US_PER_HOUR
        growth = grow_by_day(counter[1][None], days)[0]
        is_known = (growth > 0.0) & (energy > 0.0)
        decades = np.log10(energy[is_known] / growth[is_known])
        # Days that lack readings are outliers; of a unit all days are wrong alike.
        if len(decades) < self.min_days or float(spread(decades)) > self.steadiness:
            return None
        ratio = float(10.0 ** median(decades))
        power_of_ten = self._decades(ratio)
        if power_of_ten is None:
            return None
        return Slip(power[0], ratio, power_of_ten, "power integrated over the counter")

    def _find_ratio(self, above: Matrix, below: Matrix) -> float:
        """The usual ratio under load; NaN where it wavers or is too seldom known."""
        above, below = np.abs(above), np.abs(below)
        with np.errstate(divide="ignore", invalid="ignore"):
            is_loaded = (above >= self.load_share * quantile(above, 0.98)) & (below > 0.0)
            is_loaded &= above > 0.0
            decades = np.log10(above[is_loaded] / below[is_loaded])
        if len(decades) < self.min_slots or float(spread(decades)) > self.steadiness:
            return float("nan")
        return float(10.0 ** median(decades))

    def _decades(self, ratio: float) -> int | None:
        """The power of ten, other than none, that a ratio is near to."""
        if not np.isfinite(ratio) or ratio <= 0.0:
            return None
        nearest = round(float(np.log10(ratio)))
        is_near = abs(ratio / 10.0**nearest - 1.0) <= self.tolerance
        return nearest if abs(nearest) in _WORDS and is_near else None

    def _tell(self, window: Window, device: str, row: int, slip: Slip) -> Finding:
        known = np.flatnonzero(np.isfinite(window.values[slip.quantity][row]))
        size = _WORDS[abs(slip.power_of_ten)]
        side = "large" if slip.power_of_ten > 0 else "small"
        return Finding(
            "unit_slip",
            device,
            int(window.slot_us[known[0]]),
            int(window.slot_us[known[-1]]) + window.step_us,
            f"{slip.quantity} is {size} times too {side}: {slip.against} is {slip.ratio:.4g}",
            {"ratio": slip.ratio, "factor_ratio": 10.0**slip.power_of_ten},
            slip.quantity,
            self.name,
            0.95,
        )


def _row(window: Window, row: int, *quantities: str) -> tuple[str, Floats] | None:
    """The first quantity of which a device has values."""
    for name in quantities:
        matrix = window.values.get(name)
        if matrix is not None and np.isfinite(matrix[row]).any():
            return name, np.asarray(matrix[row], np.float64)
    return None

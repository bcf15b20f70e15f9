"""Devices and plants that give less from year to year.

Each day is held against the same day a year later, so that seasons, and the dirt that comes with
them, cancel; the median of all such pairs is the rate. Method and name, year on year, are those of
Jordan, Deline, Kurtz, Kimball, Anderson (2018), Robust PV Degradation Methodology and Application,
doi 10.1109/JPHOTOV.2017.2779779. Devices are held against their siblings, the plant against
measured light; siblings that all age alike are seen in the plant only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wattscope.compute.expected_power import ExpectedMethod, expect_power
from wattscope.compute.peers import PeerOptions, view_peers
from wattscope.compute.plant_states import name_plant, sum_plant
from wattscope.compute.robust import median
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import Matrix, View, Window

Floats = npt.NDArray[np.float64]

_YEAR_DAYS = 365
_BLOCK_DAYS = 30.0
"""Pairs within a month have the same weather and dirt: they count as one."""
_SURENESS = 1.96
"""Half width of the interval of confidence [standard deviations]: 95 %."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """Options of the detector ``degradation``."""

    name: str = "degradation"
    view: View = View("1d", 3 * _YEAR_DAYS * US_PER_DAY, 86_400.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    min_rate: float = 0.005
    """Least loss a year, as a share; less is what makers promise."""
    min_pairs: int = 120
    """Pairs of days a year apart that there must be."""
    limit: float = 0.2
    """The loss that is foretold: what makers warrant against in 25 years."""

    def find(self, window: Window) -> list[Finding]:
        """Losses from year to year, by device; that of the plant comes last."""
        view = view_peers(window, self.peers)
        per_day = US_PER_DAY // window.step_us if window.step_us else 0
        if view is None or per_day < 1:
            return []
        share = np.full_like(view.power_w, np.nan)
        counted = view.is_day & (view.usual_w > 0.0)
        np.divide(view.power_w, view.usual_w, out=share, where=counted)
        rows = [(device.id, share[at]) for at, device in enumerate(window.devices)]
        rows += _view_plant(window, view.power_w)
        findings = []
        for device, values in rows:
            found = self._judge(window, device, _by_day(values, per_day), view.quantity)
            if found is not None:
                findings.append(found)
        return findings

    def _judge(self, window: Window, device: str, share: Floats, quantity: str) -> Finding | None:
        steps = share[_YEAR_DAYS:] - share[:-_YEAR_DAYS] if len(share) > _YEAR_DAYS else share[:0]
        steps = np.sort(steps[np.isfinite(steps)]) / float(median(share))
        if len(steps) < self.min_pairs:
            return None
        rate, slow, fast = _rate(steps)
        if slow < self.min_rate:
            return None
        years = (window.end_us - int(window.slot_us[0])) / US_PER_DAY / _YEAR_DAYS
        left = max(self.limit - rate * years, 0.0)
        return Finding(
            "degradation",
            device,
            int(window.slot_us[0]),
            window.end_us,
            f"{rate:.1%} less each year ({slow:.1%} to {fast:.1%}); "
            f"{self.limit:.0%} in {left / rate:.0f} years",
            {
                "loss_per_year_share": rate,
                "loss_per_year_low_share": slow,
                "loss_per_year_high_share": fast,
                "limit_share": self.limit,
                "until_limit_years": left / rate,
            },
            quantity,
            self.name,
            float(np.clip(1.0 - (fast - slow) / (2.0 * rate), 0.3, 0.9)),
        )


def _rate(steps: Floats) -> tuple[float, float, float]:
    """The median loss a year, and its interval by the sign test over blocks of a month."""
    n = len(steps)
    margin = _SURENESS * n / (2.0 * max(n / _BLOCK_DAYS, 1.0) ** 0.5)
    low, high = np.clip([n / 2.0 - margin, n / 2.0 + margin], 0, n - 1).astype(np.int64).tolist()
    return -float(median(steps)), -float(steps[high]), -float(steps[low])


def _by_day(share: Floats, per_day: int) -> Floats:
    """Medians of days of slots; the last day may be short and is left out."""
    n_days = len(share) // per_day
    return median(share[: n_days * per_day].reshape(n_days, per_day))


def _view_plant(window: Window, power_w: Matrix) -> list[tuple[str, Floats]]:
    """The plant over what measured light should give; nothing without a sensor."""
    expected = expect_power(window)
    if expected.method is not ExpectedMethod.IRRADIANCE:
        return []
    plant = sum_plant(power_w, expected)
    share = np.full_like(plant.given_w, np.nan)
    with np.errstate(invalid="ignore"):
        best = np.nanmax(plant.expected_w, initial=0.0)
        is_lit = plant.expected_w >= 0.2 * best
    np.divide(plant.given_w, plant.expected_w, out=share, where=is_lit & (plant.expected_w > 0.0))
    return [(name_plant(window), share)]

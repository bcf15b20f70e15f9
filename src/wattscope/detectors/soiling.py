"""Panels and plants that slowly give less, until rain or a cleaning brings it back.

Devices are held against their siblings; the plant as a whole, whose siblings get dirty together,
against the light. Each finding foretells the day on which the loss passes a limit: that is when to
clean. The way to tell a slow fall, its recoveries and its sureness follows Deceglie, Micheli,
Muller (2018), Quantifying Soiling Loss Directly From PV Yield, doi 10.1109/JPHOTOV.2017.2784682.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wattscope.compute.expected_power import ExpectedMethod, expect_power
from wattscope.compute.peers import PeerOptions
from wattscope.compute.plant_states import find_snow_days, name_plant, sum_plant
from wattscope.compute.production import Days, DayShares, cut_days
from wattscope.compute.reference import find_reference
from wattscope.compute.steps_and_slopes import Fall, find_falls
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import Matrix, View, Window

Flags = npt.NDArray[np.bool_]

_NEVER_DAYS = 365.0
"""Beyond a year ahead nothing is foretold."""


@dataclass(frozen=True, slots=True)
class _View:
    """A device, or the plant, on each day."""

    device: str
    shares: DayShares
    """Of this one alone; shape ``(1, n_days)``."""
    counted: Flags
    """Shape ``(n_slots,)``."""


@dataclass(frozen=True, slots=True)
class Soiling:
    """Options of the detector ``soiling``."""

    name: str = "soiling"
    view: View = View("1h", 90 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    min_fall: float = 0.02
    """Least loss at which it is told."""
    min_days: int = 7
    """Shortest fall."""
    recovery: float = 0.02
    """A rise from one day to the next by this is rain or a cleaning."""
    limit: float = 0.05
    """The loss at which to clean."""

    def find(self, window: Window) -> list[Finding]:
        """Slow falls, by device, then start; those of the plant come last."""
        reference = find_reference(window, self.peers)
        if reference is None:
            return []
        days = cut_days(window)
        shares = days.compare(reference.power_w, reference.expected_w, reference.counted)
        views = [
            _View(device.id, shares.row(row), reference.counted[row])
            for row, device in enumerate(window.devices)
        ]
        if reference.has_peers.any():
            views += _view_plant(window, reference.power_w, days)
        return [
            replace(one, quantity=reference.quantity, detector=self.name)
            for view in views
            for one in self._look(window, days, view)
        ]

    def _look(self, window: Window, days: Days, view: _View) -> list[Finding]:
        share = view.shares.share[0]
        if np.isfinite(share).sum() < self.min_days or not self._may_fall(share):
            return []
        falls = find_falls(share, self.min_fall, min_days=self.min_days, jump=self.recovery)
        return [
            Finding(
                "soiling",
                view.device,
                *days.find_span(window, view.counted, fall.start, fall.end),
                *self._tell(fall, is_last=fall.end >= len(share) - 1),
                confidence=_sureness(fall),
                lost_wh=_find_loss(view.shares, fall) * window.step_us / US_PER_HOUR,
            )
            for fall in falls
        ]

    def _may_fall(self, share: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
        """A quick look that spares most devices the slow one."""
        return bool(np.nanmax(share) - np.nanmin(share) >= self.min_fall)

    def _tell(self, fall: Fall, *, is_last: bool) -> tuple[str, dict[str, float]]:
        rate = -fall.slope.per_x / fall.clean
        loss = 1.0 - fall.dirty / fall.clean
        words = f"{rate:.2%} less each day, {loss:.1%} by now"
        evidence = {
            "loss_share": loss,
            "loss_per_day_share": rate,
            "limit_share": self.limit,
        }
        left = self.limit - loss
        if is_last and left <= 0.0:
            words += f"; more than the limit of {self.limit:.0%}"
            evidence["until_limit_days"] = 0.0
        elif is_last and left / rate <= _NEVER_DAYS:
            words += f"; {self.limit:.0%} in {left / rate:.0f} days"
            evidence["until_limit_days"] = left / rate
            evidence["until_limit_early_days"] = left / (-fall.slope.low / fall.clean)
            evidence["until_limit_late_days"] = min(
                left / (-fall.slope.high / fall.clean), _NEVER_DAYS
            )
        return words, evidence


def _view_plant(window: Window, power_w: Matrix, days: Days) -> list[_View]:
    """The plant beside its light, snow left out; nothing where the light is not known."""
    expected = expect_power(window)
    if expected.method is ExpectedMethod.NONE:
        return []
    plant = sum_plant(power_w, expected)
    is_snow = find_snow_days(window, plant, days)
    with np.errstate(invalid="ignore"):
        counted = (plant.expected_w > 0.0) & np.isfinite(plant.given_w) & ~is_snow[days.of_slot]
    shares = days.compare(plant.given_w[None], plant.expected_w[None], counted[None])
    return [_View(name_plant(window), shares, counted)]


def _sureness(fall: Fall) -> float:
    """1 where the slope is known exactly, 0.5 where its interval is as wide as itself."""
    width = (fall.slope.high - fall.slope.low) / -fall.slope.per_x
    return float(np.clip(1.0 / (1.0 + width), 0.3, 0.9))


def _find_loss(shares: DayShares, fall: Fall) -> float:
    """Sum of the powers that its days lack [W]."""
    span = slice(fall.start, fall.end)
    wanted = shares.expected[0, span] * fall.clean
    missing = np.where(np.isfinite(shares.share[0, span]), wanted - shares.given[0, span], 0.0)
    return max(float(missing.sum()), 0.0)

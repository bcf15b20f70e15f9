"""Panels and plants that slowly give less, until rain or a cleaning brings it back.

Devices are held against their siblings; the plant as a whole, whose siblings get dirty together,
against the light. Each finding foretells the day on which the loss passes a limit: that is when to
clean. The way to tell a slow fall, its recoveries and its sureness follows Deceglie, Micheli,
Muller (2018), Quantifying Soiling Loss Directly From PV Yield, doi 10.1109/JPHOTOV.2017.2784682.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wattscope.compute.expected_power import ExpectedMethod, expect_power
from wattscope.compute.peers import PeerOptions
from wattscope.compute.plant_states import find_snow_days, sum_plant
from wattscope.compute.production import DayShares, cut_days
from wattscope.compute.reference import Reference, find_reference
from wattscope.compute.steps_and_slopes import Fall, find_falls
from wattscope.core.findings import Finding
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import View, Window

_NEVER_DAYS = 365.0
"""Beyond a year ahead nothing is foretold."""


@dataclass(frozen=True, slots=True)
class Soiling:
    """Options of the detector ``soiling``."""

    name: str = "soiling"
    view: View = View("15m", 60 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
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
        """Slow falls, by device, then start."""
        reference = find_reference(window, self.peers)
        if reference is None:
            return []
        days = cut_days(window)
        shares = days.compare(reference.power_w, reference.expected_w, reference.counted)
        findings = []
        for row, device in enumerate(window.devices):
            findings += self._look(window, device.id, shares, row, days.edges_us, reference)
        if reference.has_peers.any():
            findings += self._look_at_plant(window, reference, days.edges_us)
        return findings

    def _look_at_plant(
        self, window: Window, reference: Reference, edges_us: Int64Column
    ) -> list[Finding]:
        expected = expect_power(window)
        if expected.method is ExpectedMethod.NONE:
            return []
        days = cut_days(window)
        plant = sum_plant(reference.power_w, expected)
        is_snow = find_snow_days(window, plant, days)
        counted = np.isfinite(plant.given_w) & np.isfinite(plant.expected_w)
        counted &= (plant.expected_w > 0.0) & ~is_snow[days.of_slot]
        shares = days.compare(plant.given_w[None], plant.expected_w[None], counted[None])
        parents = {device.parent for device in window.devices}
        only = next(iter(parents)) if len(parents) == 1 else None
        return self._look(window, only or window.site.id, shares, 0, edges_us, reference)

    def _look(  # noqa: PLR0913, PLR0917 - one row of a table with what is known of the window
        self,
        window: Window,
        device: str,
        shares: DayShares,
        row: int,
        edges_us: Int64Column,
        reference: Reference,
    ) -> list[Finding]:
        share = shares.share[row]
        if np.isfinite(share).sum() < self.min_days or not self._may_fall(share):
            return []
        falls = find_falls(share, self.min_fall, min_days=self.min_days, jump=self.recovery)
        return [
            Finding(
                "soiling",
                device,
                max(int(edges_us[fall.start]), int(window.slot_us[0])),
                min(int(edges_us[fall.end]), window.end_us),
                *self._tell(fall, is_last=fall.end >= len(share) - 1),
                reference.quantity,
                self.name,
                _sureness(fall),
                _find_loss(shares, row, fall) * window.step_us / US_PER_HOUR,
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


def _sureness(fall: Fall) -> float:
    """1 where the slope is known exactly, 0.5 where its interval is as wide as itself."""
    width = (fall.slope.high - fall.slope.low) / -fall.slope.per_x
    return float(np.clip(1.0 / (1.0 + width), 0.3, 0.9))


def _find_loss(shares: DayShares, row: int, fall: Fall) -> float:
    span = slice(fall.start, fall.end)
    wanted = shares.expected[row, span] * fall.clean
    missing = np.where(np.isfinite(shares.share[row, span]), wanted - shares.given[row, span], 0.0)
    return max(float(missing.sum()), 0.0)

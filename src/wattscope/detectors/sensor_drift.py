"""Sensors that walk away from what their siblings say, day by day.

Temperatures are compared by their difference, voltages and light by their ratio. Only where three
or more of a kind stand side by side can it be told which one walks. Only panels and inverters are
looked at: they share sun and air, while thermometers of a house have rooms of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wattscope.compute.peers import PeerOptions, group_siblings
from wattscope.compute.production import Days, cut_days, is_solar
from wattscope.compute.robust import median, quantile
from wattscope.compute.steps_and_slopes import Fall, find_falls
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY
from wattscope.core.window import Matrix, View, Window

Ints = npt.NDArray[np.int64]

_SCALE = 0.05
"""Falls are searched in shares: a drift by its limit is brought to this."""


@dataclass(frozen=True, slots=True)
class DriftLimit:
    """When a sensor counts as walking."""

    quantity: str
    limit: float
    """In the quantity's unit, or as a share where it is compared by its ratio."""
    is_ratio: bool
    unit: str
    """As printed."""


@dataclass(frozen=True, slots=True)
class SensorDrift:
    """Options of the detector ``sensor_drift``."""

    name: str = "sensor_drift"
    view: View = View("1h", 90 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    limits: tuple[DriftLimit, ...] = (
        DriftLimit("temperature_c", 3.0, is_ratio=False, unit=" °C"),
        DriftLimit("heat_sink_temperature_c", 5.0, is_ratio=False, unit=" °C"),
        DriftLimit("dc_voltage_v", 0.05, is_ratio=True, unit=" %"),
        DriftLimit("irradiance_w_m2", 0.05, is_ratio=True, unit=" %"),
    )
    min_days: int = 7

    def find(self, window: Window) -> list[Finding]:
        """Sensors that walk, by device, then quantity."""
        if not len(window.slot_us) or not all(is_solar(device) for device in window.devices):
            return []
        days = cut_days(window)
        groups = group_siblings(window.devices, self.peers.min_peers)
        findings = []
        for one in self.limits:
            if one.quantity in window.values:
                for rows in groups:
                    findings += self._look(window, days, rows, one)
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(findings, key=lambda one: (order[one.device], one.start_us))

    def _look(self, window: Window, days: Days, rows: Ints, limit: DriftLimit) -> list[Finding]:
        apart = _apart(window.values[limit.quantity][rows], days, self.peers, limit)
        scaled = apart * (_SCALE / limit.limit)
        findings = []
        for place, row in enumerate(rows.tolist()):
            series = scaled[place]
            if np.isfinite(series).sum() < self.min_days:
                continue
            if np.nanmax(series) - np.nanmin(series) < _SCALE:
                continue
            for sign in (1.0, -1.0):
                # A drift has no rain that ends it: only what a repair would be ends it.
                falls = find_falls(-sign * series, _SCALE, min_days=self.min_days, jump=_SCALE)
                for fall in falls:
                    walked = sign * (fall.clean - fall.dirty) * limit.limit / _SCALE
                    findings.append(self._tell(window, days, row, limit, (fall, walked)))
        return findings

    def _tell(
        self,
        window: Window,
        days: Days,
        row: int,
        limit: DriftLimit,
        found: tuple[Fall, float],
    ) -> Finding:
        fall, walked = found
        shown = walked * 100.0 if limit.is_ratio else walked
        length = fall.end - fall.start
        suffix = "share" if limit.is_ratio else "k"
        return Finding(
            "sensor_drift",
            window.devices[row].id,
            max(int(days.edges_us[fall.start]), int(window.slot_us[0])),
            min(int(days.edges_us[fall.end]), window.end_us),
            f"{limit.quantity} has walked {shown:+.1f}{limit.unit} away from its neighbours in "
            f"{length} days",
            {f"drift_{suffix}": walked, f"drift_per_day_{suffix}": walked / length},
            limit.quantity,
            self.name,
            0.85,
        )


def _apart(values: Matrix, days: Days, peers: PeerOptions, limit: DriftLimit) -> Matrix:
    """How far each sensor usually was from the middle one on each day; ``(n, n_days)``."""
    middle = median(values, 0)
    enough = np.isfinite(values).sum(0) >= peers.min_peers
    if limit.is_ratio:
        with np.errstate(invalid="ignore"):
            is_high = middle >= 2.0 * peers.day_share * quantile(middle, 0.98)
        usable = enough & is_high & (middle > 0.0)
        apart = np.full_like(values, np.nan)
        np.divide(values, middle, out=apart, where=usable[None])
    else:
        apart = np.where(enough, values - middle, np.nan)
    ends = np.append(days.starts[1:], values.shape[1])
    return np.stack([median(apart[:, a:b]) for a, b in zip(days.starts, ends, strict=True)], axis=1)

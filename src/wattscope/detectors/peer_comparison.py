"""Panels and inverters that give less than their siblings at the same instant.

Two kinds. An *outage*: no power while the siblings produce. *Underperformance*: over whole days
less energy than siblings of the same size give. Clouds, seasons and nights are the siblings' too,
so they raise nothing; where too few siblings have values, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wattscope.compute.peers import PeerOptions, PeerView, view_peers
from wattscope.compute.production import cut_days, energy_wh, usable
from wattscope.compute.robust import median, spread
from wattscope.compute.spans import close_gaps, keep_marked
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.window import Window

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PeerComparison:
    """Options of the detector ``peer_comparison``."""

    name: str = "peer_comparison"
    peers: PeerOptions = field(default_factory=PeerOptions)
    no_power_share: float = 0.02
    """No power is less than this share of what the device usually gives beside its siblings."""
    recovered_share: float = 0.5
    """An outage goes on until the device gives this share again."""
    min_outage_s: float = 600.0
    """With less time without power than this it is no outage [s]."""
    rejoin_s: float = 1800.0
    """Two outages of a device with at most this between them are one [s]."""
    min_loss: float = 0.05
    """Least part of a day's energy that must be missing for underperformance."""
    n_spreads: float = 4.0
    """How many of the siblings' spreads it must be."""
    min_days: int = 2
    """On how many days in a row."""

    def find(self, window: Window) -> list[Finding]:
        """Outages and underperformance, by device, then start."""
        view = view_peers(window, self.peers)
        if view is None:
            return []
        outages, is_impaired = self._find_outages(window, view)
        lasting = self._find_underperformance(window, view, is_impaired)
        order = {device.id: row for row, device in enumerate(window.devices)}
        return sorted(outages + lasting, key=lambda one: (order[one.device], one.start_us))

    def _find_outages(self, window: Window, view: PeerView) -> tuple[list[Finding], Flags]:
        """Outages, and the slots in which a device was out or on its way."""
        with np.errstate(invalid="ignore"):
            is_out = view.is_day & (view.power_w <= self.no_power_share * view.usual_w)
            is_low = view.power_w < self.recovered_share * view.usual_w
        goes_on = is_low | ~view.is_day | ~usable(view.power_w, view.usual_w)
        spans = keep_marked(close_gaps(goes_on, self._slots(window, self.rejoin_s)), is_out)
        findings = []
        is_impaired = is_low & view.is_day
        for row, start, end in zip(*spans, strict=True):
            n_out = int(is_out[row, start:end].sum())
            if n_out >= max(self._slots(window, self.min_outage_s), 1):
                is_impaired[row, start:end] = True
                findings.append(self._tell_outage(window, view, (row, start, end), n_out))
        return findings, is_impaired

    @staticmethod
    def _slots(window: Window, seconds: float) -> int:
        return int(seconds * US_PER_S / window.step_us)

    def _tell_outage(
        self, window: Window, view: PeerView, span: tuple[int, int, int], n_out: int
    ) -> Finding:
        row, start, end = span
        power, usual = view.power_w[row, start:end], view.usual_w[row, start:end]
        expected = energy_wh(usual[np.isfinite(power)], window.step_us)
        lost = max(expected - energy_wh(power, window.step_us), 0.0)
        hours = n_out * window.step_us / US_PER_HOUR
        return Finding(
            "outage",
            window.devices[row].id,
            int(window.slot_us[start]),
            int(window.slot_us[end - 1]) + window.step_us,
            f"no power for {hours:.2g} h of daylight while {view.n_peers[row] - 1} neighbours "
            f"produce; they say {expected / 1000:.3g} kWh",
            {
                "without_power_h": hours,
                "expected_wh": expected,
                "peers_n": float(view.n_peers[row] - 1),
            },
            view.quantity,
            self.name,
            0.98 if n_out > 1 else 0.9,
            lost,
        )

    def _find_underperformance(
        self, window: Window, view: PeerView, is_impaired: Flags
    ) -> list[Finding]:
        days = cut_days(window)
        counted = view.is_day & ~is_impaired & usable(view.power_w, view.fair_w)
        shares = days.compare(view.power_w, view.fair_w, counted)
        apart = float(median(spread(shares.share, 0)))
        limit = 1.0 - max(self.min_loss, self.n_spreads * apart)
        with np.errstate(invalid="ignore"):
            is_below = (shares.share < limit) & view.is_size_known[:, None]
            # Half way back is not yet back.
            goes_on = (shares.share < (1.0 + limit) / 2.0) | ~np.isfinite(shares.share)
        findings = []
        for row, start, end in zip(*keep_marked(goes_on, is_below), strict=True):
            expected = float(shares.expected[row, start:end].sum())
            missing = expected - float(shares.given[row, start:end].sum())
            if end - start >= self.min_days and missing > self.min_loss * expected:
                span = slice(int(days.edges_us[start]), int(days.edges_us[end]))
                loss = missing / expected, missing * window.step_us / US_PER_HOUR
                findings.append(self._tell_underperformance(window, view, row, span, loss))
        return findings

    def _tell_underperformance(
        self, window: Window, view: PeerView, row: int, span: slice, loss: tuple[float, float]
    ) -> Finding:
        part, lost_wh = loss
        return Finding(
            "underperformance",
            window.devices[row].id,
            max(span.start, int(window.slot_us[0])),
            min(span.stop, window.end_us),
            f"{part:.1%} less energy than {view.n_peers[row] - 1} neighbours of its size",
            {"loss_share": part, "peers_n": float(view.n_peers[row] - 1)},
            view.quantity,
            self.name,
            0.5,
            lost_wh,
        )

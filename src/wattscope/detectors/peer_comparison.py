"""Panels and inverters that give less energy than their siblings, day after day.

Clouds, seasons and nights are the siblings' too, so they raise nothing. A device is compared with
siblings of its own size: by ratings, or, where those are unknown, only where all siblings are so
much alike that they must be of one size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wattscope.compute.limits import find_limits
from wattscope.compute.peers import PeerOptions, PeerView, view_peers
from wattscope.compute.production import Instants, cut_days, usable
from wattscope.compute.robust import median, spread
from wattscope.compute.spans import keep_marked
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import View, Window


@dataclass(frozen=True, slots=True)
class PeerComparison:
    """Options of the detector ``peer_comparison``."""

    name: str = "peer_comparison"
    view: View = View("15m", 30 * US_PER_DAY, 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    outage_share: float = 0.5
    """Slots with less than this share of what a device usually gives are the matter of outages."""
    min_loss: float = 0.05
    """Least part of a day's energy that must be missing for underperformance."""
    n_spreads: float = 4.0
    """How many of the siblings' spreads it must be."""
    min_days: int = 2
    """On how many days in a row."""

    def find(self, window: Window) -> list[Finding]:
        """Lasting underperformance, by device, then start."""
        view = view_peers(window, self.peers)
        if view is None:
            return []
        with np.errstate(invalid="ignore"):
            is_out = view.power_w < self.outage_share * view.usual_w
        days = cut_days(window)
        # At its limit a device gives less than its siblings, and is told as clipping.
        is_at = find_limits(view.power_w, view.usual_w, window.step_us).is_at
        counted = view.is_day & ~is_out & ~is_at & usable(view.power_w, view.fair_w)
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
                span = days.find_span(window, counted[row], start, end)
                loss = missing / expected, missing * window.step_us / US_PER_HOUR
                findings.append(self._tell(window, view, row, span, loss))
        return findings

    def _tell(
        self, window: Window, view: PeerView, row: int, span: Instants, loss: tuple[float, float]
    ) -> Finding:
        part, lost_wh = loss
        return Finding(
            "underperformance",
            window.devices[row].id,
            *span,
            f"{part:.1%} less energy than {view.n_peers[row] - 1} neighbours of its size",
            {"loss_share": part, "peers_n": float(view.n_peers[row] - 1)},
            view.quantity,
            self.name,
            0.5,
            lost_wh,
        )

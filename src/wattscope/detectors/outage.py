"""Panels and inverters without power while their siblings produce.

Night, clouds and a dark winter's day are the siblings' too and raise nothing. An inverter that
trips with all its strings is seen against those that go on. Where a device sends nothing at all,
nothing is said here: that is ``missing_data``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wattscope.compute.peers import PeerOptions, PeerView, view_peers
from wattscope.compute.production import energy_wh, usable
from wattscope.compute.spans import close_gaps, keep_marked
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.window import View, Window


@dataclass(frozen=True, slots=True)
class Outage:
    """Options of the detector ``outage``."""

    name: str = "outage"
    view: View = View("native", 2 * US_PER_DAY, 60.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    no_power_share: float = 0.02
    """No power is less than this share of what the device usually gives beside its siblings."""
    recovered_share: float = 0.5
    """An outage goes on until the device gives this share again."""
    min_outage_s: float = 600.0
    """With less time without power than this it is no outage [s]."""
    rejoin_s: float = 1800.0
    """Two outages of a device with at most this between them are one [s]."""

    def find(self, window: Window) -> list[Finding]:
        """Outages, by device, then start."""
        view = view_peers(window, self.peers)
        if view is None:
            return []
        with np.errstate(invalid="ignore"):
            is_out = view.is_day & (view.power_w <= self.no_power_share * view.usual_w)
            is_low = view.power_w < self.recovered_share * view.usual_w
        goes_on = is_low | ~view.is_day | ~usable(view.power_w, view.usual_w)
        spans = keep_marked(close_gaps(goes_on, self._slots(window, self.rejoin_s)), is_out)
        findings = []
        for row, start, end in zip(*spans, strict=True):
            n_out = int(is_out[row, start:end].sum())
            if n_out >= max(self._slots(window, self.min_outage_s), 1):
                findings.append(self._tell(window, view, (row, start, end), n_out))
        return findings

    @staticmethod
    def _slots(window: Window, seconds: float) -> int:
        return int(seconds * US_PER_S / window.step_us)

    def _tell(
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

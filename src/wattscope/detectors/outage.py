"""Panels and inverters without power while their siblings produce.

Night, clouds and a dark winter's day are the siblings' too and raise nothing. A string, or an
inverter with all its strings, is seen against those that go on; where the meter tree is known, a
string that is out alone is named as such. Where a device sends nothing at all,
nothing is said here: that is ``missing_data``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from wattscope.compute.peers import PeerOptions, PeerView, view_peers
from wattscope.compute.production import energy_wh, usable
from wattscope.compute.spans import close_gaps, keep_marked
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.topology import DeviceKind
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

    whole_share: float = 0.8
    """A string or inverter is out where this share of what is below it is."""

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
        least = max(math.ceil(self.min_outage_s * US_PER_S / window.step_us), 1)
        outs = [
            (row, start, end, int(is_out[row, start:end].sum()))
            for row, start, end in zip(*(part.tolist() for part in spans), strict=True)
        ]
        findings = [self._tell(window, view, out) for out in outs if out[3] >= least]
        return self._name_strings(window, findings)

    def _name_strings(self, window: Window, findings: list[Finding]) -> list[Finding]:
        """Panels that are out with all others of their string, but not with the whole inverter."""
        below: dict[str, set[str]] = defaultdict(set)
        for device in window.devices:
            if device.parent in window.above:
                below[str(device.parent)].add(device.id)
        strings = [one for one in below if window.above[one].kind is DeviceKind.STRING]
        out = {one: self._find_whole(below[one], findings) for one in strings}
        parents = {device.id: device.parent for device in window.devices}
        return [
            replace(one, kind="string_out", detail=f"with its whole string {string}: {one.detail}")
            if (string := parents[one.device]) in out
            and string is not None
            and any(_overlap(one, span) for span in out[string])
            and not self._is_inverter_out(window, string, one, out)
            else one
            for one in findings
        ]

    def _find_whole(self, panels: set[str], findings: list[Finding]) -> list[tuple[int, int]]:
        """Spans in which nearly all panels of a string are out, as the first of them tells."""
        own = [one for one in findings if one.device in panels]
        return [
            (one.start_us, one.end_us)
            for one in own
            if len(panels) >= self.peers.min_peers
            and len({two.device for two in own if _overlap(two, (one.start_us, one.end_us))})
            >= self.whole_share * len(panels)
        ]

    def _is_inverter_out(
        self, window: Window, string: str, one: Finding, out: dict[str, list[tuple[int, int]]]
    ) -> bool:
        """Whether the other strings of the same inverter are out at the same time as well."""
        inverter = window.above[string].parent
        beside = [
            other for other in out if other != string and window.above[other].parent == inverter
        ]
        n_out = sum(any(_overlap(one, span) for span in out[other]) for other in beside)
        return bool(beside) and inverter is not None and n_out >= self.whole_share * len(beside)

    @staticmethod
    def _slots(window: Window, seconds: float) -> int:
        return int(seconds * US_PER_S / window.step_us)

    def _tell(self, window: Window, view: PeerView, span: tuple[int, int, int, int]) -> Finding:
        row, start, end, n_out = span
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


def _overlap(finding: Finding, span: tuple[int, int]) -> bool:
    """Whether two spans share at least half of the shorter one."""
    shared = min(finding.end_us, span[1]) - max(finding.start_us, span[0])
    return 2 * shared >= min(finding.end_us - finding.start_us, span[1] - span[0])

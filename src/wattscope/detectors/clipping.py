"""Inverters that run into their limit: a flat top while the light goes on. Not a fault.

How a limit is told from a plain summer's noon stands in ``compute.limits``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wattscope.compute.peers import PeerOptions
from wattscope.compute.production import cut_days
from wattscope.compute.reference import Reference, find_reference
from wattscope.compute.spans import close_gaps, find_spans
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR
from wattscope.core.window import View, Window

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Clipping:
    """Options of the detector ``clipping``."""

    name: str = "clipping"
    view: View = View("15m", 30 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    rejoin_days: int = 7
    """Days at the limit with at most so many other days between them are one finding."""

    def find(self, window: Window) -> list[Finding]:
        """Days on which a device ran into its limit, by device, then start."""
        reference = find_reference(window, self.peers)
        if reference is None:
            return []
        limits = reference.limits
        findings = []
        for row in np.flatnonzero(limits.is_at.any(1)).tolist():
            is_top, limit_w = limits.is_at[row], float(limits.limit_w[row])
            findings += self._tell(window, reference, row, is_top, limit_w)
        return findings

    def _tell(
        self, window: Window, reference: Reference, row: int, is_top: Flags, limit_w: float
    ) -> list[Finding]:
        days = cut_days(window)
        runs = find_spans(is_top[None])
        on_day = np.zeros(days.count, np.bool_)
        on_day[days.of_slot[runs.start]] = True
        findings = []
        spans = find_spans(close_gaps(on_day[None], self.rejoin_days))
        for first, past in zip(spans.start, spans.end, strict=True):
            inside = (days.of_slot[runs.start] >= first) & (days.of_slot[runs.start] < past)
            start, end = int(runs.start[inside][0]), int(runs.end[inside][-1])
            at_limit = is_top[start:end]
            wanted = reference.expected_w[row, start:end]
            with np.errstate(invalid="ignore"):
                beyond = np.where(at_limit & (wanted > limit_w), wanted - limit_w, 0.0)
            n_days = int(on_day[first:past].sum())
            hours = int(at_limit.sum()) * window.step_us / US_PER_HOUR
            findings.append(
                Finding(
                    "clipping",
                    window.devices[row].id,
                    int(window.slot_us[start]),
                    int(window.slot_us[end - 1]) + window.step_us,
                    f"{hours:.3g} h at {limit_w / 1000:.4g} kW on {n_days} days",
                    {"limit_w": limit_w, "at_limit_h": hours, "days_n": float(n_days)},
                    reference.quantity,
                    self.name,
                    0.8,
                    float(beyond.sum()) * window.step_us / US_PER_HOUR,
                )
            )
        return findings

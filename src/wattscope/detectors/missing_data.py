"""No readings for longer than the device's usual interval allows: a gap, with its length.

Half of the distances between readings of a device tell its usual one; a gap is longer than three
times that, and than three times the interval that was told. A device that reports by day only (an
inverter that sleeps) is not missing at night: a gap counts only where its siblings report, or, for
a device that has none, where it reported at the same hours of most other days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import median
from wattscope.compute.spans import close_gaps, find_spans
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.core.window import View, Window

Flags = npt.NDArray[np.bool_]

_MAX_DAYS = 3
"""A gap of more days tells of itself: nothing can be usual at its hours any more."""


@dataclass(frozen=True, slots=True)
class MissingData:
    """Options of the detector ``missing_data``."""

    name: str = "missing_data"
    view: View = View("native", 7 * US_PER_DAY, 300.0)  # noqa: RUF009 - frozen
    times_usual: float = 3.0
    """How many usual intervals a gap is longer than [x]."""
    least_s: float = 900.0
    """Shorter gaps are not told [s]."""
    usual_share: float = 0.5
    """Of the other days, or of the siblings, that report at these hours."""

    def find(self, window: Window) -> list[Finding]:
        """Gaps, by device, then start; a device that was never heard has none."""
        if not window.values or not len(window.slot_us):
            return []
        heard = np.any([np.isfinite(matrix) for matrix in window.values.values()], axis=0)
        is_expected = self._expect(window, heard)
        findings = []
        for row, device in enumerate(window.devices):
            slots = np.flatnonzero(heard[row])
            if len(slots) < 3:
                continue
            # A reading each hour in slots of 15 minutes: the hour is usual.
            usual = float(median(np.diff(slots).astype(np.float64))) * window.step_us
            usual = max(usual, (device.interval_s or 0.0) * US_PER_S)
            least = max(self.times_usual * usual, self.least_s * US_PER_S)
            silent = ~heard[row]
            silent[: slots[0]] = False
            spans = find_spans(silent[None])
            for first, past in zip(spans.start.tolist(), spans.end.tolist(), strict=True):
                length_us = (past - first) * window.step_us
                missed_us = int(is_expected[row, first:past].sum()) * window.step_us
                is_long = length_us > _MAX_DAYS * US_PER_DAY
                if length_us >= least and (is_long or missed_us >= least):
                    findings.append(self._tell(window, row, first, past))
        return findings

    def _expect(self, window: Window, heard: Flags) -> Flags:
        """Where a device should have reported; shape ``(n_devices, n_slots)``."""
        n_devices, n_slots = heard.shape
        reach = max(1, round(US_PER_HOUR / window.step_us))
        lively = close_gaps(heard, reach)
        if n_devices > 2:
            share = (lively.sum(0) - lively) / (n_devices - 1)
            return np.asarray(share >= self.usual_share, np.bool_)
        day = round(US_PER_DAY / window.step_us)
        n_days = -(-n_slots // day)
        if n_days < 3:
            return np.ones_like(heard)
        padded = np.zeros((n_devices, n_days * day), np.bool_)
        padded[:, :n_slots] = lively
        known = np.zeros(n_days * day, np.float64)
        known[:n_slots] = 1.0
        share = padded.reshape(n_devices, n_days, day).sum(1) / known.reshape(n_days, day).sum(0)
        usual = np.tile(share >= self.usual_share, n_days)[:, :n_slots]
        return np.asarray(usual, np.bool_)

    def _tell(self, window: Window, row: int, first: int, past: int) -> Finding:
        hours = (past - first) * window.step_us / US_PER_HOUR
        is_over = past < len(window.slot_us)
        return Finding(
            "missing_data",
            window.devices[row].id,
            int(window.slot_us[first]),
            int(window.slot_us[past - 1]) + window.step_us,
            f"no readings for {hours:.3g} h" + ("" if is_over else ", and still none"),
            {"gap_h": hours},
            "",
            self.name,
        )

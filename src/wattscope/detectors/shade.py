"""Something that throws a shadow: on clear days, while the sun stands in one part of the sky, a
device gives less than its siblings, and at other hours as much as they.

The sky is divided by the sun's azimuth where the site knows its place, else by the hour. Only clear
days count: under clouds there is no beam to be shaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wattscope.compute.clear_days import find_clear_days
from wattscope.compute.limits import find_limits
from wattscope.compute.peers import PeerOptions
from wattscope.compute.production import Days, cut_days, find_power
from wattscope.compute.reference import Reference, find_reference
from wattscope.compute.robust import quantile
from wattscope.compute.solar import find_sun
from wattscope.compute.spans import find_spans
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.window import Matrix, View, Window

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shade:
    """Options of the detector ``shade``."""

    name: str = "shade"
    view: View = View("15m", 30 * US_PER_DAY, 6 * 3600.0)  # noqa: RUF009 - frozen
    peers: PeerOptions = field(default_factory=PeerOptions)
    min_loss: float = 0.08
    """Least part of the power that is missing in the shadow."""
    bin_deg: float = 7.5
    """Width of a part of the sky [degrees]; half an hour of an even turn."""
    min_bins: int = 2
    """Narrowest shadow."""
    max_part: float = 0.6
    """Widest shadow, as a part of the bins with light."""
    min_days: int = 3
    """Clear days on which it must be seen."""
    persistence: float = 0.7
    """On what part of the clear days since it was first seen."""

    def find(self, window: Window) -> list[Finding]:
        """Shadows, by device."""
        found = find_power(window)
        reference = find_reference(window, self.peers)
        if found is None or reference is None:
            return []
        days = cut_days(window)
        clear = np.flatnonzero(find_clear_days(found[1], days, window.step_us))
        if len(clear) < self.min_days:
            return []
        bins = self._divide(window, days)
        # A device at its limit gives less than its siblings at noon, and is not shaded.
        is_at = find_limits(reference.power_w, window.step_us).is_at
        reference = replace(reference, counted=reference.counted & ~is_at)
        shares = _share_by_bin(reference, days, clear, bins)
        findings = []
        for row in range(len(window.devices)):
            findings += self._look(window, reference, days, row, (clear, bins, shares[row]))
        return findings

    def _divide(self, window: Window, days: Days) -> Ints:
        """The part of the sky of each slot, 0 at the lowest; shape ``(n_slots,)``."""
        middle_us = window.slot_us + window.step_us // 2
        site = window.site
        if site.latitude is None or site.longitude is None:
            into_day = middle_us - days.edges_us[days.of_slot]
            return np.asarray(into_day // (30 * US_PER_MINUTE), np.int64)
        azimuth = find_sun(middle_us, site.latitude, site.longitude).azimuth_deg
        # South of the equator the sun passes the north: count from the south there.
        turned = azimuth if site.latitude >= 0.0 else (azimuth + 180.0) % 360.0
        return np.asarray(turned // self.bin_deg, np.int64)

    def _look(
        self,
        window: Window,
        reference: Reference,
        days: Days,
        row: int,
        sky: tuple[Ints, Ints, Matrix],
    ) -> list[Finding]:
        clear, bins, share = sky
        has_light = np.isfinite(share).mean(0) >= 0.5
        # Each day has its own top: dirt and lost strings take from all hours alike.
        top = quantile(share[:, has_light], 0.7)[:, None]
        with np.errstate(invalid="ignore"):
            is_low = share < (1.0 - self.min_loss) * top
        is_shade = self._find_lasting(is_low, has_light)
        if is_shade is None:
            return []
        on_days = is_low[:, is_shade].mean(1) >= 0.5
        first, last = np.flatnonzero(on_days)[[0, -1]].tolist()
        slots = np.flatnonzero(
            is_shade[np.minimum(bins, len(is_shade) - 1)]
            & (days.of_slot >= clear[first])
            & (days.of_slot <= clear[last])
            & reference.counted[row]
        )
        of_day = np.interp(days.of_slot[slots], clear, top[:, 0])
        wanted = reference.expected_w[row, slots] * of_day
        missing = np.maximum(wanted - reference.power_w[row, slots], 0.0)
        depth = 1.0 - float(np.nanmedian((share / top)[on_days][:, is_shade]))
        hours = (window.slot_us[slots] - days.edges_us[days.of_slot[slots]]) / US_PER_HOUR
        return [
            Finding(
                "shade",
                window.devices[row].id,
                int(window.slot_us[slots[0]]),
                int(window.slot_us[slots[-1]]) + window.step_us,
                f"{depth:.0%} less between {_clock(hours.min())} and {_clock(hours.max())} on "
                f"{int(on_days.sum())} clear days, as much as its neighbours at other hours",
                {
                    "depth_share": depth,
                    "from_h": float(hours.min()),
                    "until_h": float(hours.max()),
                    "clear_days_n": float(on_days.sum()),
                },
                reference.quantity,
                self.name,
                0.85,
                float(missing.sum()) * window.step_us / US_PER_HOUR,
            )
        ]

    def _find_lasting(self, is_low: Flags, has_light: Flags) -> Flags | None:
        """The part of the sky that is low from some clear day on; None where there is none.

        Args:
            is_low: By clear day and bin.
            has_light: By bin.
        """
        n_bins = is_low.shape[1]
        lasting = np.zeros(n_bins, np.bool_)
        for at in np.flatnonzero(has_light & (is_low.sum(0) >= self.min_days)).tolist():
            seen = np.flatnonzero(is_low[:, at])
            span = is_low[seen[0] : seen[-1] + 1, at]
            lasting[at] = span.mean() >= self.persistence
        spans = find_spans(lasting[None], self.min_bins)
        n_low = int((spans.end - spans.start).sum())
        if n_low == 0 or n_low > self.max_part * has_light.sum():
            return None
        kept = np.zeros(n_bins, np.bool_)
        for start, end in zip(spans.start, spans.end, strict=True):
            kept[start:end] = True
        return kept


def _share_by_bin(reference: Reference, days: Days, clear: Ints, bins: Ints) -> Matrix:
    """Given over expected by device, clear day and part of the sky."""
    n_bins = int(bins.max()) + 1
    n_devices = reference.power_w.shape[0]
    shares = np.full((n_devices, len(clear), n_bins), np.nan)
    given = np.where(reference.counted, reference.power_w, 0.0)
    wanted = np.where(reference.counted, reference.expected_w, 0.0)
    for place, day in enumerate(clear.tolist()):
        begin = int(days.starts[day])
        end = int(days.starts[day + 1]) if day + 1 < days.count else len(bins)
        member = bins[begin:end, None] == np.arange(n_bins)
        above, below = given[:, begin:end] @ member, wanted[:, begin:end] @ member
        np.divide(above, below, out=shares[:, place], where=below > 0.0)
    return shares


def _clock(hours: float) -> str:
    return f"{int(hours):02}:{int(hours % 1.0 * 60.0):02}"

"""Shadows: while the sun stands in one part of the sky, a device gives less than its siblings.

At other hours it gives as much as they do. The sky is divided by the sun's azimuth where the site
knows its place, else by the hour. Only the hours count in which the sun came through: under clouds
there is no beam to be shaded. A device without siblings is left out: at a low sun no model of the
sky is sure enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wattscope.compute.clear_days import find_sunny_slots
from wattscope.compute.peers import PeerOptions
from wattscope.compute.production import Days, cut_days, find_power
from wattscope.compute.reference import Reference, find_reference
from wattscope.compute.robust import median, quantile
from wattscope.compute.solar import find_sun
from wattscope.compute.spans import find_spans
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.window import Matrix, View, Window

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


_EDGE = 0.75
"""Part of its depth by which a shadow must deepen from one part of the sky to the next but one."""
_BINS_OF_A_TOP = 4
"""With fewer parts of the sky a day's own top is not told."""


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
    """Days with sun on which it must be seen."""
    persistence: float = 0.7
    """On what part of the days with sun since it was first seen."""

    def find(self, window: Window) -> list[Finding]:
        """Shadows, by device."""
        found = find_power(window)
        reference = find_reference(window, self.peers)
        if found is None or reference is None:
            return []
        days = cut_days(window)
        is_sunny = find_sunny_slots(found[1], days, window.slot_us, window.step_us)
        bins = self._divide(window, days)
        shares = _share_by_bin(reference, days, is_sunny, bins)
        findings = []
        for row in np.flatnonzero(reference.has_peers).tolist():
            findings += self._look(window, reference, days, row, (bins, shares[row]))
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
        sky: tuple[Ints, Matrix],
    ) -> list[Finding]:
        bins, share = sky
        known = np.isfinite(share)
        has_light = known.sum(0) >= self.min_days
        # Each day has its own top: dirt and lost strings take from all hours alike.
        top = np.where(known.sum(1) >= _BINS_OF_A_TOP, quantile(share, 0.7), np.nan)
        top = np.where(np.isfinite(top), top, median(top))[:, None]
        with np.errstate(invalid="ignore"):
            is_low = share < (1.0 - self.min_loss) * top
        is_shade = self._find_lasting(is_low, known, has_light)
        if is_shade is None:
            return []
        n_seen = known[:, is_shade].sum(1)
        on_days = (n_seen > 0) & (is_low[:, is_shade].sum(1) >= 0.5 * n_seen)
        if on_days.sum() < self.min_days:
            return []
        profile = median((share / top)[on_days], 0)
        is_shade = _keep_steep(is_shade, profile)
        if not is_shade.any():
            return []
        first, last = np.flatnonzero(on_days)[[0, -1]].tolist()
        slots = np.flatnonzero(
            is_shade[bins]
            & (days.of_slot >= first)
            & (days.of_slot <= last)
            & reference.counted[row]
        )
        of_day = top[days.of_slot[slots], 0]
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
                f"{int(on_days.sum())} days, as much as its neighbours at other hours",
                {
                    "depth_share": depth,
                    "from_h": float(hours.min()),
                    "until_h": float(hours.max()),
                    "days_n": float(on_days.sum()),
                },
                reference.quantity,
                self.name,
                0.85,
                float(missing.sum()) * window.step_us / US_PER_HOUR,
            )
        ]

    def _find_lasting(self, is_low: Flags, known: Flags, has_light: Flags) -> Flags | None:
        """The part of the sky that is low from some day on; None where there is none.

        Args:
            is_low: By day and bin.
            known: By day and bin, whether the sun came through.
            has_light: By bin.
        """
        n_bins = is_low.shape[1]
        lasting = np.zeros(n_bins, np.bool_)
        for at in np.flatnonzero(has_light & (is_low.sum(0) >= self.min_days)).tolist():
            seen = np.flatnonzero(is_low[:, at])
            span = slice(seen[0], seen[-1] + 1)
            lasting[at] = is_low[span, at].sum() >= self.persistence * known[span, at].sum()
        spans = find_spans(lasting[None], self.min_bins)
        n_low = int((spans.end - spans.start).sum())
        if n_low == 0 or n_low > self.max_part * has_light.sum():
            return None
        kept = np.zeros(n_bins, np.bool_)
        for start, end in zip(spans.start, spans.end, strict=True):
            kept[start:end] = True
        return kept


def _keep_steep(is_shade: Flags, profile: Floats) -> Flags:
    """Shadows that begin or end within a part of the sky.

    A panel that looks another way than its siblings gives less and less towards one end of the
    day; a shadow has an edge.
    """
    kept = np.zeros_like(is_shade)
    spans = find_spans(is_shade[None])
    padded = np.concatenate(([np.nan] * 2, profile, [np.nan] * 2))
    for start, end in zip(spans.start, spans.end, strict=True):
        depth = 1.0 - float(median(profile[start:end]))
        # From the last part outside to the second one inside, at both ends.
        rises = np.array([padded[start + 1] - padded[start + 3], padded[end + 2] - padded[end]])
        with np.errstate(invalid="ignore"):
            kept[start:end] = (rises >= _EDGE * depth).any()
    return kept


def _share_by_bin(reference: Reference, days: Days, is_sunny: Flags, bins: Ints) -> Matrix:
    """Given over expected by device, day and part of the sky, while the sun came through."""
    n_bins = int(bins.max()) + 1
    counted = reference.counted & is_sunny
    given = np.where(counted, reference.power_w, 0.0)
    wanted = np.where(counted, reference.expected_w, 0.0)
    shares = np.full((len(given), days.count, n_bins), np.nan)
    ends = np.append(days.starts[1:], len(bins))
    for day, (begin, end) in enumerate(zip(days.starts, ends, strict=True)):
        if is_sunny[begin:end].any():
            member = (bins[begin:end, None] == np.arange(n_bins)).astype(np.float64)
            above, below = given[:, begin:end] @ member, wanted[:, begin:end] @ member
            np.divide(above, below, out=shares[:, day], where=below > 0.0)
    return shares


def _clock(hours: float) -> str:
    return f"{int(hours):02}:{int(hours % 1.0 * 60.0):02}"

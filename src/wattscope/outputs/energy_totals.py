"""What registers ever grew by: totals that never fall, whatever becomes of the meter.

A register begins again at zero when a meter is replaced, reaches its end, or loses its memory. The
store knows what it truly grew by; the first value that was ever stored and all growth since make a
total that goes on. Another process, or this one after a restart, finds the same.

The days before today are summed once a day, today is asked for again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from wattscope.core.time_grid import US_PER_DAY, day_start_us, from_us, load_zone
from wattscope.core.topology import Series
from wattscope.ports import Store

_FIRST_DAY = date(2000, 1, 1)
"""Nothing older is stored."""
_PIECE = 200
"""Series that are asked for at once."""


@dataclass(frozen=True, slots=True)
class _Past:
    """A total up to the beginning of a local day."""

    day: date
    total: float
    """NaN where there was nothing before."""


class EnergyTotals:
    """The totals of some registers."""

    def __init__(self, store: Store, zone_of: Callable[[str], str]) -> None:
        """Ask nothing yet.

        Args:
            store: Has the growth.
            zone_of: Time zone of a site.
        """
        self._store, self._zone_of = store, zone_of
        self._asking = threading.Lock()
        self._past: dict[int, _Past] = {}
        self._shown: dict[int, float] = {}
        """What was said last: history that is changed by hand takes nothing back."""

    def read(self, series: Sequence[Series], now_us: int) -> Mapping[int, float]:
        """Totals in the base units of the series, by id; those without a value are left out."""
        by_zone: dict[str, list[int]] = {}
        for one in series:
            by_zone.setdefault(self._zone_of(one.site), []).append(one.id)
        with self._asking:
            for zone, ids in by_zone.items():
                for at in range(0, len(ids), _PIECE):
                    self._read_piece(ids[at : at + _PIECE], zone, now_us)
            return {one.id: self._shown[one.id] for one in series if one.id in self._shown}

    def _read_piece(self, ids: Sequence[int], name: str, now_us: int) -> None:
        zone = load_zone(name)
        today = from_us(now_us).astimezone(zone).date()
        start_us = day_start_us(today, zone)
        old = [one for one in ids if one not in self._past or self._past[one].day != today]
        if old:
            # A day has 25 hours at most, and some sites' clocks run ahead.
            past = self._sum(old, day_start_us(_FIRST_DAY, zone), start_us, {})
            self._past |= {one: _Past(today, past.get(one, np.nan)) for one in old}
        before = {one: self._past[one].total for one in ids}
        totals = self._sum(ids, start_us, start_us + 2 * US_PER_DAY, before)
        for one, total in totals.items():
            if total == total:  # noqa: PLR0124  # not for NaN
                self._shown[one] = max(total, self._shown.get(one, -np.inf))

    def _sum(
        self, ids: Sequence[int], start_us: int, end_us: int, before: Mapping[int, float]
    ) -> dict[int, float]:
        """What was before, or the first value, and the growth within ``[start, end)``."""
        found = self._store.roll_up(ids, "1d", start_us, end_us)
        totals = dict(before)
        columns = (found.series_id, found.count, found.first, found.increase)
        rows = zip(*(one.tolist() for one in columns), strict=True)
        for series, count, first, increase in rows:
            if not count:
                continue
            total = totals.get(series, np.nan)
            total = first if total != total else total  # noqa: PLR0124  # NaN: the first value
            totals[series] = total + (increase if increase == increase else 0.0)  # noqa: PLR0124
        return totals

"""Energies of all meters of a site by local days, from the kept days of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from wattscope.compute.grid_energy import DayTable, lay_out
from wattscope.core.time_grid import US_PER_S, day_start_us, local_date, local_day_edges
from wattscope.web.grid_meters import GridMeters, MeterLists
from wattscope.web.remembered import Remembered
from wattscope.web.services import Services

KEPT_US = 10 * US_PER_S
"""So long a table is kept: a sum of thousands of meters hardly changes in that time."""


@dataclass(frozen=True, slots=True)
class MeterDays:
    """Energies by meter and day."""

    meters: GridMeters
    """Whose rows the table has, in their order."""
    first: date
    """The day of the first column; each following day has the next."""
    table: DayTable

    def between(self, first: date, until: date) -> DayTable:
        """The days from ``first`` to before ``until``."""
        return self.table.days((first - self.first).days, (until - self.first).days)


class DayBook:
    """Tables of days, remembered for some seconds. Thread-safe."""

    def __init__(self, services: Services, lists: MeterLists) -> None:
        self._services = services
        self._lists = lists
        self._tables = Remembered(self._read, kept_us=KEPT_US, now_us=services.now_us)

    def read(self, site: str, first: date, until: date) -> MeterDays:
        """The days from ``first`` to before ``until``, of every meter that counts."""
        return self._tables((site, first, until))

    def _read(self, key: tuple[str, date, date]) -> MeterDays:
        site, first, until = key
        meters = self._lists.find(site)
        start_us, end_us = day_start_us(first, meters.zone), day_start_us(until, meters.zone)
        edges = local_day_edges(start_us, end_us, meters.zone)
        # By date: a zone may have left one out.
        column = np.array(
            [(local_date(int(start), meters.zone) - first).days for start in edges[:-1]], np.int64
        )
        days = self._services.store.roll_up(meters.energy.tolist(), "1d", start_us, end_us)
        at = column[np.searchsorted(edges[:-1], days.bucket_start_us)]
        rows = meters.place_of(days.series_id)
        table = lay_out(days, rows, at, len(meters), (until - first).days)
        return MeterDays(meters, first, table)

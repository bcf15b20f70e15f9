"""What the routes of a grid share: its meters, their days, and its load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from wattscope.compute.grid_load import Load
from wattscope.core.errors import QueryError, UnknownNameError
from wattscope.core.time_grid import local_date
from wattscope.web.grid_days import DayBook
from wattscope.web.grid_load import LoadBook
from wattscope.web.grid_meters import GridMeters, MeterLists
from wattscope.web.services import Services

MAX_DAYS = 62
"""The longest span of a load or of daily energies [days]."""


@dataclass(frozen=True, slots=True)
class GridDesk:
    """Answers about grids, each worked out once for all who ask at the same time."""

    services: Services
    lists: MeterLists
    days: DayBook
    loads: LoadBook

    @classmethod
    def build(cls, services: Services) -> GridDesk:
        """A desk over the services."""
        lists = MeterLists(services)
        return cls(services, lists, DayBook(services, lists), LoadBook(services))

    def load(self, meters: GridMeters, first: date, last: date) -> Load:
        """The load by quarter hours of local days, ``last`` included."""
        return self.loads.read(meters, first, last)

    def find_meter(self, meters: GridMeters, meter: str) -> int:
        """The place of a meter among those that count.

        Raises:
            UnknownNameError: It is none of them.
        """
        for at, device in enumerate(meters.devices):
            if device.id == meter:
                return at
        raise UnknownNameError(f"meter {meter!r} does not count here; see /api/grid/meters")

    def today(self, meters: GridMeters) -> date:
        """The local day of the site."""
        return local_date(self.services.now_us(), meters.zone)


def check_days(first: date, last: date) -> None:
    """Refuse more days than are worked out at once.

    Raises:
        QueryError: There are more.
    """
    if last - first >= timedelta(days=MAX_DAYS):
        raise QueryError(f"more than {MAX_DAYS} days; ask for fewer")

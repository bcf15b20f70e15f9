"""A house with solar panels, as a pure function of its settings, a seed and an instant.

::

    house   c(t)  [W]  within the band of the local hour, 100 to 8000 W
    solar   s(t)  [W]  06 to 18 h local: a bell, the day's weather, slow clouds; 0 at night
    meter   c - s [W]  negative while the house exports
    import  ∫ max(c - s, 0),  export  ∫ max(s - c, 0),  production  ∫ s     [Wh]

Power is whole watts and constant over slots of 5 s, so that the counters are sums of integers:
exact, and the same from wherever one starts. It promises never to feed its noise back into itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from wattscope.core.errors import QueryError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, from_us, load_zone
from wattscope.simulate.home_curves import draw_house_power, draw_solar_power, read_local_clock
from wattscope.simulate.home_settings import HomeSimulation

SLOT_S = 5
"""Power stays the same for this long [s]; independent of how often messages are sent."""

_SLOT_US = SLOT_S * US_PER_S
_DAY_S = 86_400
# Milliseconds keep a century of a megawatt within 64 bits.
_US_PER_MS = 1000
_SLOT_MS = SLOT_S * 1000
_WATT_MS_PER_WH = 3_600_000


class Counters(NamedTuple):
    """Energy since the epoch, in integers that add up exactly [W·ms]."""

    imported: int
    exported: int
    produced: int


class HomeState(NamedTuple):
    """Columns of equal length, one row an instant."""

    measured_at_us: Int64Column
    house_w: Int64Column
    solar_w: Int64Column
    import_wh: FloatColumn
    """Register of energy taken from the grid [Wh], with its base; not rounded."""
    export_wh: FloatColumn
    production_wh: FloatColumn

    @property
    def demand_w(self) -> Int64Column:
        """What the grid meter sees [W]; negative while exporting."""
        return self.house_w - self.solar_w


def state_at(settings: HomeSimulation, instants_us: Int64Column) -> HomeState:
    """The house at each instant.

    Args:
        settings: The house.
        instants_us: Instants in any order [µs since 1970, UTC].

    Raises:
        QueryError: An instant is before the house's epoch.
    """
    house = _house_of(settings)
    n_rows = len(instants_us)
    powers = [np.empty(n_rows, np.int64) for _ in range(2)]
    registers = [np.empty(n_rows, np.float64) for _ in range(3)]
    day_numbers = instants_us // US_PER_DAY
    for number in np.unique(day_numbers):
        rows = np.flatnonzero(day_numbers == number)
        found = house.state_within(int(number), instants_us[rows])
        for column, part in zip([*powers, *registers], found[1:], strict=True):
            column[rows] = part
    house_w, solar_w = powers
    import_wh, export_wh, production_wh = registers
    return HomeState(instants_us, house_w, solar_w, import_wh, export_wh, production_wh)


@dataclass(frozen=True, slots=True)
class _Day:
    """One UTC day of slots, with what the counters gained before each slot [W·slots]."""

    house_w: Int64Column
    solar_w: Int64Column
    imported: Int64Column
    """Shape ``(slots + 1,)``, likewise the next two; the last item is the day's total."""
    exported: Int64Column
    produced: Int64Column


class _House:
    """Remembers what was computed; forgetting it would change nothing but the time it takes."""

    _KEPT_DAYS = 3

    def __init__(self, settings: HomeSimulation) -> None:
        self._settings = settings
        self._zone = load_zone(settings.time_zone)
        self._epoch_day = (settings.epoch - date(1970, 1, 1)).days
        self._totals = [Counters(0, 0, 0)]
        """Item n holds the counters at the start of the n-th day after the epoch."""
        self._days: OrderedDict[int, _Day] = OrderedDict()

    def state_within(self, day_number: int, instants_us: Int64Column) -> HomeState:
        """Rows of instants that all fall on one UTC day."""
        before = self._counters_before(day_number)
        day = self._day(day_number)
        slot, past_us = np.divmod(instants_us - day_number * US_PER_DAY, _SLOT_US)
        past_ms = past_us // _US_PER_MS
        house_w, solar_w = day.house_w[slot], day.solar_w[slot]
        demand_w = house_w - solar_w

        def register(start: int, gained: Int64Column, power_w: Int64Column) -> FloatColumn:
            energy: Int64Column = start + gained[slot] * _SLOT_MS + power_w * past_ms
            return np.true_divide(energy, _WATT_MS_PER_WH)

        imported = register(before.imported, day.imported, np.maximum(demand_w, 0))
        exported = register(before.exported, day.exported, np.maximum(-demand_w, 0))
        produced = register(before.produced, day.produced, solar_w)
        bases = self._settings
        return HomeState(
            instants_us,
            house_w,
            solar_w,
            bases.base_energy_received_wh + imported,
            bases.base_energy_delivered_wh + exported,
            bases.base_energy_produced_wh + produced,
        )

    def _counters_before(self, day_number: int) -> Counters:
        """The counters at the start of a UTC day; days between are summed once."""
        wanted = day_number - self._epoch_day
        if wanted < 0:
            raise QueryError(
                f"{from_us(day_number * US_PER_DAY):%Y-%m-%d} is before the simulated house's "
                f"epoch {self._settings.epoch}; set an earlier `epoch` under [simulate]"
            )
        while len(self._totals) <= wanted:
            day = self._day(self._epoch_day + len(self._totals) - 1)
            last = self._totals[-1]
            self._totals.append(
                Counters(
                    last.imported + int(day.imported[-1]) * _SLOT_MS,
                    last.exported + int(day.exported[-1]) * _SLOT_MS,
                    last.produced + int(day.produced[-1]) * _SLOT_MS,
                )
            )
        return self._totals[wanted]

    def _day(self, day_number: int) -> _Day:
        """The slots of a UTC day, from the newest few that are kept."""
        day = self._days.get(day_number)
        if day is None:
            day = self._days[day_number] = _compute_day(self._settings, self._zone, day_number)
            if len(self._days) > self._KEPT_DAYS:
                self._days.popitem(last=False)
        return day


@lru_cache(maxsize=4)
def _house_of(settings: HomeSimulation) -> _House:
    """Equal settings share what was already computed."""
    return _House(settings)


def _compute_day(settings: HomeSimulation, zone: tzinfo, day_number: int) -> _Day:
    """All slots of one UTC day, always as a whole, so that rounding cannot differ."""
    first_s = day_number * _DAY_S
    instant_s = np.arange(first_s, first_s + _DAY_S, SLOT_S, dtype=np.int64)
    clock = read_local_clock(instant_s, zone)
    house_w = draw_house_power(settings, instant_s, clock)
    solar_w = draw_solar_power(settings, instant_s, clock)
    demand_w = house_w - solar_w
    return _Day(
        house_w,
        solar_w,
        _sum_before(np.maximum(demand_w, 0)),
        _sum_before(np.maximum(-demand_w, 0)),
        _sum_before(solar_w),
    )


def _sum_before(power_w: Int64Column) -> Int64Column:
    """What came before each item, and the total as one more item."""
    sums = np.zeros(len(power_w) + 1, np.int64)
    np.cumsum(power_w, out=sums[1:])
    return sums

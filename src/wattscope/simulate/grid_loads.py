"""What each meter of the simulated grid draws over a UTC day, and what its register shows.

::

    day's energy  =  mean · season · kind of day · chance of the day        whole watt-hours
    power         =  shape · wandering + appliances, scaled to that energy  at knots of 5 min
    register      =  base + whole days before + integral of the day so far

The energy of a day is known before its power is, so a register of any instant takes no summing of
powers since the epoch, and power between knots is a straight line, so that its integral is exact.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.core.errors import QueryError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import load_zone
from wattscope.simulate.grid_meters import Meters
from wattscope.simulate.grid_settings import GridSimulation
from wattscope.simulate.grid_shapes import (
    SEASON_SHARES,
    LoadClass,
    look_up_shape,
    season_of,
    tell_day_types,
)
from wattscope.simulate.home_curves import read_local_clock
from wattscope.simulate.noise import hash_unit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Independent noises of one world; the numbers are part of what a seed means.
_DAY, _AWAY, _WANDER, _SPIKE, _SPIKE_SIZE = range(511, 516)

DAY_S: Final = 86_400
KNOT_S: Final = 300
"""Between two of them power is a straight line [s]."""
_KNOTS: Final = DAY_S // KNOT_S
_QUARTER: Final = 3
"""Knots of a quarter of an hour."""
_GLIDE: Final = 6
"""Knots from one height of the wandering to the next: half an hour."""
_HOURS: Final = 24

_WANDERS: Final = np.array([0.65, 0.15, 0.12, 0.12, 0.05])
"""How far power wanders about its shape, as a share of it, by class."""
_SPIKES: Final = np.array([0.06, 0.0, 0.0, 0.0, 0.0])
"""Share of quarter hours in which something that heats is on."""
_SPIKE_MEANS: Final = 4.0
"""How much that is at most, in mean powers."""
_LOWEST: Final = 0.12
"""Of the mean power, what is always drawn."""
_DAY_SPREAD: Final = np.array([0.18, 0.08, 0.10, 0.08, 0.04])
"""How far one day's energy is from another's, by class."""
_AWAY_SHARE: Final = 0.035
"""Of the weeks, those that a household is away."""
_AWAY_LOAD: Final = 0.25
"""What a house uses of its mean while nobody is there."""
_KEPT_DAYS: Final = 3


class Day(NamedTuple):
    """All meters over one UTC day."""

    power_w: Floats
    """At the knots, shape ``(n_meters, n_knots + 1)``."""
    gained_wh: Floats
    """Since the start of the day, likewise."""
    before_wh: Ints
    """Registers at the start of the day, shape ``(n_meters,)``."""
    feeder_w: Floats
    """Sum of the meters of each feeder, shape ``(n_feeders, n_knots + 1)``."""


class GridLoads:
    """Remembers what was computed; forgetting it would change nothing but the time it takes."""

    def __init__(self, settings: GridSimulation, meters: Meters, *, is_south: bool) -> None:
        """``is_south``: whether July is the coldest month."""
        self._settings = settings
        self._meters = meters
        self._is_south = is_south
        self._zone = load_zone(settings.time_zone)
        self._epoch_day = (settings.epoch - date(1970, 1, 1)).days
        self._registers = meters.base_wh.astype(np.int64)[:, None]
        """At the start of the n-th day after the epoch, shape ``(n_meters, n)`` [Wh]."""
        self._days: OrderedDict[int, Day] = OrderedDict()

    def day(self, number: int) -> Day:
        """The n-th UTC day since 1970.

        Raises:
            QueryError: It is before the epoch.
        """
        found = self._days.get(number)
        if found is None:
            found = self._days[number] = self._draw_day(number)
            if len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        return found

    def energy_of_days(self, first: int, n_days: int) -> Ints:
        """What each meter uses on each UTC day [Wh], shape ``(n_meters, n_days)``."""
        meters, settings = self._meters, self._settings
        days = np.arange(first, first + n_days, dtype=np.int64)
        by_class = self._mean_of_days(days)
        for one in LoadClass:
            share = settings.season_share * float(SEASON_SHARES[one])
            by_class[one] *= season_of(days, share, is_south=self._is_south)
        kind = meters.load_class
        chance = _hash_of(settings.seed, _DAY, len(meters), days)
        chance = 1.0 + _DAY_SPREAD[kind][:, None] * (2.0 * chance - 1.0)
        energy = meters.mean_w[:, None] * _HOURS * by_class[kind] * chance
        is_away = self._find_away(days)
        energy[is_away] = (meters.mean_w[:, None] * _HOURS * _AWAY_LOAD * chance)[is_away]
        return np.asarray(np.rint(energy).astype(np.int64))

    def _mean_of_days(self, days: Int64Column) -> Floats:
        """Mean of the shape of each class over UTC days, shape ``(n_classes, n_days)``."""
        hours = days[:, None] * DAY_S + np.arange(_HOURS) * 3600
        clock = read_local_clock(hours.ravel(), self._zone)
        types = tell_day_types(clock.day, self._settings.holidays)
        classes = np.arange(len(LoadClass), dtype=np.int64)[:, None]
        drawn = look_up_shape(classes, types, clock.hour)
        return np.asarray(drawn.reshape(len(LoadClass), len(days), _HOURS).mean(axis=2))

    def _find_away(self, days: Int64Column) -> npt.NDArray[np.bool_]:
        """Whether nobody is there, shape ``(n_meters, n_days)``."""
        chance = _hash_of(self._settings.seed, _AWAY, len(self._meters), days // 7)
        is_home = self._meters.load_class == int(LoadClass.HOUSEHOLD)
        return np.asarray(is_home[:, None] & (chance < _AWAY_SHARE))

    def _draw_day(self, number: int) -> Day:
        before = self._registers_at(number)
        energy = self.energy_of_days(number, 1)
        shape = self._draw_shape(number)
        part = np.zeros_like(shape)
        np.cumsum(0.5 * (shape[:, 1:] + shape[:, :-1]), axis=1, out=part[:, 1:])
        # The shape becomes watts by the energy that the day must have.
        scale = energy / part[:, -1:]
        power = shape * (scale * (3600.0 / KNOT_S))
        n_feeders = int(self._meters.feeder[-1]) + 1
        starts = np.searchsorted(self._meters.feeder, np.arange(n_feeders))
        return Day(power, part * scale, before, np.add.reduceat(power, starts, axis=0))

    def _draw_shape(self, number: int) -> Floats:
        """How power goes, in means of the class, shape ``(n_meters, n_knots + 1)``."""
        meters, seed = self._meters, self._settings.seed
        knot = number * _KNOTS + np.arange(_KNOTS + 1, dtype=np.int64)
        clock = read_local_clock(knot * KNOT_S, self._zone)
        types = tell_day_types(clock.day, self._settings.holidays)
        kind = meters.load_class[:, None]
        shape = look_up_shape(kind, types, clock.hour + meters.early_h[:, None])
        wander = _glide(seed, _WANDER, len(meters), knot)
        shape *= 1.0 + _WANDERS[kind] * (2.0 * wander - 1.0)
        quarter = knot // _QUARTER
        is_on = _hash_of(seed, _SPIKE, len(meters), quarter) < _SPIKES[kind]
        size = _hash_of(seed, _SPIKE_SIZE, len(meters), quarter)
        shape += np.where(is_on, _SPIKE_MEANS * size, 0.0)
        np.maximum(shape, _LOWEST, out=shape)
        is_away = self._find_away(np.array([number], np.int64))[:, 0]
        shape[is_away] = 1.0
        return shape

    def _registers_at(self, number: int) -> Ints:
        wanted = number - self._epoch_day
        if wanted < 0:
            raise QueryError(
                f"{date.fromordinal(date(1970, 1, 1).toordinal() + number)} is before the "
                f"simulation's epoch {self._settings.epoch}; set an earlier `epoch` under "
                "[simulate]"
            )
        n_known = self._registers.shape[1]
        if wanted >= n_known:
            first = self._epoch_day + n_known - 1
            gained = self.energy_of_days(first, wanted - n_known + 1)
            more = self._registers[:, -1:] + np.cumsum(gained, axis=1)
            self._registers = np.hstack([self._registers, more])
        return np.asarray(self._registers[:, wanted])


def interpolate(knots: Floats, row: Int64Column, second: FloatColumn) -> FloatColumn:
    """Values on the straight lines between knots.

    Args:
        knots: Shape ``(n, n_knots + 1)``.
        row: Which of the n, one an instant.
        second: Of the day, shape of ``row``.
    """
    at, part = _place(second)
    here = knots[row, at]
    return np.asarray(here + (knots[row, at + 1] - here) * part)


def integrate(day: Day, row: Int64Column, second: FloatColumn) -> FloatColumn:
    """What meters gained since the start of the day [Wh]; arguments as of ``interpolate``."""
    at, part = _place(second)
    here = day.power_w[row, at]
    mean = here + 0.5 * part * (day.power_w[row, at + 1] - here)
    return np.asarray(day.gained_wh[row, at] + mean * part * (KNOT_S / 3600.0))


def _place(second: FloatColumn) -> tuple[Int64Column, FloatColumn]:
    """The knot before each second, and how far behind it, 0 to 1."""
    at = np.minimum((second // KNOT_S).astype(np.int64), _KNOTS - 1)
    return at, second / KNOT_S - at


def _glide(seed: int, channel: int, n_meters: int, knot: Int64Column) -> Floats:
    """Numbers in [0, 1] that glide from height to height, shape ``(n_meters, n_knots)``."""
    block, past = np.divmod(knot, _GLIDE)
    blocks = np.arange(int(block[0]), int(block[-1]) + 2, dtype=np.int64)
    heights = _hash_of(seed, channel, n_meters, blocks)
    left = block - blocks[0]
    part = past / _GLIDE
    return np.asarray(heights[:, left] * (1.0 - part) + heights[:, left + 1] * part)


def _hash_of(seed: int, channel: int, n_meters: int, index: Int64Column) -> Floats:
    """One number in [0, 1) for each meter and index, shape ``(n_meters, n)``."""
    meter = np.arange(n_meters, dtype=np.int64)[:, None] << np.int64(42)
    return hash_unit(seed, channel, meter + index)

"""What the meters of the simulated grid say at any instant, as they round it.

::

    P  from the loads          one frequency for all at an instant
    V  of the feeder, lower the more it carries and the further down it one is
    I  = P / (V · power factor): the sum over the phases, so that V · I is the apparent power
    E  the register, whole watt-hours
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.simulate.grid_loads import Day, GridLoads, integrate, interpolate
from wattscope.simulate.grid_meters import lay_out_meters
from wattscope.simulate.grid_settings import GridSimulation
from wattscope.simulate.mains import frequency_at
from wattscope.simulate.noise import hash_unit

# Independent noises of one world; the numbers are part of what a seed means.
_SWAY, _TAP = 521, 522

_SWAY_S: Final = 900
"""From one height of a feeder's voltage to the next [s]."""
_SWAY_SHARE: Final = 0.008
"""How far the voltage of a feeder sways, as a share of the nominal one."""
_TAP_SHARE: Final = 0.015
"""How far the transformers of feeders are set apart, likewise."""
_DROP_SHARE: Final = 0.05
"""What the end of a feeder loses under its usual peak, likewise."""
_PEAK: Final = 2.2
"""The usual peak of a feeder, in mean powers."""
_MAX_LOAD: Final = 1.6
"""More than so many peaks no fuse lets through."""
_LAZY: Final = 0.06
"""How much the power factor falls where next to nothing is drawn."""
_NOMINAL_HZ: Final = 50.0
"""Of ``mains``."""


class Told(NamedTuple):
    """Columns of equal length: what meters say."""

    power_w: FloatColumn
    voltage_v: FloatColumn
    current_a: FloatColumn
    frequency_hz: FloatColumn
    register_wh: FloatColumn


class GridModel:
    """Answers for any meters at any instants."""

    def __init__(self, settings: GridSimulation, *, is_south: bool = False) -> None:
        self.settings = settings
        self.meters = lay_out_meters(settings)
        self.loads = GridLoads(settings, self.meters, is_south=is_south)
        n_feeders = int(self.meters.feeder[-1]) + 1
        self._peak_w = _PEAK * np.bincount(
            self.meters.feeder, weights=self.meters.mean_w, minlength=n_feeders
        )
        number = np.arange(n_feeders, dtype=np.int64)
        tap = _TAP_SHARE * (2.0 * hash_unit(settings.seed, _TAP, number) - 1.0)
        self._set_v = settings.voltage_v * (1.0 + 0.5 * _DROP_SHARE + tap)

    def read(self, row: Int64Column, instant_us: Int64Column) -> Told:
        """What meters say.

        Args:
            row: Number of the meter, one an instant.
            instant_us: [µs since 1970, UTC], in any order.

        Raises:
            QueryError: An instant is before the epoch.
        """
        columns = np.empty((len(Told._fields), len(row)))
        for number, chosen in _split_days(instant_us):
            day = self.loads.day(number)
            columns[:, chosen] = self._read_day(day, row[chosen], instant_us[chosen])
        return Told(*columns)

    def read_registers(self, row: Int64Column, instant_us: Int64Column) -> FloatColumn:
        """The registers alone [Wh]; arguments as of ``read``."""
        registers = np.empty(len(row))
        for number, chosen in _split_days(instant_us):
            day = self.loads.day(number)
            registers[chosen] = _show(day, row[chosen], _second_of(instant_us[chosen]))
        return registers

    def _read_day(self, day: Day, row: Int64Column, instant_us: Int64Column) -> Told:
        meters = self.meters
        second = _second_of(instant_us)
        power_w = np.maximum(np.rint(interpolate(day.power_w, row, second)), 1.0)
        feeder = meters.feeder[row]
        load = interpolate(day.feeder_w, feeder, second) / self._peak_w[feeder]
        drop = _DROP_SHARE * meters.reach[row] * np.minimum(load, _MAX_LOAD)
        sway = _SWAY_SHARE * (2.0 * self._sway(feeder, instant_us) - 1.0)
        voltage_v = np.round(self._set_v[feeder] + self.settings.voltage_v * (sway - drop), 1)
        busy = np.minimum(power_w / meters.mean_w[row], 1.0)
        factor = meters.power_factor[row] - _LAZY * (1.0 - busy)
        return Told(
            power_w=power_w,
            voltage_v=voltage_v,
            current_a=np.round(power_w / (voltage_v * factor), 2),
            frequency_hz=self._frequency(instant_us),
            register_wh=_show(day, row, second),
        )

    def _sway(self, feeder: Int64Column, instant_us: Int64Column) -> FloatColumn:
        """Numbers in [0, 1] that glide, one for each feeder and instant."""
        knot, past_s = np.divmod(instant_us // US_PER_S, _SWAY_S)
        of_feeder = feeder << np.int64(42)
        left, right = (
            hash_unit(self.settings.seed, _SWAY, of_feeder + one) for one in (knot, knot + 1)
        )
        return np.asarray(left + (right - left) * (past_s / _SWAY_S))

    def _frequency(self, instant_us: Int64Column) -> FloatColumn:
        """The same for all meters at an instant [Hz]."""
        seconds, place = np.unique(instant_us // US_PER_S, return_inverse=True)
        away = frequency_at(self.settings.seed, seconds) - _NOMINAL_HZ
        return np.asarray(np.round(self.settings.frequency_hz + away, 2)[place])


def _split_days(instant_us: Int64Column) -> list[tuple[int, slice | Int64Column]]:
    """Each UTC day among some instants, and which of them are on it."""
    day = instant_us // US_PER_DAY
    if not len(day):
        return []
    if day.min() == day.max():
        return [(int(day[0]), slice(None))]
    return [(number, np.flatnonzero(day == number)) for number in np.unique(day).tolist()]


def _second_of(instant_us: Int64Column) -> FloatColumn:
    """Seconds since the start of the UTC day."""
    return np.asarray((instant_us % US_PER_DAY) / US_PER_S)


def _show(day: Day, row: Int64Column, second: FloatColumn) -> FloatColumn:
    """A register shows the watt-hours that are complete."""
    return np.floor(day.before_wh[row] + integrate(day, row, second))

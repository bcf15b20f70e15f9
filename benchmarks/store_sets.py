"""The data that every store gets: a grid of meters, one year at one second, very many series.

All of it is made with a seeded generator, so that every run and every subject sees the same
numbers. Values are the doubles nearest to decimals with a known number of digits, which is what
meters send; real measurements are read in ``store_real``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from wattscope.core.reading import FloatColumn, Int32Column, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S, to_us

STEP_US = 300 * US_PER_S
"""Time between two readings of a grid meter: 5 minutes."""
N_INSTANTS = 14 * US_PER_DAY // STEP_US
GRID_END_US = to_us(datetime(2024, 6, 15, 18, tzinfo=UTC))
"""First instant after the grid set: the "now" of its questions, at which all buckets are over."""
YEAR_START_US = to_us(datetime(2023, 1, 1, tzinfo=UTC))
N_YEAR = 365 * 86_400
N_MANY = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity of all meters of a set."""

    name: str
    """As the tables of the peers call it."""
    quantity: str
    """As the catalogue of Wattscope calls it."""
    decimals: int
    """Digits behind the point with which the meter gives it."""
    values: FloatColumn
    part: str = ""
    """What is added to the meter's name for a device of its own below it."""


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """Readings of several meters as columns, ordered by meter, then time."""

    name: str
    meters: tuple[str, ...]
    meter: Int32Column
    """Number of the row's meter, from 0 on."""
    at_us: Int64Column
    """[µs since 1970, UTC]"""
    columns: tuple[Column, ...]
    step_us: int

    @property
    def n_rows(self) -> int:
        return len(self.meter)

    @property
    def n_values(self) -> int:
        return self.n_rows * len(self.columns)

    @property
    def is_real(self) -> bool:
        """Whether somebody measured it; such a set is loaded, sized and summed up only."""
        return self.name not in {"grid", "year", "many"}

    @property
    def now_us(self) -> int:
        """The instant after the newest reading [µs]."""
        return int(self.at_us.max()) + self.step_us

    def order_by_time(self) -> MeasuredSet:
        """The same readings as they would arrive."""
        order = np.argsort(self.at_us, kind="stable")
        columns = (replace(one, values=one.values[order]) for one in self.columns)
        return replace(
            self, meter=self.meter[order], at_us=self.at_us[order], columns=tuple(columns)
        )

    def slices(self, n_rows: int) -> Iterator[MeasuredSet]:
        """The set in pieces of so many rows, in order."""
        for first in range(0, self.n_rows, n_rows):
            rows = slice(first, first + n_rows)
            columns = tuple(replace(one, values=one.values[rows]) for one in self.columns)
            yield replace(self, meter=self.meter[rows], at_us=self.at_us[rows], columns=columns)


class GridMeters:
    """Meters whose readings go on from one stretch of time to the next."""

    def __init__(self, n_meters: int, start_us: int) -> None:
        self._random = np.random.default_rng(1)
        self._factor = self._random.uniform(0.5, 2.0, (n_meters, 1))
        self._register_kwh = self._random.uniform(1000.0, 9000.0, (n_meters, 1))
        self._meters = tuple(f"meter-{number:04d}" for number in range(n_meters))
        self._next_us = start_us

    def read(self, n_instants: int) -> MeasuredSet:
        """The next readings of every meter, one each 5 minutes."""
        shape = (len(self._meters), n_instants)
        at_us = self._next_us + np.arange(n_instants) * STEP_US
        self._next_us += n_instants * STEP_US
        noise = self._random.standard_normal
        base_w = _daily_curve_w(at_us)[None, :] * self._factor
        power_w = _round(np.maximum(20.0, base_w * (1 + 0.15 * noise(shape))), 1)
        voltage_v = _round(230 + 2 * noise(shape), 1)
        current_a = _round(power_w / voltage_v, 2)
        frequency_hz = _round(50 + 0.02 * noise(shape), 2)
        register_kwh: FloatColumn = self._register_kwh + np.cumsum(
            power_w * (STEP_US / US_PER_HOUR / 1e3), 1
        )
        self._register_kwh = register_kwh[:, -1:]
        return MeasuredSet(
            name="grid",
            meters=self._meters,
            meter=np.repeat(np.arange(shape[0], dtype=np.int32), n_instants),
            at_us=np.tile(at_us, shape[0]),
            columns=(
                Column("power", "active_power_w", 1, power_w.ravel()),
                Column("voltage", "voltage_v", 1, voltage_v.ravel()),
                Column("current", "current_a", 2, current_a.ravel()),
                Column("frequency", "frequency_hz", 2, frequency_hz.ravel()),
                # Three digits, as a register in kWh shows them.
                Column("energy", "energy_import_wh", 3, _round(register_kwh, 3).ravel()),
            ),
            step_us=STEP_US,
        )


def _round(values: FloatColumn, digits: int) -> FloatColumn:
    """The doubles nearest to the decimals of so many digits."""
    scale = 10.0**digits
    rounded: FloatColumn = np.rint(values * scale) / scale
    return rounded


def _daily_curve_w(at_us: Int64Column) -> FloatColumn:
    """Power of a home over the day, with a peak in the morning and one in the evening [W]."""
    hour = at_us % US_PER_DAY / US_PER_HOUR
    curve: FloatColumn = (
        300.0 + 400.0 * np.exp(-(((hour - 19) / 3) ** 2)) + 200.0 * np.exp(-(((hour - 8) / 2) ** 2))
    )
    return curve


def make_grid(n_meters: int) -> MeasuredSet:
    """14 days of meters, one reading of 5 values each 5 minutes."""
    return GridMeters(n_meters, GRID_END_US - N_INSTANTS * STEP_US).read(N_INSTANTS)


def make_year(n_seconds: int = N_YEAR) -> MeasuredSet:
    """One meter, one value a second: a random walk on a daily curve, one digit."""
    steps = np.random.default_rng(2).integers(-20, 21, n_seconds)
    at_us = YEAR_START_US + np.arange(n_seconds) * US_PER_S
    # Folded at +-1 kW, so that the walk neither leaves the range of a home nor stands at its edge.
    walk = np.abs((np.cumsum(steps) + 10_000) % 40_000 - 20_000) - 10_000
    tenths = np.rint(10 * _daily_curve_w(at_us)).astype(np.int64) + 10_000 + walk
    column = Column("power", "active_power_w", 1, tenths / 10)
    meter = np.zeros(n_seconds, np.int32)
    return MeasuredSet("year", ("meter-0000",), meter, at_us, (column,), US_PER_S)


def make_many(n_series: int = N_MANY) -> MeasuredSet:
    """Very many series with three readings each."""
    n_rows = 3 * n_series
    tenths = np.random.default_rng(3).integers(0, 100_000, n_rows)
    at_us = np.tile(GRID_END_US - STEP_US * np.arange(3, 0, -1), n_series)
    return MeasuredSet(
        name="many",
        meters=tuple(f"meter-{number:06d}" for number in range(n_series)),
        meter=np.repeat(np.arange(n_series, dtype=np.int32), 3),
        at_us=at_us,
        columns=(Column("power", "active_power_w", 1, tenths / 10),),
        step_us=STEP_US,
    )

"""The meters of the simulated grid: their ids, who is behind each, and where they are connected.

::

    1 003 000042        first digit the region, then the feeder in it, then the number of the meter

A meter is what it is by its number and the seed alone, so that a larger grid has the meters of a
smaller one among its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.topology import Device, DeviceKind
from wattscope.simulate.grid_settings import GridSimulation
from wattscope.simulate.grid_shapes import LoadClass
from wattscope.simulate.noise import hash_unit

# Independent noises of one world; the numbers are part of what a seed means.
_KIND, _SHIFTS, _SIZE, _EARLY, _FACTOR, _AGE, _SECOND = range(501, 508)

_WORDS: Final = {
    LoadClass.HOUSEHOLD: "Household",
    LoadClass.SHOP: "Shop",
    LoadClass.ONE_SHIFT: "Works, one shift",
    LoadClass.TWO_SHIFTS: "Works, two shifts",
    LoadClass.AROUND_THE_CLOCK: "Works, day and night",
}
_MEAN_KWH: Final = np.array([3200.0, 22_000.0, 90_000.0, 140_000.0, 180_000.0])
"""What one of a class uses in a year."""
_SPREAD: Final = np.array([0.8, 1.2, 1.0, 1.0, 1.0])
"""How far those of a class differ: the largest is e to this power times its middle."""
_EARLY_H: Final = np.array([1.5, 1.0, 0.75, 0.5, 0.0])
"""How many hours one is earlier or later than its class at most."""
_POWER_FACTOR: Final = np.array([0.965, 0.93, 0.86, 0.88, 0.90])
_RATING_W: Final = np.array([14_500.0, 43_500.0, 138_000.0, 173_000.0, 173_000.0])
"""Of the connection: 63 A, and three phases of 63 A, 200 A and 250 A."""
_MAX_AGE: Final = 14.0
"""Years for which a meter stays in place; registers tell how old it is."""
_HOURS_A_YEAR: Final = 8766.0


@dataclass(frozen=True, slots=True)
class Meters:
    """All meters as columns of equal length, by number."""

    ids: tuple[str, ...]
    load_class: Int64Column
    """``LoadClass`` values."""
    feeder: Int64Column
    """Number of the feeder, from 0, over all regions."""
    reach: FloatColumn
    """How far down its feeder: 0 is at the transformer, 1 at the end."""
    mean_w: FloatColumn
    """Mean power of a year [W]."""
    early_h: FloatColumn
    """How much earlier than its class it lives [h]."""
    power_factor: FloatColumn
    base_wh: FloatColumn
    """Register at the epoch [Wh], whole."""
    second: FloatColumn
    """Its place within an interval, 0 to 1."""

    def __len__(self) -> int:
        """Number of meters."""
        return len(self.ids)

    def list_devices(self, site: str, interval_s: float) -> list[Device]:
        """The meters as devices of a site."""
        return [
            Device(
                id=one,
                site=site,
                name=f"{_WORDS[LoadClass(kind)]} {one}",
                kind=DeviceKind.METER,
                rating_w=float(_RATING_W[kind]),
                interval_s=interval_s,
            )
            for one, kind in zip(self.ids, self.load_class.tolist(), strict=True)
        ]


def lay_out_meters(settings: GridSimulation) -> Meters:
    """The meters that the settings tell."""
    seed, number = settings.seed, np.arange(settings.meters, dtype=np.int64)
    kind = _draw_classes(settings, number)
    feeder, place = np.divmod(number, settings.per_feeder)
    size = _SPREAD[kind] * (2.0 * hash_unit(seed, _SIZE, number) - 1.0)
    # The mean of e to the power of an even spread is sinh(s) / s.
    mean_w = _MEAN_KWH[kind] * 1000.0 / _HOURS_A_YEAR * np.exp(size)
    mean_w *= _SPREAD[kind] / np.sinh(_SPREAD[kind])
    age = _MAX_AGE * hash_unit(seed, _AGE, number)
    return Meters(
        ids=_name_meters(settings, number, feeder),
        load_class=kind,
        feeder=feeder,
        reach=(place + 1.0) / settings.per_feeder,
        mean_w=mean_w,
        early_h=_EARLY_H[kind] * _centred(hash_unit(seed, _EARLY, number)),
        power_factor=_POWER_FACTOR[kind] + 0.02 * _centred(hash_unit(seed, _FACTOR, number)),
        base_wh=np.floor(age * _HOURS_A_YEAR * mean_w),
        second=hash_unit(seed, _SECOND, number),
    )


def _draw_classes(settings: GridSimulation, number: Int64Column) -> Int64Column:
    chance = hash_unit(settings.seed, _KIND, number)
    shifts = hash_unit(settings.seed, _SHIFTS, number)
    works = np.where(shifts < 0.5, int(LoadClass.ONE_SHIFT), int(LoadClass.TWO_SHIFTS))
    works[shifts > 0.8] = int(LoadClass.AROUND_THE_CLOCK)
    kind = np.where(
        chance < settings.industry_share + settings.shop_share,
        int(LoadClass.SHOP),
        int(LoadClass.HOUSEHOLD),
    )
    return np.where(chance < settings.industry_share, works, kind).astype(np.int64)


def _name_meters(
    settings: GridSimulation, number: Int64Column, feeder: Int64Column
) -> tuple[str, ...]:
    """Ten digits each; regions take turns, so that each has its share of any number of meters."""
    within, region = np.divmod(feeder, settings.regions)
    return tuple(
        f"{1 + digit}{one % 1000:03}{n % 1_000_000:06}"
        for n, digit, one in zip(number.tolist(), region.tolist(), within.tolist(), strict=True)
    )


def _centred(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2.0 * unit - 1.0

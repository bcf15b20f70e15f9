"""Green, yellow and red ranges of a quantity, and how much of its time it spent in each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Band(IntEnum):
    """How good a value is."""

    GREEN = 0
    YELLOW = 1
    RED = 2

    @property
    def word(self) -> str:
        """Its name in answers."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Bands:
    """Green within its limits, red beyond the outer ones, yellow between.

    ::

        red │ yellow │ green │ yellow │ red
          red_low  green_low green_high red_high

    A value on a limit of green is green, one on a limit of red is yellow.
    """

    red_low: float = -math.inf
    """[unit of the quantity]; infinite where a side has no limit."""
    green_low: float = -math.inf
    green_high: float = math.inf
    red_high: float = math.inf

    @classmethod
    def around(cls, nominal: float, green: float, red: float) -> Bands:
        """Bands that lie alike on both sides of a nominal value.

        >>> Bands.around(50.0, 0.2, 0.5)
        Bands(red_low=49.5, green_low=49.8, green_high=50.2, red_high=50.5)
        """
        return cls(nominal - red, nominal - green, nominal + green, nominal + red)

    def grade(self, value: float) -> Band:
        """The band of one value.

        >>> [Bands.around(50.0, 0.2, 0.5).grade(f).word for f in (50.2, 49.7, 49.49)]
        ['green', 'yellow', 'red']
        """
        return Band(int(self.grade_all(np.array([value]))[0]))

    def grade_all(self, values: Floats) -> npt.NDArray[np.int64]:
        """The band of each value, as numbers of ``Band``."""
        is_red = (values < self.red_low) | (values > self.red_high)
        is_green = (values >= self.green_low) & (values <= self.green_high)
        graded: npt.NDArray[np.int64] = np.where(is_red, 2, np.where(is_green, 0, 1))
        return graded

    def shares(self, values: Floats, weights: Floats) -> dict[Band, float] | None:
        """Share of the weight that lies in each band, together 1; None where nothing is known.

        Args:
            values: NaN where unknown; those count nowhere.
            weights: Time behind each value, in any unit.
        """
        known = ~np.isnan(values) & (weights > 0)
        total = float(weights[known].sum())
        if total <= 0:
            return None
        spent = np.bincount(self.grade_all(values[known]), weights[known], len(Band))
        return {band: float(spent[band]) / total for band in Band}

"""Values of like devices side by side on one grid of time: what detectors look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.topology import Device, Site

Matrix = npt.NDArray[np.float64]
"""A value for each device and slot, shape ``(n_devices, n_slots)``; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Window:
    """Devices of one kind at one site, over slots of equal length without a gap between them.

    A slot holds the mean of what was measured in it, of a counter the last value. Where slots are
    as long as the readings are apart, these are the readings themselves.
    """

    site: Site
    devices: tuple[Device, ...]
    slot_us: Int64Column
    """Where each slot begins [µs since 1970, UTC], rising by ``step_us``; shape ``(n_slots,)``."""
    step_us: int
    """Length of a slot [µs]."""
    values: Mapping[str, Matrix]
    """Quantity to its values [base unit]; a quantity that no device has is not there."""
    weather: Mapping[str, FloatColumn] = field(default_factory=dict)
    """What the site's sensors measured: ``irradiance_w_m2`` [W/m²] in the plane of the panels,
    ``temperature_c`` of the air [°C], ``module_temperature_c`` [°C]; shape ``(n_slots,)``. Empty
    where there are no sensors."""

    @property
    def end_us(self) -> int:
        """Where the last slot ends [µs]; 0 for a window without slots."""
        return int(self.slot_us[-1]) + self.step_us if len(self.slot_us) else 0

    def find(self, *quantities: str) -> Matrix | None:
        """Values of the first of these quantities that is there, else None."""
        return next((self.values[one] for one in quantities if one in self.values), None)

    def cut(self, start_us: int, end_us: int) -> Window:
        """The slots that begin in ``[start, end)``."""
        low, high = np.searchsorted(self.slot_us, (start_us, end_us)).tolist()
        return replace(
            self,
            slot_us=self.slot_us[low:high],
            values={name: matrix[:, low:high] for name, matrix in self.values.items()},
            weather={name: column[low:high] for name, column in self.weather.items()},
        )


@dataclass(frozen=True, slots=True)
class View:
    """What a detector wants to see, and how often."""

    level: str
    """``native`` for slots as long as readings are apart, but a minute at least; ``15m``, ``1h``
    or ``1d`` for means over these."""
    span_us: int
    """How far back a look reaches [µs]."""
    every_s: float
    """Time between two looks [s]."""

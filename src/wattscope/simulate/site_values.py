"""Models that answer for columns of instants, as meters that are asked for one second at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.modbus_bank import ValuesAt
from wattscope.simulate.three_phase import Table

_AHEAD_S: Final = 60
"""Seconds that are computed at once."""


class SiteModel(Protocol):
    """A simulated place: a pure function of its settings and of instants."""

    def tables_at(self, instants_us: Int64Column) -> dict[str, Table]:
        """Device to quantity to one value an instant [base unit]; instants in rising order [µs]."""
        ...


class SiteValues:
    """Computes a minute of all devices at once, and hands it out second by second."""

    def __init__(self, model: SiteModel, *, shift_s: int = 0) -> None:
        """``shift_s``: where minutes begin; many meters then do not all compute at once [s]."""
        self._model = model
        self._shift_s = shift_s
        self._first_s = -1
        self._tables: dict[str, dict[str, list[float]]] = {}

    def values_of(self, device: str) -> ValuesAt:
        """One device as the model of a virtual meter; what it does not know is never told."""

        def values_at(instant_us: int) -> Mapping[str, float]:
            second = instant_us // US_PER_S
            first_s = (second + self._shift_s) // _AHEAD_S * _AHEAD_S - self._shift_s
            if first_s != self._first_s:
                self._compute(first_s)
            row = second - first_s
            return {name: column[row] for name, column in self._tables.get(device, {}).items()}

        return values_at

    def _compute(self, first_s: int) -> None:
        seconds = np.arange(first_s, first_s + _AHEAD_S, dtype=np.int64)
        self._tables = {
            device: {name: column.tolist() for name, column in table.items()}
            for device, table in self._model.tables_at(seconds * US_PER_S).items()
        }
        self._first_s = first_s

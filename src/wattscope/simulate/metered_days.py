"""Energy registers of simulated meters: sums of integers, exact from wherever one starts.

Power is in tenths of a watt and constant over slots of 10 s, for each device and phase. A day is
drawn as a whole; days between the epoch and the asked one are summed once and forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from wattscope.core.errors import QueryError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, from_us

SLOT_S = 10
"""Power stays the same for this long [s]."""
SLOTS_A_DAY = 86_400 // SLOT_S

_SLOT_US = SLOT_S * US_PER_S
_SLOT_MS = SLOT_S * 1000
_US_PER_MS = 1000
# A phase of 200 kW stays within 64 bits for a century.
_UNITS_PER_WH = 10 * 3_600_000
_KEPT_DAYS = 2


class Flow(NamedTuple):
    """One device over one UTC day, shape ``(3, SLOTS_A_DAY)`` each."""

    power_dw: Int64Column
    """Active power of each phase [0.1 W], into the consumer positive."""
    reactive_dvar: Int64Column
    """Reactive power of each phase [0.1 var], inductive positive."""


DrawDay = Callable[[int], Mapping[str, Flow]]
"""All devices' flows of the n-th UTC day since 1970."""


class Metered(NamedTuple):
    """One device at some instants."""

    power_w: FloatColumn
    """Shape ``(3, n)``, likewise the next."""
    reactive_var: FloatColumn
    energies: FloatColumn
    """Since the epoch [Wh, varh], shape ``(4, 3, n)``: imported, exported, and both reactive."""


class MeteredDays:
    """Remembers what was computed; forgetting it would change nothing but the time it takes."""

    def __init__(self, draw_day: DrawDay, epoch: date) -> None:
        self._draw_day = draw_day
        self._epoch = epoch
        self._epoch_day = (epoch - date(1970, 1, 1)).days
        self._totals: list[dict[str, Int64Column]] = [{}]
        """Item n: registers at the start of the n-th day after the epoch [0.1 W · slots]."""
        self._days: OrderedDict[int, _Day] = OrderedDict()

    def at(self, instants_us: Int64Column) -> dict[str, Metered]:
        """Every device at instants in rising order [µs].

        Raises:
            QueryError: An instant is before the epoch.
        """
        numbers = instants_us // US_PER_DAY
        parts = [
            self._within(int(number), instants_us[numbers == number])
            for number in np.unique(numbers)
        ]
        if len(parts) == 1:
            return parts[0]
        return {
            device: Metered(*(np.concatenate(c, axis=-1) for c in zip(*rows, strict=True)))
            for device, rows in ((one, [part[one] for part in parts]) for one in parts[0])
        }

    def _within(self, number: int, instants_us: Int64Column) -> dict[str, Metered]:
        """Every device at instants of one UTC day."""
        before = self._registers_before(number)
        day = self._day(number)
        slot, past_us = np.divmod(instants_us - number * US_PER_DAY, _SLOT_US)
        past_ms = past_us // _US_PER_MS
        found = {}
        for device, flow in day.flows.items():
            power, reactive = flow.power_dw[:, slot], flow.reactive_dvar[:, slot]
            start = before[device][:, :, None] + day.gained[device][:, :, slot]
            units = start * _SLOT_MS + _directions(power, reactive) * past_ms
            found[device] = Metered(power / 10.0, reactive / 10.0, units / _UNITS_PER_WH)
        return found

    def _registers_before(self, number: int) -> dict[str, Int64Column]:
        wanted = number - self._epoch_day
        if wanted < 0:
            raise QueryError(
                f"{from_us(number * US_PER_DAY):%Y-%m-%d} is before the simulation's epoch "
                f"{self._epoch}; set an earlier `epoch` under [simulate]"
            )
        while len(self._totals) <= wanted:
            flows = self._draw_day(self._epoch_day + len(self._totals) - 1)
            last = self._totals[-1]
            self._totals.append(
                {
                    device: last.get(device, 0)
                    + _directions(flow.power_dw, flow.reactive_dvar).sum(axis=-1)
                    for device, flow in flows.items()
                }
            )
        if not wanted and not self._totals[0]:
            nothing = np.zeros((4, 3), np.int64)
            self._totals[0] = dict.fromkeys(self._day(number).flows, nothing)
        return self._totals[wanted]

    def _day(self, number: int) -> _Day:
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _Day(self._draw_day(number))
            if len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        return day


class _Day:
    """The flows of a day, and what each register gained before each slot."""

    def __init__(self, flows: Mapping[str, Flow]) -> None:
        self.flows = flows
        self.gained = {device: _sum_before(flow) for device, flow in flows.items()}


def _directions(power: Int64Column, reactive: Int64Column) -> Int64Column:
    """What each of the four registers gains a slot, shape ``(4, 3, n)``."""
    return np.stack(
        [
            np.maximum(power, 0),
            np.maximum(-power, 0),
            np.maximum(reactive, 0),
            np.maximum(-reactive, 0),
        ]
    )


def _sum_before(flow: Flow) -> Int64Column:
    """What came before each slot of the day, shape ``(4, 3, slots)``."""
    gains = _directions(flow.power_dw, flow.reactive_dvar)
    sums = np.zeros_like(gains)
    np.cumsum(gains[:, :, :-1], axis=-1, out=sums[:, :, 1:])
    return sums

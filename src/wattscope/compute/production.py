"""What the devices of a window produce: power without the night's noise, and its local days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.robust import median, quantile
from wattscope.compute.spans import find_spans
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S, load_zone, local_day_edges
from wattscope.core.topology import Device, DeviceKind
from wattscope.core.window import Matrix, Window

Flags = npt.NDArray[np.bool_]

POWER_QUANTITIES = ("active_power_w", "production_power_w", "dc_power_w")
"""Where the power of a panel or inverter stands, the first that is there."""


STUCK_ALL_S = 3600.0
"""A device that repeats several quantities for this long is stuck [s]."""

STUCK_ALONE_S = 12 * 3600.0
"""One that has power alone [s]."""

LEAST_DAY = 0.2
"""A day with less light, or fewer known slots, than this part of a usual one is not compared."""


@dataclass(frozen=True, slots=True)
class DayShares:
    """What devices gave on each day, and should have given; shape ``(n_devices, n_days)``."""

    given: Matrix
    """Sum of powers of slots [W]; times the length of a slot it is energy."""
    expected: Matrix
    share: Matrix
    """Given over expected; NaN where a day has too little of it to be compared."""

    def row(self, place: int) -> DayShares:
        """Those of one device; shape ``(1, n_days)``."""
        here = slice(place, place + 1)
        return DayShares(self.given[here], self.expected[here], self.share[here])


class Instants(NamedTuple):
    """Where something begins and ends [µs since 1970, UTC]."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Days:
    """Local days of a window: columns of slots that belong together."""

    starts: Int64Column
    """First slot of each day, rising, the first one 0; shape ``(n_days,)``."""
    of_slot: Int64Column
    """Place of each slot's day; shape ``(n_slots,)``."""
    edges_us: Int64Column
    """Where days begin, and where the last one ends [µs]; shape ``(n_days + 1,)``."""

    @property
    def count(self) -> int:
        """How many days the window touches."""
        return len(self.starts)

    def find_span(self, window: Window, counted: Flags, start: int, end: int) -> Instants:
        """From the first slot that counts on days ``[start, end)`` to the last one.

        What is told of days begins and ends by day, not at midnight.
        """
        low = int(self.starts[start])
        high = int(self.starts[end]) if end < self.count else len(window.slot_us)
        places = low + np.flatnonzero(counted[low:high])
        first, last = (places[0], places[-1]) if len(places) else (low, high - 1)
        return Instants(int(window.slot_us[first]), int(window.slot_us[last]) + window.step_us)

    def sum(self, values: Matrix) -> Matrix:
        """Sums of each day, unknown values left out; ``(n, n_slots)`` to ``(n, n_days)``."""
        return np.asarray(np.add.reduceat(np.nan_to_num(values), self.starts, axis=-1), np.float64)

    def compare(self, power_w: Matrix, expected_w: Matrix, counted: Flags) -> DayShares:
        """What was given of what was expected on each day, over the slots that count."""
        given = self.sum(np.where(counted, power_w, 0.0))
        expected = self.sum(np.where(counted, expected_w, 0.0))
        usual = median(np.where(expected > 0.0, expected, np.nan), -1)[..., None]
        is_enough = (expected > 0.0) & (expected >= LEAST_DAY * usual)
        share = np.divide(given, expected, out=np.full_like(given, np.nan), where=is_enough)
        return DayShares(given, expected, share)


def cut_days(window: Window) -> Days:
    """The local days of a window's site; a window without slots has none."""
    if len(window.slot_us) == 0:
        empty = np.empty(0, np.int64)
        return Days(empty, empty, empty)
    zone = load_zone(window.site.time_zone)
    edges = local_day_edges(int(window.slot_us[0]), window.end_us, zone)
    of_slot = np.searchsorted(edges, window.slot_us, side="right") - 1
    places, starts = np.unique(of_slot, return_index=True)
    edges = np.append(edges[places], edges[places[-1] + 1])
    return Days(starts, np.searchsorted(places, of_slot), edges)


def find_power(window: Window) -> tuple[str, Matrix] | None:
    """The quantity and values of power produced [W], never below 0; None where there is none.

    What is neither panel nor inverter, nor counts production, has none.

    Whether a device counts what it produces as positive or negative is told by the larger side;
    the few watts that an inverter draws at night are none of its production. What a sensor repeats
    because it is stuck is not known.
    """
    name = next((one for one in POWER_QUANTITIES if one in window.values), None)
    solar = np.array([is_solar(device) for device in window.devices], np.bool_)
    if name is None or len(window.slot_us) == 0 or not solar.any():
        return None
    power = np.where(solar[:, None], window.values[name], np.nan)
    if power.min(initial=0.0, where=np.isfinite(power)) < 0.0:
        is_negative = -quantile(power, 0.02) > quantile(power, 0.98)
        power = np.where(is_negative[:, None], -power, power)
    return name, np.where(find_stuck(window, name), np.nan, np.maximum(power, 0.0))


def is_solar(device: Device) -> bool:
    """Whether a device's power follows the sun."""
    return device.is_production or device.kind in {DeviceKind.PANEL, DeviceKind.INVERTER}


def find_stuck(window: Window, power: str) -> Flags:
    """Where a device repeats all that it measures, to the last digit, while it claims power.

    An inverter at its limit repeats its power, but not its voltage or temperature; one that tells
    nothing but power is stuck when it repeats it for longer than a day of sun has hours at a limit.
    """
    repeats = [_repeats(matrix) for name, matrix in window.values.items() if name != power]
    known = [np.isfinite(matrix) for name, matrix in window.values.items() if name != power]
    own = _repeats(window.values[power]) & (window.values[power] != 0.0)
    others = np.zeros_like(own)
    agree = own.copy()
    for one, is_known in zip(repeats, known, strict=True):
        others |= is_known
        agree &= one | ~is_known
    least = np.where(others.any(1), STUCK_ALL_S, STUCK_ALONE_S) * US_PER_S / window.step_us
    stuck: Flags = np.zeros(own.shape, np.bool_)
    spans = find_spans(agree)
    is_long = spans.end - spans.start >= np.maximum(least[spans.row], 3)
    for row, start, end in zip(*(part[is_long] for part in spans), strict=True):
        # The value that is repeated stands one slot before the first repetition.
        stuck[row, max(start - 1, 0) : end] = True
    return stuck


def _repeats(matrix: Matrix) -> Flags:
    same = np.zeros(matrix.shape, np.bool_)
    same[:, 1:] = matrix[:, 1:] == matrix[:, :-1]
    return same


def energy_wh(power_w: Matrix | FloatColumn, step_us: int) -> float:
    """Energy of mean powers of slots, unknown ones left out [Wh]."""
    return float(np.nansum(power_w)) * step_us / US_PER_HOUR


def usable(power_w: Matrix, expected_w: Matrix) -> Flags:
    """Where both are known."""
    return np.asarray(np.isfinite(power_w) & np.isfinite(expected_w), np.bool_)

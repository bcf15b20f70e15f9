"""A row for each local day: readings of the register, energy, phases, outdoor temperature, state.

It promises a row for every day that was asked for, also for one without data, and that a day of 23
or 25 hours is one day. The energy is that of the day's bucket: resets seen, gaps left out, and the
step over midnight shared by time. So it may differ a little from the difference of the day's first
and last readings, which are shown as they were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from enum import Enum

import numpy as np

from wattscope.core.quantities import QuantityKind, find_quantity
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_HOUR, day_start_us
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import Rollup

_WHOLE = 1.0 - 1e-9
"""Coverage of a day of which nothing is missing, to float rounding."""
_PHASES = ("l1", "l2", "l3")
_PRODUCERS = {DeviceKind.INVERTER, DeviceKind.PANEL}
_PRODUCED = ("energy_production_wh", "energy_export_wh", "production_power_w", "dc_power_w")
_USED = ("energy_import_wh", "energy_total_wh", "energy_import_delta_wh", "active_power_w")


class DayState(Enum):
    """How much of a day there is."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """Some of its time has no data; see the coverage."""
    RUNNING = "running"
    """It is today."""
    EMPTY = "no data"


@dataclass(frozen=True, slots=True)
class ReportSeries:
    """Which series a report is made of."""

    energy: int
    has_register: bool
    """Whether the readings of ``energy`` are those of a register."""
    phases: tuple[int | None, int | None, int | None]
    """None where a phase is not measured."""
    outdoor: int | None
    """A temperature; None when there is none."""

    def list_ids(self) -> set[int]:
        """Every series that takes part."""
        return {one for one in (self.energy, *self.phases, self.outdoor) if one is not None}


@dataclass(frozen=True, slots=True)
class DayRow:
    """One local day; None where nothing is known."""

    day: date
    hours: float
    """Length of the day [h]: 24, or 23 and 25 when the clock changes."""
    first_wh: float | None
    """First reading of the register on this day [Wh]."""
    last_wh: float | None
    """Last reading of the register on this day [Wh]."""
    energy_wh: float | None
    phases_wh: tuple[float | None, float | None, float | None]
    outdoor_c: float | None
    """Mean of the readings of the day [°C]."""
    coverage: float
    """Share of the day that has data, 0 to 1."""
    state: DayState


def choose_quantity(device: Device, names: set[str]) -> str | None:
    """The quantity that tells a device's energy best: registers before integrated power.

    None when none of its quantities does.
    """
    is_producer = device.is_production or device.kind in _PRODUCERS
    order = (*_PRODUCED, *_USED) if is_producer else (*_USED, *_PRODUCED)
    return next((name for name in order if name in names), None)


def name_phases(quantity: str) -> tuple[str, ...]:
    """The names of a quantity's phases.

    >>> name_phases("energy_import_wh")[0]
    'energy_import_l1_wh'
    """
    stem, _, unit = quantity.rpartition("_")
    return tuple(f"{stem}_{phase}_{unit}" for phase in _PHASES)


def is_register(quantity: str) -> bool:
    """Whether a quantity is a register of energy."""
    found = find_quantity(quantity)
    return found is not None and found.is_energy and found.kind is QuantityKind.COUNTER


def day_edges(first: date, last: date, zone: tzinfo) -> Int64Column:
    """Starts of the local days from ``first`` to ``last``, and the end of the last [µs]."""
    n_days = (last - first).days + 1
    days = [first + timedelta(days=n) for n in range(n_days + 1)]
    return np.array([day_start_us(day, zone) for day in days], np.int64)


def arrange_days(
    rollup: Rollup, series: ReportSeries, first: date, edges_us: Int64Column, *, today: date
) -> list[DayRow]:
    """The rows, by day.

    Args:
        rollup: Buckets of local days, ordered by series, then bucket; any of them missing.
        series: Which series are meant.
        first: The day that begins at the first edge.
        edges_us: Starts of the days and the end of the last one, as ``day_edges`` gives them.
        today: The day that is not over.
    """
    starts = edges_us[:-1]
    energy = _spread(rollup, rollup.energy_wh, series.energy, starts)
    firsts = _spread(rollup, rollup.first, series.energy, starts)
    lasts = _spread(rollup, rollup.last, series.energy, starts)
    coverage = np.nan_to_num(_spread(rollup, rollup.coverage, series.energy, starts))
    phases = [_spread(rollup, rollup.energy_wh, one, starts) for one in series.phases]
    with np.errstate(invalid="ignore"):
        means = rollup.sum / np.where(rollup.count > 0, rollup.count, np.nan)
    outdoor = _spread(rollup, means, series.outdoor, starts)
    hours = np.diff(edges_us) / US_PER_HOUR
    rows = []
    for at, length in enumerate(hours.tolist()):
        if not length:
            # A date that the zone left out (Samoa had no 30 December 2011) is no day.
            continue
        day = first + timedelta(days=at)
        rows.append(
            DayRow(
                day,
                length,
                _known(firsts[at]) if series.has_register else None,
                _known(lasts[at]) if series.has_register else None,
                _known(energy[at]),
                (_known(phases[0][at]), _known(phases[1][at]), _known(phases[2][at])),
                _known(outdoor[at]),
                float(coverage[at]),
                _judge(energy[at], coverage[at], is_running=day >= today),
            )
        )
    return rows


def _judge(energy_wh: float, coverage: float, *, is_running: bool) -> DayState:
    if is_running:
        return DayState.RUNNING
    if np.isnan(energy_wh):
        return DayState.EMPTY
    return DayState.COMPLETE if coverage >= _WHOLE else DayState.INCOMPLETE


def _spread(
    rollup: Rollup, column: FloatColumn, series: int | None, starts_us: Int64Column
) -> FloatColumn:
    """A column of one series, one value a day; NaN where there is no bucket."""
    spread = np.full(len(starts_us), np.nan)
    if series is None:
        return spread
    first, end = np.searchsorted(rollup.series_id, [series, series + 1])
    at = np.searchsorted(starts_us, rollup.bucket_start_us[first:end])
    fits = at < len(starts_us)
    fits[fits] = starts_us[at[fits]] == rollup.bucket_start_us[first:end][fits]
    spread[at[fits]] = column[first:end][fits]
    return spread


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def list_devices_with_energy(
    devices: Sequence[Device], quantities: dict[str, set[str]]
) -> list[tuple[Device, str]]:
    """Devices that tell an energy, each with the quantity that does, by id."""
    chosen = [(one, choose_quantity(one, quantities.get(one.id, set()))) for one in devices]
    return sorted(
        ((one, name) for one, name in chosen if name is not None), key=lambda pair: pair[0].id
    )


def choose_outdoor(devices: Sequence[Device], quantities: dict[str, set[str]]) -> str | None:
    """The device of a site that measures the temperature outside; None where that is not clear.

    Inverters, panels and batteries tell their own temperature and are left out. Of several others,
    the one that says in its id or name that it is outdoors.
    """
    own = {*_PRODUCERS, DeviceKind.BATTERY}
    found = [
        one
        for one in devices
        if "temperature_c" in quantities.get(one.id, set())
        and one.kind not in own
        and not one.is_production
    ]
    if len(found) > 1:
        words = ("outdoor", "outside")
        found = [
            one for one in found if any(word in f"{one.id} {one.name}".lower() for word in words)
        ]
    return found[0].id if len(found) == 1 else None

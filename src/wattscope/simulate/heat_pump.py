"""A heat pump on three phases, as a pure function of its settings, a seed and an instant.

::

    outdoor  T(t)  season, hour of the day and weather of two days
    need     0 at 16 °C outside to 1 at −12 °C
    every 90 minutes a turn with one run, the longer and stronger the colder
    before and after a run the pump; below 5 °C runs end with a defrost; hot water twice a day

The states are those of the seed: 6 W standby, 46 W with the pump, 1 to 2.5 kW compressor, above
2 kW defrost and hot water.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wattscope.core.errors import SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S, load_zone
from wattscope.simulate.home_curves import LocalClock, read_local_clock
from wattscope.simulate.mains import frequency_at, voltages_at
from wattscope.simulate.metered_days import SLOT_S, Flow, Metered, MeteredDays
from wattscope.simulate.noise import hash_unit, smooth_noise
from wattscope.simulate.simulation_table import MAX_SEED, find_number_faults, find_zone_faults
from wattscope.simulate.three_phase import PhaseState, Table, tell_quantities

DEVICE = "heatpump"
"""Id of the only meter."""

# Independent noises of one world; the numbers are part of what a seed means.
_WEATHER, _START, _SHORT, _PUMP, _WOBBLE, _SHARES, _DEFROST, _WATER, _HISS = range(201, 210)

_DAY_S = 86_400
_RUN_S = 5400
"""One run in so long at most [s]."""
_RUNS_A_DAY = 16
_SHORTEST_SHARE = 0.15
"""A run lasts at least so much of its turn; milder weather leaves turns out."""
_THROUGH = 0.75
"""Above this need it runs through."""
_PUMP_BEFORE_S, _PUMP_AFTER_S = 120, 300
_RAMP_S, _DEFROST_S = 180, 360
_WATER_HOURS = (5, 13)
_WATER_S = 1500
_NO_HEATING_C, _FULL_NEED_C, _ICE_C = 16.0, -12.0, 5.0

Mask = npt.NDArray[np.bool_]


class State(IntEnum):
    """What the heat pump does."""

    STANDBY = 0
    PUMP = 1
    COMPRESSOR = 2
    HIGH = 3
    """Defrost or hot water."""


# Power factor of each state; the electronics of the standby are capacitive.
_FACTOR = np.array([0.58, 0.80, 0.965, 0.93])
_IS_CAPACITIVE = np.array([-1.0, 1.0, 1.0, 1.0])


class HeatPumpSimulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated heat pump; all faults are listed at once when it is made.

    Raises:
        SettingsError: One or more values are wrong.
    """

    time_zone: str = "UTC"
    """IANA name of the site's zone; days, hot water and the outdoor curve follow its clock."""
    seed: int = 1
    """Another number is another winter."""
    history_s: float = 30.0
    """Distance of the readings of a simulated past [s]."""
    epoch: date = date(2026, 7, 1)
    """Day (UTC) at whose start the registers showed their base values."""
    mean_outdoor_c: float = 9.0
    """Mean of the year [°C]."""
    season_c: float = 9.5
    """How far the coldest month is below the mean [°C]."""
    standby_w: float = 6.0
    pump_w: float = 40.0
    """The circulation pump [W], on top of the standby."""
    compressor_low_w: float = 1000.0
    compressor_high_w: float = 2200.0
    high_load_w: float = 2500.0
    """Defrost and hot water, about [W]."""
    voltage_v: float = 230.0
    base_energy_wh: float = 4_321_000.0
    """Register of energy at the epoch [Wh]."""

    def __post_init__(self) -> None:
        limits = [
            ("seed", -MAX_SEED, MAX_SEED),
            ("history_s", 1.0, 3600.0),
            ("mean_outdoor_c", -40.0, 40.0),
            ("season_c", 0.0, 40.0),
            ("standby_w", 0.0, 1000.0),
            ("pump_w", 0.0, 5000.0),
            ("compressor_low_w", 1.0, 1e5),
            ("compressor_high_w", 1.0, 1e5),
            ("high_load_w", 1.0, 1e5),
            ("voltage_v", 1.0, 1000.0),
            ("base_energy_wh", 0.0, 1e12),
        ]
        faults = find_number_faults(self, limits) + find_zone_faults(self.time_zone)
        if self.compressor_low_w > self.compressor_high_w:
            faults.append("compressor_low_w: is above compressor_high_w")
        if faults:
            raise SettingsError(faults, where="[simulate]")


class Operation(NamedTuple):
    """Columns of equal length, one row an instant."""

    state: Int64Column
    power_w: FloatColumn
    outdoor_c: FloatColumn


class HeatPump:
    """Answers what the meter of a heat pump shows at any instant."""

    def __init__(self, settings: HeatPumpSimulation) -> None:
        self.settings = settings
        self._zone = load_zone(settings.time_zone)
        self._days = MeteredDays(self._draw_day, settings.epoch)

    def operation_at(self, instant_s: Int64Column) -> Operation:
        """What it does at instants in rising order [s since 1970]."""
        return draw_operation(self.settings, instant_s, read_local_clock(instant_s, self._zone))

    def tables_at(self, instants_us: Int64Column) -> dict[str, Table]:
        """Device to quantity to one value an instant.

        Raises:
            QueryError: An instant is before the epoch.
        """
        metered = self._days.at(instants_us)[DEVICE]
        instant_s = instants_us // US_PER_S
        return {
            DEVICE: tell_quantities(
                _phase_state(
                    metered,
                    self.settings.seed,
                    instant_s,
                    self.settings.voltage_v,
                    self.settings.base_energy_wh,
                )
            )
        }

    def _draw_day(self, number: int) -> dict[str, Flow]:
        instant_s = np.arange(number * _DAY_S, (number + 1) * _DAY_S, SLOT_S, dtype=np.int64)
        operation = self.operation_at(instant_s)
        return {DEVICE: _split_phases(self.settings, instant_s, operation)}


def draw_operation(
    settings: HeatPumpSimulation, instant_s: Int64Column, clock: LocalClock
) -> Operation:
    """State, power [W] and outdoor temperature [°C] at instants in rising order."""
    turn, past_s = np.divmod(instant_s, _RUN_S)
    first = int(turn[0])
    turns = np.arange(first, int(turn[-1]) + 1, dtype=np.int64)
    row = turn - first
    outdoor_c = _outdoor(settings, turns)
    runs = _plan_runs(settings.seed, turns, outdoor_c)
    start_s, end_s = runs.start_s[row], runs.end_s[row]
    is_on = (past_s >= start_s) & (past_s < end_s)
    is_defrost = is_on & runs.is_icy[row] & (past_s >= end_s - _DEFROST_S)
    is_water = _is_water(settings.seed, clock)
    is_pumping = ((past_s >= start_s - _PUMP_BEFORE_S) & (past_s < end_s + _PUMP_AFTER_S)) & (
        end_s > start_s
    )
    is_pumping |= runs.is_pumping[row]
    state = np.where(is_pumping, int(State.PUMP), int(State.STANDBY))
    state = np.where(is_on, int(State.COMPRESSOR), state)
    state = np.where(is_defrost | is_water, int(State.HIGH), state)
    running_s = np.where(runs.is_through[row], _RAMP_S, past_s - start_s)
    power_w = _power(settings, instant_s, state, runs.level[row], running_s)
    return Operation(state.astype(np.int64), power_w, outdoor_c[row])


class _Runs(NamedTuple):
    """One row a turn."""

    start_s: FloatColumn
    """Within the turn [s]; equal to the end where it does not run."""
    end_s: FloatColumn
    level: FloatColumn
    """Modulation, 0 to 1."""
    is_through: Mask
    """Whether it runs from the start of the turn to its end."""
    is_icy: Mask
    """Whether it ends with a defrost."""
    is_pumping: Mask
    """Whether the pump goes on through the turn."""


def _outdoor(settings: HeatPumpSimulation, turns: Int64Column) -> FloatColumn:
    """Temperature of each turn [°C]: coldest in mid January and at five by the sun.

    The hour is that of UTC: the sun knows no summer time, and sites are near their meridian.
    """
    season = -np.cos(2 * np.pi * (turns / _RUNS_A_DAY - 18.0) / 365.2425)
    hour = (turns % _RUNS_A_DAY) * (_RUN_S / 3600.0)
    daily = 3.5 * np.cos(2 * np.pi * (hour - 15.0) / 24.0)
    weather = 10.0 * (smooth_noise(settings.seed, _WEATHER, turns, 2 * _RUNS_A_DAY) - 0.5)
    return np.asarray(settings.mean_outdoor_c + settings.season_c * season + daily + weather)


def _plan_runs(seed: int, turns: Int64Column, outdoor_c: FloatColumn) -> _Runs:
    need = np.clip((_NO_HEATING_C - outdoor_c) / (_NO_HEATING_C - _FULL_NEED_C), 0.0, 1.0)
    share = np.clip(need / _THROUGH, 0.0, 1.0)
    is_short = share < _SHORTEST_SHARE
    is_left_out = is_short & (hash_unit(seed, _SHORT, turns) >= share / _SHORTEST_SHARE)
    share = np.where(is_short, _SHORTEST_SHARE, share) * ~is_left_out
    length_s = np.floor(share * _RUN_S / SLOT_S) * SLOT_S
    chance = hash_unit(seed, _START, turns)
    start_s = np.floor(chance * (_RUN_S - length_s) / SLOT_S) * SLOT_S
    return _Runs(
        start_s=start_s,
        end_s=start_s + length_s,
        level=need,
        is_through=length_s >= _RUN_S,
        is_icy=(outdoor_c < _ICE_C) & (hash_unit(seed, _DEFROST, turns) < 0.4),
        is_pumping=(need > 0) & (hash_unit(seed, _PUMP, turns) < 0.4),
    )


def _is_water(seed: int, clock: LocalClock) -> Mask:
    """Whether hot water is made: twice a day, begun within half an hour."""
    second = clock.hour * 3600.0
    is_on = np.zeros(len(second), bool)
    for hour in _WATER_HOURS:
        begin_s = hour * 3600.0 + np.floor(180 * hash_unit(seed, _WATER + hour, clock.day)) * 10.0
        is_on |= (second >= begin_s) & (second < begin_s + _WATER_S)
    return is_on


def _power(
    settings: HeatPumpSimulation,
    instant_s: Int64Column,
    state: npt.NDArray[np.int_],
    level: FloatColumn,
    running_s: FloatColumn,
) -> FloatColumn:
    """Power of each instant [W]."""
    wobble = 1.0 + 0.05 * (smooth_noise(settings.seed, _WOBBLE, instant_s, 60) - 0.5)
    low_w, high_w = settings.compressor_low_w, settings.compressor_high_w
    climb = np.clip(0.5 + running_s / (2.0 * _RAMP_S), 0.5, 1.0)
    compressor_w = (low_w + (high_w - low_w) * level) * wobble * climb
    hiss_w = 0.05 * settings.standby_w * (hash_unit(settings.seed, _HISS, instant_s) - 0.5)
    idle_w = settings.standby_w + hiss_w
    choices = (
        idle_w,
        idle_w + settings.pump_w,
        np.maximum(compressor_w, settings.pump_w),
        settings.high_load_w * wobble,
    )
    return np.choose(state, choices)


def _split_phases(
    settings: HeatPumpSimulation, instant_s: Int64Column, operation: Operation
) -> Flow:
    """The flow of each phase: electronics and pump on L1, the compressor on all three."""
    state, power_w = operation.state, operation.power_w
    total_dw = np.rint(power_w * 10.0).astype(np.int64)
    is_spread = state >= State.COMPRESSOR
    tilt = 0.02 * (smooth_noise(settings.seed, _SHARES, instant_s, 900) - 0.5)
    first = np.where(is_spread, 0.345 + tilt, 1.0)
    second = np.where(is_spread, 0.332, 0.0)
    l1 = np.rint(total_dw * first).astype(np.int64)
    l2 = np.rint(total_dw * second).astype(np.int64)
    power_dw = np.stack([l1, l2, total_dw - l1 - l2])
    ratio = np.sqrt(1.0 / _FACTOR[state] ** 2 - 1.0) * _IS_CAPACITIVE[state]
    reactive = np.rint(power_dw * ratio * (1.0 + tilt)).astype(np.int64)
    return Flow(power_dw, reactive)


def _phase_state(
    metered: Metered, seed: int, instant_s: Int64Column, nominal_v: float, base_wh: float
) -> PhaseState:
    imported, exported, gained, given = metered.energies
    return PhaseState(
        power_w=metered.power_w,
        reactive_var=metered.reactive_var,
        voltage_v=voltages_at(seed, instant_s, metered.power_w, nominal_v),
        frequency_hz=frequency_at(seed, instant_s),
        import_wh=imported + np.floor(base_wh / 3.0),
        export_wh=exported,
        reactive_import_varh=gained,
        reactive_export_varh=given,
    )

"""A plant with its meter tree, as a pure function of its settings, a seed and an instant.

::

    feed        hall_a + hall_b + office + unmetered − inverter       three phases
    ├ hall_a    machines in shifts, Monday to Friday
    ├ hall_b    compressors that come and go, and cooling
    ├ office    one phase
    └ inverter  panels on the roof, two strings

The loads below the feed never add up to more than what flows into the plant from the grid and the
roof; what no sub-meter sees is the feed's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec
import numpy as np

from wattscope.core.errors import SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S, load_zone
from wattscope.simulate.home_curves import LocalClock, draw_solar_power, read_local_clock
from wattscope.simulate.mains import frequency_at, voltages_at
from wattscope.simulate.metered_days import SLOT_S, Flow, Metered, MeteredDays
from wattscope.simulate.noise import hash_unit, smooth_noise
from wattscope.simulate.simulation_table import MAX_SEED, find_number_faults, find_zone_faults
from wattscope.simulate.three_phase import PhaseState, Table, tell_production, tell_quantities

FEED, HALL_A, HALL_B, OFFICE, INVERTER = "feed", "hall_a", "hall_b", "office", "inverter"

# Independent noises of one world; the numbers are part of what a seed means.
_A, _A_FAST, _B_TURN, _B_COLD, _DESKS, _REST, _TILT, _STRING = range(301, 309)

_DAY_S = 86_400
_THURSDAY = 3
"""1 January 1970, with Monday as 0."""
_COMPRESSOR_TURN_S = 1200
_EFFICIENCY = 0.97
"""Of the inverter, DC to AC."""
_STRING_V = 620.0


class PlantSimulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated plant; all faults are listed at once when it is made.

    Raises:
        SettingsError: One or more values are wrong.
    """

    time_zone: str = "UTC"
    """IANA name of the site's zone; shifts and sun follow its clock."""
    seed: int = 1
    """Another number is another plant with other weather."""
    history_s: float = 120.0
    """Distance of the readings of a simulated past [s]."""
    epoch: date = date(2026, 7, 1)
    """Day (UTC) at whose start the registers showed their base values."""
    hall_a_w: float = 18_000.0
    """Hall A with all machines on [W]."""
    hall_b_w: float = 9_000.0
    """A compressor of hall B [W]."""
    office_w: float = 2_200.0
    """The office on a working day [W]."""
    unmetered_w: float = 3_000.0
    """What no sub-meter sees [W]."""
    shift_start_h: float = 6.0
    shift_end_h: float = 22.0
    """Local hours of the shifts, Monday to Friday."""
    solar_peak_w: float = 24_000.0
    weather_low: float = 0.3
    weather_high: float = 1.0
    latitude: float | None = 51.3
    """[degrees, north positive]; None is midsummer all year."""
    voltage_v: float = 230.0
    base_energy_wh: float = 81_250_000.0
    """Register of energy of the feed at the epoch [Wh]; of the others a part of it."""

    def __post_init__(self) -> None:
        limits = [
            ("seed", -MAX_SEED, MAX_SEED),
            ("history_s", 1.0, 3600.0),
            *((name, 0.0, 200_000.0) for name in ("hall_a_w", "hall_b_w", "office_w")),
            ("unmetered_w", 0.0, 200_000.0),
            ("solar_peak_w", 0.0, 300_000.0),
            ("shift_start_h", 0.0, 24.0),
            ("shift_end_h", 0.0, 24.0),
            ("weather_low", 0.0, 1.0),
            ("weather_high", 0.0, 1.0),
            ("voltage_v", 1.0, 1000.0),
            ("base_energy_wh", 0.0, 1e12),
        ]
        if self.latitude is not None:
            limits.append(("latitude", -90.0, 90.0))
        faults = find_number_faults(self, limits) + find_zone_faults(self.time_zone)
        if self.weather_low > self.weather_high:
            faults.append("weather_low: is above weather_high")
        if faults:
            raise SettingsError(faults, where="[simulate]")


class Plant:
    """Answers what each meter of the plant shows at any instant."""

    def __init__(self, settings: PlantSimulation) -> None:
        self.settings = settings
        self._zone = load_zone(settings.time_zone)
        self._days = MeteredDays(self._draw_day, settings.epoch)

    def tables_at(self, instants_us: Int64Column) -> dict[str, Table]:
        """Device to quantity to one value an instant.

        Raises:
            QueryError: An instant is before the epoch.
        """
        instant_s = instants_us // US_PER_S
        seed = self.settings.seed
        frequency_hz = frequency_at(seed, instant_s)
        tables: dict[str, Table] = {}
        for device, metered in self._days.at(instants_us).items():
            voltage_v = voltages_at(seed, instant_s, metered.power_w, self.settings.voltage_v)
            bases_wh = [share * self.settings.base_energy_wh for share in _BASE_SHARES[device]]
            state = _phase_state(metered, voltage_v, frequency_hz, bases_wh)
            tables[device] = tell_quantities(state)
        tables[INVERTER] = tell_production(tables[INVERTER]) | _tell_roof(
            seed, instant_s, tables[INVERTER]
        )
        return tables

    def _draw_day(self, number: int) -> dict[str, Flow]:
        settings = self.settings
        instant_s = np.arange(number * _DAY_S, (number + 1) * _DAY_S, SLOT_S, dtype=np.int64)
        clock = read_local_clock(instant_s, self._zone)
        shift = _shift(settings, clock)
        tilt = 0.08 * (smooth_noise(settings.seed, _TILT, instant_s, 1800) - 0.5)
        hall_a = _split(_hall_a(settings, instant_s, shift), 0.88, tilt)
        hall_b = _split(_hall_b(settings, instant_s, shift), 0.84, -0.7 * tilt)
        office = _single(_office(settings, instant_s, clock, shift), 0.95)
        rest = _split(_rest(settings, instant_s, shift), 0.92, 0.5 * tilt)
        given_w = draw_solar_power(settings, instant_s, clock).astype(np.float64)
        roof = _split(0.0 - given_w, 1.0, 0.0 * tilt)
        parts = (hall_a, hall_b, office, rest, roof)
        feed = Flow(
            sum((one.power_dw for one in parts[1:]), parts[0].power_dw),
            sum((one.reactive_dvar for one in parts[1:]), parts[0].reactive_dvar),
        )
        return {FEED: feed, HALL_A: hall_a, HALL_B: hall_b, OFFICE: office, INVERTER: roof}


_BASE_SHARES: Final = {
    FEED: (1.0, 0.08),
    HALL_A: (0.42, 0.0),
    HALL_B: (0.38, 0.0),
    OFFICE: (0.06, 0.0),
    INVERTER: (0.0, 0.31),
}
"""Imported and exported at the epoch, beside what the feed had imported by then."""


def _shift(settings: PlantSimulation, clock: LocalClock) -> FloatColumn:
    """How much of the plant works, 0 to 1: it starts and ends within half an hour."""
    is_weekday = (clock.day + _THURSDAY) % 7 < 5
    begun = np.clip((clock.hour - settings.shift_start_h) / 0.5 + 0.5, 0.0, 1.0)
    left = np.clip((settings.shift_end_h - clock.hour) / 0.5 + 0.5, 0.0, 1.0)
    lunch = 1.0 - 0.35 * ((clock.hour >= 12.0) & (clock.hour < 12.75))
    return np.asarray(np.minimum(begun, left) * lunch * is_weekday)


def _hall_a(settings: PlantSimulation, instant_s: Int64Column, shift: FloatColumn) -> FloatColumn:
    """Machines [W]: a base that stays, and cycles of some minutes in the shifts."""
    slow = smooth_noise(settings.seed, _A, instant_s, 1500)
    fast = smooth_noise(settings.seed, _A_FAST, instant_s, 70)
    return settings.hall_a_w * (0.07 + shift * (0.35 + 0.38 * slow + 0.2 * fast))


def _hall_b(settings: PlantSimulation, instant_s: Int64Column, shift: FloatColumn) -> FloatColumn:
    """Two compressors [W], each on for a part of every 20 minutes, and cooling day and night."""
    power_w = 0.09 * settings.hall_b_w * (1 + smooth_noise(settings.seed, _B_COLD, instant_s, 900))
    for number in range(2):
        turn, past_s = np.divmod(instant_s + number * _COMPRESSOR_TURN_S // 2, _COMPRESSOR_TURN_S)
        share = (0.12 + 0.5 * shift) * (0.5 + hash_unit(settings.seed, _B_TURN + 20 * number, turn))
        power_w = power_w + settings.hall_b_w * (past_s < share * _COMPRESSOR_TURN_S)
    return power_w


def _office(
    settings: PlantSimulation, instant_s: Int64Column, clock: LocalClock, shift: FloatColumn
) -> FloatColumn:
    """Desks [W], from eight to six within the shifts."""
    desks = np.clip((clock.hour - 7.5) / 1.0, 0, 1) * np.clip((18.5 - clock.hour) / 1.0, 0, 1)
    drawn = 0.7 + 0.3 * smooth_noise(settings.seed, _DESKS, instant_s, 500)
    return settings.office_w * drawn * (0.12 + 0.88 * desks * (shift > 0))


def _rest(settings: PlantSimulation, instant_s: Int64Column, shift: FloatColumn) -> FloatColumn:
    """Light, yard and losses [W]."""
    drawn = smooth_noise(settings.seed, _REST, instant_s, 400)
    return settings.unmetered_w * (0.25 + 0.5 * shift + 0.25 * drawn)


def _split(power_w: FloatColumn, factor: float, tilt: FloatColumn) -> Flow:
    """A load on three phases that are almost alike."""
    total_dw = np.rint(10.0 * power_w).astype(np.int64)
    l1 = np.rint(total_dw * (1 / 3 + tilt)).astype(np.int64)
    l2 = np.rint(total_dw * (1 / 3 - 0.6 * tilt)).astype(np.int64)
    return _with_reactive(np.stack([l1, l2, total_dw - l1 - l2]), factor)


def _single(power_w: FloatColumn, factor: float) -> Flow:
    """A load on the first phase."""
    total_dw = np.rint(10.0 * power_w).astype(np.int64)
    return _with_reactive(np.stack([total_dw, 0 * total_dw, 0 * total_dw]), factor)


def _with_reactive(power_dw: Int64Column, factor: float) -> Flow:
    ratio = (1.0 / factor**2 - 1.0) ** 0.5
    return Flow(power_dw, np.rint(power_dw * ratio).astype(np.int64))


def _phase_state(
    metered: Metered,
    voltage_v: FloatColumn,
    frequency_hz: FloatColumn,
    bases_wh: Sequence[float],
) -> PhaseState:
    imported, exported, gained, given = metered.energies
    import_base, export_base = (np.floor(base_wh / 3.0) for base_wh in bases_wh)
    return PhaseState(
        power_w=metered.power_w,
        reactive_var=metered.reactive_var,
        voltage_v=voltage_v,
        frequency_hz=frequency_hz,
        import_wh=imported + import_base,
        export_wh=exported + export_base,
        reactive_import_varh=gained,
        reactive_export_varh=given,
    )


def _tell_roof(seed: int, instant_s: Int64Column, table: Table) -> Table:
    """The DC side of the inverter and how it feels."""
    ac_w = 0.0 - table["active_power_w"]
    dc_w = np.round(ac_w / _EFFICIENCY, 1)
    share = 0.5 + 0.06 * (smooth_noise(seed, _STRING, instant_s, 3600) - 0.5)
    is_on = ac_w > 0
    told: Table = {"dc_power_w": dc_w}
    powers = (np.round(dc_w * share, 1), dc_w - np.round(dc_w * share, 1))
    for number, power_w in enumerate(powers, 1):
        volt = np.where(is_on, np.round(_STRING_V + 8.0 * number, 1), 0.0)
        told[f"dc_power_s{number}_w"] = power_w
        told[f"dc_voltage_s{number}_v"] = volt
        told[f"dc_current_s{number}_a"] = np.round(np.divide(power_w, np.maximum(volt, 1.0)), 2)
    told["dc_voltage_v"] = told["dc_voltage_s1_v"]
    told["dc_current_a"] = told["dc_current_s1_a"] + told["dc_current_s2_a"]
    told["temperature_c"] = np.round(24.0 + ac_w / 1200.0, 1)
    told["heat_sink_temperature_c"] = np.round(26.0 + ac_w / 700.0, 1)
    # SunSpec model 103, St: 2 sleeping, 4 MPPT.
    told["operating_state"] = np.where(is_on, 4.0, 2.0)
    told["event_flags"] = np.zeros(len(ac_w))
    return told

"""A solar plant, panel by panel, as a function of its devices, its seed and of time.

::

    weather ─▶ light on each plane ─▶ cells ─▶ working point ─▶ sensor
                    ▲ soiling, shade              ▲ string out,     ▲ stuck, drift
                                                    trip, clipping

Each panel has a sensor, and works at its own best point, as behind a power optimiser. Everything
is asked for many panels and instants at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.compute.solar import (
    STANDARD_CELL_C,
    STANDARD_IRRADIANCE_W_M2,
    dc_power,
    module_temperature,
    plane_irradiance,
)
from wattscope.core.errors import SettingsError
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, load_zone, to_us
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window
from wattscope.simulate.noise import hash_unit
from wattscope.simulate.solar_faults import (
    Branches,
    Fault,
    FaultKind,
    Truth,
    draw_monthly,
    draw_strength,
    list_truths,
    parse_fault,
)
from wattscope.simulate.solar_settings import SolarSimulation
from wattscope.simulate.solar_sky import Weather, draw_weather

# Independent noises of one world; the numbers are part of what a seed means.
_RATING, _VOLTAGE, _WARMTH, _V_NOISE, _I_NOISE, _T_NOISE, _W_NOISE = range(421, 428)

_TILT_DEG: Final = 30.0
"""Of panels that do not tell theirs; they look to the equator."""
_MIN_LIGHT_W_M2: Final = 3.0
"""With less light a panel feeds nothing."""
_OPEN_RATIO: Final = 1.17
"""Voltage without a load beside that at the best point; 0.855 the other way round is usual."""
_OPEN_COEFFICIENT: Final = -0.0028
"""By what share the voltage falls for each degree of the cells [1/°C]; crystalline silicon."""
_LIGHT_SHARE: Final = 0.038
"""How much of the voltage an e-th of the light costs: n Ns kT/q of 72 cells in 54 V, n 1.1."""
_MAX_SOILING: Final = 0.35
_MAX_DRIFT_C: Final = 15.0

QUANTITIES: Final = ("temperature_c", "dc_voltage_v", "dc_current_a", "production_power_w")
"""What a panel's sensor tells."""
WEATHER: Final = ("irradiance_w_m2", "temperature_c", "module_temperature_c")
"""What the plant's own sensors tell."""


class Told(NamedTuple):
    """What sensors say, each of shape ``(n_panels, n_instants)``, as they round it."""

    temperature_c: Matrix
    dc_voltage_v: Matrix
    dc_current_a: Matrix
    production_power_w: Matrix


@dataclass(frozen=True, slots=True)
class Generated:
    """Readings of a span, and what was wrong in it."""

    panels: Window
    inverters: Window
    """Power of the inverters, DC and AC; without devices where no panel has one."""
    truths: tuple[Truth, ...]
    """What was wrong, one row a panel."""


class PanelPlant:
    """The panels among some devices, at a site that knows where it is."""

    def __init__(
        self, site: Site, devices: Sequence[Device], settings: SolarSimulation | None = None
    ) -> None:
        """Raises SettingsError where a panel has no rating, or a fault no device."""
        self.site = site
        self.settings = settings or SolarSimulation(time_zone=site.time_zone)
        if site.latitude is None or site.longitude is None:
            raise SettingsError(["site: tell latitude and longitude, or the sun stands nowhere"])
        self._latitude, self._longitude = site.latitude, site.longitude
        self._branches = Branches(devices, longitude=site.longitude)
        epoch = self.settings.epoch
        self._first_midday_us = self._branches.midday_us + to_us(
            datetime(epoch.year, epoch.month, epoch.day, tzinfo=UTC)
        )
        """What a sensor that was always stuck repeats."""
        self.panels = self._branches.panels
        self._inverters = tuple(one for one in devices if one.kind is DeviceKind.INVERTER)
        self._own_faults = _read_faults(self.settings, self._branches)
        _check_ratings(self.panels)
        self._planes, self._plane_of = _list_planes(self.panels, site.latitude)
        number = np.arange(len(self.panels), dtype=np.int64)
        seed, spread = self.settings.seed, self.settings.rating_spread
        told = np.array([one.rating_w for one in self.panels], np.float64)
        self._rating_w = told * (1.0 + spread * _centred(hash_unit(seed, _RATING, number)))
        self._voltage_v = self.settings.voltage_v * (
            1.0 + 0.01 * _centred(hash_unit(seed, _VOLTAGE, number))
        )
        self._warmth_c = 0.8 * _centred(hash_unit(seed, _WARMTH, number))
        self._months = lru_cache(maxsize=8)(self._draw_month)

    def find_faults(self, start_us: int, end_us: int) -> list[Fault]:
        """What is wrong at any instant of ``[start, end)``: told, and drawn by the seed."""
        told = [one for one in self._own_faults if one.start_us < end_us and one.end_us > start_us]
        month_us = 30 * US_PER_DAY
        drawn = [
            fault
            for month in range(start_us // month_us, -(-end_us // month_us))
            for fault in self._months(month)
            if fault.start_us < end_us and fault.end_us > start_us
        ]
        return told + drawn

    def list_truths(self, start_us: int, end_us: int) -> list[Truth]:
        """What is wrong in ``[start, end)``, one row a panel."""
        faults = self.find_faults(start_us, end_us)
        return list_truths(self._branches, faults, start_us, end_us)

    def read(self, instant_us: Int64Column, faults: Sequence[Fault] | None = None) -> Told:
        """What the sensors of all panels say.

        Args:
            instant_us: Instants in rising order [µs since 1970, UTC].
            faults: What is wrong; None: as the settings and the seed say.
        """
        if faults is None:
            last_us = int(instant_us[-1]) + 1 if len(instant_us) else 0
            faults = self.find_faults(int(instant_us[0]), last_us) if len(instant_us) else []
        weather = self.weather(instant_us)
        return self._feel(instant_us, self._work(instant_us, weather, faults), faults)

    def weather(self, instant_us: Int64Column) -> Weather:
        """What is above the plant."""
        return draw_weather(self.settings, instant_us, self._latitude, self._longitude)

    def read_weather(self, instant_us: Int64Column) -> dict[str, FloatColumn]:
        """What the plant's own sensors say: they stand as the first panel does."""
        weather = self.weather(instant_us)
        light = self._light(instant_us, weather)[0]
        noise = _centred(hash_unit(self.settings.seed, _W_NOISE, instant_us))
        module = module_temperature(light, weather.air_c, weather.wind_m_s)
        told = (np.maximum(light * (1.0 + 0.005 * noise), 0.0), weather.air_c, module)
        return {name: np.round(one, 1) for name, one in zip(WEATHER, told, strict=True)}

    def generate(
        self, start_us: int, end_us: int, step_us: int, faults: Sequence[Fault] | None = None
    ) -> Generated:
        """Readings of all panels in ``[start, end)``, and what was wrong.

        Args:
            start_us: First instant [µs since 1970, UTC].
            end_us: First instant no longer wanted.
            step_us: Distance of the readings [µs].
            faults: What is wrong; None: as the settings and the seed say.
        """
        instant_us = np.arange(start_us, end_us, step_us, dtype=np.int64)
        wanted = self.find_faults(start_us, end_us) if faults is None else list(faults)
        # A day at a time: what is between the steps need not be held for the whole span.
        per_part = max(1, US_PER_DAY // step_us)
        parts = [instant_us[at : at + per_part] for at in range(0, len(instant_us), per_part)]
        told = [self.read(part, wanted) for part in parts]
        columns = [np.concatenate(one, axis=1) for one in zip(*told, strict=True)]
        weather = [self.read_weather(part) for part in parts]
        above: dict[str, FloatColumn] = {
            name: np.concatenate([one[name] for one in weather]) for name in WEATHER
        }
        values = dict(zip(QUANTITIES, columns, strict=True))
        return Generated(
            Window(self.site, self.panels, instant_us, step_us, values, above),
            self._sum_up(instant_us, step_us, values["production_power_w"], above),
            tuple(list_truths(self._branches, wanted, start_us, end_us)),
        )

    def _draw_month(self, month: int) -> tuple[Fault, ...]:
        start_us = month * 30 * US_PER_DAY
        return tuple(
            draw_monthly(
                self._branches,
                start_us,
                start_us + 30 * US_PER_DAY,
                seed=self.settings.seed,
                per_month=self.settings.faults_a_month,
            )
        )

    def _light(self, instant_us: Int64Column, weather: Weather) -> Matrix:
        """Light on each panel [W/m²]; planes that look alike are computed once."""
        tilt, azimuth = self._planes[:, :1], self._planes[:, 1:]
        planes = plane_irradiance(weather.sky, weather.sun, instant_us, tilt, azimuth)
        return planes[self._plane_of]

    def _work(
        self, instant_us: Int64Column, weather: Weather, faults: Sequence[Fault]
    ) -> tuple[Matrix, Matrix, Matrix]:
        """Temperature [°C], voltage [V] and power [W] of the panels as they are."""
        light = self._light(instant_us, weather)
        # Light that comes in without becoming electricity warms all the same.
        cell_c = module_temperature(light, weather.air_c, weather.wind_m_s)
        cell_c += self._warmth_c[:, None]
        for fault in faults:
            share = _pass_light(self.settings.seed, fault, instant_us, weather)
            if share is not None:
                light[list(self._branches.hit(fault))] *= share
        power_w = dc_power(light, cell_c, self._rating_w[:, None], self.settings.power_coefficient)
        power_w[light < _MIN_LIGHT_W_M2] = 0.0
        bright = np.maximum(light, _MIN_LIGHT_W_M2) / STANDARD_IRRADIANCE_W_M2
        best_v = self._voltage_v[:, None] * (
            1.0 + _OPEN_COEFFICIENT * (cell_c - STANDARD_CELL_C) + _LIGHT_SHARE * np.log(bright)
        )
        best_v[light < _MIN_LIGHT_W_M2] = 0.0
        for fault in faults:
            self._break(fault, instant_us, power_w, best_v)
        return cell_c, best_v, power_w

    def _break(
        self, fault: Fault, instant_us: Int64Column, power_w: Matrix, voltage_v: Matrix
    ) -> None:
        """What a fault does to the working point, in place."""
        hit = np.array(self._branches.hit(fault), np.int64)
        during = slice(*np.searchsorted(instant_us, (fault.start_us, fault.end_us)).tolist())
        if fault.kind in {FaultKind.STRING_OUT, FaultKind.INVERTER_TRIP}:
            power_w[hit, during] = 0.0
            voltage_v[hit, during] *= _OPEN_RATIO
        elif fault.kind is FaultKind.CLIPPING:
            limit_w = (0.45 + 0.2 * draw_strength(self.settings.seed, fault)) * self._rating_w[hit]
            wanted_w = power_w[hit, during]
            kept_w = np.minimum(wanted_w, limit_w[:, None])
            # What is held back moves the working point towards no load.
            held = 1.0 - np.divide(kept_w, wanted_w, out=np.ones_like(kept_w), where=wanted_w > 0)
            power_w[hit, during] = kept_w
            voltage_v[hit, during] *= 1.0 + (_OPEN_RATIO - 1.0) * np.sqrt(held)

    def _feel(
        self,
        instant_us: Int64Column,
        state: tuple[Matrix, Matrix, Matrix],
        faults: Sequence[Fault],
    ) -> Told:
        """What the sensors make of it: noise, steps of their scales, and their own faults."""
        cell_c, voltage_v, power_w = state
        current_a = np.divide(power_w, voltage_v, out=np.zeros_like(power_w), where=voltage_v > 0)
        noise = self.settings.sensor_noise
        told_v = np.round(voltage_v * (1.0 + noise * self._noise(_V_NOISE, instant_us)), 1)
        told_a = np.round(current_a * (1.0 + noise * self._noise(_I_NOISE, instant_us)), 2)
        told_c = cell_c + 0.2 * self._noise(_T_NOISE, instant_us)
        told = Told(told_c, told_v, told_a, np.round(told_v * told_a, 1))
        for fault in faults:
            self._distort(fault, instant_us, told)
        np.round(told_c, 1, out=told_c)
        return told

    def _distort(self, fault: Fault, instant_us: Int64Column, told: Told) -> None:
        """What a fault of a sensor does to what it tells, in place."""
        low, high = np.searchsorted(instant_us, (fault.start_us, fault.end_us)).tolist()
        hit = list(self._branches.hit(fault))
        if low == high or not hit:
            return
        if fault.kind is FaultKind.SENSOR_DRIFT:
            per_day = 0.8 + 1.2 * draw_strength(self.settings.seed, fault)
            days = (instant_us[low:high] - fault.start_us) / US_PER_DAY
            told.temperature_c[hit, low:high] += np.minimum(per_day * days, _MAX_DRIFT_C)
        elif fault.kind is FaultKind.SENSOR_STUCK:
            at = np.array([max(fault.start_us, self._first_midday_us)], np.int64)
            frozen = self.read(at, [])
            for column, value in zip(told, frozen, strict=True):
                column[hit, low:high] = value[hit]

    def _noise(self, channel: int, instant_us: Int64Column) -> Matrix:
        """Numbers between -1 and 1 for each panel and instant."""
        second = (instant_us // (US_PER_S // 100)).astype(np.int64)
        panel = np.arange(len(self.panels), dtype=np.int64)[:, None] << np.int64(42)
        return _centred(hash_unit(self.settings.seed, channel, panel + second))

    def _sum_up(
        self, instant_us: Int64Column, step_us: int, power_w: Matrix, above: dict[str, FloatColumn]
    ) -> Window:
        """The inverters over the panels."""
        below = {
            one.id: list(self._branches.below(one.id, DeviceKind.INVERTER))
            for one in self._inverters
        }
        devices = tuple(one for one in self._inverters if below[one.id])
        dc_w = np.zeros((len(devices), len(instant_us)))
        for row, one in enumerate(devices):
            dc_w[row] = power_w[below[one.id]].sum(axis=0)
        ratings = np.array([one.rating_w or np.inf for one in devices], np.float64)[:, None]
        ac_w: Matrix = np.minimum(dc_w * self.settings.inverter_efficiency, ratings)
        values: dict[str, Matrix] = {
            "dc_power_w": np.round(dc_w, 1),
            "production_power_w": np.round(ac_w, 1),
        }
        return Window(self.site, devices, instant_us, step_us, values, above)


def _read_faults(settings: SolarSimulation, branches: Branches) -> tuple[Fault, ...]:
    zone = load_zone(settings.time_zone)
    faults = tuple(parse_fault(words, zone) for words in settings.faults)
    lost = sorted({one.device for one in faults if not branches.hit(one)})
    if lost:
        names = ", ".join(one.id for one in branches.panels[:3])
        raise SettingsError(
            [f"fault of {one!r}: no such panel; there are {names} and more" for one in lost]
        )
    return faults


def _check_ratings(panels: Sequence[Device]) -> None:
    lost = [one.id for one in panels if one.rating_w is None]
    if lost:
        raise SettingsError(
            [f"device {one!r} has no rating_w; tell its rated power" for one in lost[:10]]
        )


def _list_planes(
    panels: Sequence[Device], latitude: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The different planes as rows of tilt and azimuth [degrees], and each panel's."""
    equator = 180.0 if latitude >= 0 else 0.0
    each = np.array(
        [
            (
                _TILT_DEG if one.tilt_deg is None else one.tilt_deg,
                equator if one.azimuth_deg is None else one.azimuth_deg,
            )
            for one in panels
        ],
        np.float64,
    ).reshape(-1, 2)
    planes, plane_of = np.unique(each, axis=0, return_inverse=True)
    return planes, plane_of.reshape(-1)


def _pass_light(
    seed: int, fault: Fault, instant_us: Int64Column, weather: Weather
) -> FloatColumn | None:
    """Share of the light that a fault lets through; None where it takes none."""
    during = (instant_us >= fault.start_us) & (instant_us < fault.end_us)
    if fault.kind is FaultKind.SOILING:
        per_day = 0.006 + 0.009 * draw_strength(seed, fault)
        days = (instant_us - fault.start_us) / US_PER_DAY
        return np.asarray(1.0 - np.where(during, np.minimum(per_day * days, _MAX_SOILING), 0.0))
    if fault.kind is FaultKind.SHADE:
        strength = draw_strength(seed, fault)
        # Morning for one half, afternoon for the other; the sun moves 15° an hour.
        centre = (110.0 if strength < 0.5 else 225.0) + 50.0 * (2.0 * strength % 1.0)
        away = np.abs(weather.sun.azimuth_deg - centre)
        edge = np.clip((24.0 - away) / 4.0, 0.0, 1.0)
        lift = np.maximum(np.sin(np.radians(weather.sun.elevation_deg)), 0.0)
        beam = np.divide(
            weather.sky.beam_w_m2 * lift,
            weather.sky.global_w_m2,
            out=np.zeros_like(lift),
            where=weather.sky.global_w_m2 > 0,
        )
        return np.asarray(1.0 - np.where(during, edge * beam * (0.7 + 0.25 * strength), 0.0))
    return None


def _centred(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From [0, 1) to [-1, 1)."""
    return 2.0 * unit - 1.0

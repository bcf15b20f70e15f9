"""How much the house draws and the roof gives at local hours: the shapes behind ``home.py``."""

from __future__ import annotations

import math
from datetime import tzinfo
from typing import NamedTuple, Protocol

import numpy as np

from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S, from_us
from wattscope.simulate.home_settings import HomeSimulation
from wattscope.simulate.noise import hash_unit, smooth_noise

_DAY_S = 86_400
# The offset of a zone changes on quarter hours only (tz database, rules since 1970).
_QUARTER_S = 900

# Independent noises of one world; the numbers are part of what a seed means.
_LOAD_SLOW, _LOAD_MEDIUM, _LOAD_FAST, _LOAD_JITTER, _KETTLE = 1, 2, 3, 4, 5
_WEATHER, _CLOUD_SLOW, _CLOUD_FAST = 11, 12, 13

# The demand for which the seed's bands were drawn (seed-features S0-13).
_REFERENCE_DEMAND_W = 2500.0
_SUNRISE_H, _SUNSET_H = 6.0, 18.0
_TILT_DEG = 23.45


class Sky(Protocol):
    """What is above a roof with panels."""

    @property
    def seed(self) -> int:
        """Chooses the weather."""
        ...

    @property
    def solar_peak_w(self) -> float:
        """Production at noon under a clear sky [W]."""
        ...

    @property
    def weather_low(self) -> float:
        """Share of the sun on the darkest day, 0 to 1."""
        ...

    @property
    def weather_high(self) -> float:
        """Share of the sun on the clearest day, 0 to 1."""
        ...

    @property
    def latitude(self) -> float | None:
        """[degrees, north positive]; None is midsummer all year."""
        ...


class LocalClock(NamedTuple):
    """Wall-clock time of instants, as columns of equal length."""

    day: Int64Column
    """Local days since 1970-01-01."""
    hour: FloatColumn
    """Hours since local midnight by the clock on the wall, 0 to 24."""


def read_local_clock(instant_s: Int64Column, zone: tzinfo) -> LocalClock:
    """What the wall clock shows; the zone is asked once a quarter hour.

    Args:
        instant_s: Instants in rising order [s since 1970, UTC].
        zone: The site's zone.
    """
    quarter = instant_s // _QUARTER_S
    first = int(quarter[0])
    offsets = np.array(
        [_offset_s(number * _QUARTER_S, zone) for number in range(first, int(quarter[-1]) + 1)],
        np.int64,
    )
    day, second = np.divmod(instant_s + offsets[quarter - first], _DAY_S)
    return LocalClock(day, second / 3600.0)


def draw_house_power(
    settings: HomeSimulation, instant_s: Int64Column, clock: LocalClock
) -> Int64Column:
    """What the house uses [W], whole watts within its band and its limits."""
    seed = settings.seed
    wander = (
        0.50 * smooth_noise(seed, _LOAD_SLOW, instant_s, 1800)
        + 0.32 * smooth_noise(seed, _LOAD_MEDIUM, instant_s, 420)
        + 0.18 * smooth_noise(seed, _LOAD_FAST, instant_s, 60)
    )
    # Sums of noises crowd around one half; the stretch lets the whole band be visited.
    level = 0.5 + (wander - 0.5) * 1.5
    # People are out or asleep for longer than they cook: the lower half lasts longer.
    level = np.clip(level, 0.0, 1.0) ** 1.4
    level += 0.03 * (hash_unit(seed, _LOAD_JITTER, instant_s) - 0.5)
    # Now and then something that heats is on for four minutes.
    level += 0.45 * (hash_unit(seed, _KETTLE, instant_s // 240) > 0.93)
    low_w, high_w = _band_of_each_hour(settings)
    hour = clock.hour.astype(np.int64)
    power_w = low_w[hour] + (high_w - low_w)[hour] * np.clip(level, 0.0, 1.0)
    limited = np.clip(power_w, settings.min_power_w, settings.max_power_w)
    return np.rint(limited).astype(np.int64)


def draw_solar_power(settings: Sky, instant_s: Int64Column, clock: LocalClock) -> Int64Column:
    """What the panels give [W], whole watts; 0 before 06 and from 18 h by the wall clock."""
    seed = settings.seed
    weather = settings.weather_low + (settings.weather_high - settings.weather_low) * hash_unit(
        seed, _WEATHER, clock.day
    )
    clouds = 0.7 * smooth_noise(seed, _CLOUD_SLOW, instant_s, 2400) + 0.3 * smooth_noise(
        seed, _CLOUD_FAST, instant_s, 300
    )
    # A clear day has thin clouds, a dark day has deep ones on top of its grey.
    sky = weather * (1.0 - 0.6 * (1.0 - weather) * clouds)
    part = (clock.hour - _SUNRISE_H) / (_SUNSET_H - _SUNRISE_H)
    is_day = (part >= 0.0) & (part < 1.0)
    bell = np.where(is_day, np.sin(np.pi * np.clip(part, 0.0, 1.0)), 0.0) ** 1.2
    power_w = settings.solar_peak_w * bell * sky * _season(settings.latitude, clock.day)
    return np.rint(power_w).astype(np.int64)


def _offset_s(instant_s: int, zone: tzinfo) -> int:
    """Offset of a zone from UTC at an instant [s], east positive."""
    offset = from_us(instant_s * US_PER_S).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _band_of_each_hour(settings: HomeSimulation) -> tuple[FloatColumn, FloatColumn]:
    """Lowest and highest power of the 24 local hours [W]."""
    scale = np.array(settings.hourly_multipliers) * (
        settings.base_power_demand_w / _REFERENCE_DEMAND_W
    )
    low_w, high_w = np.empty(24), np.empty(24)
    for band in settings.bands:
        low_w[band.start_h : band.end_h] = band.low_w
        high_w[band.start_h : band.end_h] = band.high_w
    return low_w * scale, high_w * scale


def _season(latitude: float | None, local_day: Int64Column) -> FloatColumn:
    """Height of the noon sun beside its best of the year, 0 to 1.

    Declination after Cooper (1969), The absorption of radiation in solar stills, eq. 2,
    doi 10.1016/0038-092X(69)90047-4; the days are counted from 1 January 1970 in years of
    365.2425 days.
    """
    if latitude is None:
        return np.ones(len(local_day))
    day_of_year = np.mod(local_day, 365.2425) + 1.0
    declination = _TILT_DEG * np.sin(2.0 * np.pi * (284.0 + day_of_year) / 365.0)
    height = np.cos(np.radians(latitude - declination))
    best = math.cos(math.radians(max(0.0, abs(latitude) - _TILT_DEG)))
    return np.clip(height / best, 0.0, 1.0)

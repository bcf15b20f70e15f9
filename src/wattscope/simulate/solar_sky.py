"""The weather above a simulated plant: clouds, air and wind, as functions of the seed and of time.

Clouds are one smooth process for the whole plant: fronts that take a day, banks that take hours,
and single clouds that throw shadows of minutes while the cover is broken.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from wattscope.compute.solar import Sky, Sun, clear_sky, find_sun, split_sky
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_S
from wattscope.simulate.noise import smooth_noise
from wattscope.simulate.solar_settings import SolarSimulation

# Independent noises of one world; the numbers are part of what a seed means.
_FRONT, _BANK, _CLOUD, _WISP, _AIR, _WIND, _GUST = range(401, 408)

_DAY_S: Final = 86_400
_YEAR_S: Final = 365.25 * _DAY_S
_WARMEST_DAY: Final = 203.0
"""Of the year, north of the equator: a month after the solstice."""
_WARMEST_HOUR: Final = 15.0
"""By the sun's clock."""
_SHADOW: Final = 0.6
"""Share of the light that a single cloud takes where the cover is half."""
_EDGE: Final = 0.06
"""What the bright edges of broken clouds add to a clear sky, as a share of it."""


class Weather(NamedTuple):
    """What is above the plant, as columns of the length of the instants."""

    sun: Sun
    sky: Sky
    air_c: FloatColumn
    wind_m_s: FloatColumn


def draw_weather(
    settings: SolarSimulation, instant_us: Int64Column, latitude: float, longitude: float
) -> Weather:
    """The weather at some instants, in rising order."""
    instant_s = instant_us // US_PER_S
    sun = find_sun(instant_us, latitude, longitude)
    level = clear_sky(sun.elevation_deg) * _clearness(settings, instant_s)
    return Weather(
        sun,
        split_sky(level, sun.elevation_deg, instant_us),
        _air(settings, instant_s, latitude, longitude),
        1.0
        + 5.0 * smooth_noise(settings.seed, _WIND, instant_s, 14_400) ** 2
        + 1.0 * smooth_noise(settings.seed, _GUST, instant_s, 300),
    )


def _clearness(settings: SolarSimulation, instant_s: Int64Column) -> FloatColumn:
    """Light on level ground beside that of a clear sky.

    Kasten, Czeplak (1980), Solar and terrestrial radiation dependent on the amount and type of
    cloud, doi 10.1016/0038-092X(80)90391-6, eq. 3: of the cover N remains 1 - 0.75 N^3.4.
    """
    seed = settings.seed
    slow = smooth_noise(seed, _FRONT, instant_s, 100_000)
    mixed = 0.65 * slow + 0.35 * smooth_noise(seed, _BANK, instant_s, 9000)
    # Sums of noises crowd around one half; the stretch lets clear and covered days come.
    level = np.clip(0.5 + 1.8 * (mixed - 0.5), 0.0, 1.0)
    cover = np.clip((level - (1.0 - settings.cloudiness)) / 0.4, 0.0, 1.0)
    broken = 4.0 * cover * (1.0 - cover)
    cloud = 0.6 * smooth_noise(seed, _CLOUD, instant_s, 240) + 0.4 * smooth_noise(
        seed, _WISP, instant_s, 50
    )
    shadow = np.clip((cloud - 0.45) / 0.2, 0.0, 1.0)
    passed = 1.0 - 0.75 * cover**3.4
    single = 1.0 - _SHADOW * broken * shadow + _EDGE * broken * (1.0 - shadow)
    return np.asarray(passed * single)


def _air(
    settings: SolarSimulation, instant_s: Int64Column, latitude: float, longitude: float
) -> FloatColumn:
    """Temperature of the air [°C]: year, day, and what the weather brings."""
    day = instant_s % _YEAR_S / _DAY_S
    hour = (instant_s / 3600.0 + longitude / 15.0) % 24.0
    season = np.cos(2.0 * np.pi * (day - _WARMEST_DAY) / 365.25)
    return np.asarray(
        settings.mean_air_c
        + settings.season_c * season * (1.0 if latitude >= 0 else -1.0)
        + settings.daily_c * np.cos(2.0 * np.pi * (hour - _WARMEST_HOUR) / 24.0)
        + 8.0 * (smooth_noise(settings.seed, _AIR, instant_s, 200_000) - 0.5)
    )

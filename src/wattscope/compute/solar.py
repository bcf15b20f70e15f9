"""Where the sun stands, what a clear sky gives, and what a panel makes of it.

Angles are in degrees; azimuths go from north over east (0 north, 90 east, 180 south). Everything
works on columns, and on any shapes that NumPy broadcasts: tilts of shape ``(n_panels, 1)`` and
instants of shape ``(n_slots,)`` give ``(n_panels, n_slots)``. NaN in gives NaN out.

::

    find_sun ─▶ clear_sky ─▶ split_sky ─▶ plane_irradiance ─▶ module_temperature ─▶ dc_power
    elevation,  on level     beam and     on a tilted         of the cells          of a panel
    azimuth     ground       diffuse      plane
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY

Floats = npt.NDArray[np.float64]

SOLAR_CONSTANT_W_M2 = 1361.1
"""Irradiance beyond the atmosphere at the mean distance [W/m²]: Gueymard (2018), A reevaluation of
the solar constant, doi 10.1016/j.solener.2018.04.001."""

STANDARD_IRRADIANCE_W_M2 = 1000.0
"""At which panels are rated [W/m²]: IEC 60904-3."""

STANDARD_CELL_C = 25.0
"""At which panels are rated [°C]: IEC 60904-3."""

# 2000-01-01 12:00 UTC, the epoch J2000, in µs since 1970.
_J2000_US = 946_728_000_000_000
# Below this the sun's beam is not split any further: Erbs' ratio has a pole at the horizon.
_LOWEST_COSINE = 0.065
# Best light on level ground of the whole sky dome beyond what the atmosphere lets through.
_MAX_CLEARNESS = 1.0


class Sun(NamedTuple):
    """Where the sun stands, as columns of the shape of the instants."""

    elevation_deg: Floats
    """Above the horizon, -90 to 90, of the sun's centre and without refraction (which lifts it by
    0.5° at the horizon and by less than 0.1° from 10° on)."""
    azimuth_deg: Floats
    """From north over east, 0 to 360."""


class Sky(NamedTuple):
    """Light that comes down, split as a panel needs it."""

    global_w_m2: Floats
    """On level ground [W/m²]."""
    beam_w_m2: Floats
    """Straight from the sun, on a plane that faces it [W/m²]."""
    diffuse_w_m2: Floats
    """From the rest of the sky, on level ground [W/m²]."""


def find_sun(instant_us: Int64Column, latitude: float, longitude: float) -> Sun:
    """Where the sun stands above a place.

    Michalsky (1988), The Astronomical Almanac's algorithm for approximate solar position
    (1950-2050), doi 10.1016/0038-092X(88)90045-X: within 0.01° in these years.

    Args:
        instant_us: Instants [µs since 1970, UTC].
        latitude: [degrees, north positive].
        longitude: [degrees, east positive].

    >>> noon = np.array([1_710_932_700_000_000])  # 2024-03-20 11:05 UTC, an hour before midday
    >>> sun = find_sun(noon, 0.0, 0.0)
    >>> round(float(sun.elevation_deg[0])), round(float(sun.azimuth_deg[0]))
    (74, 90)
    """
    days = (np.asarray(instant_us, np.int64) - _J2000_US) / US_PER_DAY
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    hour = ((days + 0.5) % 1.0) * 24.0
    sidereal = np.radians((6.697375 + 0.0657098242 * days + hour) * 15.0 + longitude)
    return _above_horizon(sidereal - ascension, declination, np.radians(latitude))


def extraterrestrial(instant_us: Int64Column) -> Floats:
    """Irradiance beyond the atmosphere, on a plane that faces the sun [W/m²].

    Spencer (1971), Fourier series representation of the position of the sun, Search 2 (5), 172.
    """
    days = (np.asarray(instant_us, np.int64) - _J2000_US) / US_PER_DAY
    # J2000 is noon of the first day of its year; a year of 365.25 days keeps within a day of it.
    angle = 2.0 * np.pi * ((days + 0.5) % 365.25) / 365.25
    ratio = (
        1.00011
        + 0.034221 * np.cos(angle)
        + 0.00128 * np.sin(angle)
        + 0.000719 * np.cos(2.0 * angle)
        + 0.000077 * np.sin(2.0 * angle)
    )
    return np.asarray(SOLAR_CONSTANT_W_M2 * ratio, np.float64)


def clear_sky(elevation_deg: Floats) -> Floats:
    """Light on level ground under a sky without clouds [W/m²]; 0 at night.

    Haurwitz (1945), Insolation in relation to cloudiness and cloud density, Journal of Meteorology
    2, 154-166; of the models that know nothing but the sun's height the closest to measurements by
    Reno, Hansen, Stein (2012), SAND2012-2389, p. 39.

    >>> clear_sky(np.array([-5.0, 30.0, 90.0])).round(1)
    array([   0. ,  487.9, 1035.1])
    """
    cosine = np.maximum(np.sin(np.radians(elevation_deg)), 0.0)
    with np.errstate(divide="ignore"):  # the horizon: exp(-infinity) is the 0 that it should be
        return np.asarray(1098.0 * cosine * np.exp(-0.059 / cosine), np.float64)


def split_sky(global_w_m2: Floats, elevation_deg: Floats, instant_us: Int64Column) -> Sky:
    """How much of the light on level ground comes straight from the sun.

    Erbs, Klein, Duffie (1982), Estimation of the diffuse radiation fraction for hourly, daily and
    monthly-average global radiation, doi 10.1016/0038-092X(82)90302-4.

    Args:
        global_w_m2: Light on level ground [W/m²].
        elevation_deg: Height of the sun.
        instant_us: Instants [µs since 1970, UTC].
    """
    cosine = np.sin(np.radians(elevation_deg))
    beyond = extraterrestrial(instant_us) * np.maximum(cosine, _LOWEST_COSINE)
    clearness = np.clip(global_w_m2 / beyond, 0.0, _MAX_CLEARNESS)
    low = 1.0 - 0.09 * clearness
    middle = np.polyval([12.336, -16.638, 4.388, -0.1604, 0.9511], clearness)
    fraction = np.where(clearness <= 0.22, low, np.where(clearness <= 0.8, middle, 0.165))
    is_up = cosine > 0.0
    diffuse = np.where(is_up, fraction, 1.0) * global_w_m2
    beam = np.where(is_up, (global_w_m2 - diffuse) / np.maximum(cosine, _LOWEST_COSINE), 0.0)
    return Sky(np.asarray(global_w_m2, np.float64), beam, diffuse)


def incidence_cosine(sun: Sun, tilt_deg: Floats | float, azimuth_deg: Floats | float) -> Floats:
    """Cosine of the angle between the sun's beam and the axis of a plane; 0 from behind it.

    Duffie, Beckman (2013), Solar Engineering of Thermal Processes, 4th ed., eq. 1.6.3.
    """
    height, tilt = np.radians(sun.elevation_deg), np.radians(tilt_deg)
    turn = np.radians(sun.azimuth_deg - azimuth_deg)
    cosine = np.sin(height) * np.cos(tilt) + np.cos(height) * np.sin(tilt) * np.cos(turn)
    return np.asarray(np.where(sun.elevation_deg > 0.0, np.maximum(cosine, 0.0), 0.0), np.float64)


def plane_irradiance(
    sky: Sky,
    sun: Sun,
    instant_us: Int64Column,
    tilt_deg: Floats | float,
    azimuth_deg: Floats | float,
    *,
    albedo: float = 0.2,
) -> Floats:
    """Light on a tilted plane [W/m²]: of the sun, of the sky around it, and from the ground.

    Hay, Davies (1980), Calculations of the solar radiation incident on an inclined surface, in
    Proceedings of the First Canadian Solar Radiation Data Workshop, 59-72.

    Args:
        sky: Light at the instants.
        sun: Where the sun stands at the instants.
        instant_us: Instants [µs since 1970, UTC].
        tilt_deg: Of the plane: 0 level, 90 upright.
        azimuth_deg: Where the plane looks to.
        albedo: Share of its light that the ground throws back; 0.2 is grass.
    """
    facing = incidence_cosine(sun, tilt_deg, azimuth_deg)
    level = np.maximum(np.sin(np.radians(sun.elevation_deg)), _LOWEST_COSINE)
    around_sun = np.clip(sky.beam_w_m2 / extraterrestrial(instant_us), 0.0, 1.0)
    tilt_cosine = np.cos(np.radians(tilt_deg))
    dome = around_sun * facing / level + (1.0 - around_sun) * (1.0 + tilt_cosine) / 2.0
    ground = sky.global_w_m2 * albedo * (1.0 - tilt_cosine) / 2.0
    return np.asarray(sky.beam_w_m2 * facing + sky.diffuse_w_m2 * dome + ground, np.float64)


def clear_sky_on_plane(
    instant_us: Int64Column,
    latitude: float,
    longitude: float,
    tilt_deg: Floats | float,
    azimuth_deg: Floats | float,
) -> Floats:
    """Light on a tilted plane under a sky without clouds [W/m²]: the functions above in a row."""
    sun = find_sun(instant_us, latitude, longitude)
    sky = split_sky(clear_sky(sun.elevation_deg), sun.elevation_deg, instant_us)
    return plane_irradiance(sky, sun, instant_us, tilt_deg, azimuth_deg)


def module_temperature(
    irradiance_w_m2: Floats, air_c: Floats | float, wind_m_s: Floats | float = 1.0
) -> Floats:
    """Temperature of a panel in the open [°C].

    Faiman (2008), Assessing the outdoor operating temperature of photovoltaic modules,
    doi 10.1002/pip.813, with its mean coefficients of seven modules.

    Args:
        irradiance_w_m2: Light on the panel [W/m²].
        air_c: Of the air [°C].
        wind_m_s: Speed of the wind at the panel [m/s].

    >>> float(module_temperature(np.array(900.0), 20.0, 5.0).round(3))
    35.203
    """
    return np.asarray(air_c + irradiance_w_m2 / (25.0 + 6.84 * wind_m_s), np.float64)


def dc_power(
    irradiance_w_m2: Floats,
    cell_c: Floats,
    rating_w: Floats | float,
    coefficient_per_c: float = -0.004,
) -> Floats:
    """Power of a panel at its best working point [W].

    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641, eq. 8.

    Args:
        irradiance_w_m2: Light on the panel [W/m²].
        cell_c: Of its cells [°C].
        rating_w: Its power at 1000 W/m² and 25 °C [W].
        coefficient_per_c: By what share of the rating it falls for each degree [1/°C]; -0.004 is
            usual for crystalline silicon, -0.003 for newer cells.

    >>> float(dc_power(np.array(900.0), np.array(30.0), 100.0, -0.003).round(2))
    88.65
    """
    heat = 1.0 + coefficient_per_c * (cell_c - STANDARD_CELL_C)
    light = irradiance_w_m2 / STANDARD_IRRADIANCE_W_M2
    return np.asarray(np.maximum(rating_w * light * heat, 0.0), np.float64)


def _above_horizon(hour_angle: Floats, declination: Floats, latitude: np.float64) -> Sun:
    """Height and direction from the sun's place in the sky [all radians]."""
    up = np.sin(declination) * np.sin(latitude) + np.cos(declination) * np.cos(latitude) * np.cos(
        hour_angle
    )
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.sin(declination) * np.cos(latitude) - np.cos(declination) * np.sin(
        latitude
    ) * np.cos(hour_angle)
    elevation = np.degrees(np.arcsin(np.clip(up, -1.0, 1.0)))
    return Sun(elevation, np.degrees(np.arctan2(east, north)) % 360.0)

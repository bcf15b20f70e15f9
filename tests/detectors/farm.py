"""A made-up solar farm as a window, and faults to put into it: a second opinion on detectors.

It shares with the program only where the sun stands; clouds, noise and faults are its own. All
panels see one sky; each has its own small share and noise.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from wattscope.compute.solar import clear_sky_on_plane, dc_power, find_sun, module_temperature
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, to_us
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window

LATITUDE, LONGITUDE = 48.1, 11.6
RATING_W = 400.0
POWER = "production_power_w"
START = datetime(2024, 6, 1, tzinfo=UTC)

Floats = npt.NDArray[np.float64]


def build_farm(
    n_panels: int = 12,
    n_days: int = 30,
    *,
    step_min: int = 15,
    seed: int = 1,
    per_inverter: int = 12,
    noise: float = 0.01,
    cloudiness: float = 0.5,
    has_ratings: bool = True,
    has_weather: bool = True,
    start: datetime = START,
    air_c: float = 18.0,
) -> Window:
    """A farm without faults.

    Args:
        n_panels: How many.
        n_days: How long.
        step_min: Length of a slot [min].
        seed: Of clouds and noise.
        per_inverter: Panels of one parent.
        noise: Of each panel's power at each instant, as a share.
        cloudiness: Share of days with clouds.
        has_ratings: Whether devices tell their rating.
        has_weather: Whether the site has sensors.
        start: First instant.
        air_c: Mean temperature of the air [°C].
    """
    random = np.random.default_rng(seed)
    step_us = step_min * US_PER_MINUTE
    slot_us = to_us(start) + step_us * np.arange(n_days * US_PER_DAY // step_us, dtype=np.int64)
    middle_us = slot_us + step_us // 2
    clear = clear_sky_on_plane(middle_us, LATITUDE, LONGITUDE, 30.0, 180.0)
    light = clear * _clouds(random, len(slot_us), n_days, cloudiness)
    hours = (middle_us % US_PER_DAY) / US_PER_DAY * 24.0
    air = air_c + 6.0 * np.sin((hours - 9.0) / 24.0 * 2.0 * np.pi)
    cell = module_temperature(light, air)
    share = 0.95 + 0.01 * random.standard_normal((n_panels, 1))
    power = dc_power(light, cell, RATING_W) * share
    power *= 1.0 + noise * random.standard_normal(power.shape)
    # At night meters waver around zero.
    power = np.where(power > 0.0, power, 0.5 * random.standard_normal(power.shape))
    warmth = cell + 0.5 * random.standard_normal(power.shape)
    voltage = np.where(power > 1.0, 40.0 - 0.1 * (warmth - 25.0), 0.0)
    devices = tuple(
        Device(
            f"panel-{at:03}",
            "farm",
            f"Panel {at}",
            DeviceKind.PANEL,
            f"inverter-{at // per_inverter}",
            RATING_W if has_ratings else None,
        )
        for at in range(n_panels)
    )
    weather = {"irradiance_w_m2": light, "temperature_c": air} if has_weather else {}
    return Window(
        Site("farm", "Farm", "Europe/Berlin", latitude=LATITUDE, longitude=LONGITUDE),
        devices,
        slot_us,
        step_us,
        {POWER: power, "dc_voltage_v": voltage, "temperature_c": warmth},
        weather,
    )


def change(window: Window, quantity: str, values: Matrix) -> Window:
    """The same with other values of one quantity."""
    return replace(window, values={**window.values, quantity: values})


def scale_power(window: Window, row: int, factor: Floats) -> Window:
    """The power of one device times a factor of each slot."""
    power = window.values[POWER].copy()
    power[row] *= factor
    return change(window, POWER, power)


def days_since(window: Window, day: float) -> Floats:
    """Time since an instant of the window [days]; negative before it."""
    since: Floats = (window.slot_us - window.slot_us[0]) / US_PER_DAY - day
    return since


def from_day(window: Window, day: float, factor: float) -> Floats:
    """A factor from a day on, 1 before."""
    return np.where(days_since(window, day) >= 0.0, factor, 1.0)


def soil(window: Window, day: float, per_day: float, clean_day: float = 1e9) -> Floats:
    """A factor that falls by a share a day until it is cleaned."""
    since = days_since(window, day)
    is_clean = days_since(window, clean_day) >= 0.0
    return np.where(is_clean, 1.0, 1.0 - per_day * np.maximum(since, 0.0))


def shade(window: Window, day: float, azimuths: tuple[float, float], depth: float) -> Floats:
    """A factor for a tree: part of the direct light is missing where the sun stands behind it."""
    azimuth = find_sun(window.slot_us + window.step_us // 2, LATITUDE, LONGITUDE).azimuth_deg
    is_behind = (azimuth >= azimuths[0]) & (azimuth < azimuths[1])
    return np.where((days_since(window, day) >= 0.0) & is_behind, 1.0 - depth, 1.0)


def clip(window: Window, row: int, limit_w: float) -> Window:
    """The power of one device cut off at a limit."""
    power = window.values[POWER].copy()
    power[row] = np.minimum(power[row], limit_w)
    return change(window, POWER, power)


def _clouds(random: np.random.Generator, n_slots: int, n_days: int, cloudiness: float) -> Floats:
    """What clouds let through: 1 on clear days, a random walk on the others."""
    per_day = n_slots // n_days
    walk = np.zeros(n_slots)
    shocks = random.standard_normal(n_slots)
    for at in range(1, n_slots):
        walk[at] = 0.9 * walk[at - 1] + 0.3 * shocks[at]
    passing = np.clip(0.55 + 0.3 * walk, 0.08, 1.0)
    is_cloudy = np.repeat(random.random(n_days) < cloudiness, per_day)
    return np.where(is_cloudy, passing, 1.0)

"""What each device should give: from measured light, else from the sun of a clear sky.

Each device gets a model of its own, fitted to the window itself, so that neither its rating, its
tilt nor its losses need be known::

    measured light:  P = G (a + b G + c T)                        G in the plane, T of module or air
    clear sky:       P = a B·sx + b B·sy + c B·sz + d D           B beam, D diffuse, s to the sun

The first is the usual model of efficiency over light and temperature: linear in temperature as in
Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641; b takes up what modules and inverters
lose at little or much light, and, with the temperature of the air, their heat. In the second the
beam on a plane is the product of two vectors, so that the unknown direction of the plane is linear
in the model and no angle is searched for.

Both are fitted as quantile regressions (Koenker, Bassett (1978), Regression Quantiles,
doi 10.2307/1913643) above the middle: faults only ever take away, so the better hours are the
model, and a loss over part of the window does not pull it down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from wattscope.compute.clear_days import find_clear_days
from wattscope.compute.production import cut_days, find_power
from wattscope.compute.robust import quantile
from wattscope.compute.solar import clear_sky, find_sun, split_sky
from wattscope.core.reading import FloatColumn
from wattscope.core.window import Matrix, Window

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_ROUNDS = 12
_QUANTILE = 0.7
"""Faults take away and never add: the model runs above the middle, yet below luck and noise."""
_LEAST_LIGHT_W_M2 = 100.0
"""Under less light sensors and inverters are too far from their rated accuracy to be fitted."""
_MANY_LIGHT_SLOTS = 24
_LEAST_POWER = 0.03
"""Of its best hours; a device that gives less is out and not fitted."""
_LEAST_CLEAR_DAYS = 2


class ExpectedMethod(Enum):
    """Where an expectation comes from."""

    IRRADIANCE = "irradiance"
    """Measured light; holds at every instant at which it was measured."""
    CLEAR_SKY = "clear_sky"
    """A clear sky; on other than clear days only an upper bound, ``low_w`` is 0 there."""
    NONE = "none"
    """Neither was there, or too little to fit; all values are NaN."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What each device should give, with its band; shape ``(n_devices, n_slots)``."""

    low_w: Matrix
    """Less is unusual [W]."""
    expected_w: Matrix
    """[W]; 0 at night, NaN where it cannot be told."""
    high_w: Matrix
    """More is unusual [W]."""
    method: ExpectedMethod
    is_told: Flags
    """Slots in which ``expected_w`` is more than an upper bound; shape ``(n_slots,)``."""


def expect_power(window: Window) -> Expected:
    """What each device of a window should give, by the best method that the window allows."""
    found = find_power(window)
    if found is None:
        shape = (len(window.devices), len(window.slot_us))
        return _know_nothing(shape)
    _, power = found
    light = window.weather.get("irradiance_w_m2")
    if light is not None:
        told = _from_light(window, power, light)
        if told is not None:
            return told
    told = _from_clear_sky(window, power)
    return _know_nothing(power.shape) if told is None else told


def _know_nothing(shape: tuple[int, ...]) -> Expected:
    unknown = np.full(shape, np.nan)
    is_told = np.zeros(shape[1], np.bool_)
    return Expected(unknown, unknown, unknown, ExpectedMethod.NONE, is_told)


def _from_light(window: Window, power: Matrix, light: FloatColumn) -> Expected | None:
    sun = np.maximum(light, 0.0) / 1000.0
    temperature = _find_temperature(window, sun)
    columns = [sun, sun * sun]
    if temperature is not None:
        columns.append(sun * (temperature - 25.0) / 25.0)
    design = np.stack(columns, 1)
    is_lit = (sun * 1000.0 >= _LEAST_LIGHT_W_M2) & np.isfinite(design).all(1)
    if int(is_lit.sum()) < _MANY_LIGHT_SLOTS:
        return None
    expected = _fit(design, power, is_lit)
    low, high = _band(expected, power, is_lit)
    is_told = np.asarray(np.isfinite(design).all(axis=1), np.bool_)
    return Expected(low, expected, high, ExpectedMethod.IRRADIANCE, is_told)


def _find_temperature(window: Window, sun: FloatColumn) -> FloatColumn | None:
    """Of the module, else of the air; None where most lit hours have neither."""
    for name in ("module_temperature_c", "temperature_c"):
        column = window.weather.get(name)
        if column is not None:
            is_lit = sun > 0.0
            if np.isfinite(column[is_lit]).mean() > 0.5 if is_lit.any() else False:
                return column
    return None


def _from_clear_sky(window: Window, power: Matrix) -> Expected | None:
    site = window.site
    if site.latitude is None or site.longitude is None or not len(window.slot_us):
        return None
    days = cut_days(window)
    is_clear = find_clear_days(power, days, window.step_us)
    if int(is_clear.sum()) < min(_LEAST_CLEAR_DAYS, days.count):
        return None
    middle_us = window.slot_us + window.step_us // 2
    sun = find_sun(middle_us, site.latitude, site.longitude)
    sky = split_sky(clear_sky(sun.elevation_deg), sun.elevation_deg, middle_us)
    height, azimuth = np.radians(sun.elevation_deg), np.radians(sun.azimuth_deg)
    towards = (
        np.cos(height) * np.sin(azimuth),
        np.cos(height) * np.cos(azimuth),
        np.sin(height),
    )
    columns = [sky.beam_w_m2 * part / 1000.0 for part in towards]
    design = np.stack([*columns, sky.diffuse_w_m2 / 1000.0], 1)
    is_told = is_clear[days.of_slot]
    is_lit = is_told & (sky.global_w_m2 >= _LEAST_LIGHT_W_M2)
    if int(is_lit.sum()) < _MANY_LIGHT_SLOTS:
        return None
    expected = np.where(sun.elevation_deg > 0.0, _fit(design, power, is_lit), 0.0)
    low, high = _band(expected, power, is_lit)
    low = np.where(is_told, low, 0.0)
    return Expected(low, expected, high, ExpectedMethod.CLEAR_SKY, is_told)


def _fit(design: Floats, power: Matrix, chosen: Flags) -> Matrix:
    """Quantile regressions of all devices at once by reweighted least squares [W].

    Args:
        design: Shape ``(n_slots, n_terms)``.
        power: Shape ``(n_devices, n_slots)`` [W].
        chosen: Slots to fit to.
    """
    terms, given = design[chosen], power[:, chosen]
    best = quantile(given, 0.98)
    scale = np.where(best > 0.0, best, 1.0)[:, None]
    given = given / scale
    is_known = np.isfinite(given) & (given > _LEAST_POWER)
    given = np.where(is_known, given, 0.0)
    products = terms[:, :, None] * terms[:, None, :]
    n_terms = terms.shape[1]
    ridge = 1e-6 * np.eye(n_terms)
    weight = is_known.astype(np.float64)
    factors: Floats = np.zeros((len(power), n_terms))
    for _ in range(_ROUNDS):
        left = (weight @ products.reshape(len(terms), -1)).reshape(-1, n_terms, n_terms)
        right = (weight * given) @ terms
        solved = np.linalg.solve(left + ridge, right[:, :, None])
        factors = np.asarray(solved[:, :, 0], np.float64)
        apart = given - factors @ terms.T
        side = np.where(apart > 0.0, _QUANTILE, 1.0 - _QUANTILE)
        weight = np.where(is_known, side / np.maximum(np.abs(apart), 0.005), 0.0)
    expected = np.clip(factors @ design.T, 0.0, None) * scale
    # Beyond what a device ever gave lies its inverter's limit, which no light exceeds.
    ever = quantile(power, 0.998)[:, None]
    has_model = is_known.sum(1) >= _MANY_LIGHT_SLOTS
    return np.where(has_model[:, None], np.minimum(expected, 1.05 * ever), np.nan)


def _band(expected: Matrix, power: Matrix, chosen: Flags) -> tuple[Matrix, Matrix]:
    """What 5 and 95 % of the fitted hours stay above, as a share of what is expected [W]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = power[:, chosen] / expected[:, chosen]
    share = np.where(share > _LEAST_POWER, share, np.nan)
    low, high = quantile(share, 0.05), quantile(share, 0.95)
    low = np.minimum(np.where(np.isfinite(low), low, 1.0), 1.0)[:, None]
    high = np.maximum(np.where(np.isfinite(high), high, 1.0), 1.0)[:, None]
    return expected * low, expected * high

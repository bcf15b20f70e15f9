"""What holds all devices of a plant down at once and is no fault: snow, and a limit from outside.

Both are told from what the plant should give; where that is not known, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.expected_power import Expected
from wattscope.compute.production import Days
from wattscope.compute.robust import median, quantile, spread
from wattscope.compute.spans import find_spans
from wattscope.core.reading import FloatColumn
from wattscope.core.topology import Device
from wattscope.core.window import Matrix, Window

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


_OUT = 0.05
"""Below this share of what it should give a device is out."""
_FEW = 0.2
"""With fewer devices alive it is the plant that is out."""


@dataclass(frozen=True, slots=True)
class SnowOptions:
    """What counts as snow on the panels."""

    covered_share: float = 0.3
    """On a day below this share of what the light should give panels are covered."""
    clear_share: float = 0.75
    """They are free again from this share on."""
    max_air_c: float = 2.0
    """Snow stays on panels in air up to this [°C]; measured by day, the usual of the day."""
    min_light_w_m2: float = 50.0
    """Light that counts [W/m²]; sensors get snowed up too."""


@dataclass(frozen=True, slots=True)
class CurtailmentOptions:
    """What counts as held down from outside."""

    max_spread: float = 0.02
    """All devices are within this share of one level."""
    max_wobble: float = 0.01
    """By which the level moves from slot to slot, as a share of itself."""
    min_excess: float = 0.15
    """By how much what the light should give exceeds the level."""
    border_share: float = 0.9
    """Right before or after it the plant gives at least this share of what the light should: a
    plant that is always weak is not held down."""
    border_slots: int = 3
    min_slots: int = 3
    min_devices: int = 3
    """Fewer cannot show that all are cut at once; a lone device is ``clipping``."""


@dataclass(frozen=True, slots=True)
class PlantPower:
    """A plant as a whole, of those devices whose values are known; shape ``(n_slots,)``.

    It is told by the middle one of the devices that give anything: what some of them lack is told
    by comparing them with the others, and is not the plant's.
    """

    given_w: Floats
    """NaN where no device is known."""
    expected_w: Floats
    """[W]; NaN where it cannot be told."""


def sum_plant(power_w: Matrix, expected: Expected) -> PlantPower:
    """A plant of devices and what they should give."""
    is_known = np.isfinite(power_w) & np.isfinite(expected.expected_w)
    wanted = np.where(is_known, expected.expected_w, 0.0).sum(0)
    share = np.full_like(power_w, np.nan)
    np.divide(power_w, expected.expected_w, out=share, where=is_known & (expected.expected_w > 0))
    with np.errstate(invalid="ignore"):
        is_alive = share > _OUT
    alive = median(np.where(is_alive, share, np.nan), 0)
    is_out = is_alive.sum(0) < _FEW * np.isfinite(share).sum(0)
    middle = np.where(is_out | ~np.isfinite(alive), median(share, 0), alive)
    is_told = is_known.any(0) & expected.is_told
    return PlantPower(
        np.where(is_told, np.nan_to_num(middle) * wanted, np.nan),
        np.where(is_told, wanted, np.nan),
    )


def name_plant(window: Window) -> str:
    """What stands above all devices of a window in the meter tree, else their site."""
    ways = [_list_above(device, window.above) for device in window.devices]
    shared = [one for one in ways[0] if all(one in way for way in ways)] if ways else []
    return shared[0] if shared else window.site.id


def _list_above(device: Device, above: Mapping[str, Device]) -> list[str]:
    """Ids from the parent up; a tree that is not known has one."""
    found: list[str] = []
    parent = device.parent
    while parent is not None and parent not in found:
        found.append(parent)
        parent = above[parent].parent if parent in above else None
    return found


def find_snow_days(
    window: Window, plant: PlantPower, days: Days, options: SnowOptions | None = None
) -> Flags:
    """Days on which panels lay under snow, until they were free again; shape ``(n_days,)``."""
    options = options or SnowOptions()
    air = window.weather.get("temperature_c", window.weather.get("module_temperature_c"))
    light = window.weather.get("irradiance_w_m2")
    if air is None:
        return np.zeros(days.count, np.bool_)
    with np.errstate(invalid="ignore"):
        is_lit = plant.expected_w > 0.0
        if light is not None:
            is_lit &= light >= options.min_light_w_m2
    shares = days.compare(
        plant.given_w[None], plant.expected_w[None], (is_lit & np.isfinite(plant.given_w))[None]
    )
    share = shares.given[0] / np.where(shares.expected[0] > 0.0, shares.expected[0], np.nan)
    is_cold = _daily_median(air, is_lit, days) <= options.max_air_c
    with np.errstate(invalid="ignore"):
        is_covered = is_cold & (share < options.covered_share)
        stays = is_cold & (share < options.clear_share)
    spans = find_spans((stays | is_covered)[None])
    snow = np.zeros(days.count, np.bool_)
    for start, end in zip(spans.start, spans.end, strict=True):
        # Snow comes with a covered day and goes with a thaw: what lay before it was not snow.
        covered = np.flatnonzero(is_covered[start:end])
        if len(covered):
            snow[start + covered[0] : end] = True
    return snow


def find_curtailment(
    power_w: Matrix, plant: PlantPower, options: CurtailmentOptions | None = None
) -> Flags:
    """Slots in which all devices were cut at one level at the same time; shape ``(n_slots,)``.

    The level is one share of each device's best hours, steady though the light goes on.
    """
    options = options or CurtailmentOptions()
    n_slots = power_w.shape[1]
    if power_w.shape[0] < options.min_devices or not n_slots:
        return np.zeros(n_slots, np.bool_)
    best = quantile(power_w, 0.98)
    relative = power_w / np.where(best > 0.0, best, np.nan)[:, None]
    level = median(relative, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        is_alike = spread(relative, 0) <= options.max_spread * level
        wobble = np.abs(np.diff(level, prepend=np.nan)) / level
        is_steady = wobble <= options.max_wobble
        is_steady[:-1] |= is_steady[1:]
        exceeds = plant.expected_w >= (1.0 + options.min_excess) * plant.given_w
        is_free = plant.given_w >= options.border_share * plant.expected_w
    holds = is_alike & is_steady & exceeds & (level > 0.0)
    cut = np.zeros(n_slots, np.bool_)
    spans = find_spans(holds[None], options.min_slots)
    for start, end in zip(spans.start, spans.end, strict=True):
        before = is_free[max(0, start - options.border_slots) : start]
        after = is_free[end : end + options.border_slots]
        cut[start:end] = before.any() or after.any()
    return cut


def _daily_median(column: FloatColumn, counted: Flags, days: Days) -> Floats:
    parts = np.split(np.where(counted, column, np.nan), days.starts[1:])
    return np.array([float(median(part)) for part in parts])

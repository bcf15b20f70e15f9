"""What can be set of the simulated house: the one place of names, defaults and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

import msgspec

from wattscope.core.errors import SettingsError
from wattscope.core.topology import is_safe_name
from wattscope.simulate.simulation_table import (
    MAX_SEED,
    find_number_faults,
    find_zone_faults,
    read_simulation,
)

_HOURS = 24
_MAX_WATT = 1e6


class TopicForm(Enum):
    """Which fork of the Itron bridge the simulated meter speaks like."""

    DEVICE = "device"
    """``<prefix>/sensor/<meter>/Instantaneous_Demand/state``"""
    VALUE = "value"
    """``<prefix>/sensor/Instantaneous_Demand/value/state``"""


class LoadBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Between which powers the house moves from one local hour to another."""

    start_h: int
    end_h: int
    """First local hour no longer in the band."""
    low_w: float
    high_w: float


# The seed's hourly usage (seed-features S0-11).
_DEFAULT_BANDS = (
    LoadBand(0, 6, 200.0, 800.0),
    LoadBand(6, 9, 800.0, 2000.0),
    LoadBand(9, 17, 1000.0, 3000.0),
    LoadBand(17, 21, 2000.0, 6000.0),
    LoadBand(21, 24, 1000.0, 3000.0),
)


class HomeSimulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated house; all faults are listed at once when it is made.

    Raises:
        SettingsError: One or more values are wrong.
    """

    time_zone: str = "UTC"
    """IANA name of the site's zone; bands and sun follow its wall clock."""
    seed: int = 1
    """Another number is another house with other weather."""
    interval_s: float = 5.0
    """Time between two messages [s]."""
    epoch: date = date(2026, 1, 1)
    """Day (UTC) at whose start the registers showed their base values."""

    bands: tuple[LoadBand, ...] = _DEFAULT_BANDS
    """Together they cover the hours 0 to 24 once."""
    hourly_multipliers: tuple[float, ...] = (1.0,) * _HOURS
    """Factor on the band of each local hour, hour 0 first."""
    base_power_demand_w: float = 2500.0
    """Size of the house [W]; the bands are drawn for 2500 and scale with it."""
    min_power_w: float = 100.0
    """The house never uses less [W]."""
    max_power_w: float = 8000.0
    """The house never uses more [W]."""

    solar_peak_w: float = 3000.0
    """Production at noon under a clear sky [W]; 0 is a house without panels."""
    weather_low: float = 0.4
    """Share of the sun that the darkest day lets through, 0 to 1."""
    weather_high: float = 1.0
    """Share of the sun that the clearest day lets through, 0 to 1."""
    latitude: float | None = None
    """[degrees, north positive] Noon height follows the season; None is midsummer all year."""

    base_energy_received_wh: float = 12_345_678.0
    """Import register at the epoch [Wh]."""
    base_energy_delivered_wh: float = 0.0
    """Export register at the epoch [Wh]."""
    base_energy_produced_wh: float = 0.0
    """Production register of the solar plug at the epoch [Wh]."""

    topic_form: TopicForm = TopicForm.DEVICE
    topic_prefix: str = "homeassistant"
    meter_key: str = "xcel_itron_5"
    solar_key: str = "shelly-solar"
    voltage_v: float = 240.0
    """Nominal voltage that the solar plug reports around [V]."""
    frequency_hz: float = 60.0
    """Nominal frequency that the solar plug reports around [Hz]."""

    def __post_init__(self) -> None:
        faults = [*_number_faults(self), *_band_faults(self), *_name_faults(self)]
        if faults:
            raise SettingsError(faults, where="[simulate]")


def parse_home_simulation(table: Mapping[str, Any], *, time_zone: str) -> HomeSimulation:
    """The house of a recipe's ``[simulate]`` section.

    Args:
        table: The section as TOML gave it.
        time_zone: The site's zone.

    Raises:
        SettingsError: Every unknown key, wrong type and wrong value.
    """
    return read_simulation(HomeSimulation, table, time_zone=time_zone)


def _number_faults(house: HomeSimulation) -> list[str]:
    """Numbers outside of what the house can be."""
    limits: list[tuple[str, float, float]] = [
        ("interval_s", 0.1, 3600.0),
        ("base_power_demand_w", 1.0, _MAX_WATT),
        ("min_power_w", 0.0, _MAX_WATT),
        ("max_power_w", 1.0, _MAX_WATT),
        ("solar_peak_w", 0.0, _MAX_WATT),
        ("weather_low", 0.0, 1.0),
        ("weather_high", 0.0, 1.0),
        ("base_energy_received_wh", 0.0, 1e12),
        ("base_energy_delivered_wh", 0.0, 1e12),
        ("base_energy_produced_wh", 0.0, 1e12),
        ("voltage_v", 1.0, 1000.0),
        ("frequency_hz", 1.0, 400.0),
        ("seed", -MAX_SEED, MAX_SEED),
    ]
    if house.latitude is not None:
        limits.append(("latitude", -90.0, 90.0))
    faults = find_number_faults(house, limits)
    if house.min_power_w > house.max_power_w:
        faults.append("min_power_w: is above max_power_w")
    if house.weather_low > house.weather_high:
        faults.append("weather_low: is above weather_high")
    return faults


def _band_faults(house: HomeSimulation) -> list[str]:
    """Bands that overlap, leave hours out or are upside down; multipliers that are not 24."""
    faults: list[str] = []
    for band in house.bands:
        if not 0 <= band.start_h < band.end_h <= _HOURS:
            faults.append(f"bands: hours {band.start_h} to {band.end_h} are not within 0 to 24")
        if not 0.0 <= band.low_w <= band.high_w <= _MAX_WATT:
            faults.append(
                f"bands: {band.low_w:g} to {band.high_w:g} W is not a rising range within 0 to 1e6"
            )
    for hour in range(_HOURS):
        covers = sum(band.start_h <= hour < band.end_h for band in house.bands)
        if covers != 1:
            faults.append(f"bands: hour {hour} is in {covers} bands; it must be in one")
    if len(house.hourly_multipliers) != _HOURS:
        faults.append(f"hourly_multipliers: has {len(house.hourly_multipliers)} numbers, not 24")
    if not all(math.isfinite(m) and 0.0 <= m <= 100.0 for m in house.hourly_multipliers):
        faults.append("hourly_multipliers: each must be within 0 to 100")
    return faults


def _name_faults(house: HomeSimulation) -> list[str]:
    """Names that cannot stand in a topic, and a zone that does not exist."""
    faults = [
        f"{name}: {value!r} cannot be part of an MQTT topic; use letters, digits, - and _"
        for name, value in (
            ("topic_prefix", house.topic_prefix),
            ("meter_key", house.meter_key),
            ("solar_key", house.solar_key),
        )
        if not is_safe_name(value) or "+" in value
    ]
    return faults + find_zone_faults(house.time_zone)

"""What can be set of the simulated solar plant: the one place of names, defaults and limits."""

from __future__ import annotations

from datetime import date

import msgspec

from wattscope.core.errors import SettingsError
from wattscope.simulate.simulation_table import MAX_SEED, find_number_faults, find_zone_faults


class SolarSimulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weather, the panels' electrics and their faults; all faults are listed at once.

    Which panels there are, how they stand and how strong they are, the devices say.

    Raises:
        SettingsError: One or more values are wrong.
    """

    time_zone: str = "UTC"
    """IANA name of the site's zone; instants of faults without an offset are in it."""
    seed: int = 1
    """Another number is another plant with other weather."""
    interval_s: float = 1.0
    """Time between two readings of a panel [s]."""
    history_s: float = 60.0
    """Distance of the readings of the simulated past [s]."""
    epoch: date = date(2026, 1, 1)
    """First day (UTC) that has values."""

    mean_air_c: float = 11.0
    """Mean temperature of the air over the year [°C]."""
    season_c: float = 9.0
    """How far July is above it, south of the equator January [°C]."""
    daily_c: float = 5.0
    """How far the afternoon is above the day's mean [°C]."""
    cloudiness: float = 0.45
    """0 is a sky that is always clear, 1 one that is always covered."""

    voltage_v: float = 46.0
    """Of a panel at its best working point, at 1000 W/m² and 25 °C [V]."""
    power_coefficient: float = -0.0037
    """By what share of its rating a panel falls for each degree of its cells [1/°C]."""
    rating_spread: float = 0.015
    """How far panels are from their rating, as a share of it."""
    sensor_noise: float = 0.003
    """How far a sensor's value is from the true one, as a share of it."""
    inverter_efficiency: float = 0.97
    """Of the inverters, DC to AC."""

    faults: tuple[str, ...] = ()
    """``KIND:DEVICE``, or with its start, or with start and end; such as
    ``soiling:Panel-003:2026-05-01:2026-06-01``."""
    faults_a_month: int = 0
    """Faults of changing kinds that the seed draws in each 30 days, beside those above."""

    def __post_init__(self) -> None:
        limits = [
            ("seed", -MAX_SEED, MAX_SEED),
            ("interval_s", 0.01, 3600.0),
            ("history_s", 1.0, 3600.0),
            ("mean_air_c", -30.0, 40.0),
            ("season_c", 0.0, 30.0),
            ("daily_c", 0.0, 20.0),
            ("cloudiness", 0.0, 1.0),
            ("voltage_v", 1.0, 1500.0),
            ("power_coefficient", -0.01, 0.0),
            ("rating_spread", 0.0, 0.2),
            ("sensor_noise", 0.0, 0.2),
            ("inverter_efficiency", 0.5, 1.0),
            ("faults_a_month", 0, 10_000),
        ]
        faults = find_number_faults(self, limits) + find_zone_faults(self.time_zone)
        if faults:
            raise SettingsError(faults, where="[simulate]")

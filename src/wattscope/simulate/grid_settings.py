"""What can be set of the simulated grid: the one place of names, defaults and limits."""

from __future__ import annotations

import re
from datetime import date
from enum import Enum

import msgspec

from wattscope.core.errors import SettingsError
from wattscope.simulate.simulation_table import MAX_SEED, find_number_faults, find_zone_faults

_MONTH_AND_DAY = re.compile(r"(?:\d{4}-)?\d{2}-\d{2}")
_LEAP_YEAR = "2024-"


class EnergyForm(Enum):
    """What a meter's value ``energy`` is; the profile that reads it must mean the same."""

    COUNTER = "counter"
    """The register: everything since the meter was new (profile ``grid-meter-json``)."""
    INTERVAL = "interval"
    """What was used since the reading before (profile ``grid-meter-interval-json``)."""


class GridSimulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The meters of a grid and who is behind them; all faults are listed at once.

    Raises:
        SettingsError: One or more values are wrong.
    """

    time_zone: str = "UTC"
    """IANA name of the site's zone; hours, weekends and holidays follow its clock."""
    seed: int = 1
    """Another number is another grid with other weather."""
    meters: int = 500
    """How many there are; more meters leave those before them as they are."""
    interval_s: float = 300.0
    """Time between two readings of a meter [s]."""
    history_s: float = 300.0
    """Distance of the readings of the simulated past [s]."""
    is_staggered: bool = True
    """Whether each meter has a second of its own within the interval, as head ends ask for."""
    energy: EnergyForm = EnergyForm.COUNTER
    """What the value ``energy`` is: ``counter`` or ``interval``."""
    epoch: date = date(2026, 1, 1)
    """First day (UTC) that has values; registers showed their base values then."""

    regions: int = 5
    """First digits of the meters' ids, from 1 on."""
    per_feeder: int = 25
    """Meters of a feeder; they share their voltage."""
    shop_share: float = 0.14
    """Of the meters, those of shops and offices."""
    industry_share: float = 0.04
    """Of the meters, those of small industry; all others are households."""
    season_share: float = 0.2
    """How far a household's use in January is above that of the year, as a share of it; south of
    the equator in July."""
    holidays: tuple[str, ...] = ()
    """Days that are like Sundays: ``12-25`` each year, or ``2026-04-06`` once."""
    voltage_v: float = 230.0
    """Nominal voltage, phase to neutral [V]."""
    frequency_hz: float = 50.0
    """Nominal frequency [Hz]."""

    def __post_init__(self) -> None:
        limits = [
            ("seed", -MAX_SEED, MAX_SEED),
            ("meters", 1, 100_000),
            ("interval_s", 0.05, 3600.0),
            ("history_s", 1.0, 3600.0),
            ("regions", 1, 9),
            ("per_feeder", 1, 1000),
            ("shop_share", 0.0, 1.0),
            ("industry_share", 0.0, 1.0),
            ("season_share", 0.0, 0.9),
            ("voltage_v", 50.0, 1000.0),
            ("frequency_hz", 10.0, 100.0),
        ]
        faults = find_number_faults(self, limits) + find_zone_faults(self.time_zone)
        if self.shop_share + self.industry_share > 1.0:
            faults.append("shop_share: with industry_share it is more than all meters")
        faults += [
            f"holidays: {one!r} is no day; write 12-25, or 2026-04-06 for once"
            for one in self.holidays
            if not _is_day(one)
        ]
        if faults:
            raise SettingsError(faults, where="[simulate]")


def _is_day(words: str) -> bool:
    if not _MONTH_AND_DAY.fullmatch(words):
        return False
    try:
        date.fromisoformat(words if len(words) > len("12-25") else _LEAP_YEAR + words)
    except ValueError:
        return False
    return True

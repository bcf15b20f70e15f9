"""A small household whose energies can be checked by hand.

::

    2026-03-09 and -10, Paris          night 00-08   day 08-16    evening 16-24
    import register grows an hour      1,000 Wh      0            1,000 Wh
    production register grows an hour  0             2,000 Wh     0
    export register grows an hour      0             800 Wh       0

Registers are read every quarter hour. On the 9th everything is half of that. The power meter says
the same as the import and export registers. On the 11th, the last register values come at 12:00,
and from 10:00 to 11:00 there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.web.applications import Application, open_application, put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, day_start_us, load_zone
from wattscope.settings import DeviceSettings, Settings, SiteSettings

QUARTER_US = 15 * US_PER_MINUTE
PARIS = load_zone("Europe/Paris")
FIRST_DAY = date(2026, 3, 9)
HOUSE = Settings(
    sources=(),
    site=SiteSettings(id="home", name="Home", time_zone="Europe/Paris"),
    devices=(
        DeviceSettings(id="grid", kind="meter", interval_s=900),
        DeviceSettings(id="roof", kind="inverter", interval_s=900, is_production=True),
        DeviceSettings(id="kettle", kind="plug", parent="grid", interval_s=900),
    ),
)
NOW = "2026-03-11T11:00:00Z"
Rates = Callable[[int, int], float]


def rate_import(day: int, hour: int) -> float:
    """Power from the grid [W]."""
    return 0.0 if 8 <= hour < 16 else 1000.0 if day else 500.0


def rate_production(day: int, hour: int) -> float:
    """Power of the roof [W]."""
    return 0.0 if not 8 <= hour < 16 else 2000.0 if day else 1000.0


def rate_export(day: int, hour: int) -> float:
    """Power to the grid [W]."""
    return 0.0 if not 8 <= hour < 16 else 800.0 if day else 400.0


def count_up(rate: Rates, base_wh: float) -> list[tuple[int, float | None]]:
    """Register values at every quarter hour from the 9th to the 11th at 12:00, with the gap."""
    start_us = day_start_us(FIRST_DAY, PARIS)
    total_wh = base_wh
    rows: list[tuple[int, float | None]] = []
    for quarter in range(60 * 4 + 1):
        hour = quarter // 4
        if not 58 * 4 < quarter < 59 * 4:
            rows.append((start_us + quarter * QUARTER_US, total_wh))
        total_wh += rate(hour // 24, hour % 24) / 4
    return rows


def fill_house(storage: Storage) -> None:
    put(storage, "grid", "energy_import_wh", count_up(rate_import, 1e6))
    put(storage, "grid", "energy_export_wh", count_up(rate_export, 5e5))
    put(storage, "roof", "energy_production_wh", count_up(rate_production, 2e5))
    put(storage, "kettle", "active_power_w", [(day_start_us(FIRST_DAY, PARIS), 2000.0)])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The household of the table above, at noon of its third day; for looking only."""
    folder = tmp_path_factory.mktemp("house")
    with open_application(folder, now=NOW, settings=HOUSE, fill=fill_house) as application:
        yield application


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[Application]:
    """The same household for one test alone, which may change it."""
    with open_application(tmp_path, now=NOW, settings=HOUSE, fill=fill_house) as application:
        yield application


def steady(zone: str, first: date, days: int) -> list[tuple[int, float | None]]:
    """A register that grows by 1,000 Wh an hour over some local days."""
    start_us = day_start_us(first, load_zone(zone))
    end_us = day_start_us(first + timedelta(days=days), load_zone(zone))
    return [
        (t, 1e6 + (t - start_us) / US_PER_HOUR * 1000)
        for t in range(start_us, end_us + 1, QUARTER_US)
    ]

"""A grid of three meters whose numbers can be checked by hand.

::

    Paris, March 2026               8th to 10th    11th up to 12:00
    1000000001   Mill               100 W          100 W
    1000000002   School             200 W          400 W
    2000000003                      300 W          300 W    and 3,300 W on the 10th, 18:00-18:15

Registers and powers are read every five minutes. All three together take 600 W, 3,600 W in the
quarter hour of the peak and 800 W on the 11th.
"""

from __future__ import annotations

from datetime import date

from tests.web.applications import put
from wattscope.assembly.storage import Storage
from wattscope.core.time_grid import (
    US_PER_HOUR,
    US_PER_MINUTE,
    day_start_us,
    load_zone,
    parse_instant,
)
from wattscope.settings import DeviceSettings, Settings, SiteSettings

STEP_US = 5 * US_PER_MINUTE
PARIS = load_zone("Europe/Paris")
FIRST_US = day_start_us(date(2026, 3, 8), PARIS)
NOW = "2026-03-11T11:00:00Z"
"""Noon of the 11th in Paris."""
NOW_US = parse_instant(NOW)
PEAK_US = parse_instant("2026-03-10T17:00:00Z")
LAST_DAY_US = day_start_us(date(2026, 3, 11), PARIS)
GRID = Settings(
    sources=(),
    site=SiteSettings(id="grid", name="Grid", time_zone="Europe/Paris"),
    devices=(
        DeviceSettings(id="1000000001", name="Mill", interval_s=300),
        DeviceSettings(id="1000000002", name="School", interval_s=300),
        DeviceSettings(id="2000000003", interval_s=300),
        DeviceSettings(id="2000000004", interval_s=300, parent="2000000003"),
        DeviceSettings(id="weather", kind="sensor"),
    ),
)
METERS = ("1000000001", "1000000002", "2000000003")


def power_of(meter: str, t_us: int) -> float:
    """What a meter takes from an instant on [W]."""
    if meter == "1000000001":
        return 100.0
    if meter == "1000000002":
        return 400.0 if t_us >= LAST_DAY_US else 200.0
    return 3300.0 if 0 <= t_us - PEAK_US < 15 * US_PER_MINUTE else 300.0


def fill_meter(
    storage: Storage,
    meter: str,
    *,
    silent: tuple[int, int] = (0, 0),
    end_us: int = NOW_US,
    quantity: str = "energy_import_wh",
) -> None:
    """Readings of a meter up to and with an instant, but none in a stretch of silence."""
    total_wh = 5e5
    registers: list[tuple[int, float | None]] = []
    powers: list[tuple[int, float | None]] = []
    for t_us in range(FIRST_US, end_us + 1, STEP_US):
        added_wh = power_of(meter, t_us) * STEP_US / US_PER_HOUR
        if not silent[0] <= t_us < silent[1]:
            registers.append((t_us, added_wh if "delta" in quantity else total_wh))
            powers.append((t_us, power_of(meter, t_us)))
        total_wh += added_wh
    put(storage, meter, quantity, registers)
    put(storage, meter, "active_power_w", powers)


def fill_grid(storage: Storage) -> None:
    """All three meters; and one below another, and a thermometer, which count nowhere."""
    for meter in METERS:
        fill_meter(storage, meter)
    put(storage, "2000000004", "active_power_w", [(NOW_US, 9e5)])
    put(storage, "1000000001", "voltage_v", [(NOW_US, 231.5)])
    put(storage, "weather", "temperature_c", [(NOW_US, 11.0)])

"""A small town of meters: a past of some weeks, whose last readings are a few seconds old.

::

    1000000000 .. 1000000029    30 meters of region 1, the first of them called Town hall
    2000000030 .. 2000000049    20 of region 2
    3000000050 .. 3000000059    10 of region 3, of which the last has been silent for hours

Six days ago nobody spoke for two hours. Everything follows from the meter and the instant alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.page.demo import RunningPage, run_page
from tests.servers import find_free_port
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import Batch, FloatColumn, Int64Column, concat_batches
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, to_us
from wattscope.core.topology import Device, DeviceKind
from wattscope.settings import load_settings

N_METERS = 60
DAYS = 40
STEP_US = 5 * US_PER_MINUTE
SILENT = "3000000059"
SILENT_FOR_US = 3 * US_PER_HOUR
NAMED = "1000000000"
GAP_DAYS_AGO = 6
REGIONS = {"1": 30, "2": 20, "3": 10}
QUANTITIES = ("active_power_w", "energy_import_wh", "voltage_v", "current_a", "frequency_hz")

SETTINGS = """\
pages = ["grid"]

[site]
id = "town"
name = "Town"
time_zone = "Europe/Berlin"

[broker]
port = {port}

[[sources]]
name = "mqtt"
profiles = ["grid-meter-json"]
"""


def meter_ids() -> list[str]:
    """All of them, rising."""
    regions = [region for region, count in REGIONS.items() for _ in range(count)]
    return [f"{region}{at:09}" for at, region in enumerate(regions)]


def power_of(meter: int, t_us: Int64Column) -> FloatColumn:
    """Power of a meter [W]: low at night, a hump in the morning, a higher one in the evening."""
    hour = (t_us / US_PER_HOUR + 1) % 24
    day = t_us // US_PER_DAY
    shape = 0.35 + 0.5 * np.exp(-(((hour - 8) / 2.2) ** 2)) + np.exp(-(((hour - 19) / 2.6) ** 2))
    weekday = np.where((day + 3) % 7 >= 5, 1.12, 1.0)
    ripple = 1 + 0.09 * np.sin(t_us / 7.3e9 + meter) + 0.05 * np.sin(t_us / 2.1e9 + 2.2 * meter)
    slow = 1 + 0.08 * np.sin(day / 5.0 + meter / 9)
    return np.round((240 + 55 * (meter % 9)) * shape * weekday * ripple * slow, 1)


def columns_of(meter: int, t_us: Int64Column) -> dict[str, FloatColumn]:
    """All that a meter says at some instants."""
    power = power_of(meter, t_us)
    energy = np.r_[0.0, np.cumsum(power[:-1] * (np.diff(t_us) / US_PER_HOUR))]
    voltage = np.round(230 + 2.5 * np.sin(t_us / 5.1e9 + meter) - power / 600, 1)
    return {
        "active_power_w": power,
        "energy_import_wh": np.round(3e6 + 1e5 * meter + energy, 0),
        "voltage_v": voltage,
        "current_a": np.round(power / voltage / 0.96, 2),
        "frequency_hz": np.round(50 + 0.03 * np.sin(t_us / 3.3e8), 3),
    }


def fill(storage: Storage, now: datetime) -> None:
    """The past of every meter, up to some seconds ago."""
    now_us = to_us(now)
    names = meter_ids()
    storage.registry.put_devices(
        [
            (
                Device(
                    one,
                    "town",
                    "Town hall" if one == NAMED else one,
                    DeviceKind.METER,
                    interval_s=300.0,
                ),
                QUANTITIES,
            )
            for one in names
        ]
    )
    gap_us = (now_us // US_PER_DAY - GAP_DAYS_AGO) * US_PER_DAY + 9 * US_PER_HOUR
    parts = []
    for at, name in enumerate(names):
        last_us = now_us - (at + 1) * 2_000_000
        instants = np.arange(last_us, last_us - DAYS * US_PER_DAY, -STEP_US, dtype=np.int64)[::-1]
        kept = (instants < gap_us) | (instants >= gap_us + 2 * US_PER_HOUR)
        if name == SILENT:
            kept &= instants < now_us - SILENT_FOR_US
        for quantity, values in columns_of(at, instants).items():
            series = storage.registry.find_series(name, quantity)
            assert series is not None
            n = int(kept.sum())
            parts.append(
                Batch(
                    np.full(n, series, np.int32),
                    instants[kept],
                    values[kept],
                    np.zeros(n, np.uint8),
                )
            )
    parts.sort(key=lambda batch: int(batch.series_id[0]))
    storage.store.load(concat_batches(parts))
    storage.store.flush()


@contextlib.contextmanager
def run_town(folder: Path, *, is_empty: bool = False) -> Iterator[RunningPage]:
    """The program over the town, until the end of the block."""
    settings_file = folder / "wattscope.toml"
    settings_file.write_text(SETTINGS.format(port=find_free_port()), encoding="utf-8")
    if not is_empty:
        with open_storage(load_settings(settings_file), folder / "data") as storage:
            fill(storage, datetime.now(UTC))
    with run_page(folder, "run", "-c", settings_file, "--no-browser") as page:
        yield page

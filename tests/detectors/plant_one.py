"""Plant 1 as a window: its two files read with the standard library, nothing corrected.

The window has the values as the files have them, DC ten times too large included. Stamps are
Indian time. The daily counter that the plant's loggers reset is a quantity of its own,
``daily_yield__Wh``.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from wattscope.core.time_grid import US_PER_MINUTE, load_zone, local_to_us
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window

ZONE = "Asia/Kolkata"
STEP_US = 15 * US_PER_MINUTE
FIRST = datetime(2020, 5, 15)  # noqa: DTZ001 - wall time; the zone is applied to it below
N_DAYS = 34
SLOTS_PER_DAY = 96
W_PER_KW = 1000.0
DAILY_YIELD = "daily_yield__Wh"
COLUMNS = {
    "active_power_w": "AC_POWER",
    "dc_power_w": "DC_POWER",
    "energy_production_wh": "TOTAL_YIELD",
    DAILY_YIELD: "DAILY_YIELD",
}
WEATHER = {
    "irradiance_w_m2": ("IRRADIATION", W_PER_KW),
    "temperature_c": ("AMBIENT_TEMPERATURE", 1.0),
    "module_temperature_c": ("MODULE_TEMPERATURE", 1.0),
}


def read_plant(folder: Path) -> Window:
    """The whole plant: 22 inverters over 34 days of quarters of an hour."""
    rows = list(_read(folder / "Plant_1_Generation_Data.csv.gz"))
    names = sorted({row["SOURCE_KEY"] for row in rows})
    place = {name: at for at, name in enumerate(names)}
    n_slots = N_DAYS * SLOTS_PER_DAY
    values = {quantity: np.full((len(names), n_slots), np.nan) for quantity in COLUMNS}
    for row in rows:
        at = place[row["SOURCE_KEY"]], _slot(row["DATE_TIME"], "%d-%m-%Y %H:%M")
        for quantity, column in COLUMNS.items():
            values[quantity][at] = float(row[column]) * W_PER_KW
    weather = {name: np.full(n_slots, np.nan) for name in WEATHER}
    for row in _read(folder / "Plant_1_Weather_Sensor_Data.csv.gz"):
        slot = _slot(row["DATE_TIME"], "%Y-%m-%d %H:%M:%S")
        for name, (column, factor) in WEATHER.items():
            weather[name][slot] = float(row[column]) * factor
    start = local_to_us(FIRST, load_zone(ZONE))
    slot_us = start + STEP_US * np.arange(n_slots, dtype=np.int64)
    devices = tuple(Device(name, "plant-1", name, DeviceKind.INVERTER) for name in names)
    return Window(Site("plant-1", "Plant 1", ZONE), devices, slot_us, STEP_US, values, weather)


def instant_us(text: str) -> int:
    """An instant of the plant's wall clock in 2020, as ``06-14 11:15``."""
    naive = datetime.strptime(f"2020-{text}", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - zone applied next
    return local_to_us(naive, load_zone(ZONE))


@dataclass(frozen=True, slots=True)
class Score:
    """How findings compare with what is known."""

    detector: str
    found: int
    expected: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.expected if self.expected else 1.0

    def __str__(self) -> str:
        return (
            f"{self.detector:24} precision {self.precision:.3f} ({self.right}/{self.found})"
            f"  recall {self.recall:.3f} ({self.right}/{self.expected})"
        )


def _read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _slot(stamp: str, pattern: str) -> int:
    quarters: int = (datetime.strptime(stamp, pattern) - FIRST) // timedelta(minutes=15)  # noqa: DTZ007 - a difference of wall times without a change of offset
    return quarters

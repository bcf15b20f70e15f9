"""Measured plants of the set ``pv-quality`` as windows."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np

from wattscope.core.time_grid import US_PER_MINUTE, load_zone, local_to_us, to_us
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window

ZONE = "-07:00"
SITE = Site("nrel", "NREL", ZONE, latitude=39.74, longitude=-105.18)
INVERTER = Device("inverter", "nrel", "Inverter", DeviceKind.INVERTER)
STEP_US = 15 * US_PER_MINUTE


def read_snow(folder: Path) -> Window:
    """One inverter under snow in January, with two inches of new snow on the third day."""
    return _read(
        folder / "snow_data.csv.gz",
        {"active_power_w": (4, 1000.0)},
        {
            "irradiance_w_m2": (1, 1.0),
            "module_temperature_c": (5, 1.0),
            "temperature_c": (6, 1.0),
        },
    )


def read_roof(folder: Path) -> Window:
    """One inverter of a roof in January, DC and AC."""
    return _read(
        folder / "nrel_RSF_II.csv.gz",
        {"active_power_w": (3, 1.0), "dc_power_w": (5, 1.0)},
        {
            "irradiance_w_m2": (9, 1.0),
            "module_temperature_c": (8, 1.0),
            "temperature_c": (2, 1.0),
        },
    )


def read_power(path: Path, step_us: int) -> Window:
    """Power of one inverter alone [W], as column after its instants; gaps are unknown."""
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        _, *rows = (row for row in csv.reader(file) if len(row) > 1)
    at = np.array([to_us(datetime.fromisoformat(row[0])) for row in rows], np.int64)
    power = np.full((1, int((at[-1] - at[0]) // step_us) + 1), np.nan)
    power[0, (at - at[0]) // step_us] = [float(row[1] or "nan") for row in rows]
    slot_us = at[0] + step_us * np.arange(power.shape[1], dtype=np.int64)
    return Window(SITE, (INVERTER,), slot_us, step_us, {"active_power_w": power})


def _read(
    path: Path, values: dict[str, tuple[int, float]], weather: dict[str, tuple[int, float]]
) -> Window:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    stamps = [datetime.strptime(row[0], "%m/%d/%Y %H:%M") for row in rows]  # noqa: DTZ007 - zone applied next
    slot_us = np.array([local_to_us(stamp, load_zone(ZONE)) for stamp in stamps], np.int64)

    def column(place: int, factor: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([float(row[place] or "nan") for row in rows]) * factor

    return Window(
        SITE,
        (INVERTER,),
        slot_us,
        STEP_US,
        {name: column(*where)[None] for name, where in values.items()},
        {name: column(*where) for name, where in weather.items()},
    )

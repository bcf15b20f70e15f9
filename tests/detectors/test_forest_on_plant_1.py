"""The isolation forest on a real plant: quiet at night, and it finds what is put in."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.detectors.panel_windows import change
from wattscope.compute.isolation_forest.learning import DeviceHistory, learn_model
from wattscope.compute.panel_features import choose_features
from wattscope.core.time_grid import US_PER_MINUTE, US_PER_S
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window
from wattscope.detectors.isolation_forest import IsolationForestDetector

STEP_US = 15 * US_PER_MINUTE
N_INVERTERS = 22


def read_rows(path: Path) -> Iterator[tuple[str, int, float, float]]:
    """Inverter, instant [µs], and AC and DC power as they stand in the file."""
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            stamp = datetime.strptime(row["DATE_TIME"], "%d-%m-%Y %H:%M").replace(tzinfo=UTC)
            at_us = round(stamp.timestamp()) * US_PER_S
            yield row["SOURCE_KEY"], at_us, float(row["AC_POWER"]), float(row["DC_POWER"])


@pytest.fixture(scope="module")
def plant(shared_data: Path) -> Window:
    rows = list(read_rows(shared_data / "solar-plant-1" / "Plant_1_Generation_Data.csv.gz"))
    names = sorted({name for name, *_ in rows})
    slots = np.arange(
        min(at_us for _, at_us, *_ in rows), max(at_us for _, at_us, *_ in rows) + 1, STEP_US
    )
    values = {name: np.full((len(names), len(slots)), np.nan) for name in ("ac", "dc")}
    for name, at_us, ac_kw, dc_kw in rows:
        place = names.index(name), (at_us - slots[0]) // STEP_US
        values["ac"][place], values["dc"][place] = 1000 * ac_kw, 1000 * dc_kw
    devices = tuple(Device(name, "plant", name, DeviceKind.INVERTER) for name in names)
    site = Site("plant", "Plant 1", "Asia/Kolkata")
    columns = {"active_power_w": values["ac"], "dc_power_w": values["dc"]}
    return Window(site, devices, slots, STEP_US, columns)


@pytest.fixture(scope="module")
def detector(plant: Window) -> IsolationForestDetector:
    features = choose_features(plant.values)
    assert features == ("active_power_w", "dc_power_w", "power_ratio")
    histories = [
        DeviceHistory(
            device.id, None, {name: (plant.slot_us, one[n]) for name, one in plant.values.items()}
        )
        for n, device in enumerate(plant.devices)
    ]
    chance = np.random.default_rng(0)
    learned = learn_model("inverter", histories, features, chance, trained_at_us=0)
    assert learned.model.n_devices == N_INVERTERS
    return IsolationForestDetector({"inverter": learned.model})


def test_nothing_is_found_at_night_and_next_to_nothing_by_day(
    plant: Window, detector: IsolationForestDetector
) -> None:
    # All inverters keep their ratio of AC to DC for 34 days: 1 in 100 inverter-days at most.
    findings = detector.find(plant)
    n_days = N_INVERTERS * len(plant.slot_us) * STEP_US / (24 * 60 * US_PER_MINUTE)
    assert len(findings) <= n_days / 100
    assert all(one.evidence["dc_power_w"] > 0 for one in findings)


def test_ratio_that_falls_by_a_third_is_found_on_a_real_day(
    plant: Window, detector: IsolationForestDetector
) -> None:
    noon = np.flatnonzero(plant.slot_us % (24 * 60 * US_PER_MINUTE) == 12 * 60 * US_PER_MINUTE)
    around = slice(int(noon[10]) - 12, int(noon[10]) + 12)
    window = change(plant, "active_power_w", 4, around, lambda values: values * 0.67)
    found = [one for one in detector.find(window) if one.device == plant.devices[4].id]
    assert any(
        one.start_us < plant.slot_us[around.stop] and one.end_us > plant.slot_us[around.start]
        for one in found
    )

"""Checks of CHECKS.md 11 on measured plants whose faults are labelled, and each rule by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.detectors.scoring import Labelled, read_stamp, read_window
from wattscope.core.findings import Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Window
from wattscope.detectors.clock_shift import ClockShift
from wattscope.detectors.copied_day import CopiedDay
from wattscope.detectors.flatline import Flatline
from wattscope.detectors.level_shift import LevelShift
from wattscope.detectors.missing_data import MissingData
from wattscope.detectors.spike import Spike
from wattscope.detectors.stale_value import StaleValue
from wattscope.ports import Detector

Series = npt.NDArray[np.float64]

START_US = 1_700_006_400_000_000  # 2023-11-15 00:00 UTC
STEP_US = 15 * US_PER_MINUTE


def read_plant(folder: Path, name: str, column: str) -> Labelled:
    return read_window(
        folder / "pv-quality" / f"{name}.csv.gz",
        {column: "active_power_w"},
        kind=DeviceKind.INVERTER,
        time_zone="-07:00",
    )


def marked_slots(one: Labelled, findings: Sequence[Finding]) -> npt.NDArray[np.bool_]:
    slot_us = one.window.slot_us
    inside = [(slot_us >= f.start_us) & (slot_us < f.end_us) for f in findings]
    return np.any(inside, axis=0) if inside else np.zeros(len(slot_us), np.bool_)


# ------------------------------------------------------------------ measured plants
def test_stale_rows_are_found_and_nothing_else(shared_data: Path) -> None:
    plant = read_plant(shared_data, "ac_power_inv_2173_stale_data", "value_normalized")
    findings = StaleValue().find(plant.window)
    assert [one.kind for one in findings] == ["stale"] * 3
    assert plant.labels.sum() == 245
    # Precision 1 and recall 1.
    assert np.array_equal(marked_slots(plant, findings), plant.labels)


def test_outliers_are_found_and_nothing_else(shared_data: Path) -> None:
    plant = read_plant(shared_data, "ac_power_inv_7539_outliers", "value_normalized")
    findings = Spike().find(plant.window)
    assert plant.labels.sum() == 6
    assert np.array_equal(marked_slots(plant, findings), plant.labels)
    assert StaleValue().find(plant.window) == []


@pytest.mark.parametrize("limit", [3.5, 5.0, 7.0])
def test_outliers_stand_far_apart_from_all_else(shared_data: Path, limit: float) -> None:
    plant = read_plant(shared_data, "ac_power_inv_7539_outliers", "value_normalized")
    findings = Spike(limit=limit).find(plant.window)
    assert np.array_equal(marked_slots(plant, findings), plant.labels)


@pytest.mark.parametrize("sureness", [3.0, 5.0, 10.0])
def test_level_shift_is_found_to_the_day(shared_data: Path, sureness: float) -> None:
    plant = read_plant(shared_data, "pvlib_data_shift", "value")
    (finding,) = LevelShift(sureness=sureness).find(plant.window)
    (stretch,) = plant.stretches
    assert finding.kind == "level_shift"
    assert finding.start_us == stretch.first_us == read_stamp("10/28/2015")


@pytest.mark.parametrize("n_days", [90, 180, 365, 500])
def test_seasons_of_a_part_of_the_series_are_no_shift(shared_data: Path, n_days: int) -> None:
    plant = read_plant(shared_data, "pvlib_data_shift", "value")
    (stretch,) = plant.stretches
    slots = plant.window.slot_us
    for first in range(0, len(slots) - n_days, n_days // 3):
        part = plant.window.cut(int(slots[first]), int(slots[first + n_days]))
        found = {one.start_us for one in LevelShift().find(part)}
        assert found <= {stretch.first_us}


def test_stamps_of_summer_time_are_found_to_the_day(shared_data: Path) -> None:
    plant = read_plant(shared_data, "system_50_ac_power_2_full_DST", "ac_power_2")
    findings = ClockShift().find(plant.window)
    assert {one.kind for one in findings} == {"clock_shift"}
    # The United States change on the second Sunday of March and the first of November.
    changes = ["2011-11-06", "2012-03-11", "2012-11-04", "2013-03-10", "2013-11-03"]
    days = [np.datetime64(one.start_us, "us").astype("datetime64[D]").item() for one in findings]
    assert [day.isoformat() for day in days] == changes
    shifts = [one.evidence["shift_min"] for one in findings]
    assert shifts == pytest.approx([-60, 60, -60, 60, -60], abs=5)


def test_clock_that_keeps_its_zone_is_left_alone(shared_data: Path) -> None:
    plant = read_plant(shared_data, "serf_east_15min_ac_power", "ac_power")
    assert ClockShift().find(plant.window) == []
    assert StaleValue().find(plant.window) == []


def test_clock_that_is_wrong_all_along_is_told_where_the_longitude_is_known(
    shared_data: Path,
) -> None:
    plant = read_plant(shared_data, "serf_east_15min_ac_power", "ac_power")
    window = plant.window
    for shift_h, expected in ((0, 0), (1, 1), (-7, 1)):
        moved = Window(
            Site("nrel", "NREL", "-07:00", latitude=39.74, longitude=-105.18),
            window.devices,
            window.slot_us + shift_h * US_PER_HOUR,
            window.step_us,
            window.values,
        )
        findings = ClockShift().find(moved)
        assert len(findings) == expected
        if findings:
            assert findings[0].evidence["shift_min"] == pytest.approx(60 * shift_h, abs=20)


# ------------------------------------------------------------------ by hand
def make_window(
    *rows: Series, quantity: str = "active_power_w", kind: DeviceKind = DeviceKind.INVERTER
) -> Window:
    n_slots = len(rows[0])
    return Window(
        Site("site", "Site", "Europe/Paris"),
        tuple(Device(f"d{n}", "site", f"D{n}", kind) for n in range(len(rows))),
        START_US + np.arange(n_slots, dtype=np.int64) * STEP_US,
        STEP_US,
        {quantity: np.stack(rows)},
    )


def make_sun(n_days: int, seed: int = 1) -> Series:
    """A plant of 5 kW with clouds: zero at night."""
    slot = np.arange(n_days * 96)
    height = np.maximum(0.0, np.sin(2 * np.pi * (slot % 96 - 24) / 96))
    clouds = np.random.default_rng(seed).uniform(0.6, 1.0, len(slot))
    return 5000.0 * height * clouds


def slots_of(finding: Finding) -> tuple[int, int]:
    return (finding.start_us - START_US) // STEP_US, (finding.end_us - START_US) // STEP_US


def test_three_equal_values_are_stale_and_two_are_not() -> None:
    power = make_sun(3)
    power[40:42] = power[40]
    power[140:143] = power[140]
    (finding,) = StaleValue().find(make_window(power))
    assert slots_of(finding) == (140, 143)
    assert finding.evidence["repeats_n"] == 3.0


def test_coarse_sensor_at_rest_is_not_stale() -> None:
    room = np.round(20.0 + np.sin(np.arange(3000) / 60.0))
    assert StaleValue().find(make_window(room, quantity="temperature_c")) == []


def test_inverter_at_its_limit_is_not_stale() -> None:
    assert StaleValue().find(make_window(np.minimum(make_sun(5), 2000.0))) == []


def test_value_that_hardly_moves_any_more_is_flat() -> None:
    temperature = 20.0 + 10.0 * np.sin(np.arange(10 * 96) / 15.0)
    temperature += np.random.default_rng(2).normal(0.0, 0.2, len(temperature))
    temperature[500:600] = 23.0 + np.random.default_rng(2).normal(0.0, 0.001, 100)
    (finding,) = Flatline().find(make_window(temperature, quantity="temperature_c"))
    assert slots_of(finding) == (500, 600)
    assert StaleValue().find(make_window(temperature, quantity="temperature_c")) == []


def test_night_and_coarse_sensors_are_not_flat() -> None:
    assert Flatline().find(make_window(make_sun(10))) == []
    room = np.round(20.0 + np.sin(np.arange(3000) / 60.0))
    assert Flatline().find(make_window(room, quantity="temperature_c")) == []


def test_spike_is_told_from_a_step_and_a_cloud_of_two_readings() -> None:
    power = 1000.0 + np.random.default_rng(4).normal(0.0, 10.0, 400)
    power[100] += 500.0
    power[200:202] -= 500.0
    power[300:] += 500.0
    (finding,) = Spike().find(make_window(power))
    assert slots_of(finding) == (100, 101)


def test_what_all_siblings_do_at_once_is_no_spike() -> None:
    noise = np.random.default_rng(4).normal(0.0, 10.0, (4, 400))
    rows = 1000.0 + noise
    rows[:, 100] -= 500.0
    assert Spike().find(make_window(*rows)) == []
    rows[2, 300] -= 500.0
    (finding,) = Spike().find(make_window(*rows))
    assert finding.device == "d2"
    assert slots_of(finding) == (300, 301)


def test_gap_is_told_with_its_length_and_the_night_is_none() -> None:
    power = make_sun(10)
    power[power == 0.0] = np.nan
    power[5 * 96 + 36 : 5 * 96 + 44] = np.nan
    (finding,) = MissingData().find(make_window(power))
    assert slots_of(finding) == (5 * 96 + 36, 5 * 96 + 44)
    assert finding.evidence["gap_h"] == 2.0


def test_gap_among_siblings_is_told_at_once_and_silence_of_all_is_not_one() -> None:
    rows = [make_sun(1, seed) for seed in range(4)]
    rows[2][40:50] = np.nan
    for row in rows:
        row[70:90] = np.nan
    (finding,) = MissingData().find(make_window(*rows))
    assert finding.device == "d2"
    assert slots_of(finding) == (40, 50)


def test_reading_each_hour_in_quarters_of_an_hour_has_no_gap() -> None:
    power = np.full(10 * 96, np.nan)
    power[::4] = 5.0
    assert MissingData().find(make_window(power)) == []


def test_step_of_the_level_is_found_in_a_signed_value_too() -> None:
    power = np.random.default_rng(4).normal(0.0, 50.0, 60 * 96) + 300.0
    power[30 * 96 :] -= 700.0
    (finding,) = LevelShift().find(make_window(power))
    assert abs(slots_of(finding)[0] - 30 * 96) <= 96
    assert finding.evidence["before_active_power_w"] == pytest.approx(300.0, abs=20.0)
    assert finding.evidence["after_active_power_w"] == pytest.approx(-400.0, abs=20.0)


def test_copied_day_is_told_of_the_device_that_repeats_it() -> None:
    rows = [make_sun(6, seed) + 1.0 for seed in range(2)]
    # Local days of Paris begin an hour before those of UTC.
    third = 3 * 96 - 4
    rows[1][third : third + 96] = rows[1][third - 96 : third]
    (finding,) = CopiedDay().find(make_window(*rows))
    assert finding.device == "d1"
    assert slots_of(finding) == (third, third + 96)


def test_clock_set_back_by_an_hour_is_found() -> None:
    power = make_sun(40)
    power[20 * 96 :] = np.roll(power, -4)[20 * 96 :]
    (finding,) = ClockShift().find(make_window(power))
    # Days of the sun begin near midnight.
    assert abs(finding.start_us - (START_US + 20 * US_PER_DAY)) < US_PER_HOUR
    assert finding.evidence["shift_min"] == pytest.approx(-60.0, abs=16.0)
    assert ClockShift().find(make_window(power, kind=DeviceKind.METER)) == []


DETECTORS: tuple[Detector, ...] = (
    ClockShift(),
    CopiedDay(),
    Flatline(),
    LevelShift(),
    MissingData(),
    Spike(),
    StaleValue(),
)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_healthy_plant_gives_no_finding(detector: Detector) -> None:
    rows = [make_sun(60, seed) for seed in range(4)]
    assert detector.find(make_window(*rows)) == []

"""No window makes a detector raise; what it finds lies inside, in order, and not in the night."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.core.findings import FINDING_KINDS, Finding
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.core.window import Matrix, Window
from wattscope.detectors.clock_shift import ClockShift
from wattscope.detectors.copied_day import CopiedDay
from wattscope.detectors.flatline import Flatline
from wattscope.detectors.level_shift import LevelShift
from wattscope.detectors.missing_data import MissingData
from wattscope.detectors.spike import Spike
from wattscope.detectors.stale_value import StaleValue
from wattscope.detectors.unusual_value import UnusualValue
from wattscope.plugins import PLUGINS, load_plugin
from wattscope.ports import Detector

DETECTORS: tuple[Detector, ...] = (
    ClockShift(),
    CopiedDay(),
    Flatline(),
    LevelShift(),
    MissingData(),
    Spike(),
    StaleValue(),
    UnusualValue(),
)
QUANTITIES = ("active_power_w", "temperature_c", "energy_import_wh", "unknown_to_all")
# Five days before the clocks of Paris go back.
START_US = 1_698_100_000_000_000 // US_PER_DAY * US_PER_DAY
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 1.0)


def build(matrix: Matrix, step_us: int, names: tuple[str, ...] = QUANTITIES[:1]) -> Window:
    return Window(
        Site("site", "Site", "Europe/Paris", latitude=48.9, longitude=2.4),
        tuple(Device(f"d{n}", "site", f"D{n}", DeviceKind.PANEL) for n in range(len(matrix))),
        START_US + np.arange(matrix.shape[1], dtype=np.int64) * step_us,
        step_us,
        dict.fromkeys(names, matrix),
    )


@st.composite
def windows(draw: st.DrawFn) -> Window:
    n_devices, n_slots = draw(st.integers(0, 4)), draw(st.sampled_from((0, 1, 2, 3, 97, 700, 3000)))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from(("noise", "sun", "constant", "coarse", "gaps", "odd", "walk")))
    noise = chance.normal(0.0, 1.0, (n_devices, n_slots))
    slot = np.arange(n_slots)
    matrix = {
        "noise": noise,
        "sun": np.maximum(0.0, np.sin(2 * np.pi * slot / 96)) * (2.0 + noise),
        "constant": np.full_like(noise, 7.0),
        "coarse": np.round(noise),
        "gaps": np.where(noise > 0.0, noise, np.nan),
        "odd": chance.choice(ODD, noise.shape),
        "walk": np.cumsum(noise, axis=1),
    }[shape]
    step_us = draw(st.sampled_from((1_000_000, US_PER_MINUTE, 15 * US_PER_MINUTE, US_PER_HOUR)))
    if draw(st.booleans()):
        step_us = draw(st.sampled_from((7 * US_PER_MINUTE, US_PER_DAY)))
    n_names = draw(st.integers(0, len(QUANTITIES)))
    if n_devices and draw(st.booleans()):
        matrix = matrix.copy()
        matrix[0] = draw(st.sampled_from(ODD))
    return build(matrix, step_us, QUANTITIES[:n_names])


def check(window: Window, findings: list[Finding]) -> None:
    order = {device.id: place for place, device in enumerate(window.devices)}
    keys = [(order[one.device], one.start_us) for one in findings]
    assert keys == sorted(keys)
    for one in findings:
        assert window.slot_us[0] <= one.start_us < one.end_us <= window.end_us
        assert one.kind in FINDING_KINDS
        assert 0.0 <= one.confidence <= 1.0
        assert one.detail
        assert "nan" not in one.detail
        assert all(np.isfinite(number) for number in one.evidence.values())


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
@given(window=windows())
@settings(max_examples=25)
def test_any_window_is_looked_at_without_a_fault(detector: Detector, window: Window) -> None:
    findings = detector.find(window)
    check(window, findings)
    assert detector.find(window) == findings


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
@pytest.mark.parametrize("n_slots", [0, 1, 40 * 96])
def test_nothing_known_gives_no_finding(detector: Detector, n_slots: int) -> None:
    assert detector.find(build(np.full((3, n_slots), np.nan), 15 * US_PER_MINUTE)) == []


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
@pytest.mark.parametrize("night", [np.nan, 0.0])
def test_healthy_panels_whose_nights_tell_nothing_give_no_finding_at_night(
    detector: Detector, night: float
) -> None:
    slot = np.arange(40 * 96)
    height = np.sin(2 * np.pi * (slot % 96 - 20) / 96)
    clouds = np.random.default_rng(1).uniform(0.7, 1.0, (4, len(slot)))
    power = np.where(height > 0.02, 300.0 * height * clouds, night)
    for one in detector.find(build(power, 15 * US_PER_MINUTE)):
        first, past = ((at - START_US) // (15 * US_PER_MINUTE) for at in (one.start_us, one.end_us))
        assert (height[first:past] > 0.0).any()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_detector_is_in_the_table_of_plugins(detector: Detector) -> None:
    assert detector.name in PLUGINS["detector"]
    assert load_plugin("detector", detector.name)() == detector
    assert replace(detector, name="other").name == "other"  # type: ignore[type-var]  # all are dataclasses

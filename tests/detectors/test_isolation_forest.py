from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.panel_windows import (
    FEATURES,
    RATING_W,
    START_US,
    STEP_US,
    at,
    change,
    learn,
    make_window,
)
from wattscope.core.findings import FINDING_KINDS
from wattscope.core.topology import DeviceKind
from wattscope.core.window import Matrix, Window
from wattscope.detectors.isolation_forest import IsolationForestDetector

MODEL = learn(make_window(20, 30, seed=1))
DETECTOR = IsolationForestDetector({"panel": MODEL})
HEALTHY = make_window(20, 30, seed=2)
PANEL, NAME = 3, "p003"
SHORT, LONG = slice(at(10, 11), at(10, 12)), slice(at(10, 8), at(10, 16))


def instant(slot: int) -> int:
    return START_US + slot * STEP_US


def list_found(window: Window, slots: slice = LONG) -> list[tuple[str, str]]:
    """Device and feature of what is found in these slots."""
    return [
        (one.device, one.quantity)
        for one in DETECTOR.find(window)
        if one.start_us < instant(slots.stop) and one.end_us > instant(slots.start)
    ]


def halve(values: Matrix) -> Matrix:
    return values * 0.5


@pytest.mark.parametrize(
    ("quantity", "by", "feature"),
    [
        ("production_power_w", halve, ""),
        ("production_power_w", lambda values: values * 0.8, ""),
        ("dc_voltage_v", lambda values: values * 0.67, ""),
        ("temperature_c", lambda values: values + 30, "temperature_c"),
    ],
    ids=["half the power", "a fifth less", "a third less voltage", "thirty degrees more"],
)
def test_values_that_do_not_fit_are_found_with_what_stands_out(
    quantity: str, by: Callable[[Matrix], Matrix], feature: str
) -> None:
    found = list_found(change(HEALTHY, quantity, PANEL, LONG, by))
    assert (NAME, feature) in found
    assert {device for device, _ in found} == {NAME}


def test_finding_says_when_what_and_how_sure() -> None:
    window = change(HEALTHY, "production_power_w", PANEL, LONG, halve)
    first = next(one for one in DETECTOR.find(window) if one.device == NAME)
    assert first.kind in FINDING_KINDS
    assert first.detector == "isolation_forest"
    assert instant(LONG.start) <= first.start_us < first.end_us <= instant(LONG.stop)
    assert first.evidence["score"] < first.evidence["score_limit"]
    assert first.evidence["power_ratio"] == pytest.approx(0.485, abs=0.02)
    assert first.evidence["score_rise"] > 0
    assert 0.5 < first.confidence < 1.0
    assert first.detail.startswith("values do not fit together: power_ratio of 0.4")


def test_healthy_panels_are_left_alone() -> None:
    # 20 panels, 30 days that the model has not seen; the aim is 1 in 100 panel-days or less.
    assert len(DETECTOR.find(HEALTHY)) <= 1


def test_short_strangeness_is_not_told() -> None:
    window = change(HEALTHY, "dc_voltage_v", PANEL, SHORT, halve)
    assert list_found(window, SHORT) == []


def test_night_is_never_judged() -> None:
    night = slice(at(10, 20), at(11, 4))
    window = change(HEALTHY, "temperature_c", PANEL, night, lambda values: values + 80)
    window = change(window, "dc_voltage_v", PANEL, night, lambda values: values + 5.0)
    window = change(window, "dc_current_a", PANEL, night, lambda values: values + 0.02)
    assert list_found(window, night) == []


def test_missing_values_are_not_judged_and_hide_nothing_around_them() -> None:
    window = change(HEALTHY, "production_power_w", PANEL, LONG, halve)
    gap = slice(at(10, 11), at(10, 11.5))
    window = change(window, "dc_current_a", PANEL, gap, lambda values: values * np.nan)
    assert (NAME, "") in list_found(window)
    nothing = change(HEALTHY, "dc_current_a", PANEL, LONG, lambda values: values * np.nan)
    assert list_found(nothing) == []


def test_long_break_ends_a_stretch() -> None:
    window = change(HEALTHY, "dc_voltage_v", PANEL, LONG, halve)
    gap = slice(at(10, 10.5), at(10, 13))
    window = change(window, "dc_current_a", PANEL, gap, lambda values: values * np.nan)
    ends = [(one.start_us, one.end_us) for one in DETECTOR.find(window) if one.device == NAME]
    assert ends == [
        (instant(LONG.start), instant(gap.start)),
        (instant(gap.stop), instant(LONG.stop)),
    ]


def test_windows_without_model_quantities_or_devices_have_no_findings() -> None:
    other = tuple(replace(one, kind=DeviceKind.INVERTER) for one in HEALTHY.devices)
    assert DETECTOR.find(replace(HEALTHY, devices=other)) == []
    less = {name: one for name, one in HEALTHY.values.items() if name != "dc_current_a"}
    assert DETECTOR.find(replace(HEALTHY, values=less)) == []
    assert DETECTOR.find(replace(HEALTHY, devices=())) == []
    assert DETECTOR.find(HEALTHY.cut(0, 1)) == []
    assert IsolationForestDetector().find(HEALTHY) == []


def test_same_window_gives_the_same_findings() -> None:
    window = change(HEALTHY, "dc_voltage_v", PANEL, LONG, halve)
    assert DETECTOR.find(window) == DETECTOR.find(window)


def test_what_all_panels_do_at_once_is_the_weather() -> None:
    # Colder by twenty degrees than any day that was learned from.
    cold = {"temperature_c": HEALTHY.values["temperature_c"] - 20.0}
    for name in ("dc_voltage_v", "production_power_w"):
        cold[name] = HEALTHY.values[name] * 1.08
    window = replace(HEALTHY, values={**HEALTHY.values, **cold})
    alone = replace(
        window,
        devices=window.devices[:1],
        values={name: matrix[:1] for name, matrix in window.values.items()},
    )
    assert len(DETECTOR.find(alone)) > 10
    assert len(DETECTOR.find(window)) <= 3


def test_panels_without_a_rating_are_judged_by_the_full_power_of_their_class() -> None:
    bare = tuple(replace(one, rating_w=None) for one in HEALTHY.devices)
    window = replace(change(HEALTHY, "production_power_w", PANEL, LONG, halve), devices=bare)
    assert (NAME, "") in list_found(window)


def test_scores_of_an_instant_are_those_of_its_column() -> None:
    window = change(HEALTHY, "production_power_w", PANEL, LONG, halve)
    noon = at(10, 12)
    column = {name: matrix[:, noon].copy() for name, matrix in window.values.items()}
    column["dc_current_a"][5] = np.nan
    scores = DETECTOR.score("panel", column, np.full(20, RATING_W))
    assert np.flatnonzero(np.isnan(scores.score)).tolist() == [5]
    assert int(np.nanargmax(scores.limit - scores.score)) == PANEL
    rows = np.stack([column[name] for name in FEATURES[:4]], axis=1)
    ratio = rows[:, 3] / (rows[:, 1] * rows[:, 2])
    expected = MODEL.scorer.score(np.column_stack([rows, ratio]))
    np.testing.assert_array_equal(scores.score, expected)
    assert np.isnan(DETECTOR.score("inverter", column, np.full(20, RATING_W)).score).all()


def test_thousand_panels_are_scored_within_a_second() -> None:
    column = {name: np.tile(matrix[:, at(10, 12)], 50) for name, matrix in HEALTHY.values.items()}
    rating_w = np.full(1000, RATING_W)
    began_s = time.process_time()
    scores = DETECTOR.score("panel", column, rating_w)
    # 5 ms on an old server; a second would be too late on any machine.
    assert time.process_time() - began_s < 1.0
    assert np.isfinite(scores.score).all()

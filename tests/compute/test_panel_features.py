from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from wattscope.compute.panel_features import (
    POWER_RATIO,
    build_rows,
    choose_features,
    find_reference_power,
    is_choice,
)

PANEL = ("temperature_c", "dc_voltage_v", "dc_current_a", "production_power_w", POWER_RATIO)


@pytest.mark.parametrize(
    ("available", "features"),
    [
        (set(PANEL[:4]), PANEL),
        ({*PANEL[:4], "voltage_v", "current_a", "dc_power_w"}, PANEL),
        (
            {"voltage_v", "current_a", "active_power_w"},
            ("voltage_v", "current_a", "active_power_w", POWER_RATIO),
        ),
        ({"active_power_w", "dc_power_w"}, ("active_power_w", "dc_power_w", POWER_RATIO)),
        (
            {"active_power_w", "dc_power_w", "dc_voltage_v"},
            ("dc_voltage_v", "active_power_w", "dc_power_w", POWER_RATIO),
        ),
        ({"dc_power_w", "temperature_c"}, ("temperature_c", "dc_power_w")),
        ({"active_power_w"}, ("active_power_w",)),
        ({"temperature_c", "dc_voltage_v"}, ()),
        (set(), ()),
    ],
)
def test_features_are_made_of_what_is_measured(
    available: set[str], features: tuple[str, ...]
) -> None:
    assert choose_features(available) == features
    assert is_choice(features) is bool(features)


@pytest.mark.parametrize(
    "features",
    [("power_ratio",), ("temperature_c",), (*PANEL, "voltage_v"), PANEL[::-1], ("a", "b"), ()],
)
def test_other_features_are_no_choice(features: tuple[str, ...]) -> None:
    assert not is_choice(features)


def build(voltage: float, current: float, power: float) -> list[float]:
    values = dict(zip(PANEL, np.array([[20.0], [voltage], [current], [power]]), strict=False))
    row: list[float] = build_rows(PANEL, values, 6.6)[0].tolist()
    return row


def test_row_by_hand() -> None:
    assert build(40.0, 5.0, 190.0) == [20.0, 40.0, 5.0, 190.0, 0.95]


@pytest.mark.parametrize(
    ("voltage", "current", "power"),
    [
        (0.0, 0.0, 0.0),
        (40.0, 0.0, 1.0),
        (33.0, 0.19, 5.0),
        (40.0, -1.0, 0.0),
        (40.0, 5.0, np.nan),
        (np.nan, 5.0, 100.0),
        (np.inf, 0.0, 1.0),
    ],
    ids=["dark", "no current", "at the edge", "backwards", "no power", "no voltage", "infinite"],
)
def test_night_and_missing_values_have_no_row(voltage: float, current: float, power: float) -> None:
    assert np.isnan(build(voltage, current, power)).all()


def test_inverter_without_voltage_is_compared_with_its_dc_power() -> None:
    features = choose_features({"active_power_w", "dc_power_w"})
    values = {"active_power_w": np.array([95.0, 1.0]), "dc_power_w": np.array([100.0, 0.0])}
    assert find_reference_power(features, values).tolist() == [100.0, 0.0]
    rows = build_rows(features, values, 2.0)
    assert rows[0].tolist() == [95.0, 100.0, 0.95]
    assert np.isnan(rows[1]).all()


@given(st_numpy.arrays(np.float64, (4, 6), elements=st.floats(width=64)), st.floats(0, 1e3))
def test_rows_are_whole_or_not_there(values: np.ndarray, night_w: float) -> None:
    rows = build_rows(PANEL, dict(zip(PANEL, values, strict=False)), night_w)
    is_there = np.isfinite(rows)
    assert (is_there.all(axis=1) | ~is_there.any(axis=1)).all()
    whole = rows[is_there.all(axis=1)]
    assert (whole[:, 1] * whole[:, 2] > night_w).all()

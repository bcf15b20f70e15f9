from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.counters import find_lone_outliers, increases

REGISTERS = st.lists(st.floats(-1e6, 1e12), min_size=2, max_size=40)


def outliers(*values: float) -> list[int]:
    column = np.array(values, np.float64)
    found = find_lone_outliers(column, np.ones(max(0, len(values) - 1), np.bool_))
    return np.flatnonzero(found).tolist()


def growth(*values: float) -> list[float]:
    column = np.array(values, np.float64)
    found: list[float] = increases(column[:-1], column[1:]).tolist()
    return found


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ((1, 2, 3), []),
        ((5, 5, 5), []),
        ((5, 0, 6), [1]),
        ((5, 99, 6), [1]),
        ((5, 0, 0, 6), []),
        ((5, 0, 1, 2), []),
        ((0, 5, 6), []),
        ((5, 6, 0), []),
        ((5, 99), []),
        ((7,), []),
        ((), []),
    ],
)
def test_lone_wrong_reading_is_found(values: tuple[float, ...], wrong: list[int]) -> None:
    assert outliers(*values) == wrong


def test_neighbours_of_other_series_say_nothing() -> None:
    value = np.array([5.0, 0.0, 6.0])
    assert not find_lone_outliers(value, np.array([True, False])).any()
    assert not find_lone_outliers(value, np.array([False, True])).any()


def test_growth_after_a_reset_is_what_the_register_shows() -> None:
    assert growth(100, 110, 3, 8) == [10, 3, 5]


def test_growth_after_a_reset_below_zero_is_nothing() -> None:
    assert growth(100, -5) == [0]


@given(REGISTERS)
def test_growth_is_never_negative(values: list[float]) -> None:
    assert min(growth(*values)) >= 0


@given(REGISTERS)
def test_growth_of_a_rising_register_is_its_whole_rise(values: list[float]) -> None:
    rising = sorted(values)
    assert sum(growth(*rising)) == pytest.approx(rising[-1] - rising[0], abs=1e-3)


@given(REGISTERS)
def test_first_and_last_reading_are_never_left_out(values: list[float]) -> None:
    assert not {0, len(values) - 1} & set(outliers(*values))


@given(REGISTERS)
def test_rising_register_has_no_outliers(values: list[float]) -> None:
    assert outliers(*sorted(values)) == []

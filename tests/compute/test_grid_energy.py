"""Energy of many meters by days: what is known is added up, what has gaps is not compared."""

from __future__ import annotations

import numpy as np
import pytest

from wattscope.compute.grid_energy import DayTable, compare, sum_by_region, sum_known

DAYS = DayTable(
    np.array([[10.0, 20.0, np.nan], [1.0, np.nan, np.nan]]),
    np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
)


def test_sums_leave_out_the_unknown_and_are_unknown_where_all_is() -> None:
    assert sum_known(DAYS.energy_wh, 0).tolist() == pytest.approx([11.0, 20.0, np.nan], nan_ok=True)
    assert sum_known(DAYS.energy_wh, 1).tolist() == pytest.approx([30.0, 1.0])


def test_change_is_that_of_full_stretches_alone() -> None:
    change = compare(DAYS.days(1, 2), DAYS.days(0, 1))
    assert change.tolist() == pytest.approx([1.0, np.nan], nan_ok=True)


def test_change_against_nothing_is_unknown() -> None:
    assert np.isnan(compare(DAYS.days(0, 1), DAYS.days(0, 0))).all()
    zero = DayTable(np.array([[0.0]]), np.array([[1.0]]))
    assert np.isnan(compare(zero, zero)).all()


def test_region_of_which_nothing_is_known_is_unknown_and_not_zero() -> None:
    sums = sum_by_region(np.array([1.0, 2.0, np.nan, np.nan]), ["1", "1", "2", "1"])
    assert sums["1"] == 3.0
    assert np.isnan(sums["2"])

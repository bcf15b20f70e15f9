from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.validate import MAX_FUTURE_US, find_future, grade_values
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Quality


def test_five_minutes_ahead_is_the_limit() -> None:
    now = 1_700_000_000_000_000
    t = np.array([now - 10**15, now, now + MAX_FUTURE_US, now + MAX_FUTURE_US + 1])
    assert find_future(t, now).tolist() == [False, False, False, True]


def test_range_includes_its_ends() -> None:
    value = np.array([-1.0, -1.0001, 1.0, 1.0001, np.nan, np.inf])
    graded = grade_values(value, np.full(6, -1.0), np.full(6, 1.0))
    good, odd, missing = int(Quality.GOOD), int(Quality.IMPLAUSIBLE), int(Quality.MISSING)
    assert graded.tolist() == [good, odd, good, odd, missing, odd]
    assert graded.dtype == np.uint8


@given(st.sampled_from(sorted(QUANTITIES)), st.floats())
def test_grade_says_whether_a_value_is_in_range(name: str, value: float) -> None:
    quantity = QUANTITIES[name]
    column = np.array([value])
    [grade] = grade_values(column, np.array([quantity.low]), np.array([quantity.high])).tolist()
    if np.isnan(value):
        assert grade == Quality.MISSING
    else:
        assert (grade == Quality.GOOD) == (quantity.low <= value <= quantity.high)

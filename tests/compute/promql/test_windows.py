"""What is made of windows, in cases that can be checked by hand."""

from __future__ import annotations

import pytest

from tests.compute.promql.rows import Given, ask
from wattscope.compute.promql.tree import Edition

EACH_MINUTE = {"x_total": [(60.0 * n, 60.0 * n) for n in range(11)]}
"""It grows by one a second."""
NAN = float("nan")


def value(
    given: Given, question: str, at_s: float, *, edition: Edition = Edition.V3
) -> float | None:
    """The only value of an answer; None where there is none."""
    found = ask(given, question, at_s, edition=edition)
    return next(iter(found.values()))[0] if found else None


def test_window_has_its_end_and_in_version_3_not_its_beginning() -> None:
    assert value(EACH_MINUTE, "count_over_time(x_total[5m])", 300, edition=Edition.V3) == 5
    assert value(EACH_MINUTE, "count_over_time(x_total[5m])", 300, edition=Edition.V2) == 6


def test_newest_value_may_be_as_old_as_the_lookback() -> None:
    given = {"x": [(0.0, 7.0)]}
    for edition, expected in ((Edition.V3, None), (Edition.V2, 7.0)):
        assert value(given, "x", 299.999, edition=edition) == 7.0
        assert value(given, "x", 300, edition=edition) == expected
        assert value(given, "x", 300.001, edition=edition) is None
    assert ask(given, "x", 9.0, 11.0, lookback_s=10) == {"__name__=x": [7.0, None]}


def test_value_of_the_future_is_not_known_yet() -> None:
    given = {"x": [(10.0, 1.0), (20.0, 2.0)]}
    assert ask(given, "x", 9.9, 10.0, 19.9, 20.0) == {"__name__=x": [None, 1.0, 1.0, 2.0]}
    assert value(given, "x offset 10s", 20.0) == 1.0
    assert value(given, "x offset -10s", 10.0) == 2.0


@pytest.mark.parametrize("edition", Edition)
def test_rate_of_a_steady_counter_is_its_slope(edition: Edition) -> None:
    assert value(EACH_MINUTE, "rate(x_total[5m])", 590, edition=edition) == pytest.approx(1)
    assert value(EACH_MINUTE, "increase(x_total[5m])", 590, edition=edition) == pytest.approx(300)


def test_rate_goes_to_the_edges_that_are_near_and_half_a_distance_to_others() -> None:
    # Values at 120, 180 and 240 s in the window (60, 360]: 60 s from its beginning is near (at
    # most 66 s), 120 s to its end is not: 120 s + 60 s + 30 s, at one a second.
    given = {"x_total": [(120.0, 1000.0), (180.0, 1060.0), (240.0, 1120.0)]}
    assert value(given, "increase(x_total[5m])", 360) == pytest.approx(210)
    assert value(given, "rate(x_total[5m])", 360) == pytest.approx(210 / 300)
    assert value(given, "delta(x_total[5m])", 360) == pytest.approx(210)


def test_counter_is_not_stretched_to_before_it_was_zero() -> None:
    # Zero was 10 s before the first value, 60 s after the window's beginning.
    given = {"x_total": [(60.0, 10.0), (120.0, 70.0), (180.0, 130.0)]}
    assert value(given, "increase(x_total[3m])", 180) == pytest.approx(130)
    # A gauge is: 120 s, and 60 s before.
    assert value(given, "delta(x_total[3m])", 180) == pytest.approx(180)


def test_editions_differ_in_what_is_cut_first() -> None:
    # 200 s before the first value the window begins; zero was 40 s before it, which is more than
    # half of the distance of values (30 s) and less than what is near (66 s).
    given = {"x_total": [(200.0, 40.0), (260.0, 100.0)]}
    assert value(given, "increase(x_total[260s])", 260, edition=Edition.V2) == pytest.approx(100)
    assert value(given, "increase(x_total[260s])", 260, edition=Edition.V3) == pytest.approx(90)


def test_reset_counts_from_zero_again() -> None:
    given = {"x_total": [(0.0, 100.0), (10.0, 110.0), (20.0, 5.0), (30.0, 15.0)]}
    found = value(given, "increase(x_total[30s])", 30, edition=Edition.V2)
    assert found == pytest.approx(10 + 5 + 10)
    assert value(given, "resets(x_total[30s])", 30, edition=Edition.V2) == 1
    assert value(given, "changes(x_total[30s])", 30, edition=Edition.V2) == 3
    assert value(given, "irate(x_total[30s])", 20) == pytest.approx(0.5)
    assert value(given, "idelta(x_total[30s])", 20) == pytest.approx(-105)
    assert value(given, "delta(x_total[30s])", 30, edition=Edition.V2) == pytest.approx(-85)


def test_rate_needs_two_values() -> None:
    given = {"x_total": [(10.0, 1.0), (70.0, 2.0)]}
    assert value(given, "rate(x_total[30s])", 20) is None
    assert value(given, "resets(x_total[30s])", 20) == 0


@pytest.mark.parametrize(
    ("function", "expected"),
    [("avg", 2.5), ("min", -2), ("max", 8), ("sum", 10), ("count", 4), ("last", 3), ("present", 1)],
)
def test_windows_are_summed_up(function: str, expected: float) -> None:
    given = {"x": [(10.0, 1.0), (20.0, 8.0), (30.0, -2.0), (40.0, 3.0), (50.0, 99.0)]}
    assert value(given, f"{function}_over_time(x[40s])", 45) == expected
    assert value(given, f"{function}_over_time(x[40s])", 5) is None


def test_missing_value_is_no_sample() -> None:
    given = {"x": [(10.0, 1.0), (20.0, NAN), (30.0, 3.0)]}
    assert value(given, "count_over_time(x[1m])", 30) == 2
    assert value(given, "avg_over_time(x[1m])", 30) == 2
    assert value(given, "x", 25) == 1


def test_large_values_that_are_gone_leave_no_trace() -> None:
    """Windows are summed anew: a running total would have lost the small ones."""
    given = {"x": [(10.0, 1e17), (20.0, 0.25), (30.0, 0.5)]}
    assert value(given, "sum_over_time(x[20s])", 30) == 0.75

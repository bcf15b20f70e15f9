"""Middles, spreads, slopes; runs of true; steps and slow falls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattscope.compute.robust import fit_slope, median, quantile, spread
from wattscope.compute.spans import close_gaps, find_spans, keep_marked
from wattscope.compute.steps_and_slopes import find_falls, find_steps

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))
FLAGS = arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 20)))


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=NUMBERS))
@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_quantiles_are_numpys(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    for q in (0.0, 0.3, 0.5, 1.0):
        for axis in (0, 1):
            expected = np.nanquantile(values, q, axis=axis)
            assert quantile(values, q, axis) == pytest.approx(expected, nan_ok=True, abs=1e-6)


def test_wrong_values_do_not_move_middle_and_spread() -> None:
    values = np.concatenate([np.random.default_rng(1).normal(5.0, 2.0, 1000), [1e9] * 100])
    assert float(median(values)) == pytest.approx(5.0, abs=0.4)
    assert float(spread(values)) == pytest.approx(2.0, abs=0.4)


def test_slope_holds_its_interval() -> None:
    random, inside = np.random.default_rng(7), 0
    x = np.arange(40.0)
    for _ in range(200):
        slope = fit_slope(x, 0.1 * x + random.normal(0.0, 1.0, 40))
        assert slope is not None
        inside += slope.low <= 0.1 <= slope.high
    assert inside >= 180


@pytest.mark.parametrize("y", [[], [1.0], [1.0, 2.0], [np.nan] * 5])
def test_too_few_points_have_no_slope(y: list[float]) -> None:
    assert fit_slope(np.arange(float(len(y))), np.array(y)) is None


@given(FLAGS)
def test_spans_put_together_are_the_flags(
    flags: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> None:
    again = np.zeros_like(flags)
    for row, start, end in zip(*find_spans(flags), strict=True):
        assert start < end
        assert not again[row, start:end].any()
        again[row, start:end] = True
    assert (again == flags).all()


@given(FLAGS, st.integers(1, 5))
def test_closed_gaps_leave_only_longer_ones(
    flags: np.ndarray[tuple[int, int], np.dtype[np.bool_]], longest: int
) -> None:
    closed = close_gaps(flags, longest)
    assert (closed | ~flags).all()
    gaps = find_spans(~closed)
    inner = (gaps.start > 0) & (gaps.end < flags.shape[1])
    assert (gaps.end - gaps.start > longest)[inner].all()


@given(FLAGS)
def test_marked_spans_begin_and_end_with_a_mark(
    flags: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> None:
    marks = flags & (np.arange(flags.shape[1]) % 3 == 0)
    found = keep_marked(flags, marks)
    for row, start, end in zip(*found, strict=True):
        assert marks[row, start]
        assert marks[row, end - 1]
    assert sum(int(marks[r, s:e].sum()) for r, s, e in zip(*found, strict=True)) == marks.sum()


def test_step_and_slope_are_told_apart() -> None:
    random = np.random.default_rng(4)
    noise = random.normal(0.0, 0.004, 30)
    step = np.where(np.arange(30) < 12, 1.0, 0.85) + noise
    slope = 1.0 - 0.006 * np.maximum(np.arange(30) - 8, 0) + noise
    flat = 1.0 + noise
    assert [one.start for one in find_steps(step, 0.07)] == [12]
    assert find_falls(step, 0.02) == []
    assert find_steps(slope, 0.07) == []
    (fall,) = find_falls(slope, 0.02)
    assert fall.slope.per_x == pytest.approx(-0.006, rel=0.1)
    assert fall.start == pytest.approx(8, abs=2)
    fast = 1.0 - 0.018 * np.maximum(np.arange(30) - 8, 0) + noise
    assert find_steps(fast, 0.07) == []
    assert find_steps(flat, 0.07) == []
    assert find_falls(flat, 0.02) == []


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_days_have_neither(n: int) -> None:
    days = np.full(n, 1.0)
    assert find_steps(days, 0.07) == []
    assert find_falls(days, 0.02) == []
    unknown = np.full(n, np.nan)
    assert find_steps(unknown, 0.07) == []
    assert find_falls(unknown, 0.02) == []

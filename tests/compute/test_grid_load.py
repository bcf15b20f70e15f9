"""The load of a grid: who is known, who is left out, and what is never taken for zero."""

from __future__ import annotations

import numpy as np
import pytest

from wattscope.compute.grid_load import Load, add_up, find_peaks, widen
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE
from wattscope.ports import Rollup

QUARTER_US = 15 * US_PER_MINUTE


def roll(*rows: tuple[int, int, float, float]) -> Rollup:
    """Buckets of a series: its id, the number of the quarter hour, energy [Wh] and coverage."""
    series, quarter, energy, coverage = (np.array(column) for column in zip(*rows, strict=True))
    n = len(series)
    nothing = np.full(n, np.nan)
    return Rollup(
        series_id=series.astype(np.int32),
        bucket_start_us=quarter.astype(np.int64) * QUARTER_US,
        count=np.ones(n, np.int64),
        sum=nothing,
        min=nothing,
        max=nothing,
        first=nothing,
        last=nothing,
        increase=nothing,
        energy_wh=energy.astype(np.float64),
        coverage=coverage.astype(np.float64),
    )


def edges(n: int) -> np.ndarray:
    return np.arange(n + 1, dtype=np.int64) * QUARTER_US


NO_COUNTERS = np.empty(0, np.int32)


def test_load_is_energy_over_time_of_all_meters() -> None:
    load = add_up(roll((1, 0, 25.0, 1.0), (2, 0, 50.0, 1.0)), edges(2), NO_COUNTERS)
    assert load.load_w.tolist() == pytest.approx([300.0, np.nan], nan_ok=True)
    assert load.energy_wh.tolist() == pytest.approx([75.0, np.nan], nan_ok=True)
    assert load.known.tolist() == [2, 0]


def test_load_of_a_running_bucket_is_that_of_its_known_time() -> None:
    # 15 Wh in six of ten parts of a quarter hour.
    load = add_up(roll((1, 0, 25.0, 1.0), (1, 1, 15.0, 0.6)), edges(2), NO_COUNTERS)
    assert load.load_w.tolist() == pytest.approx([100.0, 100.0])


def test_register_that_grew_in_a_gap_is_not_faster_at_its_edges() -> None:
    # Silent from the middle of the second quarter on: its growth is spread over all of the time.
    rows = (1, 0, 25.0, 1.0), (1, 1, 25.0, 0.6), (1, 2, 25.0, 0.0), (1, 3, 25.0, 1.0)
    load = add_up(roll(*rows), edges(4), np.array([1], np.int32))
    assert load.load_w.tolist() == pytest.approx([100.0, 100.0, np.nan, 100.0], nan_ok=True)
    assert load.energy_wh.sum() == pytest.approx(100.0)


def test_load_is_not_told_where_too_few_meters_are_known() -> None:
    rows = [(meter, 0, 25.0, 1.0) for meter in range(10)]
    rows += [(meter, 1, 25.0, 1.0) for meter in range(9)]
    rows += [(meter, 2, 25.0, 1.0) for meter in range(8)]
    load = add_up(roll(*sorted(rows)), edges(3), NO_COUNTERS)
    assert load.known.tolist() == [10, 9, 8]
    assert load.load_w.tolist() == pytest.approx([1000.0, 900.0, np.nan], nan_ok=True)
    assert load.energy_wh.tolist() == pytest.approx([250.0, 225.0, 200.0])


def test_no_meters_make_no_load() -> None:
    load = make()
    assert len(widen(load, 4)) == 0
    assert find_peaks(load, 3).tolist() == []


def make(*loads_w: float) -> Load:
    starts = edges(len(loads_w))
    load_w = np.array(loads_w)
    known = np.where(np.isnan(load_w), 0, 3)
    return Load(starts[:-1], starts[1:], load_w / 4, load_w, known.astype(np.int64))


def test_hours_are_means_of_their_known_quarters() -> None:
    hours = widen(make(100.0, 200.0, 300.0, 400.0, 500.0, np.nan, np.nan, np.nan, 800.0), 4)
    assert hours.load_w.tolist() == pytest.approx([250.0, np.nan, 800.0], nan_ok=True)
    assert hours.energy_wh.tolist() == pytest.approx([250.0, 125.0, 200.0])
    assert ((hours.ends_us - hours.starts_us) / US_PER_HOUR).tolist() == [1.0, 1.0, 0.25]


def test_hours_have_the_energy_of_their_quarters() -> None:
    rng = np.random.default_rng(5)
    quarters = make(*rng.uniform(0, 1000, 97).tolist())
    assert widen(quarters, 4).energy_wh.sum() == pytest.approx(quarters.energy_wh.sum())


def test_peaks_are_the_highest_first_and_of_equal_ones_the_earliest() -> None:
    load = make(100.0, np.nan, 300.0, 300.0, 200.0)
    assert find_peaks(load, 3).tolist() == [2, 3, 4]

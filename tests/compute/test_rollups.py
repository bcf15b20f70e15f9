from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.compute.slow_rollups import (
    Row,
    assert_same_buckets,
    is_close,
    roll_up_slowly,
)
from wattscope.compute.rollups import ROLLUP_COLUMNS, concat_rollups, merge_rollups, roll_up
from wattscope.compute.segments import LEAD_ROWS, SeriesRule
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, build_batch, empty_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.core.topology import Sampling
from wattscope.ports import Rollup

S, MIN, H = US_PER_S, US_PER_MINUTE, US_PER_HOUR
QUARTER = 15 * MIN
MISSING, IMPLAUSIBLE = 1, 2
NAN = float("nan")


def power(interval_s: int = 60, sampling: Sampling = Sampling.INSTANT) -> SeriesRule:
    return SeriesRule(QuantityKind.GAUGE, sampling, interval_s * S, is_power=True, is_energy=False)


def register(interval_s: int = 60) -> SeriesRule:
    return SeriesRule(
        QuantityKind.COUNTER, Sampling.INSTANT, interval_s * S, is_power=False, is_energy=True
    )


def rated(rating_w: float, rollover: float | None = None) -> SeriesRule:
    return replace(register(), rating_w=rating_w, rollover=rollover)


def amount(interval_s: int = 900) -> SeriesRule:
    return SeriesRule(
        QuantityKind.DELTA, Sampling.INSTANT, interval_s * S, is_power=False, is_energy=True
    )


def voltage(interval_s: int = 60) -> SeriesRule:
    return SeriesRule(
        QuantityKind.GAUGE, Sampling.INSTANT, interval_s * S, is_power=False, is_energy=False
    )


def batch_of(rows: Sequence[Row], series: int = 1) -> Batch:
    return build_batch([(series, row.t, row.value, row.quality) for row in rows])


def roll(rows: Sequence[Row], rule: SeriesRule, size_us: int, lead: Sequence[Row] = ()) -> Rollup:
    return roll_up(batch_of(rows), batch_of(lead), {1: rule}, size_us)


def by_bucket(rollup: Rollup, name: str, unit_us: int = MIN) -> dict[int, float]:
    starts = (rollup.bucket_start_us // unit_us).tolist()
    return dict(zip(starts, getattr(rollup, name).tolist(), strict=True))


# ── examples to check by hand ────────────────────────────────────────────────────────────────


def test_sampled_power_gives_the_trapezium() -> None:
    found = roll([Row(0, 0.0), Row(60 * S, 120.0)], power(), H)
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(60 / 60)}
    assert by_bucket(found, "coverage") == {0: pytest.approx(1 / 60)}


def test_sampled_power_gives_nothing_over_a_gap() -> None:
    minutes = [0, 1, 2, 30, 31]
    found = roll([Row(m * MIN, 600.0) for m in minutes], power(), H)
    # Three minutes of 600 W are 30 Wh; the 28 minutes of silence are nothing.
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(30.0)}
    assert by_bucket(found, "coverage") == {0: pytest.approx(3 / 60)}


def test_pause_of_three_intervals_is_no_gap() -> None:
    short = roll([Row(0, 600.0), Row(3 * MIN, 600.0)], power(), H)
    long = roll([Row(0, 600.0), Row(3 * MIN + 1, 600.0)], power(), H)
    assert by_bucket(short, "energy_wh") == {0: pytest.approx(30.0)}
    assert np.isnan(long.energy_wh).all()


def test_energy_of_a_segment_over_an_edge_is_shared_by_time() -> None:
    # 40 s before the edge, 20 s after it, at 360 W: 4 Wh and 2 Wh.
    found = roll([Row(20 * S, 360.0), Row(80 * S, 360.0)], power(), MIN)
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(4.0), 1: pytest.approx(2.0)}
    assert by_bucket(found, "count") == {0: 1, 1: 1}


def test_mean_gives_the_rectangle_of_its_interval() -> None:
    found = roll([Row(0, 600.0), Row(MIN, 1200.0)], power(60, Sampling.MEAN), MIN)
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(10.0), 1: pytest.approx(20.0)}
    assert by_bucket(found, "coverage") == {0: 1.0, 1: 1.0}


def test_mean_over_an_edge_reaches_into_the_next_bucket() -> None:
    found = roll([Row(30 * S, 600.0)], power(60, Sampling.MEAN), MIN)
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(5.0), 1: pytest.approx(5.0)}
    assert by_bucket(found, "count") == {0: 1, 1: 0}


def test_mean_is_cut_short_by_the_next_value() -> None:
    found = roll([Row(0, 600.0), Row(30 * S, 0.0)], power(60, Sampling.MEAN), H)
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(5.0)}


def test_counter_over_an_edge_is_interpolated() -> None:
    found = roll([Row(45 * S, 100.0), Row(75 * S, 130.0)], register(), MIN)
    assert by_bucket(found, "increase") == {0: pytest.approx(15.0), 1: pytest.approx(15.0)}
    assert by_bucket(found, "energy_wh") == by_bucket(found, "increase")


def test_counter_over_a_gap_spreads_its_growth_without_coverage() -> None:
    found = roll([Row(0, 1000.0), Row(4 * H, 1400.0)], register(), H)
    assert by_bucket(found, "increase", H) == {n: pytest.approx(100.0) for n in range(4)} | {
        4: pytest.approx(NAN, nan_ok=True)
    }
    assert by_bucket(found, "coverage", H) == dict.fromkeys(range(5), 0.0)


def test_counter_over_a_gap_of_many_buckets_is_booked_where_it_was_read() -> None:
    found = roll([Row(0, 0.0), Row(3001 * MIN, 500.0)], register(), MIN)
    assert by_bucket(found, "increase")[3000] == pytest.approx(500.0)
    assert len(found.count) == 3


def test_counter_reset_counts_from_zero() -> None:
    values = [900.0, 910.0, 4.0, 5.0, 6.0]
    found = roll([Row(m * MIN, v) for m, v in enumerate(values)], register(), H)
    assert by_bucket(found, "increase") == {0: pytest.approx(16.0)}


def test_counter_reset_counts_nothing_until_the_next_readings_confirm_it() -> None:
    values = [900.0, 910.0, 4.0, 5.0]
    found = roll([Row(m * MIN, v) for m, v in enumerate(values)], register(), H)
    assert by_bucket(found, "increase") == {0: pytest.approx(10.0)}


@pytest.mark.parametrize("wrong", [0.0, 250_000.0])
def test_counter_leaves_a_lone_wrong_reading_out(wrong: float) -> None:
    values = [250.0, 251.0, wrong, 252.0, 253.0]
    found = roll([Row(m * MIN, v) for m, v in enumerate(values)], register(), H)
    assert by_bucket(found, "increase") == {0: pytest.approx(3.0)}


def test_delta_belongs_to_its_own_interval() -> None:
    found = roll([Row(0, 250.0), Row(QUARTER, 300.0)], amount(), QUARTER)
    assert by_bucket(found, "increase") == {0: pytest.approx(250.0), 15: pytest.approx(300.0)}
    assert by_bucket(found, "energy_wh") == by_bucket(found, "increase")
    assert by_bucket(found, "coverage") == {0: 1.0, 15: 1.0}


def test_missing_value_breaks_the_line() -> None:
    rows = [Row(0, 600.0), Row(MIN, float("nan"), MISSING), Row(2 * MIN, 600.0)]
    found = roll(rows, power(), H)
    assert np.isnan(found.energy_wh).all()
    assert found.count.tolist() == [2]
    assert found.coverage.tolist() == [0.0]


def test_implausible_value_is_left_out_of_everything() -> None:
    rows = [Row(0, 600.0), Row(MIN, 9e12, IMPLAUSIBLE), Row(2 * MIN, 600.0), Row(3 * MIN, 600.0)]
    found = roll(rows, power(), H)
    assert found.max.tolist() == [600.0]
    assert by_bucket(found, "energy_wh") == {0: pytest.approx(10.0)}


def test_lead_begins_the_first_segment_and_counts_nowhere() -> None:
    found = roll([Row(MIN, 600.0)], power(), MIN, lead=[Row(0, 600.0)])
    assert by_bucket(found, "energy_wh") == {
        0: pytest.approx(10.0),
        1: pytest.approx(NAN, nan_ok=True),
    }
    assert by_bucket(found, "count") == {0: 0, 1: 1}


def test_outlier_at_the_end_of_a_call_is_taken_back_by_the_next_call() -> None:
    rows = [Row(m * MIN, v) for m, v in enumerate([1_000_000.0, 1_000_010.0, 0.0, 1_000_030.0])]
    first, second = roll(rows[:3], register(), H), roll(rows[3:], register(), H, lead=rows[:3])
    merged = merge(concat_rollups([first, second]), [0, H], H)
    assert merged.increase.tolist() == [pytest.approx(30.0)]


def test_mean_at_the_end_of_a_call_is_cut_by_the_next_call() -> None:
    rows = [Row(0, 600.0), Row(30 * S, 0.0)]
    rule = power(60, Sampling.MEAN)
    first, second = roll(rows[:1], rule, H), roll(rows[1:], rule, H, lead=rows[:1])
    merged = merge(concat_rollups([first, second]), [0, H], H)
    assert merged.energy_wh.tolist() == [pytest.approx(5.0)]


def test_registers_of_a_device_that_tells_means_are_still_registers() -> None:
    rule = SeriesRule(QuantityKind.COUNTER, Sampling.MEAN, 60 * S, is_power=False, is_energy=True)
    found = roll([Row(0, 5.0), Row(MIN, 8.0)], rule, H)
    assert found.increase.tolist() == [pytest.approx(3.0)]
    assert found.coverage.tolist() == [pytest.approx(1 / 60)]


def test_interval_nobody_told_is_the_usual_step() -> None:
    rows = [Row(s * S, 3600.0) for s in (0, 5, 10, 15, 20, 120, 125)]
    found = roll(rows, power(0), H)
    assert found.energy_wh.tolist() == [pytest.approx(25.0)]


def test_nothing_gives_nothing() -> None:
    found = roll_up(empty_batch(), empty_batch(), {}, MIN)
    assert [len(getattr(found, name)) for name in ROLLUP_COLUMNS] == [0] * len(ROLLUP_COLUMNS)
    assert len(merge(found, [0, H], MIN).count) == 0


def test_day_of_25_hours_has_the_energy_and_coverage_of_25_hours() -> None:
    start = 1_729_980_000 * S  # 2024-10-27 00:00 in Berlin
    rows = [Row(start + m * MIN, 1000.0) for m in range(25 * 60 + 1)]
    day = merge(roll(rows, power(), QUARTER), [start, start + 25 * H], QUARTER)
    assert day.energy_wh.tolist() == [pytest.approx(25_000.0)]
    assert day.coverage.tolist() == [pytest.approx(1.0)]


# ── properties ───────────────────────────────────────────────────────────────────────────────

RULES = {
    "sampled power": power(),
    "sampled power, interval unknown": power(0),
    "mean power": power(60, Sampling.MEAN),
    "mean power, interval unknown": power(0, Sampling.MEAN),
    "register": register(),
    "register, interval unknown": register(0),
    "register, rated": rated(1001.3),
    "register that rolls over": replace(register(), rollover=200.0),
    "register, rated, that rolls over": rated(601.7, 500.0),
    "delta": amount(),
    "delta, interval unknown": amount(0),
    "voltage": voltage(),
}
STEPS = st.sampled_from([1, S, 5 * S, 30 * S, MIN, MIN, MIN, 3 * MIN, 10 * MIN, QUARTER, 2 * H])
QUALITIES = st.sampled_from([0, 0, 0, 0, 0, MISSING, IMPLAUSIBLE, 4])


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Rows of one series with pauses, marks, resets and wrong readings."""
    rows, t, total = [], draw(st.integers(0, 2 * H)), 0.0
    for _ in range(draw(st.integers(1, 30))):
        t += draw(STEPS)
        total += draw(st.integers(0, 50))
        value = draw(st.sampled_from([total, total, total, total, 0.0, 1e6, 5.0]))
        quality = draw(QUALITIES)
        rows.append(Row(t, float("nan") if quality & MISSING else value, quality))
    return rows


def choose_lead(rows: Sequence[Row]) -> list[Row]:
    usable = [row for row in rows if row.is_usable]
    return sorted({row.t: row for row in [*rows[-LEAD_ROWS:], *usable[-LEAD_ROWS:]]}.values())


def roll_in_parts(
    rows: Sequence[Row], cuts: Sequence[int], rule: SeriesRule, size_us: int
) -> Rollup:
    bounds = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    return concat_rollups(
        [roll(rows[a:b], rule, size_us, lead=choose_lead(rows[:a])) for a, b in pairwise(bounds)]
    )


def merge(parts: Rollup, edges: Sequence[int], size_us: int) -> Rollup:
    return merge_rollups(parts, np.array(edges, np.int64), size_us)


EDGES = range(0, 80 * H, QUARTER)


@pytest.mark.parametrize("name", RULES)
@given(rows=histories())
@settings(max_examples=40, deadline=None)
def test_one_call_equals_the_slow_way(name: str, rows: list[Row]) -> None:
    found = roll(rows, RULES[name], QUARTER)
    assert_same_buckets(found, 1, roll_up_slowly(rows, RULES[name], EDGES, QUARTER))


@pytest.mark.parametrize("name", RULES)
@given(rows=histories(), cuts=st.lists(st.integers(0, 30), max_size=4))
@example(rows=[Row(m * MIN, v) for m, v in enumerate([5.0, 0.0, 6.0, 7.0])], cuts=[2])
@settings(max_examples=40, deadline=None)
def test_calls_with_leads_add_up_to_one_call(name: str, rows: list[Row], cuts: list[int]) -> None:
    parts = roll_in_parts(rows, cuts, RULES[name], QUARTER)
    found = merge(parts, EDGES, QUARTER)
    assert_same_buckets(found, 1, roll_up_slowly(rows, RULES[name], EDGES, QUARTER))


@pytest.mark.parametrize("name", RULES)
@given(rows=histories())
@settings(max_examples=40, deadline=None)
def test_coarse_buckets_equal_the_slow_way(name: str, rows: list[Row]) -> None:
    edges = [0, 23 * H, 48 * H, 73 * H, 97 * H]
    found = merge(roll(rows, RULES[name], QUARTER), edges, QUARTER)
    assert_same_buckets(found, 1, roll_up_slowly(rows, RULES[name], edges, QUARTER))


@pytest.mark.parametrize("name", RULES)
@given(rows=histories(), order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_merging_is_free_of_order_and_grouping(name: str, rows: list[Row], order: object) -> None:
    fine = roll(rows, RULES[name], MIN)
    shuffled = list(range(len(fine.count)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random of hypothesis
    at_once = merge(take(fine, shuffled), EDGES[::4], MIN)
    in_steps = merge(merge(fine, EDGES, MIN), EDGES[::4], QUARTER)
    assert_equal(at_once, merge(fine, EDGES[::4], MIN))
    assert_equal(in_steps, at_once)


@pytest.mark.parametrize("name", RULES)
@given(rows=histories())
@settings(max_examples=40, deadline=None)
def test_buckets_sum_up_to_the_whole(name: str, rows: list[Row]) -> None:
    whole = merge(roll(rows, RULES[name], QUARTER), [0, 80 * H], QUARTER)
    for size_us in (QUARTER, H):
        found = roll(rows, RULES[name], size_us)
        for column in ("energy_wh", "increase"):
            total = float(np.nansum(getattr(found, column)))
            assert is_close(total, float(np.nansum(getattr(whole, column))), column)


@given(rows=histories())
@settings(max_examples=100, deadline=None)
def test_coverage_is_a_share_and_growth_never_negative(rows: list[Row]) -> None:
    for rule in RULES.values():
        found = roll(rows, rule, QUARTER)
        assert (found.coverage >= 0).all()
        assert (found.coverage <= 1).all()
        if rule.kind is QuantityKind.COUNTER:
            assert not (found.increase < 0).any()


@given(first=histories(), second=histories())
@settings(max_examples=40, deadline=None)
def test_series_do_not_touch_each_other(first: list[Row], second: list[Row]) -> None:
    both = build_batch([(1, *row) for row in first] + [(2, *row) for row in second])
    found = roll_up(both, empty_batch(), {1: register(0), 2: power(0)}, QUARTER)
    assert_same_buckets(found, 1, roll_up_slowly(first, register(0), EDGES, QUARTER))
    assert_same_buckets(found, 2, roll_up_slowly(second, power(0), EDGES, QUARTER))


def take(rollup: Rollup, rows: Sequence[int]) -> Rollup:
    return Rollup(*(getattr(rollup, name)[list(rows)] for name in ROLLUP_COLUMNS))


def assert_equal(found: Rollup, expected: Rollup) -> None:
    columns: dict[int, dict[str, float]] = defaultdict(dict)
    for i, start in enumerate(expected.bucket_start_us.tolist()):
        columns[start] = {name: float(getattr(expected, name)[i]) for name in ROLLUP_COLUMNS[2:]}
    assert_same_buckets(found, 1, columns)

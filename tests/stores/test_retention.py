"""Rows go when they are old; what they said in sum stays, to the last bit, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.stores.histories import (
    NAMES,
    SPAN_US,
    Past,
    assert_store_holds,
    open_store,
    record,
)
from tests.stores.test_flush import PowerCutError, cut_after, cut_before
from tests.stores.test_verify import a_past, damage_middle, find_damages
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.ports import Rollup
from wattscope.stores import rollup_files, rollup_plan, span_rollups
from wattscope.stores.bucket_edges import empty_rollup
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.manifest import COPY_NAME, MANIFEST_NAME, load_manifest
from wattscope.stores.rollup_plan import LEVELS
from wattscope.stores.upkeep import late_buckets, retention, verify
from wattscope.stores.upkeep.retention import RetentionRule

EVERYTHING = tuple(range(1, len(NAMES) + 1))
FOREVER = tuple((level, 0) for level in LEVELS)
ALL_GO = RetentionRule("*", 1, FOREVER)
"""All rows go at once, all levels stay."""
FAR = 2**60


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(verify, "_SETTLE_S", 0.0)


def fill(folder: Path) -> tuple[DuckdbStore, Past]:
    past = a_past()
    store = open_store(folder)
    for one in past.records:
        store.write(one)
    store.flush()
    return store, past


def end_of(past: Past) -> int:
    return max(t for _, t in past.kept) + 2 * US_PER_DAY


def read_all(store: DuckdbStore, past: Past) -> dict[str, Rollup]:
    low = min(t for _, t in past.kept) - 3 * US_PER_DAY
    return {level: store.roll_up(EVERYTHING, level, low, end_of(past)) for level in LEVELS}


def assert_same(found: dict[str, Rollup], expected: dict[str, Rollup]) -> None:
    """Bit by bit, but for sums of floats whose order has changed."""
    for level, wanted in expected.items():
        for name in Rollup.__slots__:
            left, right = getattr(found[level], name), getattr(wanted, name)
            assert left.shape == right.shape, (level, name)
            is_near = np.isclose(left, right, rtol=1e-12, atol=1e-12, equal_nan=True)
            assert is_near.all(), (level, name)


@pytest.mark.parametrize("worth", [60, 1])
def test_buckets_are_the_same_before_and_after(
    worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_plan, "WORTH", worth)
    store, past = fill(tmp_path)
    before = read_all(store, past)
    views = [store.query(f"SELECT * FROM rollup_{level} ORDER BY ALL").rows for level in LEVELS]
    done = store.retain([ALL_GO], FAR)
    assert sum(one.rows for one in done) == len(past.kept)
    assert len(store.read_raw(EVERYTHING, -(2**61), 2**61)) == 0
    assert store.query("SELECT count(*) FROM readings").rows == [(0,)]
    assert_same(read_all(store, past), before)
    for level, expected in zip(LEVELS, views, strict=True):
        found = store.query(f"SELECT * FROM rollup_{level} ORDER BY ALL").rows
        assert len(found) == len(expected)
    assert find_damages(tmp_path) == []
    assert store.retain([ALL_GO], FAR) == []
    store.close()
    again = open_store(tmp_path)
    assert_same(read_all(again, past), before)
    assert set(again.last_rows().series_id.tolist()) == {one for one, _ in past.kept}
    again.close()


def test_later_rows_go_on_from_where_the_removed_ones_ended(tmp_path: Path) -> None:
    """Half a past, retention, the other half: as if nothing had been removed."""
    past = a_past()
    both = [tmp_path / "kept", tmp_path / "removed"]
    answers = []
    for folder in both:
        store = open_store(folder)
        for one in past.records[:20]:
            store.write(one)
        store.flush()
        if folder.name == "removed":
            limit = max(t for one in past.records[:20] for t in one.batch.measured_at_us.tolist())
            store.retain([ALL_GO], limit + 20 * SPAN_US)
        newest = dict.fromkeys(EVERYTHING, 0)
        for one in past.records[:20]:
            for series, t in zip(
                one.batch.series_id.tolist(), one.batch.measured_at_us.tolist(), strict=True
            ):
                newest[series] = max(newest[series], t)
        for n in range(30):
            rows = [
                (one, newest[one] + (n + 40) * 300 * US_PER_S, float(1000 + n), 0)
                for one in EVERYTHING
            ]
            store.write(record(20 + n, *rows))
        store.flush()
        answers.append(read_all(store, past))
        store.close()
    assert_same(answers[1], answers[0])


def test_only_the_named_quantities_go_and_only_when_they_are_old(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    spans = sorted({t // SPAN_US * SPAN_US for _, t in past.kept})
    now = spans[2] + 2 * SPAN_US + US_PER_HOUR
    rules = [
        RetentionRule("energy_*", 0, FOREVER),
        RetentionRule("*_w", SPAN_US, FOREVER),
    ]
    store.retain(rules, now)
    kept = {
        (series, t)
        for series, t in past.kept
        if t // SPAN_US * SPAN_US > spans[2] or not NAMES[series - 1][1].endswith("_w")
    }
    found = store.read_raw(EVERYTHING, -(2**61), 2**61)
    keys = set(zip(found.series_id.tolist(), found.measured_at_us.tolist(), strict=True))
    assert keys == kept < set(past.kept)
    store.close()


def test_first_rule_that_fits_counts() -> None:
    first, second = RetentionRule("voltage_*", 1, FOREVER), RetentionRule("*", 2, FOREVER)
    assert retention.rule_for([first, second], "voltage_l1_v") is first
    assert retention.rule_for([first, second], "current_a") is second
    assert retention.rule_for([first], "current_a") is None


def test_levels_go_in_their_time_and_the_answer_says_so(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    levels = (("1m", 3 * US_PER_DAY), ("15m", 5 * US_PER_DAY), ("1h", 0), ("1d", 0))
    rule = RetentionRule("*", 1, levels)
    low = min(t for _, t in past.kept) - 3 * US_PER_DAY
    end = end_of(past)
    store.retain([rule], end)
    store.retain([rule], end + 20 * US_PER_DAY)
    found = read_all(store, past)
    assert len(found["1m"].series_id) == len(found["15m"].series_id) == 0
    # Days of zones with no whole hours follow from kept days only; these are kept.
    assert_same(
        {key: found[key] for key in ("1h", "1d")}, {key: before[key] for key in ("1h", "1d")}
    )
    assert "gone by retention" in store.explain([1], "1m", low, end).summarise()
    assert "gone" not in store.explain([1], "1h", low, end).summarise()
    assert find_damages(tmp_path) == []
    store.close()


def test_coarser_level_follows_from_the_kept_one(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    levels = (("1m", 1), ("15m", 0), ("1h", 1), ("1d", 1))
    store.retain([RetentionRule("*", 1, levels)], FAR)
    found = read_all(store, past)
    assert len(found["1m"].series_id) == 0
    assert_same({key: found[key] for key in LEVELS[1:]}, {key: before[key] for key in LEVELS[1:]})
    store.close()


def test_nothing_is_left_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    store.retain([RetentionRule("*", 1, tuple((level, 1) for level in LEVELS))], FAR)
    assert all(len(one.series_id) == 0 for one in read_all(store, past).values())
    store.close()
    open_store(tmp_path).close()


# ── the safeguard ────────────────────────────────────────────────────────────────────────────


def spoil_rollups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk, or a fault of ours, that makes the written buckets say something else."""
    real = rollup_files.write_rollup

    def write_wrong(path: Path, rollup: Rollup, *rest: object) -> object:
        return real(path, replace(rollup, sum=rollup.sum + 1.0), *rest)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(span_rollups, "write_rollup", write_wrong)


def test_rows_stay_where_their_buckets_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, past = fill(tmp_path)
    with monkeypatch.context() as patch:
        spoil_rollups(patch)
        done = store.retain([ALL_GO], FAR)
    assert sum(one.rows for one in done) == 0
    assert any("are not those of the rows" in one.what for one in done)
    assert len(store.read_raw(EVERYTHING, -(2**61), 2**61)) == len(past.kept)
    store.close()


def test_rows_go_unproved_without_the_safeguard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: without the proof, rows of wrong buckets go."""
    monkeypatch.setattr(retention, "prove_buckets", lambda *_: None)
    with pytest.raises(AssertionError):
        test_rows_stay_where_their_buckets_are_wrong(tmp_path, monkeypatch)


def test_rows_of_a_damaged_span_stay(tmp_path: Path) -> None:
    store, _ = fill(tmp_path)
    path = max(tmp_path.glob("rows-*.parquet"), key=lambda path: path.stat().st_size)
    damage_middle(path)
    done = store.retain([ALL_GO], FAR)
    assert [one.what for one in done if path.name in one.what] == [f"stays: {path.name} is damaged"]
    assert path.exists()
    store._engine.close()


def test_rows_of_a_damaged_span_go_without_the_safeguard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention._Span, "_find_hindrance", lambda _: None)
    with pytest.raises(AssertionError):
        test_rows_of_a_damaged_span_stay(tmp_path)


# ── late rows ────────────────────────────────────────────────────────────────────────────────


def test_late_rows_are_taken_and_counted_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    t0 = 1_717_200_000 * US_PER_S
    for n in range(10):
        store.write(record(n, (7, t0 + n * 60 * US_PER_S, 230.0, 0)))
    store.write(record(10, (7, t0 + 10 * SPAN_US, 231.0, 0)))
    store.flush()
    store.retain([ALL_GO], t0 + 9 * SPAN_US)
    repeat, late = (7, t0, 230.0, 0), (7, t0 + 30 * 60 * US_PER_S, 240.0, 0)
    assert store.write(record(11, repeat, late)).stored == 2
    hour = t0, t0 + US_PER_HOUR
    for _ in range(2):
        # In memory, then in files: seen as rows, not yet as buckets.
        assert len(store.read_raw([7], *hour)) == 2
        assert store.roll_up([7], "1h", *hour).count.tolist() == [10]
        store.flush()
    for _ in range(2):
        store.retain([ALL_GO], t0 + 9 * SPAN_US)
        for level in LEVELS[:3]:
            found = store.roll_up([7], level, *hour)
            assert found.count.sum() == 11, level
            assert found.max.max() == 240.0
        assert len(store.read_raw([7], *hour)) == 0
        store.close()
        store = open_store(tmp_path)
    assert find_damages(tmp_path) == []
    store.close()


def test_late_rows_add_nothing_to_a_register(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    t0 = 1_717_200_000 * US_PER_S
    rows = [(2, t0 + n * 300 * US_PER_S, 100.0 * n, 0) for n in range(20) if n not in {7, 8}]
    store.write(record(0, *rows, (2, t0 + 10 * SPAN_US, 5000.0, 0)))
    store.flush()
    range_us = t0 - US_PER_DAY, t0 + 20 * SPAN_US
    before = np.nansum(store.roll_up([2], "1d", *range_us).increase)
    store.retain([ALL_GO], t0 + 9 * SPAN_US)
    store.write(record(1, (2, t0 + 7 * 300 * US_PER_S, 700.0, 0)))
    store.flush()
    store.retain([ALL_GO], t0 + 9 * SPAN_US)
    for level in LEVELS:
        assert np.nansum(store.roll_up([2], level, *range_us).increase) == pytest.approx(before)
    store.close()


def test_late_rows_are_counted_twice_without_the_safeguard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = late_buckets._read_level

    def know_nothing(*arguments: object) -> object:
        kept, scales = real(*arguments)  # type: ignore[arg-type]  # passed on
        if arguments[2] == "1m":
            kept = empty_rollup()
        return kept, scales

    monkeypatch.setattr(late_buckets, "_read_level", know_nothing)
    with pytest.raises((AssertionError, ValueError)):
        test_late_rows_are_taken_and_counted_once(tmp_path)


# ── cut off ──────────────────────────────────────────────────────────────────────────────────

STEPS = {
    "rows": (retention, "write_rows"),
    "a rollup": (span_rollups, "write_rollup"),
    "the manifest": (retention, "save_manifest"),
    "the proof": (retention, "prove_buckets"),
}
CUTS = [
    pytest.param(where, make, call, id=f"{make.__name__} {where} {call}")
    for where in STEPS
    for make in (cut_before, cut_after)
    for call in (1, 2, 5)
]


@pytest.mark.parametrize(("where", "make", "call"), CUTS)
def test_retention_cut_off_anywhere_leaves_nothing_half_done(
    where: str,
    make: Callable[..., Callable[..., object]],
    call: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    module, name = STEPS[where]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, make(getattr(module, name), call))
        with pytest.raises(PowerCutError):
            store.retain([ALL_GO], FAR)
    store._engine.close()
    again = open_store(tmp_path)
    named = load_manifest(tmp_path, SPAN_US)[0].files() | {MANIFEST_NAME, COPY_NAME}
    extra = {path.name for path in tmp_path.glob("*.parquet")} - named
    assert extra == set()
    assert_same(read_all(again, past), before)
    assert find_damages(tmp_path) == []
    again.retain([ALL_GO], FAR)
    assert len(again.read_raw(EVERYTHING, -(2**61), 2**61)) == 0
    assert_same(read_all(again, past), before)
    again.close()


def test_store_without_rules_keeps_all(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    assert store.retain([], FAR) == []
    assert_store_holds(store, past)
    store.close()


def test_forgotten_ends_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: without the last rows, later segments begin wrongly."""
    monkeypatch.setattr(retention, "take_lead", lambda rows: rows.take(slice(0, 0)))
    with pytest.raises(AssertionError):
        test_later_rows_go_on_from_where_the_removed_ones_ended(tmp_path)

"""The one question that matters: does the store say what the rows say, whatever happened to them?

Random pasts of all kinds of series in three zones, written with flushes, restarts and replays at
random points, and asked after each through every way there is.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.stores.histories import Past, assert_store_holds, instant, make_past, open_store
from wattscope.ports import LogRecord
from wattscope.stores import rollup_plan
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.flush import Flusher

# Around a change of the clocks in each of two zones: Berlin, and Sao Paulo at midnight.
STARTS = ("2018-10-27T20:00:00+00:00", "2018-11-03T20:00:00+00:00", "2024-06-01T00:00:00+00:00")


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are written, and no machine crashes here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def upto(past: Past, n_records: int) -> Past:
    """What must be kept after the first records."""
    seen = {
        (series, t)
        for one in past.records[:n_records]
        for series, t in zip(
            one.batch.series_id.tolist(), one.batch.measured_at_us.tolist(), strict=True
        )
    }
    kept = {key: row for key, row in past.kept.items() if key in seen}
    return Past(past.records[:n_records], kept)


def replay(store: DuckdbStore, records: list[LogRecord]) -> None:
    for one in records:
        if one.offset >= store.covered_offset:
            store.write(one)


def run_history(seed: int, folder: Path, n_records: int, n_checks: int) -> None:
    draw = random.Random(seed)
    past = make_past(draw, n_records, instant(draw.choice(STARTS)))
    checks = set(draw.sample(range(n_records), n_checks)) | {n_records - 1}
    store = open_store(folder)
    for position, one in enumerate(past.records):
        store.write(one)
        if draw.random() < 0.15:
            store.flush()
        if draw.random() < 0.05:
            # Killed: the tail is gone, the log is not.
            store._engine.close()
            store = open_store(folder)
            replay(store, past.records[: position + 1])
        if draw.random() < 0.05:
            store.close()
            store = open_store(folder)
        if position in checks:
            assert_store_holds(store, upto(past, position + 1))
    store.close()
    assert_store_holds(open_store(folder), past)


# 200 is what the program takes: few of these sparse pasts are worth a level then. With 1 most
# levels of most series are kept, with 3 some.
WORTHS = (200, 3, 1)


@pytest.mark.parametrize("worth", WORTHS)
@pytest.mark.parametrize("seed", range(4))
def test_store_says_what_the_rows_say(
    seed: int, worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_plan, "WORTH", worth)
    run_history(seed, tmp_path / "chunks", n_records=40, n_checks=2)


@pytest.mark.long
@pytest.mark.parametrize("worth", WORTHS)
@pytest.mark.parametrize("seed", range(1000, 1010))
def test_store_says_what_the_rows_say_at_length(
    seed: int, worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_plan, "WORTH", worth)
    run_history(seed, tmp_path / "chunks", n_records=150, n_checks=4)


def test_buckets_that_late_rows_made_wrong_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: with kept levels never outdated, the same pasts go red."""
    monkeypatch.setattr(rollup_plan, "WORTH", 1)
    monkeypatch.setattr(Flusher, "with_outdated", staticmethod(lambda manifest, _: manifest))

    def run_all() -> None:
        for seed in range(4):
            run_history(seed, tmp_path / str(seed), n_records=40, n_checks=2)

    with pytest.raises(AssertionError):
        run_all()

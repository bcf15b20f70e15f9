"""What retention left can be checked and mended, and random pasts say the same with and without."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.stores.histories import SPAN_US, FakeNames, instant, make_past, open_store, record
from tests.stores.test_flush import Crowd
from tests.stores.test_retention import (
    ALL_GO,
    EVERYTHING,
    FAR,
    FOREVER,
    assert_same,
    fill,
    read_all,
)
from tests.stores.test_verify import damage_middle, find_damages
from wattscope.core.time_grid import US_PER_DAY
from wattscope.stores import rollup_plan, span_rollups
from wattscope.stores.manifest import COPY_NAME, MANIFEST_NAME, Span, load_manifest
from wattscope.stores.rollup_plan import LEVELS
from wattscope.stores.upkeep import verify
from wattscope.stores.upkeep.repair import Deed, RepairOptions, repair_store
from wattscope.stores.upkeep.retention import RetentionRule


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(verify, "_SETTLE_S", 0.0)


# ── with verify and repair ───────────────────────────────────────────────────────────────────


def repair_all(folder: Path) -> list[Deed]:
    wanted = RepairOptions(tuple, (SPAN_US, US_PER_DAY), is_full=True)
    return list(repair_store(folder, FakeNames(), wanted))


def test_damaged_level_of_removed_rows_follows_from_a_finer_one(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    store.retain([ALL_GO], FAR)
    store.close()
    for path in [*tmp_path.glob("rollup-1h-*"), *tmp_path.glob("rollup-1d-*")]:
        damage_middle(path)
    assert find_damages(tmp_path) != []
    assert sum(one.lost for one in repair_all(tmp_path)) == 0
    assert find_damages(tmp_path) == []
    again = open_store(tmp_path)
    assert_same(read_all(again, past), before)
    again.close()


def test_damaged_finest_level_of_removed_rows_is_lost_and_said_to_be(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    store.retain([ALL_GO], FAR)
    store.close()
    damaged = max(tmp_path.glob("rollup-1m-*"), key=lambda path: path.stat().st_size)
    damage_middle(damaged)
    reader = open_store(tmp_path, is_read_only=True)
    found = read_all(reader, past)
    reader.close()
    assert len(found["1m"].series_id) < len(before["1m"].series_id)
    deeds = repair_all(tmp_path)
    assert sum(one.lost for one in deeds) > 0
    assert find_damages(tmp_path) == []
    again = open_store(tmp_path)
    found = read_all(again, past)
    assert_same({key: found[key] for key in LEVELS[1:]}, {key: before[key] for key in LEVELS[1:]})
    assert again.describe()["lost_rows"] == sum(one.lost for one in deeds)
    again.close()


def test_a_flush_never_rolls_up_anew_what_has_no_rows(tmp_path: Path) -> None:
    """A file of buckets is damaged, and late rows of another series want it changed."""
    store, past = fill(tmp_path)
    rule = RetentionRule("energy_*", 1, FOREVER)
    store.retain([rule], FAR)
    before = read_all(store, past)
    span = next(one for one in load_manifest(tmp_path, 0)[0].spans if 2 in one.retired)
    assert span.rollups is not None
    start, damaged = span.start_us, tmp_path / span.rollups.levels["1h"][0].note.file
    # What was read of it is remembered, and of a file as small as this the pages lie in front.
    store.close()
    content = damaged.read_bytes()
    damaged.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])
    store = open_store(tmp_path)
    store.write(record(store.covered_offset, (7, start + 7, 230.0, 0), (2, start + 8, 1.0, 0)))
    store.flush()
    store.close()
    assert damaged.exists()
    repair_all(tmp_path)
    again = open_store(tmp_path)
    found, registers = read_all(again, past)["1h"], [2, 4]
    n_values = [one.count[np.isin(one.series_id, registers)].sum() for one in (found, before["1h"])]
    assert n_values[0] == n_values[1]
    again.close()


def test_a_flush_rolls_up_anew_without_the_safeguard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: taken for a span whose rows are all there."""
    real = span_rollups.SpanRoller.roll_up

    def forget_retired(roller: object, manifest: object, span: Span, **options: object) -> object:
        return real(roller, manifest, msgspec.structs.replace(span, retired=()), **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(span_rollups.SpanRoller, "roll_up", forget_retired)
    with pytest.raises(AssertionError):
        test_a_flush_never_rolls_up_anew_what_has_no_rows(tmp_path)


def test_manifest_is_made_anew_after_retention(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    before = read_all(store, past)
    store.retain([RetentionRule("*_w", 1, FOREVER)], FAR)
    store.close()
    rows = open_store(tmp_path)
    n_rows = len(rows.read_raw(EVERYTHING, -(2**61), 2**61))
    rows.close()
    for name in (MANIFEST_NAME, COPY_NAME):
        (tmp_path / name).unlink()
    repair_all(tmp_path)
    again = open_store(tmp_path)
    assert_same(read_all(again, past), before)
    assert len(again.read_raw(EVERYTHING, -(2**61), 2**61)) == n_rows
    assert again._manifest.spans[0].retired
    again.close()
    assert find_damages(tmp_path) == []


# ── at random ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("worth", [60, 1])
@pytest.mark.parametrize("seed", range(3))
def test_random_pasts_say_the_same_with_and_without_retention(
    seed: int, worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows come in order of their stretches; some quantities go at some times."""
    monkeypatch.setattr(rollup_plan, "WORTH", worth)
    draw = random.Random(seed)
    past = make_past(draw, 40, instant("2024-06-01T00:00:00+00:00"))
    rows = sorted(
        (t // SPAN_US, draw.random(), series, t, row.value, row.quality)
        for (series, t), row in past.kept.items()
    )
    kept, removed = open_store(tmp_path / "kept"), open_store(tmp_path / "removed")
    pattern = draw.choice(["*", "*_w", "energy_*", "voltage_*"])
    for n, (number, _, *row) in enumerate(rows):
        one = record(n, (row[0], row[1], row[2], row[3]))  # type: ignore[arg-type]  # by column
        kept.write(one)
        removed.write(one)
        if draw.random() < 0.1:
            kept.flush()
            removed.flush()
            rule = RetentionRule(pattern, draw.choice([1, SPAN_US]), FOREVER)
            removed.retain([rule], number * SPAN_US)
        if draw.random() < 0.03:
            removed.close()
            removed = open_store(tmp_path / "removed")
    assert_same(read_all(removed, past), read_all(kept, past))
    kept.flush()
    removed.flush()
    assert_same(read_all(removed, past), read_all(kept, past))
    removed.close()
    assert find_damages(tmp_path / "removed") == []
    kept.close()


def test_questions_under_way_never_see_a_half_done_removal(tmp_path: Path) -> None:
    store, past = fill(tmp_path)
    low = min(t for _, t in past.kept) - 3 * US_PER_DAY
    high = max(t for _, t in past.kept) + 2 * US_PER_DAY
    before = store.roll_up(EVERYTHING, "1h", low, high)
    asked: list[int] = []

    def ask() -> None:
        found = store.roll_up(EVERYTHING, "1h", low, high)
        assert np.array_equal(found.count, before.count)
        assert np.allclose(found.energy_wh, before.energy_wh, equal_nan=True)
        store.query("SELECT count(*), (SELECT max(value) FROM readings) FROM rollup_1h")
        asked.append(len(found.count))

    with Crowd(ask, ask) as crowd:
        while len(asked) < 2:
            time.sleep(0.01)
        store.retain([RetentionRule("energy_*", 1, FOREVER)], FAR)
        store.retain([ALL_GO], FAR)
        n_asked = len(asked)
        while len(asked) < n_asked + 2 and not crowd.faults:
            time.sleep(0.01)
    assert crowd.faults == []
    store.close()

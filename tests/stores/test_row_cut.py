"""A question for a short range works on few rows, and says what all of them would say."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.stores.histories import (
    NAMES,
    SPAN_US,
    Past,
    edges_of,
    instant,
    make_past,
    open_store,
    zone_of,
)
from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.ports import Rollup
from wattscope.stores import row_cut
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.rollup_plan import LEVELS


@pytest.fixture(autouse=True)
def _always_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cut, "_WORTH", 0)
    monkeypatch.setattr("os.fsync", lambda _: None)


def write_past(folder: Path, seed: int) -> tuple[DuckdbStore, Past]:
    past = make_past(random.Random(seed), 60, instant("2018-10-27T20:00:00+00:00"))
    store = DuckdbStore(folder, open_store(folder / "names").catalogue._names, chunk_us=8 * SPAN_US)
    for one in past.records:
        store.write(one)
        if one.offset == 40:
            store.flush()
    return store, past


def compare_ranges(store: DuckdbStore, past: Past, seed: int) -> None:
    """Buckets of random ranges are those of the whole."""
    draw = random.Random(seed)
    times = [t for _, t in past.kept]
    for level in LEVELS:
        for series in range(1, len(NAMES) + 1):
            edges = list(
                edges_of(level, min(times) - SPAN_US, max(times) + SPAN_US, zone_of(series))
            )
            whole = store.roll_up([series], level, edges[0], edges[-1])
            for _ in range(4):
                low, high = sorted(draw.sample(range(len(edges)), 2))
                part = store.roll_up([series], level, edges[low], edges[high])
                inside = (whole.bucket_start_us >= edges[low]) & (
                    whole.bucket_start_us < edges[high]
                )
                says = inside & _says_something(whole)
                found = _says_something(part)
                for name in ROLLUP_COLUMNS:
                    np.testing.assert_allclose(
                        getattr(part, name)[found], getattr(whole, name)[says], atol=1e-6, rtol=1e-9
                    )


def _says_something(rollup: Rollup) -> np.typing.NDArray[np.bool_]:
    """A bucket of a segment taken back and given again says the same as none."""
    increase = np.nan_to_num(rollup.increase)
    energy = np.nan_to_num(rollup.energy_wh)
    is_something = (rollup.count > 0) | (rollup.coverage > 1e-9)
    return np.asarray(is_something | (abs(increase) > 1e-6) | (abs(energy) > 1e-6))


@pytest.mark.parametrize("seed", range(5))
def test_short_range_says_what_the_whole_says(seed: int, tmp_path: Path) -> None:
    store, past = write_past(tmp_path, seed)
    compare_ranges(store, past, seed)
    store.close()


def test_cut_without_neighbours_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: without the rows around the range, the comparison goes red."""
    stores = [write_past(tmp_path / str(seed), seed) for seed in range(3)]
    monkeypatch.setattr(row_cut, "LEAD_ROWS", 0)

    def compare_all() -> None:
        for seed, (store, past) in enumerate(stores):
            compare_ranges(store, past, seed)

    with pytest.raises(AssertionError):
        compare_all()

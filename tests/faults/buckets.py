"""Buckets side by side: those of a store, and those that one call over all its rows makes.

That call is held against a slow and plain one elsewhere (``tests/compute/slow_rollups.py``); here
thousands of folders are judged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.compute.slow_rollups import COLUMNS
from tests.stores.histories import NAMES, rule_of
from wattscope.assembly.storage import Storage
from wattscope.compute.rollups import roll_up
from wattscope.compute.segments import SeriesRule
from wattscope.core.reading import Batch, empty_batch
from wattscope.core.time_grid import US_PER_MINUTE
from wattscope.ports import Rollup

LEVEL_US = {"1m": US_PER_MINUTE, "15m": 15 * US_PER_MINUTE, "1h": 60 * US_PER_MINUTE}
_NOTHING = np.array([0.0 if name in {"count", "sum", "coverage"} else np.nan for name in COLUMNS])
# What was taken back again leaves 0 where a single call has nothing.
_ZEROED = [COLUMNS.index(name) for name in ("increase", "energy_wh")]
_NOTHING[_ZEROED] = 0.0
_SUBSTANCE = [COLUMNS.index(name) for name in ("count", "increase", "energy_wh", "coverage")]
_ROUNDING = 1e-6


class Table(NamedTuple):
    """Buckets by key; those that say nothing are left out."""

    keys: npt.NDArray[np.int64]
    """Series and minute, rising."""
    columns: npt.NDArray[np.float64]
    """``(n_buckets, n_columns)``"""

    def rows_at(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The columns of keys, those of an empty bucket where there is none."""
        rows = np.tile(_NOTHING, (len(keys), 1))
        has = np.isin(keys, self.keys)
        rows[has] = self.columns[np.searchsorted(self.keys, keys[has])]
        return rows


def tabulate(rollup: Rollup) -> Table:
    """The buckets of an answer.

    Raises:
        AssertionError: A bucket comes twice.
    """
    keys = rollup.series_id.astype(np.int64) << 32 | rollup.bucket_start_us // US_PER_MINUTE
    columns = np.column_stack([np.asarray(getattr(rollup, name), float) for name in COLUMNS])
    columns[:, _ZEROED] = np.nan_to_num(columns[:, _ZEROED])
    order = np.argsort(keys)
    keys, columns = keys[order], columns[order]
    assert (np.diff(keys) > 0).all(), "a bucket comes twice"
    says = (np.abs(columns[:, _SUBSTANCE]) > _ROUNDING).any(axis=1)
    return Table(keys[says], columns[says])


def find_differing(found: Table, *allowed: Table) -> npt.NDArray[np.int64]:
    """Keys of the found buckets that are like none of the allowed ones."""
    differs = np.ones(len(found.keys), np.bool_)
    for true in allowed:
        rows = true.rows_at(found.keys)
        is_close = np.isclose(found.columns, rows, rtol=1e-9, atol=_ROUNDING, equal_nan=True)
        differs &= ~is_close.all(axis=1)
    return found.keys[differs]


def read_rows_as_stored(storage: Storage) -> Batch:
    """Every row of every series."""
    return storage.store.read_raw(range(1, 1000), 0, 2**61)


def rules_of(storage: Storage) -> dict[int, SeriesRule]:
    """The rule of every series, by id."""
    return {
        one.id: rule_of(NAMES.index((one.device, one.quantity.name)) + 1)
        for one in storage.registry.list_series()
    }


def recompute(rows: Batch, rules: dict[int, SeriesRule], level: str) -> Table:
    """The buckets of a level from rows alone."""
    return tabulate(roll_up(rows, empty_batch(), rules, LEVEL_US[level]))


def read_buckets(storage: Storage, level: str) -> Table:
    """The buckets of a level as the store gives them."""
    spread = storage.store.time_range()
    if spread is None:
        return tabulate(roll_up(empty_batch(), empty_batch(), {}, LEVEL_US[level]))
    # A mean's interval reaches beyond its instant, a register's growth before the next one.
    low, high = spread[0] - 24 * LEVEL_US["1h"], spread[1] + 24 * LEVEL_US["1h"]
    known = [one.id for one in storage.registry.list_series()]
    return tabulate(storage.store.roll_up(known, level, low, high))


def compare_buckets(storage: Storage) -> None:
    """Compare all stored buckets with those of the stored rows.

    Raises:
        AssertionError: One differs, is missing, or comes twice.
    """
    rows, rules = read_rows_as_stored(storage), rules_of(storage)
    for level in LEVEL_US:
        found, expected = read_buckets(storage, level), recompute(rows, rules, level)
        wrong = find_differing(found, expected)
        assert not len(wrong), f"{len(wrong)} buckets of {level} are wrong, first {wrong[0]}"
        absent = find_differing(expected, found)
        assert not len(absent), f"{len(absent)} buckets of {level} are missing, first {absent[0]}"

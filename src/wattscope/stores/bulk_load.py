"""Bulk loads: whether none of many rows needs to be looked up."""

from __future__ import annotations

import numpy as np

from wattscope.core.reading import Batch, Int32Column, Int64Column
from wattscope.stores.parquet.runs import find_starts
from wattscope.stores.stretches import Stretches
from wattscope.stores.tail import Watermarks


def are_all_newer(batch: Batch, stretches: Stretches | None, marks: Watermarks) -> bool:
    """Whether each row is newer than all of its series, stored or before it in the batch.

    Then the marks are raised; else they are left for ``Watermarks.judge``. Cheap for the two ways
    in which rows come in bulk: by time, and series after series, where stretches tell all.
    """
    if not len(batch):
        return True
    if stretches is not None:
        ids, first, last, rises = _see_stretches(stretches)
    else:
        ids, first, last, rises = _see_rows(batch)
    if not rises or (first <= marks.newest_of(ids)).any():
        return False
    marks.raise_to(ids, last)
    return True


def newest_rows(batch: Batch, stretches: Stretches | None) -> tuple[Int32Column, Int64Column]:
    """Series and instants among which are the newest of each series."""
    if stretches is None:
        return batch.series_id, batch.measured_at_us
    return stretches.series_id, stretches.last_us


Seen = tuple[Int32Column, Int64Column, Int64Column, bool]
"""Series, the first and the last instant of each, and whether the instants of each rise."""


def _see_stretches(stretches: Stretches) -> Seen:
    ordered = stretches.take(np.argsort(stretches.series_id, kind="stable"))
    series = ordered.series_id
    starts = find_starts(series)
    last = ordered.last_us[np.append(starts[1:], len(series)) - 1]
    return series[starts], ordered.first_us[starts], last, ordered.is_ordered(series)


def _see_rows(batch: Batch) -> Seen:
    series, t = batch.series_id, batch.measured_at_us
    n_series = int(series.max()) + 1
    first = np.full(n_series, np.iinfo(np.int64).max, np.int64)
    last = np.full(n_series, np.iinfo(np.int64).min, np.int64)
    np.minimum.at(first, series, t)
    np.maximum.at(last, series, t)
    ids = np.flatnonzero(last != np.iinfo(np.int64).min).astype(np.int32)
    return ids, first[ids], last[ids], _rises(series, t)


def _rises(series: np.typing.NDArray[np.int32], t: np.typing.NDArray[np.int64]) -> bool:
    """Whether the instants of each series rise in the order of the batch."""
    is_same = series[1:] == series[:-1]
    later = t[1:] > t[:-1]
    if (later | ~is_same).all() and (np.diff(series) >= 0).all():
        return True
    # By time: within one instant each series comes once, and instants never fall.
    if (t[1:] < t[:-1]).any():
        return False
    starts = np.flatnonzero(np.r_[True, later])
    group = np.cumsum(np.r_[True, later]) - 1
    if len(starts) == len(t):
        return True
    order = np.argsort(
        series.astype(np.uint16) if series.max() < 1 << 16 else series, kind="stable"
    )
    same = series[order][1:] == series[order][:-1]
    return not (same & (group[order][1:] == group[order][:-1])).any()

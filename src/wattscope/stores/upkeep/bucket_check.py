"""Whether kept buckets are those that the rows make.

The rows of a span are rolled up once more, and every kept bucket is compared: counts, extremes,
first and last value exactly, sums and shares to the rounding of floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wattscope.compute.rollups import (
    ROLLUP_COLUMNS,
    concat_rollups,
    merge_rollups,
    roll_up,
    select_buckets,
)
from wattscope.core.time_grid import US_PER_DAY, local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import empty_rollup, known_rows
from wattscope.stores.manifest import Manifest, Span
from wattscope.stores.rollup_files import read_rollup
from wattscope.stores.rollup_plan import LEVEL_US
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.workbench import Workbench

_ROUNDED = ("sum", "increase", "energy_wh", "coverage")
_EXACT = ("count", "min", "max", "first", "last")
_RELATIVE = 1e-9
_SHARE = 1e-6
"""A coverage may miss by so much: it is a sum of shares."""


def find_differing(
    bench: Workbench, manifest: Manifest, span: Span, level: str, series: Sequence[int]
) -> list[int]:
    """Those of some series of which a kept level is not what their rows make.

    Args:
        bench: Tools of the folder.
        manifest: Names the span's files and those before it.
        span: A span with rollups.
        level: The kept level.
        series: To compare; of all of them the rows are there, and none is outdated.
    """
    if not series or span.rollups is None:
        return []
    asked = tuple(sorted(series))
    kept = [read_rollup(bench.files, part, asked) for part in span.rollups.levels.get(level, ())]
    return compare(
        concat_rollups([empty_rollup(), *kept]),
        recompute(bench, manifest, span, level, asked),
    )


def recompute(
    bench: Workbench, manifest: Manifest, span: Span, level: str, series: Sequence[int]
) -> Rollup:
    """Buckets of a level that the rows of one span make; no kept bucket is asked."""
    snapshot = Snapshot.of_files(manifest)
    end_us = span.start_us + manifest.chunk_us
    rules = bench.catalogue.rules
    cursor = bench.engine.cursor()
    try:
        rows = bench.rows.read(cursor, snapshot, series, span.start_us, end_us)
        rows = known_rows(rows, rules)
        present = np.unique(rows.series_id).tolist()
        lead = known_rows(bench.rows.find_lead(cursor, snapshot, present, span.start_us), rules)
    finally:
        cursor.close()
    size = min(LEVEL_US[level], LEVEL_US["15m"])
    fine = roll_up(rows, lead, rules, size)
    return merge_to_level(bench, replace(fine, coverage=fine.coverage * size), level)


def merge_to_level(bench: Workbench, parts: Rollup, level: str) -> Rollup:
    """Parts with covered time [µs] as buckets of a level; days as each series' site has them."""
    if not len(parts.series_id):
        return parts
    if level != "1d":
        size = LEVEL_US[level]
        floors = np.unique(parts.bucket_start_us // size) * size
        return merge_rollups(parts, np.unique(np.r_[floors, floors + size]), 1)
    low = int(parts.bucket_start_us.min())
    high = int(parts.bucket_start_us.max()) + 1
    days = [empty_rollup()]
    for site, zone in bench.catalogue.zones().items():
        members = [one for one, place in bench.catalogue.site_of.items() if place == site]
        own = select_buckets(parts, np.isin(parts.series_id, members))
        if len(own.series_id):
            edges = local_day_edges(low - US_PER_DAY, high + US_PER_DAY, zone)
            days.append(merge_rollups(own, edges, 1))
    return concat_rollups(days)


def compare(kept: Rollup, made: Rollup) -> list[int]:
    """Series of which two sets of buckets differ."""
    kept, made = _order(kept), _order(made)
    differing = _differing_keys(kept, made)
    common = ~np.isin(kept.series_id, differing)
    others = ~np.isin(made.series_id, differing)
    kept, made = select_buckets(kept, common), select_buckets(made, others)
    is_wrong = np.zeros(len(kept.series_id), np.bool_)
    for name in _EXACT:
        left, right = getattr(kept, name), getattr(made, name)
        is_wrong |= (left != right) & ~(np.isnan(left) & np.isnan(right))
    for name in _ROUNDED:
        is_wrong |= ~_is_near(getattr(kept, name), getattr(made, name), name)
    return sorted({*differing, *kept.series_id[is_wrong].tolist()})


def _order(rollup: Rollup) -> Rollup:
    return select_buckets(rollup, np.lexsort((rollup.bucket_start_us, rollup.series_id)))


def _differing_keys(left: Rollup, right: Rollup) -> list[int]:
    """Series that have not the same buckets in both."""
    ids, of_row = np.unique(np.r_[left.series_id, right.series_id], return_inverse=True)
    n_left = len(left.series_id)
    counts = [np.bincount(part, minlength=len(ids)) for part in (of_row[:n_left], of_row[n_left:])]
    is_uneven = counts[0] != counts[1]
    # Of the others as many on both sides, so that they stand beside each other.
    starts_left = left.bucket_start_us[~is_uneven[of_row[:n_left]]]
    starts_right = right.bucket_start_us[~is_uneven[of_row[n_left:]]]
    owners = left.series_id[~is_uneven[of_row[:n_left]]]
    return sorted({*ids[is_uneven].tolist(), *owners[starts_left != starts_right].tolist()})


def _is_near(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], name: str
) -> npt.NDArray[np.bool_]:
    margin = _SHARE if name == "coverage" else 1e-9
    near: npt.NDArray[np.bool_]
    near = np.isclose(left, right, rtol=_RELATIVE, atol=margin, equal_nan=True)
    return near


assert set(ROLLUP_COLUMNS) == {"series_id", "bucket_start_us", *_EXACT, *_ROUNDED}  # noqa: S101  # no column is forgotten

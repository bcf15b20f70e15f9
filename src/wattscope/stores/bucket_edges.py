"""Which buckets there are between two instants, and what every reader of buckets does with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wattscope.compute.rollups import roll_up, select_buckets
from wattscope.compute.runs import is_ordered, list_different
from wattscope.compute.segments import SeriesRule
from wattscope.core.errors import QueryError
from wattscope.core.reading import Batch, Int64Column, empty_batch
from wattscope.core.time_grid import US_PER_DAY, local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS

MAX_BUCKETS = 2_000_000
"""More buckets than this in one answer are refused."""


def find_edges(
    catalogue: Catalogue,
    series: tuple[int, ...],
    level: str,
    range_us: tuple[int, int],
    *,
    is_open: bool = False,
) -> list[tuple[tuple[int, ...], Int64Column]]:
    """Series in groups of equal bucket edges; ``is_open`` asks for the outer ones only.

    Raises:
        QueryError: Unknown level, or too many buckets.
    """
    start_us, end_us = range_us
    if level not in LEVELS:
        raise QueryError(f"interval {level!r} is unknown; use one of {', '.join(LEVELS)}")
    if level != "1d":
        size = LEVEL_US[level]
        first, last = -(-start_us // size), -(-end_us // size)
        if is_open:
            return [(series, np.array([first, last], np.int64) * size)]
        if last - first > MAX_BUCKETS:
            raise QueryError(
                f"{last - first} buckets of {level} are too many; ask for a coarser interval "
                "or a shorter span"
            )
        edges = np.arange(first, last + 1, dtype=np.int64) * size
        return [(series, edges)] if len(edges) > 1 else []
    found = []
    for zone, members in catalogue.by_zone(series).items():
        edges = local_day_edges(start_us, end_us, zone)
        edges = edges[np.searchsorted(edges, start_us) :]
        if len(edges) > 1:
            found.append((tuple(members), edges))
    return found


def empty_rollup() -> Rollup:
    """No buckets."""
    return _NO_BUCKETS


def known_rows(rows: Batch, rules: dict[int, SeriesRule]) -> Batch:
    """Rows of known series: others were added after the catalogue was read, or are orphans."""
    ids = list_different(rows.series_id)
    unknown = [one for one in ids.tolist() if one not in rules]
    return rows.take(~np.isin(rows.series_id, unknown)) if unknown else rows


def edges_around(starts: Int64Column, size_us: int) -> Int64Column:
    """Edges of just those buckets of a grid that have parts, however far apart they lie."""
    floors = np.unique(starts // size_us) * size_us
    return np.unique(np.r_[floors, floors + size_us])


def day_lengths(starts: Int64Column, edges: Int64Column) -> Int64Column:
    """Length of the day around each instant [µs]."""
    at = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(edges) - 2)
    return edges[at + 1] - edges[at]


def finish_rollup(rollup: Rollup) -> Rollup:
    """The merged buckets by series, then time; sums of shares may miss 0 or 1 by a rounding."""
    ordered = rollup
    if not is_ordered(rollup.series_id, rollup.bucket_start_us):
        order = np.lexsort((rollup.bucket_start_us, rollup.series_id))
        ordered = select_buckets(rollup, order)
    return replace(ordered, coverage=np.clip(ordered.coverage, 0.0, 1.0))


_NO_BUCKETS = roll_up(empty_batch(), empty_batch(), {}, US_PER_DAY)

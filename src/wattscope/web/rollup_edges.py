"""Rollups of any series between the edges of a page's buckets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import numpy as np

from wattscope.compute.rollups import merge_rollups
from wattscope.core.reading import Int64Column
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE, local_day_edges
from wattscope.ports import Rollup, Store

FINE_US = 15 * US_PER_MINUTE
"""Edges of buckets lie on quarter hours."""
_LONG_SPAN_US = 100 * US_PER_DAY


def roll_up_between(
    store: Store, series: Sequence[int], edges_us: Int64Column, zone: tzinfo
) -> Rollup:
    """One bucket a series between each two edges, from quarter hours, or from days of a long span.

    Args:
        store: Who is asked.
        series: Ids.
        edges_us: Starts of the buckets and the end of the last, on quarter hours [µs].
        zone: Whose midnights the days of a long span begin at.
    """
    start_us, end_us = int(edges_us[0]), int(edges_us[-1])
    days = local_day_edges(start_us, end_us, zone)
    is_daily = end_us - start_us > _LONG_SPAN_US and bool(np.isin(edges_us, days).all())
    level, size_us = ("1d", US_PER_DAY) if is_daily else ("15m", FINE_US)
    return merge_rollups(store.roll_up(series, level, start_us, end_us), edges_us, size_us)

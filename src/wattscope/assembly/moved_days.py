"""The days of every series beside each other: what two stores say of the same rows.

Sums, energy and shares are equal to nine digits, for floats are added in another order; counts,
extremes, first and last values are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from wattscope.assembly.backup import Watch
from wattscope.assembly.moving_sides import MovingStore, Source
from wattscope.compute.rollups import select_buckets
from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import Rollup
from wattscope.stores.upkeep.bucket_check import compare
from wattscope.stores.upkeep.row_match import ALWAYS_US, spread

_LEVEL: Final = "1d"
_GROUP_BUCKETS: Final = 100_000
"""About so many buckets are compared at once."""
_MARGIN_US: Final = 2 * US_PER_DAY
"""A local day begins before its first row, and what is no row yet may change the day before."""
_NEVER: Final = int(np.iinfo(np.int64).max)


class DayProof:
    """Compares the days of two stores."""

    def __init__(self, source: Source, target: MovingStore, watch: Watch) -> None:
        self._source = source
        self._target = target
        self._watch = watch

    def compare(
        self, series: Sequence[int], foreign_from: Mapping[int, int]
    ) -> tuple[int, set[int]]:
        """Compare all days of some series.

        Args:
            series: Their ids.
            foreign_from: From here on the target has rows of a series that the source has not [µs].

        Returns:
            How many days of series are equal, and the series of which some are not.
        """
        there = self._source.store.time_range()
        if there is None:
            return 0, set()
        start_us, end_us = there[0] - _MARGIN_US, there[1] + _MARGIN_US
        retired = self._source.store.find_retired() | self._target.find_retired()
        n_buckets, differing = 0, set[int]()
        for done, group in _group(series, (end_us - start_us) // US_PER_DAY + 1):
            ours = self._source.read(
                lambda store, group=group: store.roll_up(group, _LEVEL, start_us, end_us)  # type: ignore[misc]  # the default binds the loop's group
            )
            theirs = self._target.roll_up(group, _LEVEL, start_us, end_us)
            low = {one: at + _MARGIN_US for one, at in retired.items()}
            high = {one: at - _MARGIN_US for one, at in foreign_from.items()}
            limit = there[1] - _MARGIN_US if self._source.has_moved() else _NEVER
            ours, theirs = (_cut(one, low, high, limit) for one in (ours, theirs))
            wrong = compare(_plain(ours), _plain(theirs))
            n_buckets += int((~np.isin(ours.series_id, wrong)).sum())
            differing.update(wrong)
            self._watch("days", done, len(series))
        return n_buckets, differing


def _group(ids: Sequence[int], n_days: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Groups of series, each with how many are done with it."""
    size = max(1, _GROUP_BUCKETS // n_days)
    for start in range(0, len(ids), size):
        group = tuple(ids[start : start + size])
        yield start + len(group), group


def _cut(rollup: Rollup, low: Mapping[int, int], high: Mapping[int, int], limit: int) -> Rollup:
    """Buckets that both sides must have."""
    starts = rollup.bucket_start_us
    is_fair = starts >= spread(rollup.series_id, low, ALWAYS_US)
    is_fair &= starts < np.minimum(spread(rollup.series_id, high, _NEVER), limit)
    return select_buckets(rollup, is_fair)


def _plain(rollup: Rollup) -> Rollup:
    """Without buckets that say nothing, which say the same as none."""
    # What was taken back again leaves 0 where a single call has nothing.
    increase, energy_wh = np.nan_to_num(rollup.increase), np.nan_to_num(rollup.energy_wh)
    is_said = (rollup.count > 0) | (rollup.coverage > 0) | (increase != 0) | (energy_wh != 0)
    return select_buckets(replace(rollup, increase=increase, energy_wh=energy_wh), is_said)

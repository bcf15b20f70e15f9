"""A part of a long history that is large enough to learn from, and quick to read.

Means over a quarter of an hour are read, as detectors see them: the product of two means is not the
mean of the product, so that a model of single readings would find means strange.

::

    day        1    2    3    4    5    6  ...
    devices a  x         x         x         every device on ever other days,
            b       x         x              and whole days: all hours come equally often
            c  x              x    x
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from wattscope.core.reading import Batch, concat_batches, empty_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_MINUTE
from wattscope.ports import Rollup

MAX_VALUES = 500_000
"""Means that are read for a class: about 40 MB while it is trained."""
LEVEL = "15m"
_STEP_US = 15 * US_PER_MINUTE
_SERIES_TOGETHER = 20
_GOLDEN = 0.618_033_988_75
"""Multiples of it, without their whole part, fill 0 to 1 evenly and keep no step with anything."""

Span = tuple[int, int]


class SampledStore(Protocol):
    """What is asked of a store here; in memory or on a server, all have it."""

    def time_range(self) -> Span | None:
        """The oldest and the newest instant [µs]; None where there is nothing."""
        ...

    def last_rows(self) -> Batch:
        """The newest row of every series."""
        ...

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level."""
        ...


Watch = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


def read_sample(
    store: SampledStore,
    devices: Mapping[str, Sequence[int]],
    since_us: int,
    until_us: int,
    watch: Watch,
) -> Batch:
    """Means of all devices from a stretch of time, all or a part; by series, then time.

    Args:
        store: Where they are.
        devices: The series of each device.
        since_us: How far to go back from the newest value [µs].
        until_us: No value is from then or later [µs].
        watch: Told of progress.
    """
    range_us = _find_range(store, devices, since_us, until_us)
    if range_us is None:
        return empty_batch()
    plan = _plan_reads(_group(devices), range_us)
    parts = []
    for number, (series, (start_us, end_us)) in enumerate(plan, 1):
        parts.append(_read_means(store, series, start_us, end_us))
        watch(number, len(plan))
    rows = concat_batches(parts)
    return rows.take(np.lexsort((rows.measured_at_us, rows.series_id)))


def _find_range(
    store: SampledStore, devices: Mapping[str, Sequence[int]], since_us: int, until_us: int
) -> Span | None:
    """The time to read, of an archive that before its end; None without values in it."""
    series = [one for numbers in devices.values() for one in numbers]
    known, newest = store.time_range(), store.last_rows()
    ends = newest.measured_at_us[np.isin(newest.series_id, np.array(series, np.int32))]
    if known is None or not len(ends):
        return None
    # The quarter that is under way is not whole.
    end_us = min(until_us // _STEP_US, int(ends.max()) // _STEP_US + 1) * _STEP_US
    start_us = max(known[0], end_us - since_us) // _STEP_US * _STEP_US
    return (start_us, end_us) if start_us < end_us else None


def _group(devices: Mapping[str, Sequence[int]]) -> list[list[int]]:
    """Series of a few devices each."""
    numbers = list(devices.values())
    size = max(1, _SERIES_TOGETHER // len(numbers[0]))
    return [
        [one for part in numbers[start : start + size] for one in part]
        for start in range(0, len(numbers), size)
    ]


def _plan_reads(
    groups: Sequence[Sequence[int]], range_us: Span
) -> list[tuple[Sequence[int], Span]]:
    """Whom to read when: everything, or so many of the days that it is not too much."""
    low, high = range_us
    n_values = sum(map(len, groups)) * (high - low) // _STEP_US
    if n_values <= MAX_VALUES:
        return [(group, range_us) for group in groups]
    pairs = [
        (group, (start, min(start + US_PER_DAY, high)))
        for start in range(low, high, US_PER_DAY)
        for group in groups
    ]
    share = MAX_VALUES / n_values
    return [one for number, one in enumerate(pairs) if number * _GOLDEN % 1.0 < share]


def _read_means(store: SampledStore, series: Sequence[int], start_us: int, end_us: int) -> Batch:
    """Means of what is neither missing nor implausible."""
    buckets = store.roll_up(series, LEVEL, start_us, end_us)
    is_there = buckets.count > 0
    count = buckets.count[is_there]
    return Batch(
        buckets.series_id[is_there],
        buckets.bucket_start_us[is_there],
        buckets.sum[is_there] / count,
        np.zeros(len(count), np.uint8),
    )

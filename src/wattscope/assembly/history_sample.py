"""A part of a long history that is large enough to learn from, and quick to read.

::

    time     |--3 h--|--3 h--|--3 h--|--3 h--| ...      each stretch at ever another place
    devices     a       d       b       e               ever another group in turn

A page of the store holds hours of one series and is decoded whole: a short stretch of a thousand
devices would cost as much as a long one. So each stretch is read of a few devices only, and in the
end each device has had its turns at all hours of the day.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wattscope.core.reading import Batch, concat_batches, empty_batch
from wattscope.stores.duckdb_store import DuckdbStore

MAX_VALUES = 1_000_000
"""Values that are read for a class: about 80 MB while it is trained."""
_N_STRETCHES = 240
"""Of 30 days, one every three hours."""
_N_WHOLE = 8
"""Parts in which a history is read that is read whole."""
_SERIES_TOGETHER = 20
_N_PROBES, _PROBE_SHARE = 24, 1 / 256
"""How the number of values is estimated before they are read."""
_GOLDEN = 0.618_033_988_75
"""Multiples of it, without their whole part, fill 0 to 1 evenly and keep no step with the days."""

Span = tuple[int, int]
Watch = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


def read_sample(
    store: DuckdbStore,
    devices: Mapping[str, Sequence[int]],
    since_us: int,
    until_us: int,
    watch: Watch,
) -> Batch:
    """Values of all devices from a stretch of time, all or a part; by series, then time.

    Args:
        store: Where they are.
        devices: The series of each device.
        since_us: How far to go back from the newest value [µs].
        until_us: No value is from then or later [µs].
        watch: Told of progress.
    """
    series = [one for numbers in devices.values() for one in numbers]
    range_us = _find_range(store, series, since_us, until_us)
    if range_us is None:
        return empty_batch()
    groups = _group(devices)
    probes = _spread(groups, range_us, _N_PROBES, _PROBE_SHARE)
    n_found = sum(len(store.read_raw(*one)) for one in probes)
    n_values = max(1, n_found) * len(groups) / _PROBE_SHARE
    if n_values <= MAX_VALUES:
        plan = _spread([series], range_us, _N_WHOLE, 1.0)
    else:
        share = min(1.0, MAX_VALUES * len(groups) / n_values)
        plan = _spread(groups, range_us, _N_STRETCHES, share)
    parts = []
    for number, one in enumerate(plan, 1):
        parts.append(store.read_raw(*one))
        watch(number, len(plan))
    rows = concat_batches(parts)
    return rows.take(np.lexsort((rows.measured_at_us, rows.series_id)))


def _find_range(
    store: DuckdbStore, series: Sequence[int], since_us: int, until_us: int
) -> Span | None:
    """The time to read, of an archive that before its end; None without values in it."""
    known, newest = store.time_range(), store.last_rows()
    ends = newest.measured_at_us[np.isin(newest.series_id, np.array(series, np.int32))]
    if known is None or not len(ends):
        return None
    end_us = min(until_us, int(ends.max()) + 1)
    start_us = max(known[0], end_us - since_us)
    return (start_us, end_us) if start_us < end_us else None


def _group(devices: Mapping[str, Sequence[int]]) -> list[list[int]]:
    """Series of a few devices each."""
    numbers = list(devices.values())
    size = max(1, _SERIES_TOGETHER // len(numbers[0]))
    return [
        [one for part in numbers[start : start + size] for one in part]
        for start in range(0, len(numbers), size)
    ]


def _spread(
    groups: Sequence[Sequence[int]], range_us: Span, n_stretches: int, share: float
) -> list[tuple[Sequence[int], int, int]]:
    """A share of each equal part of a span, each of another group: series, start and end."""
    edges = np.linspace(*range_us, n_stretches + 1).astype(np.int64).tolist()
    plan = []
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        turn = number * _GOLDEN % 1.0
        length = int((end - start) * share)
        begin = start + int((end - start - length) * (turn * len(groups) % 1.0))
        plan.append((groups[int(turn * len(groups))], begin, begin + length))
    return plan

"""Rows that come series after series, as stretches: sorted and cut without looking at each row.

::

    rows        a a a a a a b b b b b c c c c c c c      instants rise within a stretch
    stretches   └────┴────┘ └──┴────┘ └──┴────────┘      cut where a span ends
    in a file   b b b b b a a a a a a c c c c c c c      whole stretches change places
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch
from wattscope.stores.labels import Labels

Ints = npt.NDArray[np.int64]

MIN_LENGTH = 16
"""Where stretches are shorter on average, each row by itself is faster."""
BLOCK_ROWS = 1 << 17
"""So many rows are put together at once; their columns stay in the processor's caches."""
_SAMPLE_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of rows of a batch, each of one series, with strictly rising instants."""

    starts: Ints
    stops: Ints
    """Behind the last row of each."""
    series_id: npt.NDArray[np.int32]
    first_us: Ints
    last_us: Ints

    @classmethod
    def build(cls, batch: Batch, starts: Ints, stops: Ints) -> Stretches:
        """The stretches of a batch that lie between these rows."""
        t = batch.measured_at_us
        return cls(starts, stops, batch.series_id[starts], t[starts], t[stops - 1])

    @property
    def n_rows(self) -> int:
        """Rows of all of them."""
        return int((self.stops - self.starts).sum())

    def take(self, chosen: Ints | npt.NDArray[np.bool_]) -> Stretches:
        """The chosen ones, in order."""
        return Stretches(
            self.starts[chosen],
            self.stops[chosen],
            self.series_id[chosen],
            self.first_us[chosen],
            self.last_us[chosen],
        )

    def is_ordered(self, key: npt.NDArray[np.integer[Any]]) -> bool:
        """Whether those of one key stand together, and instants rise from each to the next."""
        is_same = key[1:] == key[:-1]
        later = self.first_us[1:] > self.last_us[:-1]
        return bool(((key[1:] > key[:-1]) | (is_same & later)).all())


def find_stretches(batch: Batch) -> Stretches | None:
    """The stretches of a batch; None where they are too short to be of use."""
    n_rows = len(batch)
    # The first rows tell what most batches are like, before all are looked at.
    sample = batch.take(slice(_SAMPLE_ROWS))
    if not n_rows or len(_find_breaks(sample)) * MIN_LENGTH > len(sample):
        return None
    breaks = _find_breaks(batch)
    if len(breaks) * MIN_LENGTH > n_rows:
        return None
    edges = np.concatenate(([0], breaks, [n_rows]))
    return Stretches.build(batch, edges[:-1], edges[1:])


def _find_breaks(batch: Batch) -> Ints:
    series, t = batch.series_id, batch.measured_at_us
    return np.flatnonzero((series[1:] != series[:-1]) | (t[1:] <= t[:-1])) + 1


def cut_at_spans(batch: Batch, stretches: Stretches, chunk_us: int) -> dict[int, Stretches]:
    """The stretches of each span, by its start, rising; those that cross an edge are cut."""
    t = batch.measured_at_us
    first, last = stretches.first_us // chunk_us, stretches.last_us // chunk_us
    cuts = [stretches.starts]
    for one in np.flatnonzero(first != last).tolist():
        start, stop = int(stretches.starts[one]), int(stretches.stops[one])
        edges = np.arange(first[one] + 1, last[one] + 1) * chunk_us
        cuts.append(np.searchsorted(t[start:stop], edges) + start)
    # A stretch begins at each row of its own, so the batch is covered without a gap. Several edges
    # may lie between two rows.
    starts = np.unique(np.concatenate(cuts))
    cut = Stretches.build(batch, starts, np.append(starts[1:], len(batch)))
    number = cut.first_us // chunk_us
    return {one * chunk_us: cut.take(number == one) for one in np.unique(number).tolist()}


@dataclass(frozen=True, slots=True)
class SpanRows:
    """The rows of one span: a batch of its own, or stretches of a larger one."""

    batch: Batch
    stretches: Stretches | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.batch) if self.stretches is None else self.stretches.n_rows

    def in_order(self, labels: Labels) -> Iterator[Batch]:
        """The rows in the order of files, whole series at a time."""
        if self.stretches is None:
            yield labels.order(self.batch)
            return
        key = labels.rank_of(self.stretches.series_id)
        order = np.lexsort((self.stretches.first_us, key))
        ordered, key = self.stretches.take(order), key[order]
        if not ordered.is_ordered(key):
            yield labels.order(gather(self.batch, ordered.starts, ordered.stops))
            return
        ends = np.cumsum(ordered.stops - ordered.starts)
        is_last = np.append(key[1:] != key[:-1], True)
        at = 0
        for stop in _choose_ends(ends, is_last):
            yield gather(self.batch, ordered.starts[at:stop], ordered.stops[at:stop])
            at = stop


def _choose_ends(ends: Ints, is_last: npt.NDArray[np.bool_]) -> list[int]:
    """Behind which stretches a block ends: the last of a series, when enough rows are together."""
    whole = np.flatnonzero(is_last)
    block = (ends[whole] - 1) // BLOCK_ROWS
    chosen: list[int] = (whole[np.append(block[1:] != block[:-1], True)] + 1).tolist()
    return chosen


def gather(batch: Batch, starts: Ints, stops: Ints) -> Batch:
    """Stretches of rows, one behind the other; nothing is copied where they are one."""
    is_apart = starts[1:] != stops[:-1]
    first = starts[np.concatenate(([True], is_apart))].tolist()
    last = stops[np.concatenate((is_apart, [True]))].tolist()
    slices = [slice(start, stop) for start, stop in zip(first, last, strict=True)]
    if len(slices) == 1:
        return batch.take(slices[0])
    return Batch(
        np.concatenate([batch.series_id[one] for one in slices]),
        np.concatenate([batch.measured_at_us[one] for one in slices]),
        np.concatenate([batch.value[one] for one in slices]),
        np.concatenate([batch.quality[one] for one in slices]),
    )

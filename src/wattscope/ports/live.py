"""The newest values, and what has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wattscope.core.reading import Batch, FloatColumn, Int32Column, Int64Column


class LiveView(Protocol):
    """The latest value of every series, and what has changed, for all processes that share it.

    Always: reading waits for no network and no disk; what ``update`` took is seen by the next
    question of the same process, and soon by those of others.
    Never: ``update`` or ``announce`` fails because the view is away; they wait for it some seconds
    at most.
    Not guaranteed: that the value before the newest was ever seen by anybody.
    """

    @property
    def version(self) -> int:
        """Another number once a value has become newer, by whatever process."""
        ...

    def update(self, batch: Batch) -> None:
        """Take newer values; older ones than known are ignored."""
        ...

    def latest(self, series: int) -> tuple[int, float] | None:
        """Instant [µs] and value of a series; None before its first value."""
        ...

    def latest_of(self, series: Int32Column) -> tuple[Int64Column, FloatColumn]:
        """Instants [µs] and values of many series at once.

        Before the first value of a series its instant is the lowest there is and its value NaN.
        """
        ...

    def announce(self, topic: str) -> None:
        """Tell all processes that something beside the values has changed."""
        ...

    def version_of(self, topic: str) -> int:
        """A higher number once a topic was announced, by whatever process."""
        ...


@dataclass(frozen=True, slots=True)
class MinuteSums:
    """What the values of one minute come to, for some series as columns of equal length."""

    start_us: Int64Column
    """When the minute begins [µs]; the lowest there is where it has no values."""
    count: Int64Column
    sum: FloatColumn
    min: FloatColumn
    """NaN where ``count`` is 0; likewise max and mean."""
    max: FloatColumn

    @property
    def mean(self) -> FloatColumn:
        mean = np.full(len(self.count), np.nan)
        np.divide(self.sum, self.count, out=mean, where=self.count > 0)
        return mean


class LiveMinutes(Protocol):
    """Sums of the minute under way and of the one before, of what came in order of time.

    Never: a value is counted twice.
    Not guaranteed: that values are counted that came late, or while the view was away; the
    rollups of the store have them all.
    """

    def minutes_of(self, series: Int32Column) -> tuple[MinuteSums, MinuteSums]:
        """The newest minute of each series that has values, and the minute before it."""
        ...

    def put_minutes(self, series: Int32Column, sums: MinuteSums) -> None:
        """Put sums that were made elsewhere in the place of those of the minute before.

        Where more values were counted here they stay; sums of any other minute are ignored.

        Raises:
            TransientError: The view is away; put the same again later, it changes nothing twice.
        """
        ...

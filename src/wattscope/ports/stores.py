"""Stores: readings and rollups that can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wattscope.core.explanation import Explanation
from wattscope.core.reading import Batch
from wattscope.ports.logs import LogRecord
from wattscope.ports.messages import Quarantined


@dataclass(frozen=True, slots=True)
class StoreReceipt:
    """What became of the values of one record."""

    stored: int
    duplicate: int
    conflicts: tuple[Quarantined, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollup:
    """Buckets of series as columns of equal length, ordered by series, then bucket."""

    series_id: npt.NDArray[np.int32]
    bucket_start_us: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    """Values that took part, without missing and implausible ones."""
    sum: npt.NDArray[np.float64]
    min: npt.NDArray[np.float64]
    """NaN where ``count`` is 0; likewise max, first, last."""
    max: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    increase: npt.NDArray[np.float64]
    """What a counter or delta grew by within the bucket; NaN for gauges."""
    energy_wh: npt.NDArray[np.float64]
    """Energy of the bucket [Wh]; NaN where the quantity is neither power nor energy."""
    coverage: npt.NDArray[np.float64]
    """Share of the bucket that has data, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart draws: one entry for each column of pixels that has values, by time."""

    level: str
    """The finest kept level that was read: ``1m``, ``15m``, ``1h``, ``1d``; ``raw`` for rows."""
    t_us: npt.NDArray[np.int64]
    """Where the column begins [µs]."""
    count: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    min: npt.NDArray[np.float64]
    """The true extremes of all values in the column, within one bucket of the level."""
    max: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of an answer with their column names."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Store(Protocol):
    """Readings and rollups that can be asked.

    Always: a record that ``write`` returned for is seen by the next question; writing a record
    again changes nothing.
    Never: two values for one (series, measured_at).
    Not guaranteed: durability of ``write``; the log holds what ``covered_offset`` does not.
    """

    def write(self, record: LogRecord) -> StoreReceipt:
        """Take in one record; records come in order of their offset."""
        ...

    @property
    def covered_offset(self) -> int:
        """All records below this offset are durable in the store itself."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Table:
        """The answer to one read-only SQL question over the views of ``docs/sql.md``."""
        ...

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        """Buckets of a level (``1m``, ``15m``, ``1h``, ``1d``) that begin in ``[start, end)``."""
        ...

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch:
        """Values in ``[start, end)``, ordered by series, then time."""
        ...

    def chart(self, series: int, start_us: int, end_us: int, n_pixels: int) -> Chart:
        """Mean and true extremes of a series for each of ``n_pixels`` columns of a chart."""
        ...

    def explain(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Explanation:
        """Where the answer of ``roll_up``, or for ``raw`` of ``read_raw``, would come from."""
        ...

    def load(self, batch: Batch) -> StoreReceipt:
        """Take in many values past the log; they are durable when this returns."""
        ...

    def reopen(self, series: int, from_us: int) -> None:
        """Compute the buckets of a series anew from an instant on, for its rule has changed."""
        ...

    def close(self) -> None:
        """Flush and release the files."""
        ...

"""A reading as a device said it, and the batch of columns in which readings flow.

::

    Reading   one device, one instant, several quantities      (what a decoder returns)
    Batch     one value a row: series_id, measured_at, value, quality   (what flows)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int32Column = npt.NDArray[np.int32]
Int64Column = npt.NDArray[np.int64]
FloatColumn = npt.NDArray[np.float64]
ByteColumn = npt.NDArray[np.uint8]


class Quality(IntFlag):
    """What is known about the trustworthiness of one value; 0 is good."""

    GOOD = 0
    MISSING = 1
    """The source said that there is no value; the value is NaN and sums leave it out."""
    IMPLAUSIBLE = 2
    """Outside the quantity's plausible range; stored, but left out of sums."""
    LATE = 4
    """Older than what was already stored of its series when it came."""
    ESTIMATED = 8
    """The source itself says that it did not measure this value."""


_UNUSABLE = int(Quality.MISSING | Quality.IMPLAUSIBLE)


class Reading(NamedTuple):
    """What one device said at one instant."""

    device: str
    """The device's own key, as its topic or payload names it."""
    measured_at_us: int | None
    """The instant at the meter [µs since 1970, UTC]; None when the device has no clock."""
    quantities: tuple[str, ...]
    """Names from the catalogue; the same tuple object for all readings of a format is fastest."""
    values: tuple[float, ...]
    """One value a quantity, in base units; NaN where the source marks a missing value."""
    place: tuple[float, float] | None = None
    """Where the device says that it is: latitude and longitude [degrees]; not yet believed."""
    site: str | None = None
    """Id of the site that the device says to be at; None: that of the settings."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Many values as columns of equal length, in the order in which they arrived."""

    series_id: Int32Column
    measured_at_us: Int64Column
    """[µs since 1970, UTC]"""
    value: FloatColumn
    """Base unit of the series' quantity; NaN only with ``Quality.MISSING``."""
    quality: ByteColumn

    def __len__(self) -> int:
        """Number of values."""
        return len(self.series_id)

    @property
    def is_usable(self) -> npt.NDArray[np.bool_]:
        """Which values may count: all that are neither missing nor implausible."""
        usable: npt.NDArray[np.bool_] = (self.quality & _UNUSABLE) == 0
        return usable

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Batch:
        """The chosen rows, in order."""
        return Batch(
            self.series_id[rows], self.measured_at_us[rows], self.value[rows], self.quality[rows]
        )


def empty_batch() -> Batch:
    """A batch without rows."""
    return Batch(
        np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8)
    )


def build_batch(rows: Sequence[tuple[int, int, float, int]]) -> Batch:
    """A batch from rows of (series_id, measured_at_us, value, quality)."""
    if not rows:
        return empty_batch()
    series_id, measured_at_us, value, quality = zip(*rows, strict=True)
    return Batch(
        np.array(series_id, np.int32),
        np.array(measured_at_us, np.int64),
        np.array(value, np.float64),
        np.array(quality, np.uint8),
    )


def concat_batches(batches: Iterable[Batch]) -> Batch:
    """All rows of all batches, in order."""
    parts = list(batches)
    if not parts:
        return empty_batch()
    if len(parts) == 1:
        return parts[0]
    return Batch(
        np.concatenate([part.series_id for part in parts]),
        np.concatenate([part.measured_at_us for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
    )

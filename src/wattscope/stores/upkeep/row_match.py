"""The rows of one store beside those of another: what is missing, what differs, what is beyond.

Rows are the same when instant, value and quality are, to the last bit. One mark is excused: a row
that came there after newer ones is ``LATE`` there and need not be so here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch, Int32Column, Int64Column, Quality, concat_batches
from wattscope.core.time_grid import format_utc

_LATE: Final = int(Quality.LATE)
ALWAYS_US: Final = int(np.iinfo(np.int64).min)
"""Before every instant [µs]."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowMatch:
    """How rows that are wanted stand beside those that are present."""

    missing: Batch
    """Wanted, and not present."""
    differing: Batch
    """Wanted, and another value or quality is present."""
    beyond: Batch
    """Present, and not wanted."""
    same: Batch
    """Wanted and present alike; with the qualities that are wanted."""
    n_late: int
    """Those of ``same`` that are late only there."""

    @property
    def is_whole(self) -> bool:
        """Whether all that is wanted is present as it is."""
        return not len(self.missing) and not len(self.differing)


def match_rows(wanted: Batch, present: Batch) -> RowMatch:
    """Compare rows, each batch ordered by series, then time, with every key once."""
    if _is_equal(wanted, present):
        return RowMatch(_none(wanted), _none(wanted), _none(wanted), wanted, 0)
    if not len(present):
        return RowMatch(wanted, _none(wanted), _none(wanted), _none(wanted), 0)
    rows = concat_batches([wanted, present])
    n_wanted = len(wanted)
    # The sort is stable: of two rows with one key the wanted one comes first.
    order = np.lexsort((rows.measured_at_us, rows.series_id))
    t, series = rows.measured_at_us[order], rows.series_id[order]
    is_pair = (t[1:] == t[:-1]) & (series[1:] == series[:-1])
    ours, theirs = order[:-1][is_pair], order[1:][is_pair] - n_wanted
    is_same, is_late = _compare(wanted.take(ours), present.take(theirs))
    is_found, is_asked = np.zeros(n_wanted, np.bool_), np.zeros(len(present), np.bool_)
    is_found[ours], is_asked[theirs] = True, True
    return RowMatch(
        missing=wanted.take(~is_found),
        differing=wanted.take(ours[~is_same]),
        beyond=present.take(~is_asked),
        same=wanted.take(ours[is_same]),
        n_late=int((is_same & is_late).sum()),
    )


def describe_first(rows: Batch) -> dict[int, str]:
    """The oldest row of each series in words, by series; rows are ordered by series, then time."""
    ids, first, counts = np.unique(rows.series_id, return_index=True, return_counts=True)
    told = {}
    for one, at, n_rows in zip(ids.tolist(), first.tolist(), counts.tolist(), strict=True):
        others = f" (and {n_rows - 1} more)" if n_rows > 1 else ""
        row = f"{rows.value[at]:.15g}, quality {rows.quality[at]}"
        told[one] = f"the row of {format_utc(int(rows.measured_at_us[at]))} ({row}){others}"
    return told


def spread(series_id: Int32Column, limits: Mapping[int, int], default: int) -> Int64Column:
    """The limit of the series of each row."""
    ids, at = np.unique(series_id, return_inverse=True)
    found: Int64Column = np.array([limits.get(one, default) for one in ids.tolist()], np.int64)
    return found[at]


def _is_equal(one: Batch, other: Batch) -> bool:
    if len(one) != len(other):
        return False
    is_key = (one.series_id == other.series_id) & (one.measured_at_us == other.measured_at_us)
    return bool((is_key & _is_value(one, other) & (one.quality == other.quality)).all())


def _compare(one: Batch, other: Batch) -> tuple[Mask, Mask]:
    """Which rows are the same, and which are late in the other only."""
    is_late = other.quality == (one.quality | _LATE)
    is_late &= one.quality != other.quality
    return _is_value(one, other) & ((one.quality == other.quality) | is_late), is_late


def _is_value(one: Batch, other: Batch) -> Mask:
    is_bits = one.value.view(np.int64) == other.value.view(np.int64)
    same: Mask = is_bits | (np.isnan(one.value) & np.isnan(other.value))
    return same


def _none(rows: Batch) -> Batch:
    return rows.take(slice(0, 0))

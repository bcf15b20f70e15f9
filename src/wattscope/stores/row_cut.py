"""Fewer rows for the same buckets: those of a range, and the neighbours that reach into it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wattscope.compute.runs import list_different
from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch, concat_batches

_WORTH = 2
"""Rows are cut where that leaves so many times fewer."""


def take_lead(rows: Batch) -> Batch:
    """Of ordered rows the last ``LEAD_ROWS`` of each series, and as many usable ones."""
    return rows.take(_is_near_end(rows)) if len(rows) else rows


def cut_to_range(lead: Batch, rows: Batch, start_us: int, end_us: int) -> tuple[Batch, Batch]:
    """Rows and lead that give the same buckets between two instants as all of them.

    Beside the rows in ``[start, end)`` there are as many before them as a lead has, for what they
    say may reach over the start, and as many behind, for they may reach back or decide about a
    held reading.

    Args:
        lead: Rows before ``rows``, ordered by series, then time.
        rows: Ordered likewise.
        start_us: First instant of the range.
        end_us: Behind its last.
    """
    inside = (rows.measured_at_us >= start_us) & (rows.measured_at_us < end_us)
    n_series = len(list_different(rows.series_id))
    if _WORTH * (int(inside.sum()) + 3 * LEAD_ROWS * n_series) > len(rows):
        return lead, rows
    before = rows.measured_at_us < start_us
    kept = inside.copy()
    kept[before] = _is_near_end(rows.take(before))
    behind = rows.measured_at_us >= end_us
    kept[behind] = _is_near_end(_turn(rows.take(behind)))[::-1]
    older = rows.take(before & ~kept)
    both = concat_batches([lead, older])
    order = np.lexsort((both.measured_at_us, both.series_id))
    return take_lead(both.take(order)), rows.take(kept)


def _turn(rows: Batch) -> Batch:
    return rows.take(np.arange(len(rows))[::-1])


def _is_near_end(rows: Batch) -> npt.NDArray[np.bool_]:
    """Rows that are among the last ``LEAD_ROWS`` of their series, or of its usable ones."""
    if not len(rows):
        return np.empty(0, np.bool_)
    usable = rows.is_usable
    near: npt.NDArray[np.bool_] = count_from_end(rows, np.ones(len(rows), np.bool_)) <= LEAD_ROWS
    near |= usable & (count_from_end(rows, usable) <= LEAD_ROWS)
    return near


def count_from_end(rows: Batch, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each row how many counted rows of its series there are from it on."""
    total = np.cumsum(counted[::-1])[::-1]
    is_last = np.r_[rows.series_id[1:] != rows.series_id[:-1], True]
    ends = np.flatnonzero(is_last)
    behind = np.r_[total[1:], 0][ends]
    lengths = np.diff(np.r_[-1, ends])
    rest: npt.NDArray[np.int64] = total - np.repeat(behind, lengths)
    return rest

"""The judgement of every row against what is already there.

A row is *fresh* when it is newer than all of its series, which needs no look-up. Every other row
is looked up by (series, measured_at): the same value again is a duplicate and changes nothing,
another value is a conflict and is kept aside, no value means late data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch, Quality

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rows of a batch sorted by what they are."""

    new: Batch
    """Rows to store, fresh and late; late ones carry ``Quality.LATE``."""
    n_duplicates: int
    conflicting: Batch
    kept_values: npt.NDArray[np.float64]
    """What is stored under the keys of ``conflicting``."""


LookUp = Callable[[Batch], tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]]
"""For each row of a batch: whether its key is stored, and the stored value."""


class Watermarks:
    """The newest stored instant of each series."""

    def __init__(self) -> None:
        self._newest = np.full(1024, _NEVER, np.int64)

    def raise_to(self, series_id: npt.NDArray[np.int32], t: npt.NDArray[np.int64]) -> None:
        """Take in stored rows."""
        if len(series_id):
            self._grow(int(series_id.max()))
            np.maximum.at(self._newest, series_id, t)

    def newest_of(self, series_id: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """The mark of each series; the smallest number where nothing is stored."""
        self._grow(int(series_id.max()))
        marks: npt.NDArray[np.int64] = self._newest[series_id]
        return marks

    def judge(self, batch: Batch, look_up: LookUp) -> Judgement:
        """Sort a batch's rows into new, duplicate and conflicting, and raise the marks."""
        self._grow(int(batch.series_id.max()))
        is_fresh = self._find_fresh(batch)
        self.raise_to(batch.series_id, batch.measured_at_us)
        if is_fresh.all():
            return Judgement(batch, 0, batch.take(~is_fresh), np.empty(0))
        return _judge_old(batch, is_fresh, look_up)

    def _find_fresh(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Rows newer than their series' mark and than every earlier row of the batch."""
        order = np.argsort(batch.series_id, kind="stable")
        series, t = batch.series_id[order], batch.measured_at_us[order]
        before = np.empty_like(t)
        before[1:] = t[:-1]
        is_first = np.r_[True, series[1:] != series[:-1]]
        before[is_first] = _NEVER
        rises = t > np.maximum(before, self._newest[series])
        if not rises.all():
            rises = t > self._highest_before(series, t, is_first)
        is_fresh = np.empty(len(t), np.bool_)
        is_fresh[order] = rises
        return is_fresh

    def _highest_before(
        self,
        series: npt.NDArray[np.int32],
        t: npt.NDArray[np.int64],
        is_first: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.int64]:
        """For each row the highest instant of its series before it, in the batch or stored.

        All series at once: the place of an instant among those of the batch, plus as much for each
        series as there are places, rises with the instants of a series and from one to the next.
        """
        before = np.empty_like(t)
        before[1:] = t[:-1]
        before[is_first] = self._newest[series[is_first]]
        instants, place = np.unique(before, return_inverse=True)
        step = (np.cumsum(is_first) - 1) * len(instants)
        highest: npt.NDArray[np.int64] = instants[np.maximum.accumulate(place + step) - step]
        return highest

    def _grow(self, highest_id: int) -> None:
        if highest_id >= len(self._newest):
            larger = np.full(max(highest_id + 1, 2 * len(self._newest)), _NEVER, np.int64)
            larger[: len(self._newest)] = self._newest
            self._newest = larger


def _judge_old(batch: Batch, is_fresh: npt.NDArray[np.bool_], look_up: LookUp) -> Judgement:
    """Look the rows up that are not fresh; among equal keys of the batch the first one counts."""
    is_known = np.zeros(len(batch), np.bool_)
    kept = batch.value.copy()
    # Only a row of the same series can repeat another: the others of the batch stay out of it.
    concerned = np.flatnonzero(np.isin(batch.series_id, batch.series_id[~is_fresh]))
    known, stored = _compare(batch.take(concerned), is_fresh[concerned], look_up)
    is_known[concerned], kept[concerned] = known, stored
    is_equal = (kept == batch.value) | (np.isnan(kept) & np.isnan(batch.value))
    is_conflict = is_known & ~is_equal
    is_new = ~is_known
    late = np.where(is_new & ~is_fresh, int(Quality.LATE), 0).astype(np.uint8)
    marked = Batch(batch.series_id, batch.measured_at_us, batch.value, batch.quality | late)
    return Judgement(
        new=marked.take(is_new),
        n_duplicates=int((is_known & is_equal).sum()),
        conflicting=batch.take(is_conflict),
        kept_values=kept[is_conflict],
    )


def _compare(
    batch: Batch, is_fresh: npt.NDArray[np.bool_], look_up: LookUp
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """For each row whether its key is stored or earlier in the batch, and the first value of it."""
    order = np.lexsort((np.arange(len(batch)), batch.measured_at_us, batch.series_id))
    series, t = batch.series_id[order], batch.measured_at_us[order]
    is_leader = np.r_[True, (series[1:] != series[:-1]) | (t[1:] != t[:-1])]
    leader = order[np.maximum.accumulate(np.where(is_leader, np.arange(len(order)), 0))]
    leader_of = np.empty(len(batch), np.intp)
    leader_of[order] = leader
    is_repeat = leader_of != np.arange(len(batch))

    is_stored = np.zeros(len(batch), np.bool_)
    kept = batch.value[leader_of]
    asked = np.flatnonzero(~is_fresh & ~is_repeat)
    if len(asked):
        found, stored_value = look_up(batch.take(asked))
        is_stored[asked] = found
        kept[asked] = np.where(found, stored_value, kept[asked])
    # A repeat of a stored row is compared with the stored value, not with its own leader.
    return is_stored | is_repeat, np.where(is_repeat, kept[leader_of], kept)

"""The rows of one place brought to another, stretch by stretch, and read again there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from wattscope.assembly.backup import Watch
from wattscope.assembly.moving_sides import MovingStore, Source
from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch
from wattscope.core.topology import Series
from wattscope.stores.upkeep.backup import SeriesSum
from wattscope.stores.upkeep.row_match import (
    ALWAYS_US,
    RowMatch,
    describe_first,
    match_rows,
    spread,
)
from wattscope.stores.upkeep.row_sums import RowSums, Stretch, find_difference
from wattscope.stores.upkeep.shared_stretches import plan_shared_reads


class RowMove:
    """Moves rows, and keeps count of what it found."""

    def __init__(self, source: Source, target: MovingStore, watch: Watch) -> None:
        """Take the two places; ``watch`` is told of progress [rows]."""
        self._source = source
        self._target = target
        self._watch = watch
        newest = source.store.last_rows()
        self._newest: dict[int, int] = dict(
            zip(newest.series_id.tolist(), newest.measured_at_us.tolist(), strict=True)
        )
        self._retired = source.store.find_retired()
        self._ours, self._theirs = RowSums(), RowSums()
        self.qualities: Counter[int] = Counter()
        """Number of rows by quality."""
        self.faults: dict[int, str] = {}
        """What is wrong with a series first, in words."""
        self.foreign_from: dict[int, int] = {}
        """From here on the target has rows of a series that the source has not [µs]."""
        self.n_new = self.n_late = self.n_beyond = 0

    def move_all(self, series: Sequence[int]) -> None:
        """Bring all rows of some series, and sum up both sides.

        Raises:
            StorageError: A file of the source is damaged.
        """
        total = sum(self._source.store.count_span_rows().values())
        n_done = 0
        for stretch in plan_shared_reads([self._source.store, self._target], series):
            wanted, found = self._bring(stretch)
            self._sum(wanted, found)
            n_done += len(wanted)
            self._watch("rows", min(n_done, total), max(total, 1))
        if self._source.damages:
            raise StorageError(
                f"rows of {', '.join(self._source.damages)} could not be read; run "
                "'wattscope repair', or restore a backup, then run this again"
            )

    def move_again(self, series: Sequence[int]) -> None:
        """Bring what came meanwhile of some series; it is in no sum."""
        for stretch in plan_shared_reads([self._source.store, self._target], series):
            self._bring(stretch)

    def sum_up(self, series: Sequence[Series]) -> tuple[SeriesSum, ...]:
        """What the rows of each series come to, on both sides alike.

        Raises:
            StorageError: They do not.
        """
        ours, theirs = self._ours.finish(series), self._theirs.finish(series)
        difference = find_difference(ours, theirs)
        if difference is not None:
            raise StorageError(f"{difference} in the target; see docs/moving.md")
        return ours

    def _bring(self, stretch: Stretch) -> tuple[Batch, RowMatch]:
        """Load what is missing; gives what is wanted, and how the target stands to it then."""
        wanted = self._source.read(lambda store: _read(store, stretch))
        found = match_rows(wanted, _read(self._target, stretch))
        if len(found.missing):
            self.n_new += len(found.missing)
            self._target.load(found.missing)
            # As the target has it now, not as it was meant to be.
            found = match_rows(wanted, _read(self._target, stretch))
        self._note(found.missing, "is missing there after it was written")
        self._note(found.differing, "has another value or quality there")
        self._judge_beyond(found.beyond)
        return wanted, found

    def _sum(self, wanted: Batch, found: RowMatch) -> None:
        self._ours.add(wanted)
        self._theirs.add(found.same)
        self.n_late += found.n_late
        values, counts = np.unique(found.same.quality, return_counts=True)
        self.qualities.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def _judge_beyond(self, rows: Batch) -> None:
        """Newer rows are of whoever writes to the target now; older ones retention has removed."""
        if not len(rows):
            return
        t = rows.measured_at_us
        is_newer = t > spread(rows.series_id, self._newest, ALWAYS_US)
        is_fair = is_newer | (t < spread(rows.series_id, self._retired, ALWAYS_US))
        self.n_beyond += int(is_fair.sum())
        self._note(rows.take(~is_fair), "is there, but not in the source")
        newer = rows.take(is_newer)
        ids, first = np.unique(newer.series_id, return_index=True)
        for one, at in zip(ids.tolist(), newer.measured_at_us[first].tolist(), strict=True):
            self.foreign_from[one] = min(at, self.foreign_from.get(one, at))

    def _note(self, rows: Batch, words: str) -> None:
        """Remember the first fault of each series."""
        for one, told in describe_first(rows).items():
            self.faults.setdefault(one, f"{told} {words}")


def _read(store: MovingStore, stretch: Stretch) -> Batch:
    return store.read_raw(stretch.series, stretch.start_us, stretch.end_us)

"""An installation copied from a data folder to PostgreSQL, or back, while it is in use.

::

    registry ─▶ rows: read both, load what is missing, read again ─▶ buckets ─▶ days ─▶ registry
                └────────── a stretch of time at a time ──────────┘

Nothing is remembered between two runs: what is there is seen by reading it. So a run that was
killed anywhere goes on with the next one, and rows that came late meanwhile are found. Every row is
compared to the last bit after it was written, and every day of every series after that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from wattscope.assembly.backup import Watch, explaining
from wattscope.assembly.moved_days import DayProof
from wattscope.assembly.moving_sides import (
    MovingStore,
    Place,
    Side,
    Source,
    open_source,
    open_target,
)
from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.core.reading import Batch
from wattscope.registry.moving import CopyReport, copy_registry
from wattscope.settings import Settings
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

_NAMED = 3
"""So many series are named where more differ."""
_ATTEMPTS = 3
"""So often days are compared while rows come late to the source."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run has come to, after all of it was proved."""

    source: str
    target: str
    registry: CopyReport
    series: tuple[SeriesSum, ...]
    """What the rows of each series come to, the same on both sides."""
    qualities: Counter[int]
    """Number of rows by quality."""
    n_new: int
    """Rows that the target did not have before."""
    n_late: int
    """Rows that are marked late there only, for newer ones had come before them."""
    n_beyond: int
    """Rows of the target that the source has not, newer than its own or removed by retention."""
    n_buckets: int
    """Days of series that were compared."""
    n_unproven: int
    """Series of which days could not be compared, for rows came late to the source meanwhile."""
    n_retired: int
    """Series whose oldest rows retention has removed; the buckets of that time were not moved."""
    n_waiting: int
    """Set-aside messages that are in the log of the source only."""
    n_models: int
    is_final: bool
    """Whether nothing could be written to the source meanwhile: then nothing is missing."""
    has_moved: bool
    """Whether rows came to the source while it was read; a next run brings them."""

    @property
    def n_rows(self) -> int:
        """Rows of the source."""
        return sum(one.rows for one in self.series)

    @property
    def newest_us(self) -> int | None:
        """The newest instant that was moved [µs]."""
        return max((one.last_us for one in self.series), default=None)


def migrate(settings: Settings, source: Place, target: Place, watch: Watch) -> Moved:
    """Bring to a target what it lacks of a source, and prove that it is the same.

    Args:
        settings: Those of the data folder.
        source: Where the installation is; it may be in use.
        target: Where it shall be; empty, or with what an earlier run has brought there.
        watch: Told of progress [rows of tables, rows, series].

    Raises:
        SettingsError: There is no data at the source, or no move is meant.
        StorageError: The target is another installation's, or something differs: it is named.
        TransientError: A server cannot be reached, or has no room; run it again.
    """
    if (source.folder is None) == (target.folder is None):
        raise SettingsError(
            f"{source} and {target} are of one kind; move between a data folder and PostgreSQL, "
            "else use backup and restore, or pg_dump"
        )
    with (
        _telling_to_go_on(),
        explaining(f"move to {target}"),
        open_source(settings, source) as old,
    ):
        with open_target(settings, target) as new:
            _refuse_strange_rows(new)
            copy_registry(old.database, new.database, watch)
        # Opened again, so that it knows the names and rules that came.
        with open_target(settings, target) as new:
            return _Move(old, new, watch).run(str(source), str(target))


@contextmanager
def _telling_to_go_on() -> Iterator[None]:
    try:
        yield
    except TransientError as fault:
        raise type(fault)(f"{fault}; what was copied stays: run it again to go on") from fault


def _refuse_strange_rows(target: Side) -> None:
    if target.registry.count_series() == 0 and target.store.time_range() is not None:
        raise StorageError(
            f"the store of {target.database.where} has rows, but its registry knows no series: "
            "they are not of this installation; choose an empty database"
        )


class _Move:
    """One run between two open places whose names are the same."""

    def __init__(self, source: Source, target: Side, watch: Watch) -> None:
        self._source = source
        self._target = target
        self._watch = watch
        # Of the target: a series that was added meanwhile is the next run's.
        self._series = target.registry.list_series()
        self._newest = _by_series(source.store.last_rows())
        self._retired = source.store.find_retired()
        self._ours, self._theirs = RowSums(), RowSums()
        self._qualities: Counter[int] = Counter()
        self._faults: dict[int, str] = {}
        self._foreign_from: dict[int, int] = {}
        self._n_new = self._n_late = self._n_beyond = self._n_unproven = 0

    def run(self, source: str, target: str) -> Moved:
        self._move_rows()
        series = self._prove_rows()
        n_buckets = self._prove_days()
        n_models = self._move_models()
        report = copy_registry(self._source.database, self._target.database, self._watch)
        self._demand_whole(report)
        return Moved(
            source=source,
            target=target,
            registry=report,
            series=series,
            qualities=self._qualities,
            n_new=self._n_new,
            n_late=self._n_late,
            n_beyond=self._n_beyond,
            n_buckets=n_buckets,
            n_unproven=self._n_unproven,
            n_retired=len(self._retired),
            n_waiting=self._source.count_waiting(),
            n_models=n_models,
            is_final=self._source.is_still,
            has_moved=self._source.has_moved(),
        )

    # ── rows ─────────────────────────────────────────────────────────────────────────────────

    def _move_rows(self) -> None:
        ids = [one.id for one in self._series]
        plan = plan_shared_reads([self._source.store, self._target.store], ids)
        total = sum(self._source.store.count_span_rows().values())
        n_done = 0
        for stretch in plan:
            n_done += self._move_stretch(stretch)
            self._watch("rows", min(n_done, total), max(total, 1))
        if self._source.damages:
            raise StorageError(
                f"rows of {', '.join(self._source.damages)} could not be read; run "
                "'wattscope repair', or restore a backup, then run this again"
            )

    def _move_stretch(self, stretch: Stretch) -> int:
        wanted, found = self._bring(stretch)
        self._ours.add(wanted)
        self._theirs.add(found.same)
        self._n_late += found.n_late
        values, counts = np.unique(found.same.quality, return_counts=True)
        self._qualities.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        return len(wanted)

    def _bring(self, stretch: Stretch) -> tuple[Batch, RowMatch]:
        """Load what is missing; gives what is wanted, and how the target stands to it then."""
        wanted = self._source.read(lambda store: _read(store, stretch))
        found = match_rows(wanted, _read(self._target.store, stretch))
        if len(found.missing):
            self._n_new += len(found.missing)
            self._target.store.load(found.missing)
            # As the target has it now, not as it was meant to be.
            found = match_rows(wanted, _read(self._target.store, stretch))
        self._judge(found)
        return wanted, found

    def _judge(self, found: RowMatch) -> None:
        """Remember the first fault of each series, and what may be beyond."""
        for rows, words in (
            (found.missing, "is missing there after it was written"),
            (found.differing, "has another value or quality there"),
        ):
            self._note(rows, words)
        self._judge_beyond(found.beyond)

    def _judge_beyond(self, rows: Batch) -> None:
        """Newer rows are of whoever writes to the target now; older ones retention has removed."""
        if not len(rows):
            return
        t = rows.measured_at_us
        is_newer = t > spread(rows.series_id, self._newest, ALWAYS_US)
        is_fair = is_newer | (t < spread(rows.series_id, self._retired, ALWAYS_US))
        self._n_beyond += int(is_fair.sum())
        self._note(rows.take(~is_fair), "is there, but not in the source")
        newer = rows.take(is_newer)
        ids, first = np.unique(newer.series_id, return_index=True)
        for one, at in zip(ids.tolist(), newer.measured_at_us[first].tolist(), strict=True):
            self._foreign_from[one] = min(at, self._foreign_from.get(one, at))

    def _note(self, rows: Batch, words: str) -> None:
        for one, told in describe_first(rows).items():
            self._faults.setdefault(one, f"{told} {words}")

    def _prove_rows(self) -> tuple[SeriesSum, ...]:
        self._demand_sound("rows")
        ours, theirs = self._ours.finish(self._series), self._theirs.finish(self._series)
        difference = find_difference(ours, theirs)
        if difference is not None:
            raise StorageError(f"{difference} in the target; see docs/moving.md")
        return ours

    # ── days ─────────────────────────────────────────────────────────────────────────────────

    def _prove_days(self) -> int:
        proof = DayProof(self._source, self._target.store, self._watch)
        ids = [one.id for one in self._series]
        n_buckets = 0
        for _ in range(_ATTEMPTS):
            self._watch("rollups", 0, 1)
            self._target.store.flush()
            self._watch("rollups", 1, 1)
            n_equal, differing = proof.compare(ids, self._foreign_from)
            n_buckets += n_equal
            if not differing or not self._source.has_moved():
                break
            # Rows came late for days that were read before.
            ids = sorted(differing)
            for stretch in plan_shared_reads([self._source.store, self._target.store], ids):
                self._bring(stretch)
        if self._source.has_moved():
            self._n_unproven = len(differing)
        else:
            self._faults |= dict.fromkeys(differing, "energy, sums or shares by day differ")
        self._demand_sound("days")
        return n_buckets

    def _demand_sound(self, what: str) -> None:
        if not self._faults:
            return
        names = {one.id: f"{one.quantity.name} of {one.device}" for one in self._series}
        told = [f"{names[one]}: {words}" for one, words in sorted(self._faults.items())[:_NAMED]]
        more = len(self._faults) - len(told)
        told += [f"and {more} more series"] if more else []
        raise StorageError(
            f"{what} of {self._target.database.where} are not those of "
            f"{self._source.database.where}: {'; '.join(told)}; see docs/moving.md"
        )

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def _move_models(self) -> int:
        models, _ = self._source.models.read_all()
        present, _ = self._target.models.read_all()
        for device_class, model in models.items():
            if model != present.get(device_class):
                self._target.models.write(model)
        return len(models)

    def _demand_whole(self, report: CopyReport) -> None:
        if report.is_complete or not self._source.is_still:
            return
        tables = ", ".join(one.table for one in report.tables if not one.is_same)
        raise StorageError(
            f"registry {self._target.database.where} differs from that of the source after it "
            f"was copied: {tables}; is something else writing to it?"
        )


def _read(store: MovingStore, stretch: Stretch) -> Batch:
    return store.read_raw(stretch.series, stretch.start_us, stretch.end_us)


def _by_series(rows: Batch) -> dict[int, int]:
    return dict(zip(rows.series_id.tolist(), rows.measured_at_us.tolist(), strict=True))

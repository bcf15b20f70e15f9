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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wattscope.assembly.backup import Watch, explaining
from wattscope.assembly.moved_days import DayProof
from wattscope.assembly.moved_rows import RowMove
from wattscope.assembly.moving_sides import (
    Place,
    Side,
    Source,
    open_source,
    open_target,
)
from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.registry.moving import CopyReport, copy_registry
from wattscope.settings import Settings
from wattscope.stores.upkeep.backup import SeriesSum

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
            _copy_names(old, new, watch)
        # Opened again, so that it knows the names and rules that came.
        with open_target(settings, target) as new:
            return _Move(old, new, watch).run(str(source), str(target))


@contextmanager
def _telling_to_go_on() -> Iterator[None]:
    try:
        yield
    except TransientError as fault:
        raise type(fault)(f"{fault}; what was copied stays: run it again to go on") from fault


def _copy_names(source: Source, target: Side, watch: Watch) -> CopyReport:
    def on_step(_table: str, n_done: int, n_rows: int) -> None:
        watch("registry", n_done, n_rows)

    return copy_registry(source.database, target.database, on_step)


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
        self._rows = RowMove(source, target.store, watch)
        self._n_unproven = 0

    def run(self, source: str, target: str) -> Moved:
        ids = [one.id for one in self._series]
        self._rows.move_all(ids)
        self._demand_sound("rows", self._rows.faults)
        series = self._rows.sum_up(self._series)
        n_buckets = self._prove_days(ids)
        n_models = self._move_models()
        report = _copy_names(self._source, self._target, self._watch)
        self._demand_whole(report)
        return Moved(
            source=source,
            target=target,
            registry=report,
            series=series,
            qualities=self._rows.qualities,
            n_new=self._rows.n_new,
            n_late=self._rows.n_late,
            n_beyond=self._rows.n_beyond,
            n_buckets=n_buckets,
            n_unproven=self._n_unproven,
            n_retired=len(self._source.store.find_retired()),
            n_waiting=self._source.count_waiting(),
            n_models=n_models,
            is_final=self._source.is_still,
            has_moved=self._source.has_moved(),
        )

    def _prove_days(self, series: Sequence[int]) -> int:
        """Have the target make its rollups, and compare them; gives how many are equal."""
        proof = DayProof(self._source, self._target.store, self._watch)
        n_buckets = 0
        for _ in range(_ATTEMPTS):
            self._watch("rollups", 0, 1)
            self._target.store.flush()
            self._watch("rollups", 1, 1)
            n_equal, differing = proof.compare(series, self._rows.foreign_from)
            n_buckets += n_equal
            if not differing or not self._source.has_moved():
                break
            # Rows came late for days that were read before.
            series = sorted(differing)
            self._rows.move_again(series)
        faults = dict(self._rows.faults)
        if self._source.has_moved():
            self._n_unproven = len(differing)
        else:
            faults |= dict.fromkeys(differing, "energy, sums or shares by day differ")
        self._demand_sound("days", faults)
        return n_buckets

    def _demand_sound(self, what: str, faults: Mapping[int, str]) -> None:
        if not faults:
            return
        names = {one.id: f"{one.quantity.name} of {one.device}" for one in self._series}
        told = [f"{names[one]}: {words}" for one, words in sorted(faults.items())[:_NAMED]]
        more = len(faults) - len(told)
        told += [f"and {more} more series"] if more else []
        raise StorageError(
            f"{what} of {self._target.database.where} are not those of "
            f"{self._source.database.where}: {'; '.join(told)}; see docs/moving.md"
        )

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

"""Folders to back up, what is in them, and a load that goes on meanwhile."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.verdict import Rows, read_rows, rows_of
from tests.faults.workload import (
    SETTINGS,
    Step,
    make_plan,
    read_ledger,
    register,
    run_plan,
    small_scale,
)
from wattscope.assembly.backup import make_backup
from wattscope.assembly.restore import Restored, restore_backup
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.reading import build_batch
from wattscope.stores.upkeep.backup import BackupNote

SEED = 20_261_120
N_STEPS = 60
N_LOADED_STEPS = 3000


def watch_nothing(_doing: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def back_up(data: Path, target: Path) -> BackupNote:
    return make_backup(SETTINGS, data, target, watch_nothing)


def restore(backup: Path, data: Path, *, is_kept: bool = True) -> Restored:
    return restore_backup(SETTINGS, backup, data, watch_nothing, is_kept=is_kept)


def fill(root: Path, n_steps: int = N_STEPS) -> Path:
    """A data folder with chunks, rollups, merged files, quarantine and rows in the log only."""
    run_plan(root, SEED, n_steps)
    data = root / "data"
    with small_scale(), opened(data) as storage:
        send(storage, range(n_steps, n_steps + 5), make_plan(SEED, n_steps + 5))
        # As a killed process leaves it: nothing is flushed.
        storage.store.flush = lambda: storage.store.covered_offset  # type: ignore[method-assign]  # for the closing one
    assert len(read_ledger(root / "ledger")) == n_steps
    return data


@contextlib.contextmanager
def opened(data: Path) -> Iterator[Storage]:
    with open_storage(SETTINGS, data) as storage:
        yield storage


def send(storage: Storage, numbers: range, plan: tuple[Step, ...]) -> dict[int, int]:
    """Append steps; gives the number of each by the offset of its record."""
    offsets = {}
    for number in numbers:
        step = plan[number]
        ids = register(storage.registry, max((row[0] for row in step.rows), default=0))
        batch = build_batch([(ids[row[0]], *row[1:]) for row in step.rows])
        offsets[storage.persist.append(batch, step.aside).offset] = number
        storage.persist.drain()
    return offsets


def read_folder(data: Path) -> tuple[Rows, list[str]]:
    """Rows, and everything that the registry holds."""
    with open_storage(SETTINGS, data, is_read_only=True) as storage:
        registry = storage.registry
        names = [
            *map(repr, registry.list_sites()),
            *map(repr, registry.list_devices()),
            *map(repr, registry.list_series()),
            *(repr(one.item) for one in storage.shelf.list_newest(100_000)),
        ]
        assert not storage.store.damages
        assert not storage.log.damages
        return read_rows(storage), names


@dataclass
class Load:
    """Appends, drains and flushes in a thread of its own, as fast as it can."""

    storage: Storage
    plan: tuple[Step, ...] = field(default_factory=lambda: make_plan(SEED, N_LOADED_STEPS))
    number_of: dict[int, int] = field(default_factory=dict)
    """Number of the step by offset."""
    faults: list[BaseException] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, n_steps: int, *, is_flushed: bool) -> None:
        """Some more steps now."""
        with self._turn:
            first = len(self.number_of)
            stop = min(first + n_steps, len(self.plan))
            self.number_of |= send(self.storage, range(first, stop), self.plan)
            if is_flushed:
                self.storage.persist.flush()

    def _work(self) -> None:
        draw = random.Random(SEED)
        try:
            while not self.is_over.is_set() and len(self.number_of) < len(self.plan):
                self.advance(1, is_flushed=draw.random() < 0.05)
        except BaseException as fault:  # noqa: BLE001  # the test must see it, whatever it is
            self.faults.append(fault)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        worker = threading.Thread(target=self._work)
        worker.start()
        try:
            yield
        finally:
            self.is_over.set()
            worker.join()
        assert not self.faults

    def rows_below(self, offset: int) -> Rows:
        """What must be there of everything below an offset of the log."""
        numbers = [number for at, number in sorted(self.number_of.items()) if at < offset]
        return rows_of([self.plan[number] for number in numbers])


@contextlib.contextmanager
def loaded(data: Path) -> Iterator[Load]:
    """A data folder with a load that has not begun."""
    with small_scale(), opened(data) as storage:
        yield Load(storage)

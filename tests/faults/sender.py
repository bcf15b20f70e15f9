"""Sends steps to the real storage while calls fail, and goes on as the supervisor would."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from tests.faults.buckets import compare_buckets
from tests.faults.verdict import read_rows, rows_of
from tests.faults.workload import SETTINGS, STEP_US, T0_US, Step, register, small_scale
from tests.stores.histories import NAMES
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.errors import TransientError, WattscopeError
from wattscope.core.reading import build_batch

RESUME_S = 10.0
"""Longest time from free space to the first acknowledgement [s]."""
FAULTS = (OSError, WattscopeError, duckdb.Error, SQLAlchemyError)
"""What a later turn of the supervisor puts right."""


class Sender:
    """Keeps account of what was acknowledged and what was refused."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.acked: list[Step] = []
        self.refused: list[Step] = []
        """Not sent again yet."""
        self.n_refused = 0
        self.n_failed = 0
        """Drains and flushes that an error cut off."""

    def send(self, step: Step) -> bool:
        """Append one step; whether it was acknowledged. Errors behind that are left for later."""
        try:
            ids = register(self.storage.registry, len(NAMES))
            batch = build_batch([(ids[row[0]], *row[1:]) for row in step.rows])
            self.storage.persist.append(batch, step.aside)
        except (TransientError, SQLAlchemyError):
            self.refused.append(step)
            self.n_refused += 1
            return False
        self.acked.append(step)
        try:
            self.storage.persist.drain()
            if self.storage.persist.is_flush_due:
                self.storage.persist.flush()
        except FAULTS:
            self.n_failed += 1
        return True

    def send_refused(self) -> None:
        """Send again what was refused; all of it must be taken within ``RESUME_S``."""
        deadline_s = time.monotonic() + RESUME_S
        waiting, self.refused = self.refused, []
        for step in waiting:
            while not self.send(step):
                assert time.monotonic() < deadline_s, "there is room, and data is still refused"
                self.refused.clear()
                time.sleep(0.1)

    def settle(self) -> None:
        """What failed before must succeed now, or the next time."""
        try:
            self._settle_now()
        except FAULTS:
            self.n_failed += 1
            self._settle_now()

    def _settle_now(self) -> None:
        self.storage.persist.drain()
        self.storage.persist.flush()

    def verify(self, earlier: Sender | None = None) -> None:
        """Compare what is stored with what was acknowledged.

        A refused step may be stored nevertheless: its bytes may have reached the log.
        """
        told = earlier or self
        found = read_rows(self.storage)
        promised, possible = rows_of(told.acked), rows_of([*told.acked, *told.refused])
        wrong = [key for key in found if found[key] != possible.get(key)]
        lost = [key for key in promised if found.get(key) != promised[key]]
        assert not wrong, f"{len(wrong)} rows were not sent so, first {wrong[0]}"
        assert not lost, f"{len(lost)} of {len(promised)} acknowledged rows lost, first {lost[0]}"
        compare_buckets(self.storage)


@contextmanager
def opened(root: Path, *, is_room_watched: bool = True) -> Iterator[Sender]:
    """The real storage on a folder; without watching, only the disk itself says that it is full."""
    settings = SETTINGS
    if not is_room_watched:
        storage_settings = replace(SETTINGS.storage, min_free_mb=0.0, warn_free_mb=0.0)
        settings = replace(SETTINGS, storage=storage_settings)
    with small_scale(), open_storage(settings, root / "data") as storage:
        yield Sender(storage)


def make_wide_plan(seed: int, n_steps: int, n_rows: int = 500) -> list[Step]:
    """Steps of many rows that compress badly, each later than all of the plans before."""
    draw = random.Random(seed)
    start = T0_US + seed * 100 * STEP_US
    return [
        Step(
            tuple(
                (draw.randrange(1, len(NAMES) + 1), at, draw.random(), 0)
                for at in sorted(
                    draw.sample(range(start + n * STEP_US, start + (n + 1) * STEP_US), n_rows)
                )
            ),
            (),
        )
        for n in range(n_steps)
    ]

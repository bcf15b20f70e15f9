"""Watches the room on the disk of the data folder, and refuses new data before it is full.

It promises that the disk is looked at no more than once a second, that a refusal ends by itself
when there is room again, and that a reserve file gives way when the disk runs full nevertheless,
so that what was begun (a flush, the manifest, the registry) can be finished. It removes nothing
else.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattscope.compute.disk_space import (
    MB,
    SpaceMarks,
    SpaceState,
    choose_marks,
    choose_reserve,
    judge_space,
)
from wattscope.core.errors import StorageFullError

LOOK_EVERY_S = 1.0
_RESERVE_AGAIN_S = 60.0
"""After a full disk the reserve is left alone for so long: a quota may not show as free space."""
_BLOCK = b"\0" * 65_536


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """What a look at a disk says [bytes]."""

    total: int
    free: int
    """For programs without special rights."""


def measure_room(folder: Path) -> DiskRoom:
    """The room on the disk of a folder."""
    found = os.statvfs(folder)
    return DiskRoom(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


@dataclass(frozen=True, slots=True)
class SpaceReport:
    """How the disk stands."""

    state: SpaceState
    room: DiskRoom
    marks: SpaceMarks
    has_reserve: bool

    @property
    def advice(self) -> str:
        """What is the matter and what to do; empty while nothing is."""
        if self.state is SpaceState.OK:
            return ""
        free_mb = self.room.free / MB
        if self.state is SpaceState.WARNING:
            return (
                f"{free_mb:,.0f} MB are free; below {self.marks.min_free / MB:,.0f} MB new data is "
                "refused: free some space, or move the data folder to a larger disk"
            )
        return (
            f"{free_mb:,.0f} MB are free, storage.min_free_mb is {self.marks.min_free / MB:,.0f}: "
            "new data is refused until there is more; free some space, it goes on by itself"
        )


class SpaceWatch:
    """The watermarks over one folder; safe to ask from several threads."""

    def __init__(
        self,
        reserve_file: Path,
        *,
        measure: Callable[[], DiskRoom],
        monotonic_s: Callable[[], float],
        warn_free: int | None = None,
        min_free: int | None = None,
        on_change: Callable[[SpaceReport], None] = lambda _: None,
    ) -> None:
        """Look for the first time.

        Args:
            reserve_file: Made where there is room; its folder exists.
            measure: Looks at the disk.
            monotonic_s: A clock that only goes forward [s].
            warn_free: Free space below which to warn [bytes]; None: by the size of the disk.
            min_free: Free space below which to refuse [bytes]; likewise.
            on_change: Called with each new state, and with the first one unless it is ok.
        """
        self._reserve_file = reserve_file
        self._measure = measure
        self._monotonic_s = monotonic_s
        self._wanted = (warn_free, min_free)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = SpaceState.OK
        self._reserve_from_s = -float("inf")
        self._room = measure()
        self._report = self._look_now()

    def look(self) -> SpaceReport:
        """How the disk stands, as of at most a second ago."""
        with self._lock:
            if self._monotonic_s() - self._looked_s >= LOOK_EVERY_S:
                self._report = self._look_now()
            return self._report

    def demand(self) -> None:
        """Ask whether new data may be taken.

        Raises:
            StorageFullError: There is too little room.
        """
        report = self.look()
        if report.state is SpaceState.REFUSING:
            raise StorageFullError(f"the disk of the data folder is nearly full: {report.advice}")

    def give_way(self) -> None:
        """A write found no room: free the reserve, so that what was begun can be finished."""
        with self._lock:
            self._release()
            self._reserve_from_s = self._monotonic_s() + _RESERVE_AGAIN_S
            self._report = self._look_now()

    def close(self) -> None:
        """Remove the reserve: it is of use to a running program only."""
        with self._lock:
            self._release()
            self._reserve_from_s = float("inf")

    def _look_now(self) -> SpaceReport:
        self._looked_s = self._monotonic_s()
        # A disk that cannot be looked at now says so with the next write.
        with contextlib.suppress(OSError):
            self._room = self._measure()
        room = self._room
        marks = choose_marks(room.total, *self._wanted)
        state = judge_space(room.free, marks, self._state)
        self._keep_reserve(room, marks, state)
        report = SpaceReport(state, room, marks, self._reserve_file.exists())
        if state is not self._state:
            self._state = state
            self._on_change(report)
        return report

    def _keep_reserve(self, room: DiskRoom, marks: SpaceMarks, state: SpaceState) -> None:
        """Hold room back while there is plenty, and give it when there is next to none."""
        n_bytes = choose_reserve(room.total)
        is_plenty = state is SpaceState.OK and room.free - n_bytes > 2 * marks.warn_free
        if self._reserve_file.exists():
            if room.free < n_bytes:
                self._release()
        elif is_plenty and self._looked_s >= self._reserve_from_s:
            _fill_file(self._reserve_file, n_bytes)

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve_file.unlink(missing_ok=True)


def _fill_file(path: Path, n_bytes: int) -> None:
    """A file that takes up its room on the disk; none where that fails."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, n_bytes)
            else:  # macOS has none
                while os.fstat(fd).st_size < n_bytes:
                    os.write(fd, _BLOCK)
        finally:
            os.close(fd)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

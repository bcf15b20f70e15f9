"""Access to the store's files: every byte is checked before it is believed.

::

    page by page    rows and buckets of some series: each page by its own CRC, at every read
    whole file      for SQL, where DuckDB reads by itself: by the file's CRC, before the first use
                    and again every hour

A damaged page costs its own rows and nothing else: they are left out, and the damage is noted. For
SQL the sound rows of a damaged file are taken into memory, and the file is not touched again.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, empty_batch
from wattscope.stores.manifest import FileNote, Part
from wattscope.stores.parquet.deltas import PageMaps
from wattscope.stores.parquet.layout import Column
from wattscope.stores.parquet.reader import DamagedPageError, FileReader, join_runs
from wattscope.stores.row_files import row_columns

MAX_READERS = 512
"""Indexes of files that are kept in memory."""
TRUST_S = 3600.0
"""For so long a file that was checked whole is not checked again [s]."""
REMEMBERED_BYTES = 16 << 20
"""Room for decoded files [bytes]."""
_BLOCK = 1 << 20

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FileDamage:
    """Rows of a file that are lost until it is repaired."""

    file: str
    rows: int
    detail: str


class CheckedFiles:
    """The files of one store folder. Thread-safe."""

    def __init__(self, folder: Path, monotonic: Callable[[], float]) -> None:
        self.folder = folder
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._notes: dict[str, FileNote] = {}
        self._readers: OrderedDict[str, FileReader] = OrderedDict()
        self._maps = PageMaps()
        self._checked_at: dict[str, float] = {}
        self._damages: dict[str, FileDamage] = {}
        self._remembered: OrderedDict[str, tuple[object, int]] = OrderedDict()

    @property
    def damages(self) -> list[FileDamage]:
        """What was found damaged so far, by name of file."""
        with self._lock:
            return [self._damages[name] for name in sorted(self._damages)]

    def note_damage(self, file: str, rows: int, detail: str) -> None:
        """Remember that rows of a file cannot be read."""
        with self._lock:
            self._damages[file] = FileDamage(file, rows, detail)

    def remember(self, note: FileNote, decoded: object, n_bytes: int) -> None:
        """Keep the decoded content of a sound file, as long as there is room for it."""
        with self._lock:
            self._know(note)
            self._remembered[note.file] = (decoded, n_bytes)
            while sum(size for _, size in self._remembered.values()) > REMEMBERED_BYTES:
                self._remembered.popitem(last=False)

    def remembered(self, note: FileNote) -> object | None:
        """What was kept of a file; None when nothing is."""
        with self._lock:
            self._know(note)
            if note.file not in self._remembered:
                return None
            self._remembered.move_to_end(note.file)
            return self._remembered[note.file][0]

    def is_damaged(self, note: FileNote) -> bool:
        """Whether a part of the file was found damaged."""
        with self._lock:
            self._know(note)
            return note.file in self._damages

    def forget(self, files: set[str]) -> None:
        """Forget files that are gone."""
        with self._lock:
            for name in files:
                self._drop(name)

    def _know(self, note: FileNote) -> None:
        """Let go of what was learned of another file with this name; the lock is held.

        A flush that the disk cut off is done again, with more rows under the same names.
        """
        if self._notes.setdefault(note.file, note) != note:
            self._drop(note.file)
            self._notes[note.file] = note

    def _drop(self, file: str) -> None:
        self._notes.pop(file, None)
        self._readers.pop(file, None)
        self._checked_at.pop(file, None)
        self._remembered.pop(file, None)
        self._damages.pop(file, None)

    def reader(self, note: FileNote, columns: Sequence[Column]) -> FileReader:
        """A file to read from page by page.

        Raises:
            DamagedPageError: Its index is damaged.
            FileNotFoundError: It is gone.
        """
        with self._lock:
            self._know(note)
            known = self._readers.get(note.file)
            if known is not None:
                self._readers.move_to_end(note.file)
                return known
        opened = FileReader.open(
            self.folder / note.file, columns, note.index_at, note.index_size, note.index_crc
        )
        opened.maps = self._maps
        with self._lock:
            self._readers[note.file] = opened
            if len(self._readers) > MAX_READERS:
                self._readers.popitem(last=False)
        return opened

    def read(
        self,
        note: FileNote,
        columns: Sequence[Column],
        names: Sequence[str],
        series: Sequence[int] | None,
    ) -> Columns:
        """Columns of the sound rows of some series, in the order of the file.

        Raises:
            StorageError: The file cannot be read at all; the damage is noted.
        """
        try:
            reader = self.reader(note, columns)
            if series is not None:
                return reader.read_series(names, series)
            return reader.read(names, reader.find_runs(None))
        except DamagedPageError as fault:
            return self._read_sound(note, columns, names, series, fault)
        except OSError as fault:
            self.note_damage(note.file, note.rows, f"cannot be read ({fault.strerror})")
            raise StorageError(f"{note.file}: cannot be read ({fault.strerror})") from fault

    def _read_sound(
        self,
        note: FileNote,
        columns: Sequence[Column],
        names: Sequence[str],
        series: Sequence[int] | None,
        fault: DamagedPageError,
    ) -> Columns:
        try:
            reader = self.reader(note, columns)
        except DamagedPageError as worse:
            self.note_damage(note.file, note.rows, str(worse))
            raise StorageError(str(worse)) from worse
        bad = reader.check()
        self.note_damage(note.file, sum(stop - start for start, stop in bad), str(fault))
        sound = subtract_runs([(0, reader.n_rows)], bad)
        found = reader.read(("series_id", *names), sound)
        if series is not None:
            is_asked = np.isin(found["series_id"], np.array(series, np.int64))
            found = {name: values[is_asked] for name, values in found.items()}
        return {name: found[name] for name in names}

    def is_sound(self, note: FileNote) -> bool:
        """Whether the whole file is as it was written; looks again after ``TRUST_S``."""
        now = self._monotonic()
        with self._lock:
            self._know(note)
            if note.file in self._damages:
                return False
            checked_at = self._checked_at.get(note.file)
        if checked_at is not None and now - checked_at < TRUST_S:
            return True
        try:
            is_sound = compute_crc(self.folder / note.file) == note.crc
        except OSError as fault:
            self.note_damage(note.file, note.rows, f"cannot be read ({fault.strerror})")
            return False
        if is_sound:
            with self._lock:
                self._checked_at[note.file] = now
        return is_sound

    def series_of(self, note: FileNote, columns: Sequence[Column]) -> set[int]:
        """The series that have rows in a file; none when that cannot be read."""
        return set(self.count_rows(note, columns))

    def count_rows(self, note: FileNote, columns: Sequence[Column]) -> Mapping[int, int]:
        """Rows of each series in a file; none when that cannot be read."""
        try:
            return self.reader(note, columns).count_rows()
        except DamagedPageError:
            ids, counts = np.unique(self._read_quietly(note, columns), return_counts=True)
            return dict(zip(ids.tolist(), counts.tolist(), strict=True))
        except OSError as fault:
            self.note_damage(note.file, note.rows, f"cannot be read ({fault.strerror})")
            return {}

    def _read_quietly(self, note: FileNote, columns: Sequence[Column]) -> npt.NDArray[Any]:
        try:
            return self.read(note, columns, ("series_id",), None)["series_id"]
        except StorageError:
            return np.empty(0, np.int64)

    def read_part(self, part: Part, series: Sequence[int] | None) -> Batch:
        """Sound rows of some series of a chunk file, in its order; none when nothing is sound."""
        if part.note is None:
            raise StorageError(f"{part.file}: written by an older version, has no index")
        names = ("series_id", "measured_at", "value", "quality")
        if series is not None and self._has_none_of(part, series):
            return empty_batch()
        try:
            found = self.read(part.note, row_columns(part.scale), names, series)
        except StorageError:
            return empty_batch()
        return Batch(
            found["series_id"].astype(np.int32),
            found["measured_at"].astype(np.int64, copy=False),
            found["value"].astype(np.float64, copy=False),
            found["quality"].astype(np.uint8),
        )

    def _has_none_of(self, part: Part, series: Sequence[int]) -> bool:
        """Whether a file surely has no rows of some series; most files have none of one."""
        if part.note is None:
            return False
        with self._lock:
            self._know(part.note)
            reader = self._readers.get(part.note.file)
        return reader is not None and reader.has_none_of(series)


def compute_crc(path: Path) -> int:
    """CRC-32 of a file's bytes."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def subtract_runs(
    whole: Sequence[tuple[int, int]], holes: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Stretches of ``whole`` without those of ``holes``; both rising and apart."""
    left: list[tuple[int, int]] = []
    for start, stop in whole:
        at = start
        for low, high in join_runs(holes):
            if low >= stop or high <= at:
                continue
            if low > at:
                left.append((at, low))
            at = high
        if at < stop:
            left.append((at, stop))
    return left

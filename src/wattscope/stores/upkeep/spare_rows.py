"""Where rows of a damaged file may be had again: from the log, and from a backup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, concat_batches
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.checked_files import CheckedFiles, compute_crc
from wattscope.stores.manifest import MANIFEST_NAME, FileNote, Manifest, load_manifest
from wattscope.stores.rows import quote_text
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.tail import Watermarks

ReadLog = Callable[[], Iterable[tuple[int, Batch]]]
"""Offset and rows of every believable record of the log, in order."""


def rows_of_log(read_log: ReadLog, start_us: int, end_us: int, below: int) -> Batch:
    """Rows of ``[start, end)`` that records below an offset hold, as the store took them in."""
    marks = Watermarks()
    found: list[Batch] = []
    for offset, batch in read_log():
        if offset >= below or not len(batch):
            continue
        new = marks.judge(batch, _know_nothing).new
        t = new.measured_at_us
        found.append(new.take((t >= start_us) & (t < end_us)))
    return concat_batches([one for one in found if len(one)])


def _know_nothing(asked: Batch) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    return np.zeros(len(asked), np.bool_), np.full(len(asked), np.nan)


@dataclass(frozen=True, slots=True)
class Backup:
    """The chunk files of a backup; believed by their checksums only."""

    folder: Path
    manifest: Manifest
    files: CheckedFiles

    @classmethod
    def open(cls, path: Path, monotonic: Callable[[], float]) -> Backup:
        """A backup of a data folder.

        Raises:
            StorageError: There is no manifest that can be read.
        """
        folder = path / "chunks" if (path / "chunks" / MANIFEST_NAME).exists() else path
        if not (folder / MANIFEST_NAME).exists():
            raise StorageError(
                f"{path} is no backup: it has no chunks/{MANIFEST_NAME}; name another with --from"
            )
        manifest, _ = load_manifest(folder, 0)
        return cls(folder, manifest, CheckedFiles(folder, monotonic))

    def find_same(self, note: FileNote) -> Path | None:
        """The very same file, if the backup has it and it is sound."""
        path = self.folder / note.file
        try:
            return path if compute_crc(path) == note.crc else None
        except OSError:
            return None

    def rows_between(self, start_us: int, end_us: int) -> Batch:
        """Sound rows of ``[start, end)``."""
        found = []
        for part in Snapshot.of_files(self.manifest).parts_between(start_us, end_us):
            if part.note is not None:
                rows = self.files.read_part(part, None)
                t = rows.measured_at_us
                found.append(rows.take((t >= start_us) & (t < end_us)))
        return concat_batches([one for one in found if len(one)])

    def demand_same_series(self, catalogue: Catalogue) -> None:
        """Refuse a backup of another data folder: numbers of series mean something else there.

        Raises:
            StorageError: A series of it bears another name here.
        """
        labels = catalogue.labels
        for one, site, device, quantity in self._names():
            if one not in catalogue.rules:
                continue
            here = (
                labels.sites[labels.site_code[one]],
                labels.devices[labels.device_code[one]],
                labels.quantities[labels.quantity_code[one]],
            )
            if here != (site, device, quantity):
                raise StorageError(
                    f"{self.folder} is a backup of another data folder: its series {one} is "
                    f"{device} {quantity}, here it is {here[1]} {here[2]}"
                )

    def _names(self) -> Iterator[tuple[int, str, str, str]]:
        parts = [part for span in self.manifest.spans for part in span.parts]
        sound = [part for part in parts if part.note is not None and self.find_same(part.note)]
        with duckdb.connect() as plain:
            for part in sound:
                path = quote_text(str(self.folder / part.file))
                answer = plain.execute(
                    "SELECT DISTINCT series_id, site, device, quantity "  # noqa: S608  # our own file name
                    f"FROM read_parquet({path}) WHERE device IS NOT NULL"
                )
                yield from answer.fetchall()

"""A consistent copy of a store's folder while another process writes to it.

Files never change, but those that a merge replaced are removed. When one that the manifest names
is gone, a newer manifest is there: that one is taken, and what is copied already is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wattscope.core.errors import StorageError
from wattscope.stores.manifest import Manifest, load_manifest, save_manifest
from wattscope.stores.upkeep.backup import CHUNKS_NAME, FileSum, OnBytes, copy_file

MAX_ROUNDS = 100
"""So often a newer manifest is taken; each time only new files are copied."""


class _Wanted(NamedTuple):
    """A file that a manifest names."""

    name: str
    size_bytes: int
    crc: int | None
    """None where an older version wrote it without one."""


class ChunkCopy:
    """Brings a folder of copies up to the newest manifest, as often as asked."""

    def __init__(self, source: Path, target: Path, chunk_us: int, on_bytes: OnBytes) -> None:
        """Begin with nothing copied.

        Args:
            source: Folder of the store.
            target: An empty folder.
            chunk_us: Length of a span [µs] where the store has no manifest yet.
            on_bytes: Told of every copied block.
        """
        self._source = source
        self._target = target
        self._chunk_us = chunk_us
        self._on_bytes = on_bytes
        self._copied: dict[_Wanted, FileSum] = {}

    @property
    def sums(self) -> dict[str, FileSum]:
        """Sums of the files that were copied, by their path in the backup."""
        return {one.path: one for one in self._copied.values()}

    def read_manifest(self) -> Manifest:
        """The newest manifest of the store."""
        return load_manifest(self._source, self._chunk_us)[0]

    def count_bytes(self) -> int:
        """Bytes of all files of the newest manifest."""
        return sum(one.size_bytes for one in _list_wanted(self.read_manifest()))

    def take(self) -> Manifest:
        """Copy what the newest manifest names, and the manifest.

        Raises:
            StorageError: A file is damaged or missing, or the store changes faster than it can be
                copied.
        """
        for _ in range(MAX_ROUNDS):
            manifest = self.read_manifest()
            if self._copy_all(manifest):
                self._drop_others(manifest)
                save_manifest(self._target, manifest)
                return manifest
        raise StorageError(f"{self._source} changes faster than it can be copied; try again")

    def _copy_all(self, manifest: Manifest) -> bool:
        """Copy what is not copied yet; False where a newer manifest has to be taken."""
        for wanted in _list_wanted(manifest):
            if wanted in self._copied:
                continue
            try:
                self._copy(wanted)
            except FileNotFoundError:
                if self.read_manifest().version > manifest.version:
                    return False
                raise StorageError(
                    f"{self._source / wanted.name} is missing: the data folder is damaged; "
                    "run 'wattscope repair', then make the backup"
                ) from None
        return True

    def _copy(self, wanted: _Wanted) -> None:
        source = self._source / wanted.name
        copied = copy_file(source, self._target / wanted.name, self._on_bytes)
        is_same = copied.size_bytes == wanted.size_bytes
        if wanted.crc is not None:
            is_same = is_same and copied.crc == wanted.crc
        if not is_same:
            raise StorageError(
                f"{source} does not fit its checksum: the data folder is damaged; "
                "run 'wattscope repair', then make the backup"
            )
        path = f"{CHUNKS_NAME}/{wanted.name}"
        self._copied[wanted] = FileSum(path, copied.size_bytes, copied.sha256)

    def _drop_others(self, manifest: Manifest) -> None:
        """Remove copies that the manifest does not name any more."""
        named = set(_list_wanted(manifest))
        for wanted in self._copied.keys() - named:
            if wanted.name not in manifest.files():
                (self._target / wanted.name).unlink()
            del self._copied[wanted]


def _list_wanted(manifest: Manifest) -> Iterator[_Wanted]:
    for span in manifest.spans:
        for part in (*span.parts, *span.ends):
            crc = None if part.note is None else part.note.crc
            yield _Wanted(part.file, part.size_bytes, crc)
    for note in manifest.rollup_notes():
        yield _Wanted(note.file, note.size_bytes, note.crc)

"""The list of what is durable: which chunk files exist and which log offset they cover.

::

    manifest.json   format, version, covered_offset, chunk_us
                    spans: start_us → parts (chunk files), rollups (1m, 15m), ends

The manifest is written aside, fsynced and renamed, so that it is always either the old or the
new one. A file that it does not name does not count and is removed at the next start.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from wattscope.core.errors import StorageError

FORMAT = 2
"""Raised with every change of the files; 1 had floats only, and is read."""
MANIFEST_NAME = "manifest.json"


class Part(msgspec.Struct, frozen=True):
    """One immutable chunk file of a span, sorted by quantity, series and time."""

    file: str
    rows: int
    min_us: int
    max_us: int
    size_bytes: int
    scale: int | None = None
    """Digits behind the decimal point of its values; None where they are floats."""


class SpanRollups(msgspec.Struct, frozen=True):
    """Rollup files of a span, and the last rows of every series up to its end."""

    files: dict[str, str]
    """Level (``1m``, ``15m``) to file."""
    ends: str
    """File of the last rows of every series, where the next span's first segments begin."""
    min_bucket_us: int
    """First bucket in the files; before the span where a counter's gap reaches back."""
    max_bucket_us: int
    """Last bucket in the files; behind the span where a mean's interval reaches over its end."""


class Span(msgspec.Struct, frozen=True):
    """All chunk files of one stretch of time."""

    start_us: int
    parts: tuple[Part, ...]
    rollups: SpanRollups | None = None
    """None until the span is over and rolled up, and again when late data came."""


class Manifest(msgspec.Struct, frozen=True):
    """The whole list, immutable; a change is a new manifest."""

    chunk_us: int
    covered_offset: int = 0
    spans: tuple[Span, ...] = ()
    """Rising by ``start_us``."""
    version: int = 0
    format: int = FORMAT

    def files(self) -> set[str]:
        """Every file that the manifest names."""
        named = {part.file for span in self.spans for part in span.parts}
        for span in self.spans:
            if span.rollups is not None:
                named |= set(span.rollups.files.values()) | {span.rollups.ends}
        return named

    def with_spans(self, changed: dict[int, Span], covered_offset: int) -> Manifest:
        """The next version with some spans put in place."""
        spans = {span.start_us: span for span in self.spans} | changed
        return Manifest(
            self.chunk_us,
            covered_offset,
            tuple(spans[start] for start in sorted(spans)),
            self.version + 1,
        )


class _FormatOnly(msgspec.Struct, frozen=True):
    """What every format has, so that a newer one is known before its fields are read."""

    format: int = FORMAT


def load_manifest(folder: Path, chunk_us: int) -> Manifest:
    """The manifest of a folder, or an empty one where there is none.

    Raises:
        StorageError: It cannot be read, or a newer program wrote it.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return Manifest(chunk_us)
    content = path.read_bytes()
    try:
        found = msgspec.json.decode(content, type=_FormatOnly).format
        if found > FORMAT:
            raise StorageError(
                f"{path}: format {found}, this program reads up to {FORMAT}; use the newer program"
            )
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as fault:
        raise StorageError(
            f"{path}: cannot be read ({fault}); restore a backup, or move the folder away "
            "to start anew"
        ) from fault


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in place durably."""
    path = folder / MANIFEST_NAME
    aside = path.with_suffix(".new")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    publish_file(aside, path)


def publish_file(aside: Path, path: Path) -> None:
    """Fsync a finished file, give it its name, fsync the folder."""
    for target, flags in ((aside, os.O_RDWR), (path.parent, os.O_RDONLY)):
        if target == path.parent:
            aside.replace(path)
        fd = os.open(target, flags)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

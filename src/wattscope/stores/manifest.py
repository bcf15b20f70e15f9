"""The list of what is durable: which files exist and which log offset they cover.

::

    manifest.json        checksum of the rest, then: format, version, covered_offset, chunk_us
    manifest.copy.json   spans: start_us → parts (chunk files), rollups by level, ends

The manifest is written aside, fsynced and renamed, so that it is always either the old or the
new one; then its copy, in the same way. A damaged manifest is known by its checksum, and the copy
is read instead. A file that the manifest does not name does not count and is removed at the next
start.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wattscope.core.errors import StorageError

FORMAT = 3
"""Raised with every change of the files; 1 and 2 (files by DuckDB, no checksums) are read."""
MANIFEST_NAME = "manifest.json"
COPY_NAME = "manifest.copy.json"


class FileNote(msgspec.Struct, frozen=True):
    """What must be known of a file to believe it."""

    file: str
    rows: int
    size_bytes: int
    crc: int
    """CRC-32 of the whole file."""
    index_at: int
    """Where the index of its pages lies."""
    index_size: int
    index_crc: int


class Part(msgspec.Struct, frozen=True):
    """One immutable chunk file of a span, sorted by quantity, series and time."""

    file: str
    rows: int
    min_us: int
    max_us: int
    size_bytes: int
    scale: int | None = None
    """Digits behind the decimal point of its values; None where they are floats."""
    note: FileNote | None = None
    """None for a file that an older version wrote; it is written anew at the next flush."""


class RollupPart(msgspec.Struct, frozen=True):
    """One file of buckets of a level, for the series whose values have one scale."""

    note: FileNote
    scale: int | None
    min_bucket_us: int
    max_bucket_us: int


class SpanRollups(msgspec.Struct, frozen=True):
    """Rollup files of a span.

    A level is kept only for series of which it is much smaller than what it is computed from; the
    others are computed from their rows when asked.
    """

    levels: dict[str, tuple[RollupPart, ...]]
    reach: tuple[int, int]
    """First and last instant [µs] that the span's rows say something of: before the span where a
    counter's gap reaches back, behind it where a mean's interval reaches over its end."""
    zones: dict[str, str]
    """Time zone of each site when its local days were cut."""
    outdated: tuple[int, ...] = ()
    """Series whose buckets count no more: their rows, or those before them, have changed."""


class Loss(msgspec.Struct, frozen=True):
    """Rows that could not be brought back; the damaged file lies in ``damaged/``."""

    file: str
    rows: int
    series: tuple[int, ...]
    """Those concerned, rising; none where that could not be read."""
    start_us: int
    """Between this instant and ``end_us`` [µs] lies what was lost."""
    end_us: int


class Span(msgspec.Struct, frozen=True):
    """All chunk files of one stretch of time."""

    start_us: int
    parts: tuple[Part, ...]
    rollups: SpanRollups | None = None
    """None until the span is over and rolled up."""
    ends: tuple[Part, ...] = ()
    """Of series whose rows retention removed: the last ones, where later segments begin."""
    retired: tuple[int, ...] = ()
    """Series whose rows were removed by retention, rising; their kept levels are all there is."""
    lost: tuple[Loss, ...] = ()
    """Rows that a repair had to give up."""


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
        named |= {part.file for span in self.spans for part in span.ends}
        return named | {note.file for note in self.rollup_notes()}

    def rollup_notes(self) -> Iterator[FileNote]:
        """Files that can be computed again from chunk files."""
        for span in self.spans:
            if span.rollups is not None:
                for parts in span.rollups.levels.values():
                    yield from (part.note for part in parts)

    def notes(self) -> Iterator[FileNote]:
        """Every file that has a checksum."""
        for span in self.spans:
            parts = (*span.parts, *span.ends)
            yield from (part.note for part in parts if part.note is not None)
        yield from self.rollup_notes()

    def with_spans(self, changed: dict[int, Span], covered_offset: int) -> Manifest:
        """The next version with some spans put in place; a span of nothing is left out."""
        spans = {span.start_us: span for span in self.spans} | changed
        kept = (spans[start] for start in sorted(spans))
        return Manifest(
            self.chunk_us,
            covered_offset,
            tuple(one for one in kept if one.parts or one.rollups is not None or one.lost),
            self.version + 1,
        )


class _OldSpan(msgspec.Struct, frozen=True):
    """A span of formats 1 and 2; its rollups are computed anew."""

    start_us: int
    parts: tuple[Part, ...]


class _OldManifest(msgspec.Struct, frozen=True):
    """Formats 1 and 2."""

    chunk_us: int
    covered_offset: int
    spans: tuple[_OldSpan, ...]
    version: int


def load_manifest(folder: Path, chunk_us: int) -> tuple[Manifest, list[str]]:
    """The manifest of a folder, or an empty one where there is none.

    Returns:
        The manifest, and what was found damaged on the way to it.

    Raises:
        StorageError: Neither it nor its copy can be read or is there, or a newer program wrote it.
    """
    faults: list[str] = []
    found: list[Manifest] = []
    for name in (MANIFEST_NAME, COPY_NAME):
        path = folder / name
        try:
            found.append(_decode(path.name, path.read_bytes()))
        except FileNotFoundError:
            continue
        except _DamagedError as fault:
            faults.append(str(fault))
    if found:
        if len({one.version for one in found}) > 1:
            faults.append(f"{COPY_NAME} is of another version: a write was cut off")
        return max(found, key=lambda one: one.version), faults
    if faults:
        raise StorageError(
            f"{folder}: {' and '.join(faults)}; run 'wattscope repair', or restore a backup"
        )
    if any(folder.glob("rows-*.parquet")):
        raise StorageError(
            f"{folder}: {MANIFEST_NAME} is missing, but there are chunk files; run "
            "'wattscope repair', or restore a backup"
        )
    return Manifest(chunk_us), []


class _DamagedError(Exception):
    """The bytes are not those of a manifest that we wrote."""


def _decode(name: str, content: bytes) -> Manifest:
    try:
        table = msgspec.json.decode(content)
        number = table["format"] if isinstance(table, dict) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError) as fault:
        raise _DamagedError(f"{name} cannot be read ({fault})") from fault
    if not isinstance(number, int) or number < 1:
        raise _DamagedError(f"{name} has no format")
    is_whole = zlib.crc32(_canonical(table)) == table.get("checksum")
    if not is_whole and ("checksum" in table or number == FORMAT):
        raise _DamagedError(f"{name} does not fit its checksum")
    if number > FORMAT:
        raise StorageError(
            f"{name}: format {number}, this program reads up to {FORMAT}; use the newer program"
        )
    try:
        if number < FORMAT:
            return _upgrade(msgspec.convert(table, _OldManifest))
        return msgspec.convert(table, Manifest)
    except msgspec.ValidationError as fault:
        raise _DamagedError(f"{name} cannot be read ({fault})") from fault


def _upgrade(old: _OldManifest) -> Manifest:
    spans = tuple(Span(span.start_us, span.parts) for span in old.spans)
    return Manifest(old.chunk_us, old.covered_offset, spans, old.version)


def _canonical(table: dict[str, object]) -> bytes:
    """What the checksum is taken of: everything else, in one spelling."""
    rest = {key: value for key, value in table.items() if key != "checksum"}
    return msgspec.json.encode(rest, order="sorted")


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in place durably, then its copy."""
    table = msgspec.to_builtins(manifest, str_keys=True)
    table = {"checksum": zlib.crc32(_canonical(table)), **table}
    content = msgspec.json.encode(table)
    for name in (MANIFEST_NAME, COPY_NAME):
        path = folder / name
        aside = path.with_suffix(".new")
        aside.write_bytes(content)
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

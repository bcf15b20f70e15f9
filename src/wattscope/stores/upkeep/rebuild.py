"""Making the manifest anew from the files themselves, when it and its copy are both damaged.

::

    rows-1717200000-12m-3.parquet         span [s], version, m = merged, decimals (f = floats)
    ends-1717200000-31-3.parquet          last rows of series whose rows retention removed
    rollup-1h-1717200000-13-3.parquet     level, span, version, decimals

Each file ends in a footer that says where its index lies, and the index says what every page must
be. Files of several generations may lie side by side: the rows of a span are put together, each key
once. The log is read again from its beginning; what the files hold already changes nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wattscope.core.errors import StorageError
from wattscope.core.time_grid import US_PER_S
from wattscope.stores.checked_files import compute_crc
from wattscope.stores.manifest import (
    FileNote,
    Manifest,
    Part,
    RollupPart,
    Span,
    SpanRollups,
)
from wattscope.stores.parquet.layout import Column
from wattscope.stores.parquet.reader import FileReader
from wattscope.stores.parquet.writer import INDEX_KEY
from wattscope.stores.rollup_files import read_rollup, rollup_columns, series_of
from wattscope.stores.row_files import row_columns
from wattscope.stores.workbench import Workbench

_NAME = re.compile(
    r"(?P<kind>rows|ends|rollup-(?P<level>\w+))-(?P<start>-?\d+)-(?P<version>\d+)\w*?"
    r"-(?P<scale>f|\d+)\.parquet"
)
_INDEX = re.compile(re.escape(INDEX_KEY.encode()) + rb"\x18.(\d+),(\d+),(\d+)")
"""Key and value beside each other in the footer; 0x18 begins a text, its length follows."""
_FOOTER_BYTES = 1 << 20
"""The last so many bytes hold the key."""


@dataclass(frozen=True, slots=True)
class _Named:
    """What the name of a file says."""

    path: Path
    kind: str
    level: str | None
    start_us: int
    version: int
    scale: int | None

    @property
    def columns(self) -> tuple[Column, ...]:
        return row_columns(self.scale) if self.level is None else rollup_columns(self.scale)


def rebuild_manifest(
    bench: Workbench, chunk_choices: Sequence[int]
) -> tuple[Manifest, list[tuple[str, str]]]:
    """A manifest over all files of a folder that say what they are.

    Args:
        bench: Tools of the folder.
        chunk_choices: Lengths that a span may have [µs]; the first that fits is taken.

    Returns:
        The manifest, and files that it leaves out with the reason.
    """
    named, left_out = _read_names(bench.folder)
    noted: list[tuple[_Named, FileNote]] = []
    for one in named:
        try:
            noted.append((one, read_note(one.path, one.columns)))
        except (StorageError, OSError) as fault:
            left_out.append((one.path.name, f"its footer or index cannot be read ({fault})"))
    starts = sorted({one.start_us for one, _ in noted})
    spans = [
        _build_span(bench, start, [pair for pair in noted if pair[0].start_us == start])
        for start in starts
    ]
    chunk_us = _find_chunk_us([span for span in spans if span.parts], chunk_choices)
    version = max((one.version for one in named), default=0)
    return Manifest(chunk_us, 0, tuple(spans), version), left_out


def read_note(path: Path, columns: Sequence[Column]) -> FileNote:
    """What is to be known of a file, from its own footer.

    Raises:
        StorageError: The footer does not say where the index lies, or the index is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER_BYTES))
        found = _INDEX.search(file.read())
        if found is None:
            raise StorageError("no index of ours")
        at, index_size, index_crc = (int(number) for number in found.groups())
        file.seek(at)
        if zlib.crc32(file.read(index_size)) != index_crc:
            raise StorageError("the index is damaged")
    rows = FileReader.open(path, columns, at, index_size, index_crc).n_rows
    return FileNote(path.name, rows, size, compute_crc(path), at, index_size, index_crc)


def _read_names(folder: Path) -> tuple[list[_Named], list[tuple[str, str]]]:
    named: list[_Named] = []
    left_out: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.parquet")):
        found = _NAME.fullmatch(path.name)
        if found is None:
            left_out.append((path.name, "its name is none of ours, or of an older version"))
            continue
        scale = None if found["scale"] == "f" else int(found["scale"])
        start_us = int(found["start"]) * US_PER_S
        kind, level = found["kind"].partition("-")[0], found["level"]
        named.append(_Named(path, kind, level, start_us, int(found["version"]), scale))
    return named, left_out


def _build_span(bench: Workbench, start_us: int, files: Sequence[tuple[_Named, FileNote]]) -> Span:
    """A span of all its chunk files, and of the newest of its other files."""
    by_age = sorted(files, key=lambda pair: pair[0].version)
    parts = [_build_part(bench, one, note) for one, note in by_age if one.kind == "rows"]
    newest_ends = max((one.version for one, _ in by_age if one.kind == "ends"), default=0)
    ends = [
        _build_part(bench, one, note)
        for one, note in by_age
        if one.kind == "ends" and one.version == newest_ends
    ]
    with_rows: set[int] = set()
    for part in parts:
        with_rows |= set(np.unique(bench.files.read_part(part, None).series_id).tolist())
    levels: dict[str, tuple[RollupPart, ...]] = {}
    for level in sorted({one.level for one, _ in by_age if one.level is not None}):
        of_level = [pair for pair in by_age if pair[0].level == level]
        newest = max(one.version for one, _ in of_level)
        levels[level] = tuple(
            found
            for one, note in of_level
            if one.version == newest
            for found in _build_rollup(bench, one, note)
        )
    kept = {
        one for level in levels.values() for part in level for one in series_of(bench.files, part)
    }
    rollups = None
    if levels:
        # Whether the rows are those that the buckets were made of, nothing tells.
        outdated = tuple(sorted(kept & with_rows))
        reach = _find_reach(levels, start_us)
        rollups = SpanRollups(levels, reach, bench.catalogue.zone_names(), outdated)
    retired = tuple(sorted(kept - with_rows))
    if not retired:
        rollups = None
    return Span(start_us, tuple(parts), rollups, tuple(ends), retired)


def _build_part(bench: Workbench, named: _Named, note: FileNote) -> Part:
    part = Part(note.file, note.rows, 0, 0, note.size_bytes, named.scale, note)
    t = bench.files.read_part(part, None).measured_at_us
    low, high = (int(t.min()), int(t.max())) if len(t) else (named.start_us, named.start_us)
    return Part(note.file, note.rows, low, high, note.size_bytes, named.scale, note)


def _build_rollup(bench: Workbench, named: _Named, note: FileNote) -> Iterator[RollupPart]:
    part = RollupPart(note, named.scale, 0, 0)
    starts = read_rollup(bench.files, part, None).bucket_start_us
    if len(starts):
        yield RollupPart(note, named.scale, int(starts.min()), int(starts.max()))


def _find_reach(levels: dict[str, tuple[RollupPart, ...]], start_us: int) -> tuple[int, int]:
    """As far as any bucket reaches, and a day more for the length of the last."""
    parts = [part for level in levels.values() for part in level]
    low = min([start_us, *(part.min_bucket_us for part in parts)])
    high = max([start_us, *(part.max_bucket_us for part in parts)])
    return low, high + 26 * 3600 * US_PER_S


def _find_chunk_us(spans: Sequence[Span], choices: Sequence[int]) -> int:
    """The length that all spans can have.

    Raises:
        StorageError: None of the choices fits.
    """
    for chunk_us in choices:
        if all(
            span.start_us % chunk_us == 0
            and all(part.max_us < span.start_us + chunk_us for part in span.parts)
            for span in spans
        ):
            return chunk_us
    raise StorageError(
        "the chunk files fit no length of a span that storage.chunk may have; restore a backup"
    )

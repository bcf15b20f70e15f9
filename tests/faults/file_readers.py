"""What the readers of single kinds of files say, without the program around them.

They read a flip in a hundredth of the time in which a program starts, and they are where damage is
found: what lies above them sees rows, buckets or a manifest, or that they are damaged.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from tests.faults.damage import Answer, Values
from tests.faults.workload import SETTINGS
from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.core.errors import StorageError
from wattscope.settings import CHUNK_INTERVALS
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import Manifest, load_manifest
from wattscope.stores.rollup_files import read_rollup

_CHUNK_US = CHUNK_INTERVALS[SETTINGS.storage.chunk]


def read_manifest(folder: Path) -> Answer:
    """Which files count."""
    manifest, faults = load_manifest(folder, _CHUNK_US)
    return Answer({("manifest",): repr(manifest)}, is_reported=bool(faults))


def read_rows_files(folder: Path) -> Answer:
    """Every row of every chunk file."""
    manifest, files = _open(folder)
    values: Values = {}
    for part in (part for span in manifest.spans for part in (*span.parts, *span.ends)):
        rows = files.read_part(part, None)
        columns = (rows.series_id, rows.measured_at_us, rows.value, rows.quality)
        for series, at, value, quality in zip(*(one.tolist() for one in columns), strict=True):
            values[part.file, series, at] = repr((value, quality))
    return Answer(values, is_reported=bool(files.damages))


def read_rollup_files(folder: Path) -> Answer:
    """Every bucket of every rollup file."""
    manifest, files = _open(folder)
    values: Values = {}
    for span in manifest.spans:
        levels = {} if span.rollups is None else span.rollups.levels
        for part in itertools.chain.from_iterable(levels.values()):
            try:
                rollup = read_rollup(files, part, None)
            except StorageError:
                continue
            columns = (getattr(rollup, name).tolist() for name in ROLLUP_COLUMNS)
            for series, start, *numbers in zip(*columns, strict=True):
                values[part.note.file, series, start] = repr(numbers)
    return Answer(values, is_reported=bool(files.damages))


def _open(folder: Path) -> tuple[Manifest, CheckedFiles]:
    return load_manifest(folder, _CHUNK_US)[0], CheckedFiles(folder, time.monotonic)

"""Looks at every byte of a store folder, and changes nothing.

::

    manifest, copy    checksums
    each file         there, size, CRC of the whole; where that fails, which pages
    rows              as many as noted, between the noted instants, no key twice
    buckets           those that the rows make: of some spans, or of all
    strays            files that the manifest does not name

It may look while a program writes there: a file that is replaced meanwhile is no damage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch
from wattscope.stores.catalogue import SeriesNames
from wattscope.stores.checked_files import compute_crc
from wattscope.stores.manifest import (
    COPY_NAME,
    MANIFEST_NAME,
    FileNote,
    Manifest,
    Part,
    Span,
    load_manifest,
)
from wattscope.stores.parquet.layout import Column
from wattscope.stores.parquet.reader import FileReader
from wattscope.stores.rollup_files import rollup_columns, series_of
from wattscope.stores.row_files import row_columns
from wattscope.stores.row_reader import order_by_series
from wattscope.stores.upkeep.bucket_check import find_differing
from wattscope.stores.workbench import Workbench, open_workbench

SAMPLED_SPANS = 20
"""So many spans have their buckets computed again unless all are asked for."""
DAMAGED_FOLDER = "damaged"
"""Below the folder: where a repair puts files that it gave up."""
_SETTLE_S = 0.3
"""A writer puts manifest and copy in place within this time [s]."""


class Severity(Enum):
    """Whether something has to be done."""

    DAMAGE = "damage"
    NOTE = "note"
    """Worth knowing; nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    severity: Severity
    what: str
    where: str
    rows: int
    """Rows or buckets concerned; 0 where nothing is lost."""
    advice: str


def verify_store(
    folder: Path,
    names: SeriesNames,
    *,
    is_full: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Finding]:
    """Everything that is wrong with a store folder.

    Args:
        folder: Holds the manifest.
        names: Series, devices and sites by name.
        is_full: Compute the buckets of all spans again, not of some.
        on_progress: Told how many of how many steps are done.
    """
    found, manifest = read_settled_manifest(folder)
    yield from found
    if manifest is None:
        return
    with open_workbench(folder, names) as bench:
        check = StoreCheck(bench, manifest)
        spans = check.sample(is_full=is_full)
        total = len(list(manifest.notes())) + len(manifest.spans) + len(spans)
        done = 0
        for step in (check.files(), check.spans(), check.buckets(spans)):
            for findings in step:
                done += 1
                on_progress(done, total)
                yield from (one for one in findings if check.still_counts(one))
    yield from _find_strays(folder, check.newest_manifest())


def read_settled_manifest(folder: Path) -> tuple[list[Finding], Manifest | None]:
    """The manifest, and what is wrong with it or its copy; None when neither can be read."""
    for attempt in range(2):
        try:
            manifest, faults = load_manifest(folder, 0)
        except StorageError as fault:
            what = str(fault).partition("; run ")[0]
            advice = "stop the program and run wattscope repair, which makes it anew of the files"
            return [Finding(Severity.DAMAGE, what, MANIFEST_NAME, 0, advice)], None
        faults += _find_missing_copy(folder, manifest)
        if not faults or attempt:
            break
        # A writer may have been between the two.
        time.sleep(_SETTLE_S)
    advice = "the other one is whole and is used; wattscope repair or the next start mends it"
    return [Finding(Severity.DAMAGE, fault, MANIFEST_NAME, 0, advice) for fault in faults], manifest


def _find_missing_copy(folder: Path, manifest: Manifest) -> list[str]:
    if not manifest.spans:
        return []
    return [
        f"{name} is missing"
        for name in (MANIFEST_NAME, COPY_NAME)
        if not (folder / name).exists() and (name == MANIFEST_NAME or manifest.format > 2)
    ]


class StoreCheck:
    """The steps of a check; each gives its findings one file or span at a time."""

    def __init__(self, bench: Workbench, manifest: Manifest) -> None:
        self._bench = bench
        self._manifest = manifest
        self._damaged: set[str] = set()
        self._doubled: set[int] = set()
        """Starts of spans with rows twice: of those no buckets can be made."""

    def sample(self, *, is_full: bool) -> list[Span]:
        """The spans whose buckets are computed again: all, or some from end to end."""
        rolled = [span for span in self._manifest.spans if span.rollups is not None]
        if is_full or len(rolled) <= SAMPLED_SPANS:
            return rolled
        chosen = np.linspace(0, len(rolled) - 1, SAMPLED_SPANS).astype(int)
        return [rolled[at] for at in np.unique(chosen).tolist()]

    def files(self) -> Iterator[list[Finding]]:
        """Every named file by its bytes."""
        columns: dict[str, tuple[Column, ...]] = {}
        for span in self._manifest.spans:
            for part in parts_of(span):
                columns[part.file] = row_columns(part.scale)
            for kept in [] if span.rollups is None else span.rollups.levels.values():
                columns |= {part.note.file: rollup_columns(part.scale) for part in kept}
        for note in self._manifest.notes():
            found = check_file(self._bench.folder, note, columns[note.file])
            self._damaged |= {note.file for _ in found}
            yield found

    def spans(self) -> Iterator[list[Finding]]:
        """Every span by its rows."""
        for span in self._manifest.spans:
            found = [word_loss(span, at) for at in range(len(span.lost))]
            batches: list[Batch] = []
            for part in span.parts:
                if part.note is None:
                    found.append(_word_old(part))
                elif part.file not in self._damaged:
                    rows = self._bench.files.read_part(part, None)
                    found += _check_rows(part, rows, span, self._manifest.chunk_us)
                    batches.append(rows)
            n_twice = count_repeats(batches)
            if n_twice:
                self._doubled.add(span.start_us)
                advice = "run wattscope repair, which keeps the first of each"
                what = f"{n_twice} keys (series, measured_at) are there more than once"
                found.append(Finding(Severity.DAMAGE, what, _name_span(span), n_twice, advice))
            yield found

    def buckets(self, spans: Sequence[Span]) -> Iterator[list[Finding]]:
        """Kept buckets of some spans against those that the rows make."""
        for span in spans:
            found = []
            for level, series in self.find_wrong_buckets(span).items():
                advice = "run wattscope repair, which rolls them up anew from their rows"
                what = f"kept buckets of {level} are not those of the rows, {len(series)} series"
                found.append(Finding(Severity.DAMAGE, what, _name_span(span), 0, advice))
            yield found

    def find_wrong_buckets(self, span: Span) -> dict[str, list[int]]:
        """Series by level whose kept buckets are not those of their rows."""
        if span.rollups is None or span.start_us in self._doubled:
            return {}
        if any(part.file in self._damaged for part in parts_of(span)):
            return {}
        unknown = {*span.rollups.outdated, *span.retired}
        wrong: dict[str, list[int]] = {}
        for level, parts in span.rollups.levels.items():
            if any(part.note.file in self._damaged for part in parts):
                continue
            series = set().union(*(series_of(self._bench.files, part) for part in parts)) - unknown
            series &= set(self._bench.catalogue.rules)
            try:
                differing = find_differing(self._bench, self._manifest, span, level, sorted(series))
            except StorageError:
                # Replaced while we looked; damage is found with the file itself.
                continue
            if differing:
                wrong[level] = differing
        return wrong

    def still_counts(self, finding: Finding) -> bool:
        """Whether a finding is of the present: not of a file or span that was replaced since."""
        now = self.newest_manifest()
        if now.version == self._manifest.version:
            return True
        if finding.where.startswith("span "):
            before = {_name_span(span): span for span in self._manifest.spans}
            after = {_name_span(span): span for span in now.spans}
            return before.get(finding.where) == after.get(finding.where)
        return finding.where in now.files()

    def newest_manifest(self) -> Manifest:
        """The manifest that counts now; a program may be writing."""
        try:
            return load_manifest(self._bench.folder, self._manifest.chunk_us)[0]
        except StorageError:
            return self._manifest


def parts_of(span: Span) -> tuple[Part, ...]:
    """All files of rows of a span."""
    return (*span.parts, *span.ends)


def check_file(folder: Path, note: FileNote, columns: Sequence[Column]) -> list[Finding]:
    """What is wrong with the bytes of a file; nothing when it is as it was written."""
    path = folder / note.file
    advice = "run wattscope repair, with --from BACKUP if there is one"
    try:
        if compute_crc(path) == note.crc:
            return []
        size = path.stat().st_size
    except FileNotFoundError:
        return [Finding(Severity.DAMAGE, "is missing", note.file, note.rows, advice)]
    except OSError as fault:
        what = f"cannot be read ({fault.strerror})"
        return [Finding(Severity.DAMAGE, what, note.file, note.rows, advice)]
    bad = find_bad_runs(folder, note, columns)
    n_bad = sum(stop - start for start, stop in bad)
    if size != note.size_bytes:
        what = f"has {size} bytes instead of {note.size_bytes}; {n_bad} of {note.rows} rows damaged"
    elif n_bad:
        what = f"is damaged: {n_bad} of {note.rows} rows"
    else:
        what = "is damaged between its pages; all rows can be read"
    return [Finding(Severity.DAMAGE, what, note.file, n_bad, advice)]


def find_bad_runs(folder: Path, note: FileNote, columns: Sequence[Column]) -> list[tuple[int, int]]:
    """Stretches of rows of a file that cannot be believed; all of them without a sound index."""
    try:
        reader = FileReader.open(
            folder / note.file, columns, note.index_at, note.index_size, note.index_crc
        )
        return reader.check()
    except (OSError, StorageError):
        return [(0, note.rows)] if note.rows else []


def count_repeats(batches: Sequence[Batch]) -> int:
    """Rows whose key is that of an earlier one."""
    if not batches:
        return 0
    rows = order_by_series(
        Batch(
            np.concatenate([one.series_id for one in batches]),
            np.concatenate([one.measured_at_us for one in batches]),
            np.concatenate([one.value for one in batches]),
            np.concatenate([one.quality for one in batches]),
        )
    )
    is_same = (np.diff(rows.series_id) == 0) & (np.diff(rows.measured_at_us) == 0)
    return int(is_same.sum())


def word_loss(span: Span, at: int) -> Finding:
    """A loss that a repair noted."""
    loss = span.lost[at]
    what = f"{loss.rows} rows were lost with it, {_name_time(loss.start_us, loss.end_us)}"
    advice = f"known; what is left of the file is in {DAMAGED_FOLDER}/, import the rows again"
    return Finding(Severity.NOTE, what, loss.file, loss.rows, advice)


def _check_rows(part: Part, rows: Batch, span: Span, chunk_us: int) -> list[Finding]:
    advice = "run wattscope repair"
    if len(rows) != part.rows:
        what = f"has {len(rows)} rows, the manifest says {part.rows}"
        return [Finding(Severity.DAMAGE, what, part.file, abs(part.rows - len(rows)), advice)]
    low, high = int(rows.measured_at_us.min()), int(rows.measured_at_us.max())
    if (low, high) != (part.min_us, part.max_us):
        what = f"spans {_name_time(low, high)}, the manifest says otherwise"
        return [Finding(Severity.DAMAGE, what, part.file, len(rows), advice)]
    if low < span.start_us or high >= span.start_us + chunk_us:
        return [Finding(Severity.DAMAGE, "has rows of another span", part.file, len(rows), advice)]
    return []


def _word_old(part: Part) -> Finding:
    what = "was written by an older version, without checksums"
    return Finding(Severity.NOTE, what, part.file, 0, "it is written anew at the next flush")


def _find_strays(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    if not folder.is_dir():
        return
    named = manifest.files()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".parquet", ".new"} and path.name not in named:
            advice = "under way, or left by work that was cut off; the next start removes it"
            yield Finding(Severity.NOTE, "is not named by the manifest", path.name, 0, advice)


def _name_span(span: Span) -> str:
    return f"span {np.datetime64(span.start_us, 'us').astype('datetime64[m]')}Z"


def _name_time(start_us: int, end_us: int) -> str:
    start, end = (np.datetime64(one, "us").astype("datetime64[s]") for one in (start_us, end_us))
    return f"between {start}Z and {end}Z"

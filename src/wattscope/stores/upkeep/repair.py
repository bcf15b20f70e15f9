"""Mends a store folder that ``verify`` found damaged.

::

    both manifests damaged   made anew from the files; the log is read from its beginning
    a damaged rollup file    rolled up anew from rows; where those are gone, its sound buckets stay
    a damaged chunk file     1. the very same file of a backup
                             2. sound pages + rows of the backup + rows of the log
                             3. what is missing then is noted as lost
    rows twice               the first of each key stays
    wrong buckets            rolled up anew from rows

Whatever is replaced is kept in ``damaged/``. The new files are durable before the manifest names
them, and the old ones go only after that, so that a repair may be cut off anywhere and begun again.
The caller holds the folder's lock.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from wattscope.core.reading import Batch, build_batch, concat_batches
from wattscope.stores.catalogue import SeriesNames
from wattscope.stores.lateness import find_outdated
from wattscope.stores.manifest import (
    FileNote,
    Loss,
    Manifest,
    Part,
    RollupPart,
    Span,
    SpanRollups,
    publish_file,
    save_manifest,
)
from wattscope.stores.parquet.reader import DamagedPageError, FileReader
from wattscope.stores.rollup_files import rollup_columns
from wattscope.stores.row_files import row_columns, write_rows
from wattscope.stores.upkeep.rebuild import rebuild_manifest
from wattscope.stores.upkeep.rollup_mend import mend_rollups
from wattscope.stores.upkeep.spare_rows import Backup, ReadLog, rows_of_log
from wattscope.stores.upkeep.verify import (
    DAMAGED_FOLDER,
    StoreCheck,
    check_file,
    count_repeats,
    find_bad_runs,
    parts_of,
    read_settled_manifest,
)
from wattscope.stores.workbench import Workbench, open_workbench


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done, or with a dry run would be."""

    what: str
    where: str
    rows: int = 0
    """Rows concerned."""
    lost: int = 0
    """Rows that could not be brought back."""


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """What a repair may use."""

    read_log: ReadLog
    chunk_choices: tuple[int, ...]
    """Lengths that a span may have [µs], the likeliest first."""
    backup: Path | None = None
    is_full: bool = False
    """Compute the buckets of all spans again, not of some."""
    is_dry_run: bool = False


def repair_store(folder: Path, names: SeriesNames, options: RepairOptions) -> Iterator[Deed]:
    """Mend everything that can be; says what it does, thing by thing.

    Raises:
        StorageError: Nothing is left to mend from, or the backup is none of this folder.
    """
    faults, manifest = read_settled_manifest(folder)
    with open_workbench(folder, names) as bench:
        backup = None
        if options.backup is not None:
            backup = Backup.open(options.backup, time.monotonic)
            backup.demand_same_series(bench.catalogue)
        left_out: list[tuple[str, str]] = []
        if manifest is None:
            manifest, left_out = rebuild_manifest(bench, options.chunk_choices)
            n_rows = sum(part.rows for span in manifest.spans for part in span.parts)
            yield Deed(f"made anew of {len(manifest.files())} files", "manifest.json", n_rows)
        elif faults:
            yield Deed("written anew, with its copy", "manifest.json")
        repair = _Repair(bench, manifest, options, backup)
        for name, reason in left_out:
            repair.replaced.append(name)
            yield Deed(f"set aside: {reason}", name)
        for span in manifest.spans:
            yield from repair.mend_span(span)
        if repair.changed or faults:
            yield from repair.finish()


class _Repair:
    """A repair under way: spans that are mended, and files that go."""

    def __init__(
        self, bench: Workbench, manifest: Manifest, options: RepairOptions, backup: Backup | None
    ) -> None:
        self._bench = bench
        self._manifest = manifest
        self._options = options
        self._backup = backup
        self._check = StoreCheck(bench, manifest)
        self._sampled = {span.start_us for span in self._check.sample(is_full=options.is_full)}
        self._version = manifest.version + 1
        self.changed: dict[int, Span] = {}
        self.replaced: list[str] = []
        """Files that are kept in ``damaged/``."""

    # ── one span ─────────────────────────────────────────────────────────────────────────────

    def mend_span(self, span: Span) -> Iterator[Deed]:
        """Everything of one span; the mended span is noted in ``changed``."""
        before = span
        bad = [part for part in parts_of(span) if part.note is not None and self._is_bad(part)]
        copied = []
        for part in list(bad):
            if self._copy_from_backup(part.note):
                bad.remove(part)
                copied.append(part)
                yield Deed("copied from the backup, to the last bit", part.file, part.rows)
        if any(part in bad for part in span.ends):
            span = yield from self._mend_ends(span, [part for part in bad if part in span.ends])
        rows = [part for part in bad if part in span.parts]
        # A dry run has copied nothing, so that those files still look damaged.
        looked_at = [] if self._options.is_dry_run and copied else list(span.parts)
        noted = [part for part in looked_at if part.note is not None]
        batches = [self._bench.files.read_part(part, None) for part in noted]
        if rows or count_repeats(batches) or _is_misdescribed(noted, batches):
            span = yield from self._mend_rows(span, rows)
        span = yield from self._mend_buckets(span, has_new_rows=span.parts != before.parts)
        if span is not before:
            self.changed[span.start_us] = span

    def _is_bad(self, part: Part) -> bool:
        note = part.note
        return note is not None and bool(
            check_file(self._bench.folder, note, row_columns(part.scale))
        )

    def _copy_from_backup(self, note: FileNote | None) -> bool:
        """Put the very same file of the backup in place, if it has it."""
        same = None if self._backup is None or note is None else self._backup.find_same(note)
        if same is None or note is None:
            return False
        if not self._options.is_dry_run:
            path = self._bench.folder / note.file
            self._keep_damaged(note.file)
            shutil.copyfile(same, path.with_suffix(".new"))
            publish_file(path.with_suffix(".new"), path)
            self._bench.files.forget({note.file})
        return True

    def _mend_ends(self, span: Span, damaged: Sequence[Part]) -> Generator[Deed, None, Span]:
        whole = [part for part in span.ends if part not in damaged]
        sound = concat_batches([self._bench.files.read_part(part, None) for part in damaged])
        n_lost = sum(part.rows for part in damaged) - len(sound)
        self.replaced += [part.file for part in damaged]
        what = "kept its sound rows; later segments may begin late"
        yield Deed(what, _name_files(damaged), len(sound), n_lost)
        written = self._write(f"ends-{span.start_us // 1_000_000}-{self._version}x", sound)
        return msgspec.structs.replace(span, ends=(*whole, *written))

    def _mend_rows(self, span: Span, damaged: Sequence[Part]) -> Generator[Deed, None, Span]:
        """The rows of a span in new files: all sound ones, and what others have of the rest."""
        end_us = span.start_us + self._manifest.chunk_us
        order = sorted(span.parts, key=lambda part: part in damaged)
        sound = [self._bench.files.read_part(part, None) for part in order]
        here = concat_batches([one for one in sound if len(one)])
        n_missing = sum(part.rows - self._n_sound(part) for part in damaged)
        n_found = 0
        sources: list[tuple[str, Batch]] = []
        if n_missing:
            # The backup first: it holds what the store kept where two values were in conflict.
            if self._backup is not None:
                sources.append(("the backup", self._backup.rows_between(span.start_us, end_us)))
            offset = self._manifest.covered_offset or np.iinfo(np.int64).max
            logged = rows_of_log(self._options.read_log, span.start_us, end_us, offset)
            sources.append(("the log", logged))
        for name, spare in sources:
            is_wanted = ~np.isin(spare.series_id, span.retired)
            new = _without_known(spare.take(is_wanted), here)
            if len(new):
                yield Deed(f"rows brought back from {name}", _name_files(damaged), len(new))
                here = concat_batches([here, new])
                n_found += len(new)
        n_before = len(here)
        here = _first_of_each(here)
        if len(here) < n_before:
            n_twice = n_before - len(here)
            yield Deed(
                "rows that were there twice are there once", _name_files(span.parts), n_twice
            )
        lost = self._note_losses(damaged, max(0, n_missing - n_found))
        for loss in lost:
            yield Deed("lost, and noted as such", loss.file, 0, loss.rows)
        self.replaced += [part.file for part in damaged]
        stem = f"rows-{span.start_us // 1_000_000}-{self._version}x"
        yield Deed("sound rows written to a new file", _name_files(order), len(here))
        parts = self._write(stem, here)
        return msgspec.structs.replace(span, parts=parts, lost=(*span.lost, *lost))

    def _n_sound(self, part: Part) -> int:
        return len(self._bench.files.read_part(part, None))

    def _write(self, stem: str, rows: Batch) -> tuple[Part, ...]:
        if self._options.is_dry_run or not len(rows):
            return ()
        labels = self._bench.catalogue.labels
        path = self._bench.folder / f"{stem}.parquet"
        return write_rows(path, [labels.order(rows)], labels)

    def _note_losses(self, damaged: Sequence[Part], n_lost: int) -> list[Loss]:
        """What is lost, file by file; what was found again is taken off the first ones."""
        losses: list[Loss] = []
        for part in reversed(damaged):
            n_here = min(n_lost, part.rows - self._n_sound(part))
            n_lost -= n_here
            if n_here:
                losses.append(self._describe_loss(part, n_here))
        return losses

    def _describe_loss(self, part: Part, n_rows: int) -> Loss:
        note = part.note
        series: tuple[int, ...] = ()
        low, high = part.min_us, part.max_us
        if note is not None:
            columns = row_columns(part.scale)
            bad = find_bad_runs(self._bench.folder, note, columns)
            try:
                reader = FileReader.open(
                    self._bench.folder / note.file,
                    columns,
                    note.index_at,
                    note.index_size,
                    note.index_crc,
                )
                series = tuple(np.unique(reader.read(("series_id",), bad)["series_id"]).tolist())
                t = reader.read(("measured_at",), bad)["measured_at"]
                low, high = int(t.min()), int(t.max())
            except (DamagedPageError, OSError):
                # The column itself is damaged: of the file no more is known than the manifest says.
                pass
        return Loss(part.file, n_rows, series, low, high)

    def _mend_buckets(self, span: Span, *, has_new_rows: bool) -> Generator[Deed, None, Span]:
        """Damaged or wrong buckets go, and are rolled up anew where there are rows."""
        rollups = span.rollups
        if rollups is None:
            return span
        damaged = yield from self._find_damaged_rollups(rollups)
        wrong: dict[str, list[int]] = {}
        if not has_new_rows and not damaged and span.start_us in self._sampled:
            wrong = self._check.find_wrong_buckets(span)
        for level, series in wrong.items():
            what = f"buckets of {level} of {len(series)} series rolled up anew: they were wrong"
            yield Deed(what, rollups.levels[level][0].note.file)
        for part in damaged:
            self.replaced.append(part.note.file)
            yield Deed("dropped, and rolled up anew from rows", part.note.file)
        if not (damaged or wrong or has_new_rows):
            return span
        if not span.retired:
            return msgspec.structs.replace(span, rollups=None)
        kept, lost = mend_rollups(
            self._bench, span, damaged, self._version, is_dry_run=self._options.is_dry_run
        )
        for loss in lost:
            yield Deed("buckets lost: their rows are gone by retention", loss.file, 0, loss.rows)
        return msgspec.structs.replace(span, rollups=kept, lost=(*span.lost, *lost))

    def _find_damaged_rollups(
        self, rollups: SpanRollups
    ) -> Generator[Deed, None, list[RollupPart]]:
        """Files of buckets that are damaged and that the backup does not have."""
        damaged = []
        for part in (part for parts in rollups.levels.values() for part in parts):
            if not check_file(self._bench.folder, part.note, rollup_columns(part.scale)):
                continue
            if self._copy_from_backup(part.note):
                yield Deed("copied from the backup, to the last bit", part.note.file)
            else:
                damaged.append(part)
        return damaged

    # ── all of them ──────────────────────────────────────────────────────────────────────────

    def finish(self) -> Iterator[Deed]:
        """Put the mended spans in force, then roll up anew."""
        if self._options.is_dry_run:
            return
        old = self._manifest
        for name in self.replaced:
            self._keep_damaged(name)
        manifest = old.with_spans(self.changed, old.covered_offset)
        manifest = self._mark_followers(old, manifest)
        save_manifest(self._bench.folder, manifest)
        manifest = self._bench.flusher.roll_up_spans(manifest, manifest, {})
        gone = (old.files() | set(self.replaced)) - manifest.files()
        self._bench.files.forget(gone)
        for name in sorted(gone):
            (self._bench.folder / name).unlink(missing_ok=True)
        yield Deed("manifest put in place", "manifest.json")

    def _mark_followers(self, old: Manifest, manifest: Manifest) -> Manifest:
        """Have those buckets of later spans rolled up anew that begin with rows which changed."""
        before = {span.start_us: span for span in old.spans}
        rows: list[tuple[int, int, float, int]] = []
        for start, span in self.changed.items():
            if span.parts != before[start].parts or span.ends != before[start].ends:
                rows += [(one, start, 0.0, 0) for one in self._bench.catalogue.rules]
        if not rows:
            return manifest
        cursor = self._bench.engine.cursor()
        outdated = find_outdated(cursor, manifest, self._bench.rows, build_batch(rows))
        cursor.close()
        return self._bench.flusher.with_outdated(manifest, outdated)

    def _keep_damaged(self, name: str) -> None:
        """A second name for a file below ``damaged/``; nothing where it is missing."""
        aside = self._bench.folder / DAMAGED_FOLDER
        aside.mkdir(exist_ok=True)
        path = self._bench.folder / name
        if path.exists() and not (aside / name).exists():
            shutil.copyfile(path, aside / name)


def _is_misdescribed(parts: Sequence[Part], batches: Sequence[Batch]) -> bool:
    """Whether the manifest says something else of sound files than they hold."""
    return any(
        len(rows) != part.rows
        or int(rows.measured_at_us.min()) != part.min_us
        or int(rows.measured_at_us.max()) != part.max_us
        for part, rows in zip(parts, batches, strict=True)
    )


def _without_known(rows: Batch, known: Batch) -> Batch:
    """The rows whose key is not among the known ones, each key once."""
    both = concat_batches([known, rows])
    first = _first_rows(both)
    return both.take(first[first >= len(known)])


def _first_of_each(rows: Batch) -> Batch:
    return rows.take(np.sort(_first_rows(rows)))


def _first_rows(rows: Batch) -> npt.NDArray[np.intp]:
    """Numbers of the rows that are the first with their key, rising."""
    order = np.lexsort((np.arange(len(rows)), rows.measured_at_us, rows.series_id))
    series, t = rows.series_id[order], rows.measured_at_us[order]
    is_first = np.r_[True, (np.diff(series) != 0) | (np.diff(t) != 0)][: len(rows)]
    return np.sort(order[is_first])


def _name_files(parts: Sequence[Part]) -> str:
    return ", ".join(part.file for part in parts)

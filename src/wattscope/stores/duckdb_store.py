"""The embedded store: DuckDB in memory over the tail, sorted Parquet chunks below it.

::

    write ─▶ tail (in memory) ──flush──▶ chunk files ──roll up──▶ rollup files
                 └───────────── query ◀──────┴───────────────────────┘

It promises that a written record is seen by the next question, that writing it again changes
nothing, and that everything below ``covered_offset`` is durable here. Rows above it come again
from the log at the next start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch, empty_batch
from wattscope.core.time_grid import US_PER_DAY
from wattscope.ports import LogRecord, StoreReceipt, Table
from wattscope.stores import rule_book
from wattscope.stores.bulk_load import are_all_newer, newest_rows
from wattscope.stores.catalogue import Catalogue, SeriesNames
from wattscope.stores.checked_files import CheckedFiles, FileDamage
from wattscope.stores.conflicts import describe_conflicts
from wattscope.stores.engine import DEFAULT_MEMORY_MB, open_engine
from wattscope.stores.flush import find_fresh
from wattscope.stores.manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    save_manifest,
)
from wattscope.stores.questions import Questions
from wattscope.stores.row_files import make_folder, remove_strays
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.stored_values import find_stored
from wattscope.stores.stretches import find_stretches
from wattscope.stores.tail import Watermarks
from wattscope.stores.tail_tables import Tails
from wattscope.stores.upkeep.retention import Removal, RetentionRule, retain
from wattscope.stores.upkeep.scrub import scrub_file
from wattscope.stores.workbench import Workbench

DEFAULT_TAIL_ROWS = 1_000_000
QUERY_TIMEOUT_S = 30.0
"""Longest time for one question in SQL [s]."""


class DuckdbStore(Questions):
    """The store port, embedded. Thread-safe; one process writes to a folder."""

    def __init__(  # noqa: PLR0913  # options are keyword-only
        self,
        folder: Path,
        names: SeriesNames,
        *,
        chunk_us: int = 7 * US_PER_DAY,
        tail_rows: int = DEFAULT_TAIL_ROWS,
        memory_mb: int = DEFAULT_MEMORY_MB,
        threads: int = 1,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        extra_tables: Mapping[str, Callable[[], Table]] | None = None,
        is_read_only: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the folder.

        Args:
            folder: Holds the manifest and the files it names; made when missing.
            names: Series, devices and sites by name.
            chunk_us: Length of a span [µs]; only for a new folder, an old one keeps its own.
            tail_rows: A flush is due when the tail has grown to this many rows.
            memory_mb: Memory that DuckDB may use [MB]; it spills to disk beyond.
            threads: Threads of one question.
            query_timeout_s: Longest time for one question in SQL [s].
            extra_tables: More views for SQL, by name, read when asked.
            is_read_only: Never write a file.
            monotonic: Clock that says when a file is due to be checked again [s].
        """
        make_folder(folder)
        self._folder = folder
        self._tail_rows = tail_rows
        self._is_read_only = is_read_only
        self._engine = open_engine(folder, memory_mb=memory_mb, threads=threads)
        self._lock = threading.RLock()
        self._manifest, self.faults = load_manifest(folder, chunk_us)
        self._as_read = self._manifest
        if not is_read_only:
            if self.faults or not (folder / MANIFEST_NAME).exists():
                # Which of the files count is told by what was read; that is made whole first. And
                # from the first file on, a manifest that is not there is a damage.
                save_manifest(folder, self._manifest)
            else:
                remove_strays(folder, self._manifest.files())
        catalogue = Catalogue(names, self._engine.cursor())
        bench = Workbench.build(folder, self._engine, catalogue, CheckedFiles(folder, monotonic))
        super().__init__(bench, dict(extra_tables or {}), query_timeout_s)
        self._flusher = bench.flusher
        self._tails = Tails(self._engine, self._manifest.chunk_us)
        self._written_offset = self._manifest.covered_offset
        self._marks = Watermarks()
        self._load_marks()

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def write(self, record: LogRecord) -> StoreReceipt:
        """Take in one record; records come in order of their offset."""
        with self._lock:
            if record.offset < self._written_offset:
                return StoreReceipt(0, len(record.batch))
            receipt = StoreReceipt(0, 0)
            if len(record.batch):
                receipt = self._write_batch(record.batch)
            self._written_offset = record.offset + 1
            return receipt

    def _write_batch(self, batch: Batch) -> StoreReceipt:
        judged = self._marks.judge(batch, self._look_up)
        if len(judged.new):
            self._tails.insert(judged.new)
        conflicts = describe_conflicts(judged.conflicting, judged.kept_values)
        return StoreReceipt(len(judged.new), judged.n_duplicates, conflicts)

    def load(self, batch: Batch) -> StoreReceipt:
        """Take in many rows at once, past log and tail; they are durable when this returns.

        For what can be brought again, such as files. Buckets follow with the next flush.
        """
        self.catalogue.refresh()
        with self._flusher.exclusive():
            with self._lock:
                receipt, new = StoreReceipt(len(batch), 0), batch
                stretches = find_stretches(batch)
                if not are_all_newer(batch, stretches, self._marks):
                    judged = self._marks.judge(batch, self._look_up)
                    conflicts = describe_conflicts(judged.conflicting, judged.kept_values)
                    receipt = StoreReceipt(len(judged.new), judged.n_duplicates, conflicts)
                    new, stretches = judged.new, find_stretches(judged.new)
                manifest = self._manifest
            if len(new):
                covered = manifest.covered_offset
                self._take_over(self._flusher.write_batch(manifest, new, covered, stretches))
                self._tails.flushed.raise_to(*newest_rows(new, stretches))
            return receipt

    def _look_up(self, asked: Batch) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Stored values under the keys of ``asked``."""
        with self._asking() as (cursor, snapshot):
            return find_stored(self._rows, cursor, snapshot, asked)

    # ── flushing ─────────────────────────────────────────────────────────────────────────────

    @property
    def covered_offset(self) -> int:
        """All records below this offset are durable in chunk files."""
        return self._manifest.covered_offset

    @property
    def written_offset(self) -> int:
        """The offset that the next record must have at least."""
        return self._written_offset

    @property
    def is_flush_due(self) -> bool:
        """Whether the tail has grown enough to be flushed."""
        return self._tails.n_rows >= self._tail_rows

    def flush(self) -> int:
        """Write the tail to chunk files and take its rows into the kept buckets.

        Runs beside writing and asking; one at a time. Returns the covered offset.

        Raises:
            TransientError: The disk refused; what was written is right, the rest is tried again.
        """
        try:
            return self._flush()
        except (OSError, duckdb.IOException) as fault:
            raise TransientError(
                f"store {self._folder}: cannot write a file ({fault}); free some space or check "
                "the disk, nothing is lost: the log holds what is not yet in files"
            ) from fault

    def _flush(self) -> int:
        with self._flusher.exclusive():
            with self._lock:
                full = self._tails.take_up()
                covered = self._written_offset
            before = self._manifest
            rows = self._flusher.read_tails(full) if full else empty_batch()
            manifest = self._flusher.write_batch(before, rows, covered)
            fresh = find_fresh(rows, self._tails.flushed, before.chunk_us)
            with self._lock:
                self._manifest = manifest
                self._tails.let_go(full, rows)
            for tail in full:
                self._generations.retire(partial(self._tails.drop, tail))
            rule_book.remember(self._folder, self.catalogue.rules)
            # Rolled up before merged: fresh rows are added to what the older files said.
            self._take_over(self._flusher.roll_up_spans(self._manifest, before, fresh))
            self._take_over(self._flusher.merge_parts(self._manifest))
            return self._manifest.covered_offset

    def reopen(self, series: int, from_us: int) -> None:
        """Have the buckets of a series computed anew from an instant on: its rule has changed."""
        self.catalogue.forget()
        with self._flusher.exclusive():
            outdated = {
                span.start_us: {series}
                for span in self._manifest.spans
                if span.start_us + self._manifest.chunk_us > from_us
            }
            self._take_over(self._flusher.mark(self._manifest, outdated))
            self.catalogue.refresh()
            rule_book.remember(self._folder, self.catalogue.rules)

    def retain(self, rules: Sequence[RetentionRule], now_us: int) -> list[Removal]:
        """Remove what is older than the rules say; see ``stores.upkeep.retention``."""
        with self._flusher.exclusive():
            bench = Workbench.build(self._folder, self._engine, self.catalogue, self._files)
            with self._lock:
                busy = frozenset(self._tails.spans)
            done = []
            for manifest, removal in retain(bench, lambda: self._manifest, rules, now_us, busy):
                self._take_over(manifest)
                done.append(removal)
            return done

    def scrub(self) -> Iterator[FileDamage | None]:
        """Check every file whole, one a step; damage is noted, and given when it is new."""
        for note in list(self._manifest.notes()):
            with self._generations.hold():
                is_named = note.file in self._manifest.files()
                found = scrub_file(self._files, note) if is_named else None
            yield found

    def _take_over(self, manifest: Manifest) -> None:
        """Make a new manifest the current one; files it no longer names are removed in time."""
        with self._lock:
            old = self._manifest.files() - manifest.files()
            self._manifest = manifest
        if old:
            self._generations.retire(lambda: self._remove_files(old))

    def _remove_files(self, files: set[str]) -> None:
        self._files.forget(files)
        self._sound.forget(files)
        for file in files:
            (self._folder / file).unlink(missing_ok=True)

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    def count_span_rows(self) -> dict[int, int]:
        """Rows by start of the span [µs], rising; all of the tails' count in each of theirs."""
        snapshot = self._snapshot()
        counts = {
            one.start_us: sum(part.rows for part in one.parts) for one in snapshot.manifest.spans
        }
        for start in snapshot.tail_spans:
            counts[start] = counts.get(start, 0) + self._tails.n_rows
        return dict(sorted(counts.items()))

    @property
    def chunk_us(self) -> int:
        """Length of a span [µs]."""
        return self._manifest.chunk_us

    def find_retired(self) -> dict[int, int]:
        """The instant before which retention has removed rows [µs], by series of which it has."""
        manifest = self._manifest
        # Rising by span, so that the last one stays.
        return {
            one: span.start_us + manifest.chunk_us
            for span in manifest.spans
            for one in span.retired
        }

    def is_outdated(self) -> bool:
        """Whether another process has put a newer manifest in place since this one was opened."""
        # A reader knows more than the file says where a rule has changed since it was written.
        known = self._as_read if self._is_read_only else self._manifest
        return load_manifest(self._folder, known.chunk_us)[0] != known

    def describe(self) -> dict[str, int]:
        """Sizes for the health page."""
        manifest = self._manifest
        parts = [part for span in manifest.spans for part in span.parts]
        levels = [span.rollups.levels for span in manifest.spans if span.rollups is not None]
        rollups = [part for one in levels for kept in one.values() for part in kept]
        damages = self._files.damages
        return {
            "tail_rows": self._tails.n_rows,
            "chunks": len(parts),
            "chunk_rows": sum(part.rows for part in parts),
            "bytes": sum(part.size_bytes for part in parts),
            "rollup_bytes": sum(part.note.size_bytes for part in rollups),
            "covered_offset": manifest.covered_offset,
            "written_offset": self._written_offset,
            "damaged_files": len(damages),
            "damaged_rows": sum(one.rows for one in damages),
            "lost_rows": sum(loss.rows for span in manifest.spans for loss in span.lost),
        }

    def close(self) -> None:
        """Flush and release the files."""
        if not self._is_read_only:
            # On a full disk the log holds what stays in memory, and gives it at the next start.
            with suppress(TransientError):
                self.flush()
        with self._lock:
            self._engine.close()

    def _snapshot(self) -> Snapshot:
        with self._lock:
            tails = self._tails
            return Snapshot(
                self._manifest, tails.names, tails.spans, tails.find_first(), tails.late
            )

    def _load_marks(self) -> None:
        self.catalogue.refresh()
        self._take_over_rules()
        newest = self.last_rows()
        self._marks.raise_to(newest.series_id, newest.measured_at_us)
        self._tails.flushed.raise_to(newest.series_id, newest.measured_at_us)

    def _take_over_rules(self) -> None:
        """Have what was made with other rules than today's made anew."""
        changed = rule_book.find_changed(self._folder, self.catalogue.rules)
        if changed:
            outdated = {span.start_us: changed for span in self._manifest.spans}
            self._manifest = self._flusher.with_outdated(self._manifest, outdated)
        if not self._is_read_only:
            if changed:
                save_manifest(self._folder, self._manifest)
            rule_book.remember(self._folder, self.catalogue.rules)

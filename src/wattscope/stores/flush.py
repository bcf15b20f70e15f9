"""Making rows durable: tail to chunk files, small files to one, spans that are over to rollups."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from wattscope.ports import Rollup
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.chunk_files import write_parts, write_query, write_rollup
from wattscope.stores.manifest import Manifest, Span, SpanRollups, save_manifest
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.rows import lead_query, time_condition
from wattscope.stores.snapshot import Generations, Snapshot
from wattscope.stores.views import FINE_LEVELS, ChunkFile, rows_source

MAX_PARTS = 8
"""A span with more files than this is merged even while it is the newest."""


class Flusher:
    """Writes files and manifests; each step leaves a manifest that is right by itself."""

    def __init__(
        self,
        folder: Path,
        engine: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        generations: Generations,
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._catalogue = catalogue
        self._generations = generations
        self._rollups = RollupReader(catalogue)
        self._turn = threading.Lock()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One flush at a time."""
        with self._turn:
            yield

    def write_tails(
        self, manifest: Manifest, tails: Sequence[str], span_starts: Iterable[int], covered: int
    ) -> Manifest:
        """Write the tails' rows as new parts of their spans; afterwards the log may forget them."""
        if not tails:
            if covered != manifest.covered_offset:
                manifest = manifest.with_spans({}, covered)
                save_manifest(self._folder, manifest)
            return manifest
        self._catalogue.refresh()
        cursor = self._engine.cursor()
        known = {span.start_us: span for span in manifest.spans}
        changed: dict[int, Span] = {}
        for start in sorted(span_starts):
            path = self._new_path("rows", start, manifest.version + 1)
            where = time_condition(start, start + manifest.chunk_us)
            parts = write_parts(cursor, path, rows_source([], tails), where)
            if parts:
                old = known.get(start, Span(start, ()))
                changed[start] = Span(start, (*old.parts, *parts))
        cursor.close()
        changed |= _reopen_followers(manifest, changed)
        manifest = manifest.with_spans(changed, covered)
        save_manifest(self._folder, manifest)
        return manifest

    def merge_parts(self, manifest: Manifest) -> Manifest:
        """Merge the parts of spans that are over, or that have grown too many."""
        newest = manifest.spans[-1].start_us if manifest.spans else 0
        changed: dict[int, Span] = {}
        for span in manifest.spans:
            n_allowed = MAX_PARTS if span.start_us == newest else 1
            by_scale = Counter(part.scale for part in span.parts)
            if by_scale and max(by_scale.values()) > n_allowed:
                changed[span.start_us] = self._merge_span(manifest, span)
        if not changed:
            return manifest
        manifest = manifest.with_spans(changed, manifest.covered_offset)
        save_manifest(self._folder, manifest)
        return manifest

    def _merge_span(self, manifest: Manifest, span: Span) -> Span:
        cursor = self._engine.cursor()
        files = [ChunkFile(str(self._folder / part.file), part.scale) for part in span.parts]
        path = self._new_path("rows", span.start_us, manifest.version + 1, "m")
        parts = write_parts(cursor, path, rows_source(files, []))
        cursor.close()
        return Span(span.start_us, parts, span.rollups)

    def roll_up_spans(self, manifest: Manifest) -> Manifest:
        """Roll up the spans that are over, oldest first: each needs the ends of the one before."""
        changed: dict[int, Span] = {}
        n_before = manifest.version
        for span in manifest.spans[:-1]:
            if span.rollups is None:
                current = manifest.with_spans(changed, manifest.covered_offset)
                rollups = self._roll_up_span(current, span, n_before + 1)
                changed[span.start_us] = Span(span.start_us, span.parts, rollups)
        if not changed:
            return manifest
        manifest = manifest.with_spans(changed, manifest.covered_offset)
        save_manifest(self._folder, manifest)
        return manifest

    def _roll_up_span(self, manifest: Manifest, span: Span, version: int) -> SpanRollups:
        cursor = self._engine.cursor()
        snapshot = Snapshot(self._folder, manifest, (), frozenset())
        run = (span.start_us, span.start_us + manifest.chunk_us)
        files: dict[str, str] = {}
        low, high = run[0], run[1] - 1
        for level in FINE_LEVELS:
            rollup: Rollup = self._rollups.compute_run(cursor, snapshot, run, level)
            path = self._new_path(f"rollup-{level}", span.start_us, version)
            write_rollup(cursor, path, rollup)
            files[level] = path.name
            if len(rollup.bucket_start_us):
                low = min(low, int(rollup.bucket_start_us.min()))
                high = max(high, int(rollup.bucket_start_us.max()))
        ends = self._write_ends(cursor, snapshot, span, version)
        cursor.close()
        return SpanRollups(files, ends, low, high)

    def _write_ends(
        self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, span: Span, version: int
    ) -> str:
        """The last rows of every series up to the span's end, carried on from the span before."""
        lead = self._rollups.read_lead(cursor, snapshot, span.start_us)
        cursor.register(
            "lead_rows",
            {
                "series_id": lead.series_id,
                "measured_at": lead.measured_at_us.view("datetime64[us]"),
                "value": lead.value,
                "quality": lead.quality,
            },
        )
        own = [ChunkFile(str(self._folder / part.file), part.scale) for part in span.parts]
        source = rows_source(own, ["lead_rows"])
        path = self._new_path("ends", span.start_us, version)
        write_query(cursor, path, lead_query(source))
        cursor.unregister("lead_rows")
        return path.name

    def _new_path(self, kind: str, start_us: int, version: int, mark: str = "") -> Path:
        return self._folder / f"{kind}-{start_us // 1_000_000}-{version}{mark}.parquet"


def _reopen_followers(manifest: Manifest, changed: dict[int, Span]) -> dict[int, Span]:
    """Spans behind a changed one whose rollups or ends may have changed with it.

    A span's first segments begin in the span before, and its ends carry on that span's; so every
    later span is rolled up again when history changes below it.
    """
    if not changed:
        return {}
    first = min(changed)
    return {
        span.start_us: Span(span.start_us, span.parts)
        for span in manifest.spans
        if span.start_us > first and span.start_us not in changed and span.rollups is not None
    }

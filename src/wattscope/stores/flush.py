"""Making rows durable: tail to chunk files, small files to one, spans that are over to rollups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec
import numpy as np

from wattscope.core.reading import Batch
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.labels import Labels
from wattscope.stores.lateness import find_outdated
from wattscope.stores.manifest import Manifest, Part, Span, save_manifest
from wattscope.stores.row_files import write_rows
from wattscope.stores.row_reader import RowReader, order_by_series
from wattscope.stores.rows import fetch_batch, rows_source
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.span_rollups import SpanRoller
from wattscope.stores.stretches import SpanRows, Stretches, cut_at_spans
from wattscope.stores.tail import Watermarks

PARALLEL_ROWS = 500_000
"""Fewer rows than this are written by one thread."""
N_WRITERS = 2
MAX_PARTS = 8
"""So many small parts of the newest span become one when there are more."""


class Flusher:
    """Writes files and manifests; each step leaves a manifest that is right by itself."""

    def __init__(
        self,
        folder: Path,
        engine: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        files: CheckedFiles,
        rows: RowReader,
        roller: SpanRoller,
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._catalogue = catalogue
        self._files = files
        self._rows = rows
        self._roller = roller
        self._turn = threading.Lock()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One flush at a time."""
        with self._turn:
            yield

    def read_tails(self, tails: Sequence[str]) -> Batch:
        """All rows of the tails."""
        cursor = self._engine.cursor()
        rows = fetch_batch(cursor, rows_source([], tails), "true")
        cursor.close()
        return rows

    def write_batch(
        self,
        manifest: Manifest,
        rows: Batch,
        covered: int,
        stretches: Stretches | None = None,
    ) -> Manifest:
        """Write rows that are nowhere yet as new parts of their spans.

        Afterwards the log may forget what is below ``covered``. Kept buckets that the rows change
        are marked. Where rows come series after series, their ``stretches`` save sorting them.
        """
        if not len(rows):
            if covered != manifest.covered_offset:
                manifest = manifest.with_spans({}, covered)
                save_manifest(self._folder, manifest)
            return manifest
        self._catalogue.refresh()
        labels = self._catalogue.labels
        known = Snapshot.of_files(manifest)

        def write(start: int, part_rows: SpanRows) -> Span:
            path = self._new_path(start, manifest.version + 1)
            parts = write_rows(path, part_rows.in_order(labels), labels)
            old = known.span_at(start) or Span(start, ())
            return msgspec.structs.replace(old, parts=(*old.parts, *parts))

        spans = _split_for_files(rows, stretches, manifest.chunk_us)
        changed = dict(zip((start for start, _ in spans), _at_once(write, spans), strict=True))
        manifest = self._mark_outdated(manifest.with_spans(changed, covered), rows)
        save_manifest(self._folder, manifest)
        return manifest

    def _mark_outdated(self, manifest: Manifest, rows: Batch) -> Manifest:
        """Say which kept buckets the new rows have changed."""
        rolled = [span for span in manifest.spans if span.rollups is not None]
        if not rolled:
            return manifest
        if int(rows.measured_at_us.min()) >= rolled[-1].start_us + manifest.chunk_us:
            return manifest
        cursor = self._engine.cursor()
        outdated = find_outdated(cursor, manifest, self._rows, rows)
        cursor.close()
        return self.with_outdated(manifest, outdated)

    @staticmethod
    def with_outdated(manifest: Manifest, outdated: dict[int, set[int]]) -> Manifest:
        """The manifest with more series marked, by start of the span."""
        spans = []
        for span in manifest.spans:
            # What retention removed cannot be computed anew.
            series = outdated.get(span.start_us, set()).difference(span.retired)
            if series and span.rollups is not None:
                both = tuple(sorted(series | set(span.rollups.outdated)))
                rollups = msgspec.structs.replace(span.rollups, outdated=both)
                spans.append(msgspec.structs.replace(span, rollups=rollups))
            else:
                spans.append(span)
        return msgspec.structs.replace(manifest, spans=tuple(spans))

    def mark(self, manifest: Manifest, outdated: dict[int, set[int]]) -> Manifest:
        """Durably say that buckets of some series are to be computed anew, by start of the span."""
        marked = self.with_outdated(manifest.with_spans({}, manifest.covered_offset), outdated)
        save_manifest(self._folder, marked)
        return marked

    def merge_parts(self, manifest: Manifest) -> Manifest:
        """Merge the parts of spans that are over, and small ones where they have grown many."""
        newest = manifest.spans[-1].start_us if manifest.spans else 0
        changed: dict[int, Span] = {}
        for span in manifest.spans:
            chosen = _choose_parts(span, is_newest=span.start_us == newest)
            # A damaged file stays as it is: merged, its loss would be forgotten.
            if chosen and all(one.note is None or self._files.is_sound(one.note) for one in chosen):
                merged = self._merge(manifest, msgspec.structs.replace(span, parts=chosen))
                others = tuple(part for part in span.parts if part not in chosen)
                changed[span.start_us] = msgspec.structs.replace(span, parts=(*others, *merged))
        if not changed:
            return manifest
        manifest = manifest.with_spans(changed, manifest.covered_offset)
        save_manifest(self._folder, manifest)
        return manifest

    def _merge(self, manifest: Manifest, span: Span) -> tuple[Part, ...]:
        """One file for each number of decimals from some parts of a span."""
        cursor = self._engine.cursor()
        path = self._new_path(span.start_us, manifest.version + 1, "m")
        snapshot = Snapshot.of_files(
            manifest.with_spans({span.start_us: span}, manifest.covered_offset)
        )
        labels = self._catalogue.labels
        parts = write_rows(path, self._read_in_order(cursor, snapshot, span, labels), labels)
        cursor.close()
        return parts

    def _read_in_order(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        span: Span,
        labels: Labels,
    ) -> Iterator[Batch]:
        """A span's rows in the order of files, some series at a time."""
        end_us = span.start_us + snapshot.manifest.chunk_us
        for group in self._rows.series_groups(
            cursor, snapshot, span.start_us, end_us, labels.sort_key
        ):
            yield labels.order(self._rows.read(cursor, snapshot, group, span.start_us, end_us))

    def roll_up_spans(
        self, manifest: Manifest, before: Manifest, fresh: Mapping[int, Batch]
    ) -> Manifest:
        """Roll up spans that never were, and again the series whose buckets are outdated.

        Args:
            manifest: With all rows.
            before: The manifest before the newest rows were written.
            fresh: Of the newest rows, by start of the span, those of series whose other rows are
                all older; their buckets are added to the kept ones.
        """
        changed: dict[int, Span] = {}
        known = self._files.damages
        for span in manifest.spans:
            if any(self._files.is_damaged(part.note) for part in span.parts if part.note):
                # Neither this span nor a later one: their buckets would be those of lost rows.
                break
            if span.rollups is None or span.rollups.outdated:
                rows = _unless_outdated(fresh.get(span.start_us), before, span)
                rollups = self._roller.roll_up(manifest, span, fresh=rows, before=before)
                if self._files.damages != known:
                    break
                changed[span.start_us] = msgspec.structs.replace(span, rollups=rollups)
        if not changed:
            return manifest
        manifest = manifest.with_spans(changed, manifest.covered_offset)
        save_manifest(self._folder, manifest)
        return manifest

    def _new_path(self, start_us: int, version: int, mark: str = "") -> Path:
        return self._folder / f"rows-{start_us // 1_000_000}-{version}{mark}.parquet"


def find_fresh(rows: Batch, flushed: Watermarks, chunk_us: int) -> dict[int, Batch]:
    """Rows of series that have only newer ones among them, ordered, by start of the span."""
    if not len(rows):
        return {}
    ordered = order_by_series(rows)
    ids, starts = np.unique(ordered.series_id, return_index=True)
    is_fresh = ordered.measured_at_us[starts] > flushed.newest_of(ids)
    chosen = ordered.take(np.isin(ordered.series_id, ids[is_fresh]))
    return dict(split_by_span(chosen, chunk_us)) if len(chosen) else {}


def _choose_parts(span: Span, *, is_newest: bool) -> tuple[Part, ...]:
    """The parts of a span to merge; none where that is not worth it yet.

    A span that is over becomes one part. In the newest only the smallest parts are merged, so that
    a row is written again a few times at most, however long the span is.
    """
    by_scale: dict[int | None, list[Part]] = {}
    for part in span.parts:
        by_scale.setdefault(part.scale, []).append(part)
    is_old = any(part.note is None for part in span.parts)
    if not is_newest or is_old:
        is_due = is_old or any(len(parts) > 1 for parts in by_scale.values())
        return span.parts if is_due else ()
    chosen: list[Part] = []
    for parts in by_scale.values():
        if len(parts) > MAX_PARTS:
            chosen += sorted(parts, key=lambda part: part.rows)[:MAX_PARTS]
    return tuple(chosen)


def _unless_outdated(rows: Batch | None, before: Manifest, span: Span) -> Batch | None:
    """Fresh rows, without series whose buckets were outdated before, or whose rows are gone."""
    old = Snapshot.of_files(before).span_at(span.start_us)
    if rows is None or old is None or old.rollups is None:
        return None
    left_out = np.array([*old.rollups.outdated, *old.retired], np.int64)
    kept = rows.take(~np.isin(rows.series_id, left_out))
    return kept if len(kept) else None


def _at_once(
    write: Callable[[int, SpanRows], Span], spans: list[tuple[int, SpanRows]]
) -> Iterator[Span]:
    """Write spans, two at a time where there is much to do: encoding runs beside encoding."""
    if sum(len(rows) for _, rows in spans) < PARALLEL_ROWS:
        return iter([write(*span) for span in spans])
    with ThreadPoolExecutor(N_WRITERS) as writers:
        return writers.map(write, *zip(*spans, strict=True))


def _split_for_files(
    rows: Batch, stretches: Stretches | None, chunk_us: int
) -> list[tuple[int, SpanRows]]:
    if stretches is None:
        return [(start, SpanRows(part)) for start, part in split_by_span(rows, chunk_us)]
    cut = cut_at_spans(rows, stretches, chunk_us)
    return [(start, SpanRows(rows, part)) for start, part in cut.items()]


def split_by_span(rows: Batch, chunk_us: int) -> Iterator[tuple[int, Batch]]:
    """The rows by span, oldest first, each in their order."""
    t = rows.measured_at_us
    first, last = int(t.min()) // chunk_us, int(t.max()) // chunk_us
    if first == last:
        yield first * chunk_us, rows
    elif (t[1:] >= t[:-1]).all():
        # As they arrive: spans are stretches of rows, and nothing is copied.
        edges = np.searchsorted(t, np.arange(first, last + 2) * chunk_us)
        for number in np.flatnonzero(np.diff(edges)).tolist():
            yield (first + number) * chunk_us, rows.take(slice(edges[number], edges[number + 1]))
    else:
        yield from _gather_by_span(rows, chunk_us)


def _gather_by_span(rows: Batch, chunk_us: int) -> Iterator[tuple[int, Batch]]:
    number = rows.measured_at_us // chunk_us
    used = np.unique(number)
    small = np.searchsorted(used, number).astype(np.uint16 if len(used) <= 1 << 16 else np.int64)
    order = np.argsort(small, kind="stable")
    edges = np.searchsorted(small[order], np.arange(len(used) + 1))
    for at, one in enumerate(used.tolist()):
        yield one * chunk_us, rows.take(order[edges[at] : edges[at + 1]])

"""Retention: raw rows go when they are old, and only after their buckets are proved.

::

    1. the levels that outlive the rows are written in full      ─▶ manifest
    2. they are read from the disk again and compared with what the rows make
    3. rows that stay are written anew; the last ones of each series that goes are kept as its
       ends, where later segments begin                          ─▶ manifest
    4. the old files go when no question sees them any more

    later: levels whose time is over go                          ─▶ manifest
           rows that came late for a removed stretch fill buckets that are not there yet, and go

Each step leaves a manifest that is right by itself, so that it may be cut off anywhere. It works on
spans that lie wholly before the limit. What is damaged, outdated or under way is left alone until
it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec
import numpy as np

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, concat_batches
from wattscope.stores.checked_files import compute_crc
from wattscope.stores.manifest import FileNote, Manifest, Part, Span, save_manifest
from wattscope.stores.rollup_files import series_of
from wattscope.stores.rollup_plan import LEVELS, has_moved
from wattscope.stores.row_cut import take_lead
from wattscope.stores.row_files import write_rows
from wattscope.stores.row_reader import order_by_series
from wattscope.stores.upkeep.bucket_check import find_differing
from wattscope.stores.upkeep.late_buckets import add_late_rows, drop_series
from wattscope.stores.workbench import Workbench

GetManifest = Callable[[], Manifest]


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """For how long the values of some quantities are kept."""

    quantity: str
    """Pattern of names, such as ``voltage_*``; of several rules the first that fits counts."""
    raw_us: int
    """Age at which rows go [µs]; 0: never."""
    levels_us: tuple[tuple[str, int], ...]
    """Age at which each level of removed rows goes [µs]; 0: never."""

    def levels_at(self, age_us: int) -> tuple[str, ...]:
        """The levels that are kept at an age [µs] of rows that are gone."""
        return tuple(level for level, limit in self.levels_us if limit == 0 or age_us < limit)


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that retention did, or could not do."""

    what: str
    span_us: int
    rows: int = 0


def retain(
    bench: Workbench,
    get_manifest: GetManifest,
    rules: Sequence[RetentionRule],
    now_us: int,
    busy: frozenset[int],
) -> Iterator[tuple[Manifest, Removal]]:
    """Remove what is too old, span by span; gives each new manifest once it is durable.

    Args:
        bench: Tools of the folder.
        get_manifest: The manifest that counts now, with those that were given.
        rules: What is kept for how long.
        now_us: The present [µs].
        busy: Starts of spans with rows that are not in files yet; they are left alone.
    """
    bench.catalogue.refresh()
    youngest_us = min((rule.raw_us for rule in rules if rule.raw_us > 0), default=None)
    if youngest_us is None:
        return
    for start_us in [span.start_us for span in get_manifest().spans]:
        age_us = now_us - start_us - get_manifest().chunk_us
        if age_us >= youngest_us and start_us not in busy:
            yield from _Span(bench, get_manifest, start_us, age_us, rules).work()


def rule_for(rules: Sequence[RetentionRule], quantity: str) -> RetentionRule | None:
    """The first rule whose pattern fits a quantity."""
    return next((one for one in rules if fnmatchcase(quantity, one.quantity)), None)


class _Span:
    """The work on one span."""

    def __init__(
        self,
        bench: Workbench,
        get_manifest: GetManifest,
        start_us: int,
        age_us: int,
        rules: Sequence[RetentionRule],
    ) -> None:
        self._bench = bench
        self._get_manifest = get_manifest
        self._start_us = start_us
        self._age_us = age_us
        self._rules = rules

    @property
    def _span(self) -> Span:
        return next(one for one in self._get_manifest().spans if one.start_us == self._start_us)

    def work(self) -> Iterator[tuple[Manifest, Removal]]:
        """Everything that is due."""
        due = self._find_due()
        late = self._find_late()
        expired = self._find_expired()
        if not (due or late or expired):
            return
        fault = self._find_hindrance()
        if fault is not None:
            yield self._get_manifest(), Removal(fault, self._start_us)
            return
        for levels, series in due.items():
            yield from self._retire(levels, series)
        if late:
            yield self._take_in_late(late)
        if expired:
            yield self._drop_levels(expired)

    # ── what is due ──────────────────────────────────────────────────────────────────────────

    def _rule_of(self, series: int) -> RetentionRule | None:
        labels = self._bench.catalogue.labels
        if series not in self._bench.catalogue.rules:
            return None
        return rule_for(self._rules, labels.quantities[int(labels.quantity_code[series])])

    def _series_with_rows(self) -> set[int]:
        found: set[int] = set()
        cursor = self._bench.engine.cursor()
        for part in self._span.parts:
            found |= self._bench.rows.series_of(cursor, part)
        cursor.close()
        return found

    def _is_over(self, rule: RetentionRule | None) -> bool:
        return rule is not None and 0 < rule.raw_us <= self._age_us

    def _find_due(self) -> dict[tuple[str, ...], set[int]]:
        """Series whose rows go, by the levels that outlive them."""
        due: dict[tuple[str, ...], set[int]] = {}
        for one in self._series_with_rows().difference(self._span.retired):
            rule = self._rule_of(one)
            if rule is not None and self._is_over(rule):
                due.setdefault(rule.levels_at(self._age_us), set()).add(one)
        return due

    def _find_late(self) -> set[int]:
        """Series that have rows although theirs were removed: those came later."""
        with_rows = self._series_with_rows() if self._span.retired else set()
        return {
            one
            for one in with_rows.intersection(self._span.retired)
            if self._is_over(self._rule_of(one))
        }

    def _find_expired(self) -> dict[str, set[int]]:
        """Of removed series those whose time is over, by level that is kept of any."""
        rollups = self._span.rollups
        expired: dict[str, set[int]] = {}
        for one in self._span.retired:
            rule = self._rule_of(one)
            if rule is None or rollups is None:
                continue
            for level in set(rollups.levels).difference(rule.levels_at(self._age_us)):
                expired.setdefault(level, set()).add(one)
        kept = {level: self._series_of_level(level) for level in expired}
        return {level: both for level in expired if (both := expired[level] & kept[level])}

    def _series_of_level(self, level: str) -> set[int]:
        rollups = self._span.rollups
        parts = () if rollups is None else rollups.levels.get(level, ())
        return set().union(*(series_of(self._bench.files, part) for part in parts))

    def _find_hindrance(self) -> str | None:
        """Why nothing may be removed now."""
        span, bench = self._span, self._bench
        if span.rollups is None or span.rollups.outdated:
            return "waits until its buckets are rolled up"
        if span.retired and has_moved(span.rollups.zones, bench.catalogue.zone_names()):
            return "stays: days of removed rows were cut in another time zone"
        if any(part.note is None for part in span.parts):
            return "waits until its files are written anew"
        notes = [part.note for part in (*span.parts, *span.ends)]
        notes += [part.note for parts in span.rollups.levels.values() for part in parts]
        damaged = [note.file for note in notes if note is not None and not self._is_sound(note)]
        return f"stays: {damaged[0]} is damaged" if damaged else None

    def _is_sound(self, note: FileNote) -> bool:
        try:
            return compute_crc(self._bench.folder / note.file) == note.crc
        except OSError:
            return False

    # ── removing rows ────────────────────────────────────────────────────────────────────────

    def _retire(
        self, levels: tuple[str, ...], series: set[int]
    ) -> Iterator[tuple[Manifest, Removal]]:
        """Roll up, prove, remove; for series of which the same levels are kept."""
        words = ", ".join(levels) or "no level"
        yield self._roll_up(levels, series), Removal(f"{words} written in full", self._start_us)
        fault = prove_buckets(self._bench, self._get_manifest(), self._span, levels, series)
        if fault is not None:
            yield self._get_manifest(), Removal(f"stays: {fault}", self._start_us)
            return
        manifest, n_rows = self._remove_rows(series)
        yield manifest, Removal(f"rows of {len(series)} series removed", self._start_us, n_rows)

    def _roll_up(self, levels: tuple[str, ...], series: set[int]) -> Manifest:
        span = self._span
        assert span.rollups is not None  # noqa: S101  # a hindrance otherwise
        marked = msgspec.structs.replace(span.rollups, outdated=tuple(sorted(series)))
        rollups = self._bench.roller.roll_up(
            self._get_manifest(),
            msgspec.structs.replace(span, rollups=marked),
            choose=lambda _rows, _length: levels,
        )
        return self._save(msgspec.structs.replace(span, rollups=rollups))

    def _remove_rows(self, series: set[int]) -> tuple[Manifest, int]:
        """The rows of other series in new files, and the ends of these."""
        span = self._span
        rows = self._read_rows(span.parts)
        goes = np.isin(rows.series_id, sorted(series))
        new_ends = take_lead(order_by_series(rows.take(goes)))
        ends = order_by_series(concat_batches([self._read_rows(span.ends), new_ends]))
        mended = msgspec.structs.replace(
            span,
            parts=self._write("rows", rows.take(~goes)),
            ends=self._write("ends", ends),
            retired=tuple(sorted({*span.retired, *series})),
        )
        return self._save(mended), int(goes.sum())

    def _read_rows(self, parts: Sequence[Part]) -> Batch:
        batches = [self._bench.files.read_part(part, None) for part in parts]
        return concat_batches([one for one in batches if len(one)])

    def _write(self, kind: str, rows: Batch) -> tuple[Part, ...]:
        """Rows as new files, read again before they count.

        Raises:
            StorageError: The disk gives back other rows than were written.
        """
        if not len(rows):
            return ()
        labels = self._bench.catalogue.labels
        number = self._get_manifest().version + 1
        path = self._bench.folder / f"{kind}-{self._start_us // 1_000_000}-{number}t.parquet"
        ordered = labels.order(rows)
        parts = write_rows(path, [ordered], labels)
        again = order_by_series(self._read_rows(parts))
        if not _is_same(again, order_by_series(ordered)):
            raise StorageError(f"{path.name}: the disk gives back other rows than were written")
        return parts

    # ── afterwards ───────────────────────────────────────────────────────────────────────────

    def _take_in_late(self, series: set[int]) -> tuple[Manifest, Removal]:
        """Late rows fill the buckets that are not there yet; then they go too."""
        span = self._span
        rows = self._read_rows(span.parts)
        goes = np.isin(rows.series_id, sorted(series))
        rollups = add_late_rows(
            self._bench, span, order_by_series(rows.take(goes)), self._get_manifest().version + 1
        )
        parts = self._write("rows", rows.take(~goes))
        mended = msgspec.structs.replace(span, parts=parts, rollups=rollups)
        what = "rows that came late put into buckets and removed"
        return self._save(mended), Removal(what, self._start_us, int(goes.sum()))

    def _drop_levels(self, expired: dict[str, set[int]]) -> tuple[Manifest, Removal]:
        span = self._span
        rollups = drop_series(self._bench, span, expired, self._get_manifest().version + 1)
        what = f"{', '.join(level for level in LEVELS if level in expired)} removed"
        n_series = len(set().union(*expired.values()))
        removal = Removal(f"{what} of {n_series} series", self._start_us)
        return self._save(msgspec.structs.replace(span, rollups=rollups)), removal

    def _save(self, span: Span) -> Manifest:
        old = self._get_manifest()
        manifest = old.with_spans({self._start_us: span}, old.covered_offset)
        save_manifest(self._bench.folder, manifest)
        return manifest


def prove_buckets(
    bench: Workbench,
    manifest: Manifest,
    span: Span,
    levels: Sequence[str],
    series: set[int],
) -> str | None:
    """What is wrong with kept levels of some series, as they lie on the disk; None: nothing.

    Reads the files anew, past every memory of them, and compares each bucket with its rows.
    """
    rollups = span.rollups
    if rollups is None:
        return "it has no buckets"
    for level in levels:
        for part in rollups.levels.get(level, ()):
            bench.files.forget({part.note.file})
            if compute_crc(bench.folder / part.note.file) != part.note.crc:
                return f"{part.note.file} is not what was written"
        wrong = find_differing(bench, manifest, span, level, sorted(series))
        if wrong:
            return f"buckets of {level} are not those of the rows, {len(wrong)} series"
    return None


def _is_same(one: Batch, other: Batch) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "value")
        for name in ("series_id", "measured_at_us", "value", "quality")
    )

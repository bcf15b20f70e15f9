"""Rolling up a span: which levels are kept for which series, and their files.

::

    new rows of a series, all newer   ─▶ their buckets are added to the kept ones
    late rows, changed rules, a start ─▶ all rows of the span again, of these series only
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from wattscope.compute.decimals import FLOAT_SCALE, find_scales
from wattscope.compute.rollups import concat_rollups, merge_rollups, roll_up, select_buckets
from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, Int64Column
from wattscope.core.time_grid import local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import edges_around, empty_rollup, known_rows
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import Manifest, RollupPart, Span, SpanRollups
from wattscope.stores.rollup_files import read_rollup, write_rollup
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS, choose_levels, has_moved
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot

Choose = Callable[[int, int], tuple[str, ...]]


class SpanRoller:
    """Computes and writes the rollups of spans."""

    def __init__(
        self,
        folder: Path,
        engine: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        files: CheckedFiles,
        rows: RowReader,
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._catalogue = catalogue
        self._files = files
        self._rows = rows

    def roll_up(
        self,
        manifest: Manifest,
        span: Span,
        *,
        fresh: Batch | None = None,
        before: Manifest | None = None,
        choose: Choose = choose_levels,
    ) -> SpanRollups:
        """Write the levels of a span that are worth it; only outdated series are touched.

        Args:
            manifest: Names the files of the span and of those before it.
            span: The span, with its present rollups if any.
            fresh: Its newest rows, of series whose other rows are all older and rolled up.
            before: The manifest without the fresh rows.
            choose: The levels to keep, from the number of rows and the length [µs] of a series.
        """
        self._catalogue.refresh()
        found = _Found(span.start_us, manifest.chunk_us)
        outdated: set[int] | None = None
        zones = self._catalogue.zone_names()
        if span.rollups is not None and self._keep_others(span, zones, found):
            outdated = set(span.rollups.outdated)
            found.reach = _widest(found.reach, span.rollups.reach)
            # Days of rows that are gone stay as they were cut.
            zones |= span.rollups.zones if span.retired else {}
        elif span.rollups is not None and span.retired:
            # Of some rows these buckets are all there is: a repair has to save what is sound.
            return span.rollups
        cursor = self._engine.cursor()
        try:
            if fresh is not None and before is not None and outdated is not None:
                added = self._find_addable(cursor, manifest, span, fresh, found, choose)
                if added:
                    outdated -= added
                    rows = _take_series(fresh, added)
                    self._add(cursor, before, rows, None, found, found.kept_by_level(added))
            self._compute(cursor, manifest, span, outdated, found, choose)
        finally:
            cursor.close()
        return SpanRollups(self._write(manifest, span, found), found.reach, zones)

    def _keep_others(self, span: Span, zones: dict[str, str], found: _Found) -> bool:
        """Take over all kept buckets.

        Returns:
            False when some are damaged, or cut as days of other zones: then all are computed anew.
        """
        old = span.rollups
        if old is None or (has_moved(old.zones, zones) and not span.retired):
            return False
        try:
            read = [
                (level, part, read_rollup(self._files, part, None))
                for level, parts in old.levels.items()
                for part in parts
            ]
        except StorageError:
            return False
        if any(self._files.is_damaged(part.note) for _, part, _ in read):
            return False
        for level, part, kept in read:
            found.take_over(level, kept, part.scale)
        return True

    def _find_addable(  # a step of roll_up
        self,
        cursor: duckdb.DuckDBPyConnection,
        manifest: Manifest,
        span: Span,
        fresh: Batch,
        found: _Found,
        choose: Choose,
    ) -> set[int]:
        """Series for which the fresh rows' buckets may be added to the kept ones.

        Not those that are due for a level that is not kept yet: it needs all rows of the span.
        """
        counts = self._rows.count_rows(cursor, Snapshot.of_files(manifest), span.start_us)
        ids, starts = np.unique(fresh.series_id, return_index=True)
        last = fresh.measured_at_us[np.r_[starts[1:], len(fresh)] - 1]
        scales = find_scales(fresh.value, starts.astype(np.int64))
        addable = set()
        for one, newest, scale in zip(ids.tolist(), last.tolist(), scales.tolist(), strict=True):
            wanted = choose(counts.get(one, 0), newest - span.start_us)
            kept = {level for level in LEVELS if one in found.series[level]}
            old_scale = found.scales.get(one)
            has_room = not kept or (old_scale is None or 0 <= scale <= old_scale)
            if has_room and kept.issuperset(wanted):
                addable.add(one)
        return addable

    def _compute(  # a step of roll_up
        self,
        cursor: duckdb.DuckDBPyConnection,
        manifest: Manifest,
        span: Span,
        only: set[int] | None,
        found: _Found,
        choose: Choose,
    ) -> None:
        """All rows of the span again, of some series (None: of all)."""
        snapshot = Snapshot.of_files(manifest)
        end_us = span.start_us + manifest.chunk_us
        if only is not None:
            found.drop(only)
            if not only:
                return
        for group in self._rows.series_groups(cursor, snapshot, span.start_us, end_us):
            members = group if only is None else [one for one in group if one in only]
            rows = self._rows.read(cursor, snapshot, members, span.start_us, end_us)
            rows = known_rows(rows, self._catalogue.rules)
            if len(rows):
                kept = _choose_by_series(rows, choose)
                found.add_scales(rows)
                self._add(cursor, manifest, rows, span.start_us, found, kept)

    def _add(  # a step of roll_up
        self,
        cursor: duckdb.DuckDBPyConnection,
        manifest: Manifest,
        rows: Batch,
        since_us: int | None,
        found: _Found,
        kept: dict[str, set[int]],
    ) -> None:
        """Buckets of rows, with those before an instant (None: all of a manifest) as lead."""
        rules = self._catalogue.rules
        rows = known_rows(rows, rules)
        if not len(rows):
            return
        ids = np.unique(rows.series_id).tolist()
        snapshot = Snapshot.of_files(manifest)
        lead = known_rows(self._rows.find_lead(cursor, snapshot, ids, since_us), rules)
        quarters = roll_up(rows, lead, rules, LEVEL_US["15m"])
        found.widen(quarters)
        if kept["1m"]:
            members = kept["1m"]
            minutes = _take_series(rows, members), _take_series(lead, members)
            found.levels["1m"].append(roll_up(*minutes, rules, LEVEL_US["1m"]))
        found.levels["15m"].append(_take_buckets(quarters, kept["15m"]))
        for level in ("1h", "1d"):
            found.levels[level] += self._merge(
                level, _to_time(_take_buckets(quarters, kept[level]), LEVEL_US["15m"])
            )

    def _merge(self, level: str, parts: Rollup) -> list[Rollup]:
        """Buckets of a level from finer ones, or from parts of them; ``coverage`` is time [µs]."""
        if not len(parts.series_id):
            return []
        low, high = int(parts.bucket_start_us.min()), int(parts.bucket_start_us.max())
        if level != "1d":
            return [merge_rollups(parts, edges_around(parts.bucket_start_us, LEVEL_US[level]), 1)]
        days = []
        for zone, members in self._catalogue.by_zone(np.unique(parts.series_id).tolist()).items():
            edges = local_day_edges(low, high + 1, zone)
            days.append(merge_rollups(_take_buckets(parts, members), edges, 1))
        return days

    def _write(
        self, manifest: Manifest, span: Span, found: _Found
    ) -> dict[str, tuple[RollupPart, ...]]:
        levels: dict[str, tuple[RollupPart, ...]] = {}
        for level in LEVELS:
            buckets = concat_rollups([empty_rollup(), *found.levels[level]])
            buckets = self._join_doubles(level, buckets)
            path = self._folder / (
                f"rollup-{level}-{span.start_us // 1_000_000}-{manifest.version + 1}.parquet"
            )
            parts = write_rollup(path, buckets, found.scales, span.start_us)
            if parts:
                levels[level] = parts
        return levels

    def _join_doubles(self, level: str, buckets: Rollup) -> Rollup:
        """Buckets by series and start; what was added to a bucket becomes one with it."""
        order = np.lexsort((buckets.bucket_start_us, buckets.series_id))
        ordered = select_buckets(buckets, order)
        same = (np.diff(ordered.series_id) == 0) & (np.diff(ordered.bucket_start_us) == 0)
        if not same.any():
            return ordered
        if level == "1d":
            lengths = self._day_lengths(ordered)
        else:
            lengths = np.full(len(order), LEVEL_US[level], np.int64)
        timed = replace(ordered, coverage=ordered.coverage * lengths)
        joined = concat_rollups([empty_rollup(), *self._merge(level, timed)])
        return select_buckets(joined, np.lexsort((joined.bucket_start_us, joined.series_id)))

    def _day_lengths(self, days: Rollup) -> Int64Column:
        """Length of each local day [µs]."""
        lengths = np.empty(len(days.series_id), np.int64)
        for zone, members in self._catalogue.by_zone(np.unique(days.series_id).tolist()).items():
            rows = np.isin(days.series_id, _to_array(members))
            starts = days.bucket_start_us[rows]
            edges = local_day_edges(int(starts.min()), int(starts.max()) + 1, zone)
            at = np.searchsorted(edges, starts, side="right") - 1
            lengths[rows] = edges[at + 1] - edges[at]
        return lengths


class _Found:
    """Buckets of a span under way."""

    def __init__(self, start_us: int, length_us: int) -> None:
        self.reach = (start_us, start_us + length_us - 1)
        self.levels: dict[str, list[Rollup]] = {level: [] for level in LEVELS}
        self.series: dict[str, set[int]] = {level: set() for level in LEVELS}
        """Series of each level that were taken over."""
        self.scales: dict[int, int | None] = {}

    def take_over(self, level: str, kept: Rollup, scale: int | None) -> None:
        """Keep the buckets of a file."""
        ids = np.unique(kept.series_id).tolist()
        self.levels[level].append(kept)
        self.series[level] |= set(ids)
        self.scales |= dict.fromkeys(ids, scale)

    def drop(self, series: set[int]) -> None:
        """Let go of what was taken over of some series."""
        gone = _to_array(series)
        for level, parts in self.levels.items():
            self.levels[level] = [
                select_buckets(part, ~np.isin(part.series_id, gone)) for part in parts
            ]
            self.series[level] -= series

    def kept_by_level(self, series: set[int]) -> dict[str, set[int]]:
        """Of some series those of each level."""
        return {level: members & series for level, members in self.series.items()}

    def add_scales(self, rows: Batch) -> None:
        """Remember the decimals of the series of some rows."""
        ids, starts = np.unique(rows.series_id, return_index=True)
        scales = find_scales(rows.value, starts.astype(np.int64))
        for one, scale in zip(ids.tolist(), scales.tolist(), strict=True):
            self.scales[one] = None if scale == FLOAT_SCALE else scale

    def widen(self, quarters: Rollup) -> None:
        """Take in how far the rows reach."""
        if len(quarters.bucket_start_us):
            first = int(quarters.bucket_start_us.min())
            last = int(quarters.bucket_start_us.max()) + LEVEL_US["15m"] - 1
            self.reach = _widest(self.reach, (first, last))


def _widest(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return min(one[0], other[0]), max(one[1], other[1])


def _choose_by_series(rows: Batch, choose: Choose) -> dict[str, set[int]]:
    """The series of each level."""
    kept: dict[str, set[int]] = {level: set() for level in LEVELS}
    ids, starts = np.unique(rows.series_id, return_index=True)
    stops = np.r_[starts[1:], len(rows)]
    spread = rows.measured_at_us[stops - 1] - rows.measured_at_us[starts]
    # The interval behind the last row belongs to it.
    length = spread + spread // np.maximum(stops - starts - 1, 1)
    for one, count, span_us in zip(
        ids.tolist(), (stops - starts).tolist(), length.tolist(), strict=True
    ):
        for level in choose(count, span_us):
            kept[level].add(one)
    return kept


def _to_array(series: Iterable[int]) -> Int64Column:
    return np.array(sorted(series), np.int64)


def _take_series(rows: Batch, series: set[int]) -> Batch:
    return rows.take(np.isin(rows.series_id, _to_array(series)))


def _take_buckets(rollup: Rollup, series: Iterable[int]) -> Rollup:
    return select_buckets(rollup, np.isin(rollup.series_id, _to_array(series)))


def _to_time(rollup: Rollup, size_us: int) -> Rollup:
    """Buckets with covered time [µs] instead of shares."""
    return replace(rollup, coverage=rollup.coverage * size_us)

"""Buckets for any series and range: kept ones where they are right, computed ones elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np

from wattscope.compute.rollups import (
    concat_rollups,
    merge_rollups,
    roll_up,
    select_buckets,
)
from wattscope.compute.runs import list_different
from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch, Int64Column, concat_batches, empty_batch
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import (
    day_lengths,
    edges_around,
    empty_rollup,
    find_edges,
    finish_rollup,
    known_rows,
)
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import RollupPart
from wattscope.stores.rollup_files import place_parts, read_rollup, series_of
from wattscope.stores.rollup_plan import (
    LEVEL_US,
    LEVELS,
    ComputedStep,
    Plan,
    StoredStep,
    make_plan,
)
from wattscope.stores.row_cut import cut_to_range
from wattscope.stores.row_reader import RowReader
from wattscope.stores.snapshot import Snapshot

MAX_TAKEN_IN = 200_000
"""Fewer buckets than this are taken into memory for SQL, where they may be already."""
_NEAR_US = 26 * US_PER_HOUR
"""No local day is longer."""
_FINE = {"1m": "1m", "15m": "15m", "1h": "15m", "1d": "15m"}
"""On which grid a level is computed from rows; local days begin on quarters of an hour."""


class RollupReader:
    """Reads buckets from a snapshot."""

    def __init__(self, catalogue: Catalogue, files: CheckedFiles, rows: RowReader) -> None:
        self._catalogue = catalogue
        self._files = files
        self._rows = rows

    def read(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: tuple[int, ...],
        level: str,
        range_us: tuple[int, int],
    ) -> Rollup:
        """Buckets of a level that begin in ``[start, end)``, by series, then bucket.

        Raises:
            QueryError: Unknown level, or too many buckets.
        """
        merged = []
        for members, edges in find_edges(self._catalogue, series, level, range_us):
            parts = self._read_until_sure(cursor, snapshot, members, level, edges)
            merged.append(merge_rollups(parts, edges, 1))
        return finish_rollup(concat_rollups([empty_rollup(), *merged]))

    def _read_until_sure(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: Sequence[int],
        level: str,
        edges: Int64Column,
    ) -> Rollup:
        """All parts of an answer; planned anew when damage comes to light on the way."""
        while True:
            known = self._files.damages
            plan = self.plan(snapshot, series, level, edges)
            parts = self.read_parts(cursor, snapshot, plan, edges)
            if self._files.damages == known:
                return parts

    def explain(
        self, snapshot: Snapshot, series: tuple[int, ...], level: str, range_us: tuple[int, int]
    ) -> tuple[Plan, ...]:
        """The plans of ``read``, one for each group of series with the same edges."""
        return tuple(
            self.plan(snapshot, members, level, edges)
            for members, edges in find_edges(self._catalogue, series, level, range_us)
        )

    def plan(
        self, snapshot: Snapshot, series: Sequence[int], level: str, edges: Int64Column
    ) -> Plan:
        """Where the buckets between the first and the last edge come from."""
        levels = list(reversed(LEVELS[: LEVELS.index(level) + 1]))
        if level == "1d" and (edges % US_PER_HOUR).any():
            # Where the offset from UTC is no whole hour, local days are no whole hours of UTC.
            levels.remove("1h")
        return make_plan(
            snapshot,
            self._files,
            self._catalogue.zone_names(),
            series,
            levels,
            (int(edges[0]), int(edges[-1])),
        )

    def read_for_sql(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        level: str,
        series: Sequence[int],
        range_us: tuple[int, int],
    ) -> tuple[list[RollupPart], Rollup, Int64Column]:
        """Buckets of a level for SQL: whole files that it may read itself, and all the others.

        The same bucket may be in both, or in two files; its parts add up. The last column tells
        where the values of the others begin [µs], by which parts of a bucket are put in order.
        """
        known = self._files.damages
        direct: dict[str, RollupPart] = {}
        others, places = [empty_rollup()], [np.empty(0, np.int64)]
        for members, edges in find_edges(
            self._catalogue, tuple(series), level, range_us, is_open=True
        ):
            plan = self.plan(snapshot, members, level, edges)
            taken = self._find_direct(snapshot, plan)
            direct |= {step.part.note.file: step.part for step in taken}
            rest = tuple(step for step in plan.stored if step.part.note.file not in direct)
            parts = self.read_parts(cursor, snapshot, replace(plan, stored=rest), edges)
            grid = edges if level == "1d" else edges_around(parts.bucket_start_us, LEVEL_US[level])
            others.append(merge_rollups(parts, grid, 1))
            places.append(_first_places(parts, others[-1], grid))
        if self._files.damages != known:
            return self.read_for_sql(cursor, snapshot, level, series, range_us)
        return list(direct.values()), concat_rollups(others), np.concatenate(places)

    def _find_direct(self, snapshot: Snapshot, plan: Plan) -> list[StoredStep]:
        """Steps whose file SQL may read itself.

        Near steps that it may not: a day of several spans has its parts from one side only, or in
        the order of time.
        """
        chunk_us = snapshot.manifest.chunk_us
        if sum(step.part.note.rows for step in plan.stored) <= MAX_TAKEN_IN:
            return []
        whole = [step for step in plan.stored if step.level == plan.level and self._is_whole(step)]
        chosen = {step.part.note.file for step in whole}
        near = [(step.start_us, step.end_us) for step in plan.computed]
        near += [
            (step.span_us, step.span_us + chunk_us)
            for step in plan.stored
            if step.part.note.file not in chosen
        ]
        if plan.level != "1d":
            return whole
        return [
            step
            for step in whole
            if not any(
                start - _NEAR_US < step.span_us + chunk_us and step.span_us < end + _NEAR_US
                for start, end in near
            )
        ]

    def _is_whole(self, step: StoredStep) -> bool:
        """Whether a step takes all series of a sound file."""
        is_whole = len(step.series) == len(series_of(self._files, step.part))
        return is_whole and self._files.is_sound(step.part.note)

    def read_parts(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        plan: Plan,
        edges: Int64Column,
    ) -> Rollup:
        """All parts of buckets of a plan, unmerged; ``coverage`` holds covered time [µs]."""
        parts = [empty_rollup()]
        for step in plan.stored:
            try:
                parts.append(self._read_stored(step, edges))
            except StorageError:
                parts += self._read_around(cursor, snapshot, step, plan.level, edges)
        parts += [
            self._compute(cursor, snapshot, step, plan.level, edges) for step in plan.computed
        ]
        if plan.tail:
            parts.append(self._compute_tail(cursor, snapshot, plan.tail, plan.level))
        return concat_rollups(parts)

    def _read_around(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        step: StoredStep,
        level: str,
        edges: Int64Column,
    ) -> list[Rollup]:
        """What a damaged file held, from the rows; where those are gone, what of it is sound."""
        span = snapshot.span_at(step.span_us)
        gone = set() if span is None else set(step.series).intersection(span.retired)
        rest = tuple(one for one in step.series if one not in gone)
        again = ComputedStep(step.span_us, step.span_us + snapshot.manifest.chunk_us, rest)
        found = [self._compute(cursor, snapshot, again, level, edges)]
        if gone:
            with contextlib.suppress(StorageError):
                kept = replace(step, series=tuple(sorted(gone)))
                found.append(self._read_stored(kept, edges, is_sound=False))
        return found

    def _read_stored(
        self, step: StoredStep, edges: Int64Column, *, is_sound: bool = True
    ) -> Rollup:
        found = read_rollup(self._files, step.part, step.series)
        if is_sound and self._files.is_damaged(step.part.note):
            raise StorageError(f"{step.part.note.file} is damaged")
        if step.level == "1d":
            length = day_lengths(found.bucket_start_us, edges)
        else:
            length = np.full(len(found.series_id), LEVEL_US[step.level], np.int64)
        return replace(
            found,
            coverage=found.coverage * length,
            bucket_start_us=place_parts(found, step.span_us),
        )

    def _compute(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        step: ComputedStep,
        level: str,
        edges: Int64Column,
    ) -> Rollup:
        """Buckets between the outer edges from the rows of some whole spans."""
        fine = _FINE[level]
        seen = snapshot if step.has_tail else snapshot.without_tails()
        rows = self._rows.read(cursor, seen, step.series, step.start_us, step.end_us)
        range_us = int(edges[0]), int(edges[-1])
        found = self._roll_up(cursor, seen, rows, step.start_us, fine, range_us)
        return replace(found, coverage=found.coverage * LEVEL_US[fine])

    def _compute_tail(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: tuple[int, ...],
        level: str,
    ) -> Rollup:
        """What the rows of the tails add to the buckets of the rows in files."""
        fine = _FINE[level]
        rows = self._rows.read_tails(cursor, snapshot, series)
        found = self._roll_up(cursor, snapshot.without_tails(), rows, None, fine)
        # Behind what files hold of the same bucket.
        places = place_parts(found, snapshot.tail_first[found.series_id])
        covered_us = found.coverage * LEVEL_US[fine]
        return replace(found, coverage=covered_us, bucket_start_us=places)

    def _roll_up(  # a step of two questions
        self,
        cursor: duckdb.DuckDBPyConnection,
        seen: Snapshot,
        rows: Batch,
        since_us: int | None,
        fine: str,
        range_us: tuple[int, int] | None = None,
    ) -> Rollup:
        """Buckets of rows, with those before an instant (None: all in files) as their lead."""
        if not len(rows):
            return empty_rollup()
        present = list_different(rows.series_id).tolist()
        lead = self._rows.find_lead(cursor, seen, present, since_us)
        if range_us is not None:
            lead, rows = cut_to_range(lead, rows, *range_us)
        rules = self._catalogue.rules
        return roll_up(known_rows(rows, rules), known_rows(lead, rules), rules, LEVEL_US[fine])

    def last_rows(self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Batch:
        """The newest row of every series, whatever its quality, by series."""
        found = empty_batch()
        seen: set[int] = set()
        n_known = len(self._catalogue.rules)
        for start in reversed(snapshot.span_starts()):
            for rows in self._rows.read_all_of(cursor, snapshot, start, seen):
                newest = rows.take(
                    np.r_[rows.series_id[1:] != rows.series_id[:-1], True][: len(rows)]
                )
                found = concat_batches([found, newest])
                seen |= set(newest.series_id.tolist())
            if len(seen) >= n_known:
                break
        return found.take(np.argsort(found.series_id, kind="stable"))


def _first_places(parts: Rollup, merged: Rollup, edges: Int64Column) -> Int64Column:
    """For each merged bucket the place of its first part with values, else its start [µs]."""
    places = merged.bucket_start_us.copy()
    chosen = select_buckets(parts, parts.count > 0)
    slot = np.searchsorted(edges, chosen.bucket_start_us, side="right") - 1
    inside = (slot >= 0) & (slot < len(edges) - 1)
    keys = chosen.series_id[inside].astype(np.int64) << 32 | slot[inside]
    order = np.lexsort((chosen.bucket_start_us[inside], keys))
    used, first = np.unique(keys[order], return_index=True)
    own_slot = np.searchsorted(edges, merged.bucket_start_us, side="right") - 1
    own = merged.series_id.astype(np.int64) << 32 | own_slot
    at = np.searchsorted(used, own)
    found = (at < len(used)) & (used[np.minimum(at, len(used) - 1)] == own if len(used) else False)
    places[found] = chosen.bucket_start_us[inside][order][first[at[found]]]
    return places

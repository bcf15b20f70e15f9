"""Buckets for any series and range: stored ones where they are right, computed ones elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo

import duckdb
import numpy as np

from wattscope.compute.rollups import (
    ROLLUP_COLUMNS,
    concat_rollups,
    merge_rollups,
    roll_up,
)
from wattscope.compute.segments import SeriesRule
from wattscope.core.errors import QueryError
from wattscope.core.reading import Batch, Int64Column, concat_batches, empty_batch
from wattscope.core.time_grid import US_PER_HOUR, local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.catalogue import Catalogue
from wattscope.stores.rows import (
    fetch_batch,
    lead_query,
    series_condition,
    time_condition,
    to_batch,
)
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.views import (
    FINE_LEVELS,
    ROLLUP_COLUMNS_SQL,
    ChunkFile,
    rollup_source,
    rows_source,
)

LEVELS = ("1m", "15m", "1h", "1d")
MAX_BUCKETS = 2_000_000
"""More buckets than this in one answer are refused."""


class RollupReader:
    """Reads buckets from a snapshot."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def zones(self) -> dict[str, tzinfo]:
        """Time zone of each site."""
        return self._catalogue.zones()

    def read(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: tuple[int, ...],
        level: str,
        start_us: int,
        end_us: int,
    ) -> Rollup:
        """Buckets of a level that begin in ``[start, end)``.

        Raises:
            QueryError: Unknown level, or too many buckets.
        """
        fine = "1m" if level == "1m" else "15m"
        by_zone = self._edges_by_site(series, level, start_us, end_us)
        low = min((int(edges[0]) for _, edges in by_zone), default=start_us)
        high = max((int(edges[-1]) for _, edges in by_zone), default=end_us)
        parts = concat_rollups(
            [
                self._read_stored(cursor, snapshot, series, fine, low, high),
                self.compute_open(cursor, snapshot, series, fine),
            ]
        )
        none = roll_up(empty_batch(), empty_batch(), {}, FINE_LEVELS[fine])
        merged = [
            merge_rollups(_of_series(parts, chosen), edges, FINE_LEVELS[fine])
            for chosen, edges in by_zone
        ]
        return _finish(concat_rollups([none, *merged]))

    def compute_open(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: Sequence[int] | None,
        fine: str,
    ) -> Rollup:
        """Buckets of the open spans, computed from their rows.

        All of them: a segment of a later span can reach back over a gap. Usually the newest span
        alone is open.
        """
        computed = [
            self.compute_run(cursor, snapshot, run, fine, series)
            for run in _runs_of_open_spans(snapshot)
        ]
        none = roll_up(empty_batch(), empty_batch(), {}, FINE_LEVELS[fine])
        return concat_rollups([none, *computed])

    def compute_run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        run: tuple[int, int],
        fine: str,
        series: Sequence[int] | None = None,
    ) -> Rollup:
        """Buckets of the spans from ``run[0]`` to before ``run[1]`` [µs], as one stretch."""
        start_us, end_us = run
        condition = f"{series_condition(series)} AND {time_condition(start_us, end_us)}"
        rows = fetch_batch(cursor, snapshot.source(start_us, end_us), condition)
        lead = self.read_lead(cursor, snapshot, start_us, series)
        rules = self._catalogue.rules
        return roll_up(_known(rows, rules), _known(lead, rules), rules, FINE_LEVELS[fine])

    def read_lead(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        start_us: int,
        series: Sequence[int] | None = None,
    ) -> Batch:
        """The last rows of each series before an instant at which a span begins."""
        before = [span for span in snapshot.manifest.spans if span.start_us < start_us]
        closed = {span.start_us for span in snapshot.closed_spans()}
        if before and before[-1].rollups is not None and before[-1].start_us in closed:
            ends = str(snapshot.folder / before[-1].rollups.ends)
            return fetch_batch(cursor, rows_source([ChunkFile(ends)], []), series_condition(series))
        if not any(start < start_us for start in snapshot.span_starts()):
            return empty_batch()
        source = snapshot.source(None, start_us)
        where = f"measured_at < make_timestamp({start_us}) AND {series_condition(series)}"
        return to_batch(cursor.execute(lead_query(source, where)).fetchnumpy())

    def last_rows(self, cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> Batch:
        """The newest row of every series, whatever its quality."""
        starts = snapshot.open_starts()
        since = starts[0] if starts else None
        lead = empty_batch() if since is None else self.read_lead(cursor, snapshot, since)
        if since is None and snapshot.manifest.spans:
            newest = snapshot.manifest.spans[-1]
            lead = self.read_lead(cursor, snapshot, newest.start_us + 1)
        answer = cursor.execute(
            "SELECT series_id, max(measured_at) AS measured_at, "  # noqa: S608  # built of our own names
            "arg_max(value, measured_at) AS value, arg_max(quality, measured_at) AS quality "
            f"FROM {snapshot.source(since)} GROUP BY series_id"
        ).fetchnumpy()
        rows = to_batch(answer)
        lead = lead.take(~np.isin(lead.series_id, rows.series_id))
        is_newest = np.r_[lead.series_id[1:] != lead.series_id[:-1], True][: len(lead)]
        return concat_batches([lead.take(is_newest), rows])

    def _read_stored(
        self,
        cursor: duckdb.DuckDBPyConnection,
        snapshot: Snapshot,
        series: Sequence[int],
        fine: str,
        start_us: int,
        end_us: int,
    ) -> Rollup:
        files = [
            str(snapshot.folder / span.rollups.files[fine])
            for span in snapshot.closed_spans()
            if span.rollups is not None
            and span.rollups.min_bucket_us < end_us
            and span.rollups.max_bucket_us >= start_us
        ]
        if not files:
            return roll_up(empty_batch(), empty_batch(), {}, FINE_LEVELS[fine])
        answer = cursor.execute(
            f"SELECT {ROLLUP_COLUMNS_SQL} FROM {rollup_source(files, None)} "  # noqa: S608  # our own names
            f"WHERE {series_condition(series)} "
            "AND bucket_start_us >= ? AND bucket_start_us < ?",
            [start_us, end_us],
        ).fetchnumpy()
        return Rollup(*(np.ma.filled(answer[name], np.nan) for name in ROLLUP_COLUMNS))

    def _edges_by_site(
        self, series: tuple[int, ...], level: str, start_us: int, end_us: int
    ) -> list[tuple[tuple[int, ...], Int64Column]]:
        """Series in groups of equal bucket edges."""
        if level not in LEVELS:
            raise QueryError(f"interval {level!r} is unknown; use one of {', '.join(LEVELS)}")
        if level != "1d":
            size = FINE_LEVELS.get(level, US_PER_HOUR)
            first, last = -(-start_us // size), -(-end_us // size)
            if last - first > MAX_BUCKETS:
                raise QueryError(
                    f"{last - first} buckets of {level} are too many; ask for a coarser interval "
                    "or a shorter span"
                )
            edges = np.arange(first, last + 1, dtype=np.int64) * size
            return [(series, edges)] if len(edges) > 1 else []
        zones = self._catalogue.zones()
        groups: dict[str, list[int]] = {}
        for one in series:
            if one not in self._catalogue.site_of:
                continue
            groups.setdefault(self._catalogue.site_of[one], []).append(one)
        found = []
        for site, members in groups.items():
            edges = local_day_edges(start_us, end_us, zones[site])
            edges = edges[np.searchsorted(edges, start_us) :]
            if len(edges) > 1:
                found.append((tuple(members), edges))
        return found


def _of_series(parts: Rollup, series: tuple[int, ...]) -> Rollup:
    rows = np.isin(parts.series_id, np.array(series, np.int32))
    return Rollup(*(getattr(parts, name)[rows] for name in ROLLUP_COLUMNS))


def _finish(rollup: Rollup) -> Rollup:
    """The merged buckets by series, then time; sums of shares may miss 0 or 1 by a rounding."""
    order = np.lexsort((rollup.bucket_start_us, rollup.series_id))
    ordered = Rollup(*(getattr(rollup, name)[order] for name in ROLLUP_COLUMNS))
    return replace(ordered, coverage=np.clip(ordered.coverage, 0.0, 1.0))


def _known(rows: Batch, rules: dict[int, SeriesRule]) -> Batch:
    """Rows of known series: others were added after the catalogue was read, or are orphans."""
    ids = np.unique(rows.series_id)
    unknown = [one for one in ids.tolist() if one not in rules]
    return rows.take(~np.isin(rows.series_id, unknown)) if unknown else rows


def _runs_of_open_spans(snapshot: Snapshot) -> list[tuple[int, int]]:
    """Stretches of neighbouring open spans: start and end [µs]."""
    chunk_us = snapshot.manifest.chunk_us
    open_starts = set(snapshot.open_starts())
    runs: list[tuple[int, int]] = []
    is_running = False
    for start in snapshot.span_starts():
        if start in open_starts and is_running:
            runs[-1] = (runs[-1][0], start + chunk_us)
        elif start in open_starts:
            runs.append((start, start + chunk_us))
        is_running = start in open_starts
    return runs

"""Preparing a cursor for a user's SQL: only the views that the question names are made."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping

import duckdb
import numpy as np

from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.core.time_grid import US_PER_DAY, local_day_edges
from wattscope.ports import Rollup, Table
from wattscope.stores.rollup_reader import LEVELS, RollupReader
from wattscope.stores.snapshot import Snapshot
from wattscope.stores.views import readings_view, rollup_source, rollup_view


def prepare_views(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    snapshot: Snapshot,
    rollups: RollupReader,
    extra_tables: Mapping[str, Callable[[], Table]],
) -> None:
    """Make the views that occur in ``sql`` as words."""
    words = set(re.findall(r"[a-z0-9_]+", sql.lower()))
    if "readings" in words:
        cursor.execute(readings_view(snapshot.source()))
    for level in LEVELS:
        if f"rollup_{level}" in words:
            _prepare_rollup(cursor, level, snapshot, rollups)
    for name, read in extra_tables.items():
        if name in words:
            _make_table(cursor, name, read())


def _prepare_rollup(
    cursor: duckdb.DuckDBPyConnection, level: str, snapshot: Snapshot, rollups: RollupReader
) -> None:
    fine = "1m" if level == "1m" else "15m"
    live = f"live_{level}"
    computed = rollups.compute_open(cursor, snapshot, None, fine)
    cursor.register(live, _columns(computed))
    files = [
        str(snapshot.folder / span.rollups.files[fine])
        for span in snapshot.closed_spans()
        if span.rollups is not None
    ]
    if level == "1d":
        newest = int(computed.bucket_start_us.max()) if len(computed.bucket_start_us) else 0
        _make_local_days(cursor, snapshot, rollups, newest)
    nulled = _nan_to_null(live)
    cursor.execute(rollup_view(level, rollup_source(files, nulled)))


def _columns(rollup: Rollup) -> dict[str, object]:
    return {name: getattr(rollup, name) for name in ROLLUP_COLUMNS}


def _nan_to_null(live: str) -> str:
    floats = ("min", "max", "first", "last", "increase", "energy_wh")
    replaced = ", ".join(f"nullif({name}, 'nan'::DOUBLE) AS {name}" for name in floats)
    return f"(SELECT * REPLACE ({replaced}) FROM {live})"  # noqa: S608  # our own names


def _make_local_days(
    cursor: duckdb.DuckDBPyConnection, snapshot: Snapshot, rollups: RollupReader, newest_us: int
) -> None:
    """The local days of every site over all buckets; the newest computed one is at ``newest``."""
    starts = snapshot.span_starts()
    rows: list[tuple[str, int, int]] = []
    if starts:
        stored = [one.rollups.max_bucket_us for one in snapshot.closed_spans() if one.rollups]
        end = max([newest_us, starts[-1] + snapshot.manifest.chunk_us, *stored]) + US_PER_DAY
        for site, zone in rollups.zones().items():
            edges = local_day_edges(starts[0] - US_PER_DAY, end, zone).tolist()
            rows += [(site, a, b) for a, b in itertools.pairwise(edges)]
    days = {
        "site": np.array([row[0] for row in rows], object),
        "start_us": np.array([row[1] for row in rows], np.int64),
        "end_us": np.array([row[2] for row in rows], np.int64),
    }
    cursor.register("days_now", days)
    cursor.execute("CREATE TEMP TABLE local_days AS SELECT * FROM days_now")
    cursor.unregister("days_now")


def _make_table(cursor: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """A small table of ours, such as ``devices``; texts, numbers and nulls only."""
    columns = ", ".join(
        f'"{column}" {_type_of(table, at)}' for at, column in enumerate(table.columns)
    )
    cursor.execute(f'CREATE TEMP TABLE "{name}" ({columns})')
    marks = ", ".join("?" for _ in table.columns)
    for row in table.rows:
        cursor.execute(f'INSERT INTO "{name}" VALUES ({marks})', list(row))  # noqa: S608  # our own name


def _type_of(table: Table, at: int) -> str:
    known = [row[at] for row in table.rows if row[at] is not None]
    if known and all(isinstance(value, bool) for value in known):
        return "BOOLEAN"
    if known and all(isinstance(value, int) for value in known):
        return "BIGINT"
    if known and all(isinstance(value, int | float) for value in known):
        return "DOUBLE"
    return "VARCHAR"

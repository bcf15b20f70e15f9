"""Writing chunk and rollup files: Parquet, sorted, aside first, then fsynced and named.

Any tool reads them: the columns are ``series_id, site, device, quantity, measured_at, value,
quality`` for readings (``measured_at`` in UTC, ``value`` in base units).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import duckdb

from wattscope.compute.rollups import ROLLUP_COLUMNS
from wattscope.ports import Rollup
from wattscope.stores.manifest import Part, publish_file
from wattscope.stores.views import quote_text

_FORMAT = "(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"
_FLOAT_COLUMNS = ("min", "max", "first", "last", "increase", "energy_wh")


def write_part(
    cursor: duckdb.DuckDBPyConnection, path: Path, source: str, where: str = "true"
) -> Part | None:
    """Write the rows of a source to a chunk file, sorted by series and time.

    Args:
        cursor: Knows the table ``series_names``.
        path: Name of the file; it appears only when it is whole.
        source: A sub-query with the columns of a row.
        where: A condition on them.

    Returns:
        What the manifest says of the file; None when the source has no rows.
    """
    rows, first, last = cursor.execute(
        f"SELECT count(*), epoch_us(min(measured_at)), epoch_us(max(measured_at)) "  # noqa: S608  # built of our own names
        f"FROM {source} WHERE {where}"
    ).fetchall()[0]
    if rows == 0:
        return None
    _copy(
        cursor,
        path,
        # A series that the registry does not know keeps its rows, without names.
        f"SELECT r.series_id, n.site, n.device, n.quantity, r.measured_at, r.value, r.quality "  # noqa: S608  # built of our own names
        f"FROM {source} r LEFT JOIN series_names n USING (series_id) WHERE {where} "
        "ORDER BY r.series_id, r.measured_at",
    )
    return Part(path.name, int(rows), int(first), int(last), path.stat().st_size)


def write_rollup(cursor: duckdb.DuckDBPyConnection, path: Path, rollup: Rollup) -> None:
    """Write the buckets of a span; NaN becomes NULL, as other tools expect."""
    cursor.register("rollup_to_write", {name: getattr(rollup, name) for name in ROLLUP_COLUMNS})
    chosen = ", ".join(
        f"nullif({name}, 'nan'::DOUBLE) AS {name}" if name in _FLOAT_COLUMNS else name
        for name in ROLLUP_COLUMNS
    )
    try:
        _copy(
            cursor,
            path,
            f"SELECT {chosen} FROM rollup_to_write ORDER BY series_id, bucket_start_us",  # noqa: S608  # our own names
        )
    finally:
        cursor.unregister("rollup_to_write")


def write_query(cursor: duckdb.DuckDBPyConnection, path: Path, query: str) -> None:
    """Write the rows of any query of ours."""
    _copy(cursor, path, query)


def remove_strays(folder: Path, named: set[str]) -> int:
    """Remove files that the manifest does not name: work that was cut off. Returns how many."""
    strays = [
        path
        for path in folder.iterdir()
        if path.name not in named and path.suffix in {".parquet", ".new"}
    ]
    for path in strays:
        path.unlink()
    return len(strays)


def _copy(cursor: duckdb.DuckDBPyConnection, path: Path, query: str) -> None:
    aside = path.with_suffix(".new")
    try:
        cursor.execute(f"COPY ({query}) TO {quote_text(str(aside))} {_FORMAT}")
        publish_file(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()

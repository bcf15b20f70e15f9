"""Writing chunk and rollup files: Parquet, sorted, aside first, then fsynced and named.

Any tool reads them: the columns are ``series_id, site, device, quantity, measured_at, value,
quality`` for readings (``measured_at`` in UTC, ``value`` in base units, a decimal or a float, NULL
or NaN where the source said that there is none).
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
# Without dictionaries the writer takes delta encoding: 1.09 instead of 1.39 bytes a value.
_ROW_FORMAT = "(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 1)"
SCALES = (0, 1, 2, 3, 4, 6)
"""Numbers of decimals that a file may have; values that need more stay floats."""
_MAX_DECIMAL = 1e12
"""A DECIMAL(18, 6) ends here."""
# The quotient is the nearest float to the decimal, so equality proves that nothing is lost.
_SCALE_SQL = (
    "CASE "
    + " ".join(
        f"WHEN bool_and(isnan(value) OR (abs(value) < {_MAX_DECIMAL:.0f} AND "
        f"round(value * 1e{scale}) / 1e{scale} = value)) THEN {scale}"
        for scale in SCALES
    )
    + " END"
)
_FLOAT_COLUMNS = ("min", "max", "first", "last", "increase", "energy_wh")


def write_parts(
    cursor: duckdb.DuckDBPyConnection, path: Path, source: str, where: str = "true"
) -> tuple[Part, ...]:
    """Write the rows of a source to chunk files, one for each number of decimals.

    A series whose values are decimals of few digits is kept as just those: exact, and a third of
    the size of floats. Sorted by quantity, series and time, like stands beside like.

    Args:
        cursor: Knows the table ``series_names``.
        path: Name of the files but for their decimals; each appears only when it is whole.
        source: A sub-query with the columns of a row.
        where: A condition on them.

    Returns:
        What the manifest says of the files; none when the source has no rows.
    """
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE part_scales AS SELECT series_id, {_SCALE_SQL} AS scale "  # noqa: S608  # built of our own names
        f"FROM {source} WHERE {where} GROUP BY series_id"
    )
    scales = cursor.execute(
        "SELECT DISTINCT scale FROM part_scales ORDER BY scale NULLS LAST"
    ).fetchall()
    return tuple(_write_part(cursor, path, source, where, scale) for (scale,) in scales)


def _write_part(
    cursor: duckdb.DuckDBPyConnection, path: Path, source: str, where: str, scale: int | None
) -> Part:
    """Write the rows of the series of one scale."""
    path = path.with_stem(f"{path.stem}-{'f' if scale is None else scale}")
    value = "r.value"
    if scale is not None:
        value = f"CASE WHEN isnan(r.value) THEN NULL ELSE r.value END::DECIMAL(18, {scale})"
    condition = "s.scale IS NULL" if scale is None else f"s.scale = {scale}"
    rows = (
        f"FROM {source} r JOIN part_scales s USING (series_id) "
        f"LEFT JOIN series_names n USING (series_id) WHERE {where} AND {condition}"
    )
    counted = cursor.execute(
        f"SELECT count(*), epoch_us(min(measured_at)), epoch_us(max(measured_at)) {rows}"
    ).fetchall()[0]
    _copy(
        cursor,
        path,
        # A series that the registry does not know keeps its rows, without names.
        "SELECT r.series_id, n.site, n.device, n.quantity, r.measured_at, "
        f"{value} AS value, r.quality {rows} ORDER BY n.quantity, r.series_id, r.measured_at",
        _ROW_FORMAT,
    )
    n_rows, first, last = (int(one) for one in counted)
    return Part(path.name, n_rows, first, last, path.stat().st_size, scale)


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


def _copy(cursor: duckdb.DuckDBPyConnection, path: Path, query: str, form: str = _FORMAT) -> None:
    aside = path.with_suffix(".new")
    try:
        cursor.execute(f"COPY ({query}) TO {quote_text(str(aside))} {form}")
        publish_file(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()

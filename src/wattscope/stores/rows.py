"""Between DuckDB's answers and our columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np

from wattscope.compute.segments import LEAD_ROWS
from wattscope.core.reading import Batch

ROW_COLUMNS = "series_id, measured_at, value, quality"


def quote_text(text: str) -> str:
    """A text as an SQL literal; used for names of our own files only."""
    return "'" + text.replace("'", "''") + "'"


class ChunkFile(NamedTuple):
    """A file of rows, and the decimals of its values."""

    path: str
    scale: int | None = None
    """None for floats."""


def rows_source(files: Sequence[ChunkFile], tails: Sequence[str]) -> str:
    """A sub-query over chunk files and tail tables, with all values as floats."""
    sources = [f"SELECT {ROW_COLUMNS} FROM {tail}" for tail in tails]  # noqa: S608  # our own table names
    by_scale: dict[int | None, list[str]] = {}
    for file in files:
        by_scale.setdefault(file.scale, []).append(quote_text(file.path))
    for scale, paths in by_scale.items():
        value = "value" if scale is None else "coalesce(value::DOUBLE, 'nan'::DOUBLE) AS value"
        sources.append(
            f"SELECT series_id, measured_at, {value}, quality "  # noqa: S608  # our own file names
            f"FROM read_parquet([{', '.join(paths)}])"
        )
    return "(" + " UNION ALL ".join(sources) + ")"


def series_condition(series: Sequence[int] | None) -> str:
    """Condition that chooses series; None chooses all."""
    if series is None:
        return "true"
    if not series:
        return "false"
    listed = ", ".join(str(int(one)) for one in series)
    return f"series_id IN ({listed})"


def time_condition(start_us: int, end_us: int) -> str:
    """Condition that chooses ``[start, end)``."""
    return (
        f"measured_at >= make_timestamp({int(start_us)}) "
        f"AND measured_at < make_timestamp({int(end_us)})"
    )


def fetch_batch(cursor: duckdb.DuckDBPyConnection, source: str, where: str) -> Batch:
    """The rows of a source that fulfil a condition, ordered by series, then time."""
    answer = cursor.execute(
        f"SELECT {ROW_COLUMNS} FROM {source} WHERE {where} ORDER BY series_id, measured_at"  # noqa: S608  # built of our own names
    ).fetchnumpy()
    return to_batch(answer)


def lead_query(source: str, where: str = "true") -> str:
    """Query for the rows that a roll-up of later rows needs, by series, then time.

    Of each series the last ``LEAD_ROWS`` rows, and as many of those whose value is usable.
    """
    newest = f"arg_max(r, measured_at, {LEAD_ROWS})"
    return f"""SELECT DISTINCT series_id, r.measured_at AS measured_at, r.value AS value,
               r.quality AS quality
        FROM (SELECT series_id,
                     unnest(list_concat({newest}, {newest} FILTER (WHERE quality & 3 = 0))) AS r
              FROM (SELECT series_id, measured_at, quality,
                           {{'measured_at': measured_at, 'value': value, 'quality': quality}} AS r
                    FROM {source} WHERE {where})
              GROUP BY series_id)
        ORDER BY series_id, measured_at"""  # noqa: S608  # built of our own names


def to_batch(answer: dict[str, Any]) -> Batch:
    """Columns of a DuckDB answer as a batch."""
    return Batch(
        np.ma.getdata(answer["series_id"]).astype(np.int32, copy=False),
        np.ma.getdata(answer["measured_at"]).astype("datetime64[us]").view(np.int64),
        np.ma.filled(answer["value"], np.nan).astype(np.float64, copy=False),
        np.ma.getdata(answer["quality"]).astype(np.uint8, copy=False),
    )

"""SQL of the embedded store: sources of rows, and the views that users may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FINE_LEVELS = {"1m": 60_000_000, "15m": 900_000_000}
"""Levels that are kept in files [µs]; the coarser ones are merged from ``15m``."""
HOUR_US = 3_600_000_000

ROW_COLUMNS = "series_id, measured_at, value, quality"
ROLLUP_COLUMNS_SQL = (
    "series_id, bucket_start_us, count, sum, min, max, first, last, increase, energy_wh, coverage"
)

_QUALITY_WORDS = """CASE WHEN quality = 0 THEN 'good' ELSE rtrim(
    CASE WHEN quality & 1 <> 0 THEN 'missing ' ELSE '' END ||
    CASE WHEN quality & 2 <> 0 THEN 'implausible ' ELSE '' END ||
    CASE WHEN quality & 4 <> 0 THEN 'late ' ELSE '' END ||
    CASE WHEN quality & 8 <> 0 THEN 'estimated ' ELSE '' END) END"""


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


def rollup_source(files: Sequence[str], live: str | None) -> str:
    """A sub-query over rollup files and the buckets computed just now."""
    sources = [] if live is None else [f"SELECT {ROLLUP_COLUMNS_SQL} FROM {live}"]  # noqa: S608  # our own view name
    if files:
        listed = ", ".join(quote_text(file) for file in files)
        sources.append(f"SELECT {ROLLUP_COLUMNS_SQL} FROM read_parquet([{listed}])")  # noqa: S608  # our own file names
    return "(" + " UNION ALL ".join(sources) + ")"


def readings_view(source: str) -> str:
    """The view ``readings``."""
    return f"""CREATE TEMP VIEW readings AS
        SELECT n.site, n.device, n.quantity, n.unit, r.measured_at,
               CASE WHEN r.quality & 1 <> 0 THEN NULL ELSE r.value END AS value,
               {_QUALITY_WORDS} AS quality
        FROM {source} r JOIN series_names n USING (series_id)"""  # noqa: S608  # built of our own names


def rollup_view(level: str, source: str) -> str:
    """A view ``rollup_…``: parts of the same bucket side by side become one row."""
    bucket, join = _bucket_of(level)
    return f"""CREATE TEMP VIEW rollup_{level} AS
        SELECT n.site, n.device, n.quantity, n.unit,
               make_timestamp({bucket}) AS bucket_start,
               sum(p.count)::BIGINT AS count, min(p.min) AS min, max(p.max) AS max,
               CASE WHEN sum(p.count) > 0 THEN sum(p.sum) / sum(p.count) END AS mean,
               sum(p.sum) AS sum,
               arg_min(p.first, p.bucket_start_us) FILTER (WHERE p.count > 0) AS first,
               arg_max(p.last, p.bucket_start_us) FILTER (WHERE p.count > 0) AS last,
               sum(p.increase) AS increase, sum(p.energy_wh) AS energy_wh,
               greatest(0.0, least(1.0, {_coverage_of(level)})) AS coverage
        FROM {source} p JOIN series_names n USING (series_id) {join}
        GROUP BY ALL"""  # noqa: S608  # built of our own names


def _bucket_of(level: str) -> tuple[str, str]:
    """Expression of the bucket's start [µs], and the join it needs."""
    if level in FINE_LEVELS:
        return "p.bucket_start_us", ""
    if level == "1h":
        return f"p.bucket_start_us - p.bucket_start_us % {HOUR_US}", ""
    days = "ASOF JOIN local_days d ON d.site = n.site AND d.start_us <= p.bucket_start_us"
    return "d.start_us", days


def _coverage_of(level: str) -> str:
    """Share of the bucket that has data, from the shares of its parts."""
    if level in FINE_LEVELS:
        return "sum(p.coverage)"
    fine = FINE_LEVELS["15m"]
    if level == "1h":
        return f"sum(p.coverage) * {fine} / {HOUR_US}"
    return f"sum(p.coverage) * {fine} / any_value(d.end_us - d.start_us)"

"""SQL of the embedded store: sources of rows, and the views that users may rely on."""

from __future__ import annotations

from collections.abc import Sequence

from wattscope.stores.rows import ChunkFile, quote_text

WORDS = frozenset({"unit", "quality"})
"""Columns of ``readings`` that are made of others; DuckDB plans them even where nobody asks."""
_ROLLUP_COLUMNS = (
    "series_id, bucket_start_us, part_start_us, count, sum, min, max, first, last, increase, "
    "energy_wh, coverage"
)

_NULLABLE = ("min", "max", "first", "last", "increase", "energy_wh")
_CAST_VALUES = ", ".join(
    f"{name}::DOUBLE AS {name}" for name in ("sum", "min", "max", "first", "last")
)

_NO_ROWS = (
    "SELECT NULL::VARCHAR AS site, NULL::VARCHAR AS device, NULL::VARCHAR AS quantity, "
    "NULL::TIMESTAMP AS measured_at, NULL::DOUBLE AS value, NULL::UTINYINT AS quality WHERE false"
)
# A name ends in its unit; one of a meter's own has it after two underscores.
_UNITS = {"w": "W", "wh": "Wh", "va": "VA", "var": "var", "varh": "varh", "v": "V", "a": "A"} | {
    "hz": "Hz",
    "c": "°C",
    "m2": "W/m²",
    "pct": "%",
    "deg": "°",
    "kg": "kg",
    "m3": "m³",
}
_UNIT_OF = (
    "CASE WHEN contains(quantity, '__') "
    "THEN replace(coalesce(nullif(regexp_extract(quantity, '__(.*)$', 1), '1'), ''), '_per_', '/') "
    "ELSE CASE split_part(quantity, '_', -1) "
    + " ".join(f"WHEN '{suffix}' THEN '{unit}'" for suffix, unit in _UNITS.items())
    + " ELSE '' END END"
)
_QUALITY_WORDS = """CASE WHEN quality = 0 THEN 'good' ELSE rtrim(
    CASE WHEN quality & 1 <> 0 THEN 'missing ' ELSE '' END ||
    CASE WHEN quality & 2 <> 0 THEN 'implausible ' ELSE '' END ||
    CASE WHEN quality & 4 <> 0 THEN 'late ' ELSE '' END ||
    CASE WHEN quality & 8 <> 0 THEN 'estimated ' ELSE '' END) END"""


def rollup_source(parts: Sequence[ChunkFile], live: str) -> str:
    """A sub-query over rollup files and buckets computed just now, with all values as floats."""
    nulled = ", ".join(f"nullif({name}, 'nan'::DOUBLE) AS {name}" for name in _NULLABLE)
    sources = [f"SELECT {_ROLLUP_COLUMNS} FROM (SELECT * REPLACE ({nulled}) FROM {live})"]  # noqa: S608  # our own view name
    by_scale: dict[int | None, list[str]] = {}
    for part in parts:
        by_scale.setdefault(part.scale, []).append(quote_text(part.path))
    sources += [
        f"SELECT series_id, bucket_start_us, part_start_us, count, {_CAST_VALUES}, "  # noqa: S608  # our own file names
        f"increase, energy_wh, coverage FROM read_parquet([{', '.join(paths)}])"
        for paths in by_scale.values()
    ]
    return "(" + " UNION ALL ".join(sources) + ")"


def readings_view(
    files: Sequence[ChunkFile], tables: Sequence[str], *, has_words: bool = True
) -> str:
    """The view ``readings``: files by their own names of things, tables by the registry's.

    Files come without a join, so that a filter by name skips row groups. ``has_words`` false leaves
    out the columns ``WORDS``.
    """
    by_scale: dict[int | None, list[str]] = {}
    for file in files:
        by_scale.setdefault(file.scale, []).append(quote_text(file.path))
    sources = [
        f"SELECT site, device, quantity, measured_at, value::DOUBLE AS value, quality "  # noqa: S608  # our own file names
        f"FROM read_parquet([{', '.join(paths)}])"
        for paths in by_scale.values()
    ]
    sources += [
        "SELECT n.site, n.device, n.quantity, measured_at, "  # noqa: S608  # our own table names
        "CASE WHEN quality & 1 <> 0 THEN NULL ELSE value END AS value, quality "
        f"FROM {table} JOIN series_names n USING (series_id)"
        for table in tables
    ]
    if not sources:
        sources = [_NO_ROWS]
    columns = "site, device, quantity, measured_at, value"
    if has_words:
        columns = (
            f"site, device, quantity, {_UNIT_OF} AS unit, measured_at, value, "
            f"{_QUALITY_WORDS} AS quality"
        )
    return f"""CREATE TEMP VIEW readings AS
        SELECT {columns}
        FROM ({" UNION ALL ".join(sources)})"""  # noqa: S608  # built of our own names


def rollup_view(level: str, source: str) -> str:
    """A view ``rollup_…``: parts of the same bucket side by side become one row."""
    return f"""CREATE TEMP VIEW rollup_{level} AS
        SELECT n.site, n.device, n.quantity, n.unit,
               make_timestamp(p.bucket_start_us) AS bucket_start,
               sum(p.count)::BIGINT AS count, min(p.min) AS min, max(p.max) AS max,
               CASE WHEN sum(p.count) > 0 THEN sum(p.sum) / sum(p.count) END AS mean,
               sum(p.sum) AS sum,
               arg_min(p.first, p.part_start_us) FILTER (WHERE p.count > 0) AS first,
               arg_max(p.last, p.part_start_us) FILTER (WHERE p.count > 0) AS last,
               sum(p.increase) AS increase, sum(p.energy_wh) AS energy_wh,
               greatest(0.0, least(1.0, sum(p.coverage))) AS coverage
        FROM {source} p JOIN series_names n USING (series_id)
        GROUP BY n.site, n.device, n.quantity, n.unit, p.bucket_start_us"""  # noqa: S608  # built of our own names

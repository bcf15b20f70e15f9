"""The views that users may rely on: those of ``docs/sql.md``, and the names of older systems."""

from __future__ import annotations

from typing import Final

_NULLABLE: Final = ("min", "max", "first", "last", "increase", "energy_wh")
_COLUMNS: Final = ("count", "min", "max", "mean", "sum", "first", "last", "increase", "energy_wh")

_QUALITY_WORDS: Final = """CASE WHEN r.quality = 0 THEN 'good' ELSE rtrim(
        CASE WHEN r.quality & 1 <> 0 THEN 'missing ' ELSE '' END ||
        CASE WHEN r.quality & 2 <> 0 THEN 'implausible ' ELSE '' END ||
        CASE WHEN r.quality & 4 <> 0 THEN 'late ' ELSE '' END ||
        CASE WHEN r.quality & 8 <> 0 THEN 'estimated ' ELSE '' END) END"""

READINGS_VIEW: Final = f"""
CREATE VIEW readings AS
    SELECT n.site, n.device, n.quantity, n.unit, r.measured_at,
           CASE WHEN r.quality & 1 <> 0 THEN NULL ELSE r.value END AS value,
           {_QUALITY_WORDS} AS quality
    FROM raw_rows r JOIN series_names n USING (series_id);
"""  # noqa: S608  # our own words


def rollup_view(level: str, table: str, *, is_temporary: bool = False) -> str:
    """The statement that makes a view ``rollup_…`` over a table of buckets."""
    made_of = {name: f"nullif(b.{name}, 'NaN') AS {name}" for name in _NULLABLE}
    made_of["mean"] = "CASE WHEN b.count > 0 THEN b.sum / b.count END AS mean"
    columns = ", ".join(made_of.get(name, f"b.{name}") for name in _COLUMNS)
    return f"""
CREATE {"TEMP " if is_temporary else ""}VIEW rollup_{level} AS
    SELECT n.site, n.device, n.quantity, n.unit, b.bucket_start, {columns}, b.coverage
    FROM {table} b JOIN series_names n USING (series_id);
"""  # noqa: S608  # our own names


def _quote(quantities: tuple[str, ...]) -> str:
    return ", ".join(f"'{quantity}'" for quantity in quantities)


def _wide_view(name: str, device_column: str, columns: dict[str, tuple[str, ...]]) -> str:
    """One row a device and instant, with a column a quantity, as meters of one kind send them."""
    listed = ", ".join(
        f"max(r.value) FILTER (WHERE n.quantity IN ({_quote(quantities)})) AS {column}"
        for column, quantities in columns.items()
    )
    wanted = _quote(tuple(one for quantities in columns.values() for one in quantities))
    return f"""
CREATE VIEW {name} AS
    SELECT n.device AS {device_column}, r.measured_at AS "timestamp", {listed}
    FROM raw_rows r JOIN series_names n USING (series_id)
    WHERE n.quantity IN ({wanted}) AND r.quality & 3 = 0
    GROUP BY n.device, r.measured_at;
"""  # noqa: S608  # our own names


_QUARTERS: Final = """
CREATE VIEW energy_readings_15min AS
    SELECT n.device AS meter_id, b.bucket_start AS bucket,
           max(b.sum / nullif(b.count, 0)) FILTER (WHERE n.quantity = 'active_power_w')
               AS avg_power,
           max(nullif(b.max, 'NaN')) FILTER (WHERE n.quantity = 'active_power_w') AS max_power,
           max(nullif(b.energy_wh, 'NaN'))
               FILTER (WHERE n.quantity IN ('energy_import_wh', 'energy_import_delta_wh'))
               AS total_energy
    FROM bucket_15m b JOIN series_names n USING (series_id)
    WHERE n.quantity IN ('active_power_w', 'energy_import_wh', 'energy_import_delta_wh')
    GROUP BY n.device, b.bucket_start;
"""

SEED_VIEWS: Final = (
    _wide_view(
        "energy_readings",
        "meter_id",
        {
            "power": ("active_power_w",),
            "voltage": ("voltage_v",),
            "current": ("current_a",),
            "frequency": ("frequency_hz",),
            "energy": ("energy_import_wh", "energy_import_delta_wh"),
        },
    ),
    _QUARTERS,
    _wide_view(
        "sensor_readings",
        "panel_id",
        {
            "temperature_celsius": ("temperature_c",),
            "voltage_volts": ("dc_voltage_v",),
            "current_amperes": ("dc_current_a",),
            "power_output_watts": ("production_power_w",),
        },
    ),
)

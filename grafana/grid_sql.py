"""The dashboard of the recipe ``grid`` over TimescaleDB or PostgreSQL: the questions of the seed.

Monthly energy is the growth of registers, not a sum of what they showed, and "today" is the day at
the site, not that of the server.
"""

from __future__ import annotations

from typing import Final

from grafana.boards import Board
from grafana.panels import Look, Panel
from grafana.questions import Source
from grafana.sql import FRESH, TODAY, ZONE, choose, curve, energy_by_day, energy_today, rows

_READ: Final = "wattscope.energy_readings"
_METER: Final = "meter_id IN ($device)"
_SERIES: Final = "site IN ($site) AND device IN ($device)"
_POWER: Final = f"quantity = 'active_power_w' AND {_SERIES}"
_ENERGY: Final = f"quantity IN ('energy_import_wh', 'energy_import_delta_wh') AND {_SERIES}"

_NOW: Final = (
    Panel(
        "Load now",
        "The newest power of each chosen meter of the last ten minutes, added up.",
        "watt",
        (
            rows(f"""\
SELECT sum(power) AS load FROM (
  SELECT DISTINCT ON (meter_id) power FROM {_READ}
  WHERE "timestamp" BETWEEN $__timeTo()::timestamptz - 2 * {FRESH} AND $__timeTo() AND {_METER}
  ORDER BY meter_id, "timestamp" DESC) newest"""),  # noqa: S608  # our own words
        ),
        Look.TILE,
        8,
        6,
    ),
    Panel(
        "Energy today",
        "Growth of all registers since midnight at the site, up to a quarter of an hour behind.",
        "kwatth",
        (energy_today(_ENERGY),),
        Look.TILE,
        8,
        6,
        decimals=0,
    ),
    Panel(
        "All readings of the period",
        "Number, mean, highest and lowest power, from every reading.",
        "watt",
        (
            rows(f"""\
SELECT count(*) AS n, avg(power) AS mean, max(power) AS highest, min(power) AS lowest
FROM {_READ} WHERE $__timeFilter("timestamp") AND {_METER}"""),  # noqa: S608  # our own words
        ),
        Look.TABLE,
        8,
        6,
        units={"n": "none"},
        decimals=0,
        columns={"n": "Readings", "mean": "Mean", "highest": "Highest", "lowest": "Lowest"},
    ),
)
_LOAD: Final = (
    Panel(
        "Live readings",
        "Mean power of a meter in the last hour, and the highest.",
        "watt",
        (
            curve(f"""\
SELECT $__timeGroupAlias("timestamp", '5m'), avg(power) AS "Mean", max(power) AS "Highest"
FROM {_READ} WHERE $__timeFilter("timestamp") AND {_METER} GROUP BY 1 ORDER BY 1"""),  # noqa: S608  # our own words
        ),
        period="1h",
    ),
    Panel(
        "Mean power today by hour",
        "Mean of all readings of the chosen meters in each hour of the day at the site.",
        "watt",
        (
            rows(f"""\
SELECT to_char(date_trunc('hour', bucket_start AT TIME ZONE time_zone), 'HH24:MI') AS hour,
  sum(sum) / nullif(sum(count), 0) AS "Mean"
FROM wattscope.rollup_15m {ZONE} WHERE {_POWER} AND {TODAY} GROUP BY 1 ORDER BY 1"""),  # noqa: S608  # our own words
        ),
        Look.BARS,
    ),
    Panel(
        "Highest quarters of an hour",
        "The ten highest mean powers of a meter in seven days, and the load of all of them.",
        "watt",
        (
            rows(f"""\
SELECT bucket_start AS quarter, sum(sum) / nullif(sum(count), 0) AS mean, sum(mean) AS load
FROM wattscope.rollup_15m WHERE {_POWER} AND $__timeFilter(bucket_start)
GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT 10"""),  # noqa: S608  # our own words
        ),
        Look.TABLE,
        period="7d",
        decimals=0,
        columns={"quarter": "From", "mean": "Mean of a meter", "load": "Load"},
    ),
    Panel(
        "Energy by day",
        "Growth of all registers in local days of the site.",
        "kwatth",
        (energy_by_day(_ENERGY),),
        Look.BARS,
        period="31d",
        decimals=0,
    ),
)
_METERS: Final = (
    Panel(
        "Energy by month and meter",
        "Growth of each register in months of the site, the largest first.",
        "kwatth",
        (
            rows(f"""\
SELECT to_char(bucket_start AT TIME ZONE time_zone, 'YYYY-MM') AS month, device,
  sum(energy_wh) / 1000 AS energy
FROM wattscope.rollup_1d {ZONE} WHERE {_ENERGY} AND $__timeFilter(bucket_start)
GROUP BY 1, 2 ORDER BY 1 DESC, 3 DESC"""),  # noqa: S608  # our own words
        ),
        Look.TABLE,
        period="90d",
        decimals=1,
        columns={"month": "Month", "device": "Meter", "energy": "Energy"},
    ),
    Panel(
        "By region",
        "Energy today of meters whose ids begin with the same digit.",
        "kwatth",
        (
            rows(f"""\
SELECT left(device, 1) AS region, sum(energy_wh) / 1000 AS "Energy"
FROM wattscope.rollup_15m {ZONE} WHERE {_ENERGY} AND {TODAY} GROUP BY 1 ORDER BY 1"""),  # noqa: S608  # our own words
        ),
        Look.BARS,
        decimals=0,
    ),
    Panel(
        "Power of a meter",
        "Mean of each quarter of an hour, of the meters chosen above.",
        "watt",
        (
            curve(f"""\
SELECT bucket_start AS time, device AS metric, mean AS power
FROM wattscope.rollup_15m WHERE {_POWER} AND $__timeFilter(bucket_start) ORDER BY 1"""),  # noqa: S608  # our own words
        ),
        width=24,
    ),
)
BOARD: Final = Board(
    "timescaledb-grid",
    "Grid (TimescaleDB)",
    "Many meters of a network, from Wattscope's tables in TimescaleDB or PostgreSQL.",
    Source.TIMESCALEDB,
    choose("active_power_w", "Meter"),
    (("Now and today", _NOW), ("Load", _LOAD), ("Meters", _METERS)),
    period="now-6h",
    refresh="1m",
)

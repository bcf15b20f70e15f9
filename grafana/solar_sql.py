"""The dashboard of the recipe ``solar`` over TimescaleDB or PostgreSQL."""

from __future__ import annotations

from typing import Final

from grafana.boards import Board, Variable
from grafana.panels import Look, Panel
from grafana.questions import Source
from grafana.sql import FRESH, ZONE, choose, curve, energy_by_day, energy_today, rows

_PANEL: Final = "panel_id IN ($device)"
_READ: Final = "wattscope.sensor_readings"
_PRODUCED: Final = "quantity = 'production_power_w' AND site IN ($site) AND device IN ($device)"


def _over_time(column: str, name: str) -> str:
    return f"""\
SELECT $__timeGroupAlias("timestamp", $__interval), panel_id AS metric, avg({column}) AS "{name}"
FROM {_READ} WHERE $__timeFilter("timestamp") AND {_PANEL}
GROUP BY 1, 2 ORDER BY 1"""  # noqa: S608  # our own words


_NOW: Final = (
    Panel(
        "Power now",
        "The newest power of each chosen panel that spoke in the last five minutes, added up.",
        "watt",
        (
            rows(f"""\
SELECT sum(power_output_watts) AS power FROM (
  SELECT DISTINCT ON (panel_id) power_output_watts FROM {_READ}
  WHERE "timestamp" BETWEEN $__timeTo()::timestamptz - {FRESH} AND $__timeTo() AND {_PANEL}
  ORDER BY panel_id, "timestamp" DESC) newest"""),  # noqa: S608  # our own words
        ),
        Look.TILE,
        8,
        6,
        steps=((None, "yellow"),),
    ),
    Panel(
        "Energy today",
        "Since midnight at the site, integrated, never across a gap; up to a quarter of an hour "
        "behind.",
        "kwatth",
        (energy_today(_PRODUCED),),
        Look.TILE,
        8,
        6,
        decimals=2,
    ),
    Panel(
        "Hottest panel",
        "In the last five minutes; above 60 °C look at what cools it.",
        "celsius",
        (
            rows(f"""\
SELECT max(temperature_celsius) AS temperature FROM {_READ}
WHERE "timestamp" BETWEEN $__timeTo()::timestamptz - {FRESH} AND $__timeTo() AND {_PANEL}"""),  # noqa: S608  # our own words
        ),
        Look.TILE,
        8,
        6,
        decimals=1,
        steps=((None, "green"), (50.0, "yellow"), (60.0, "red")),
    ),
)
_TRENDS: Final = (
    Panel(
        "Power by hour",
        "Mean, highest and lowest power of the chosen panels in each hour.",
        "watt",
        (
            curve(f"""\
SELECT $__timeGroupAlias("timestamp", '1h'), avg(power_output_watts) AS "Mean",
  max(power_output_watts) AS "Highest", min(power_output_watts) AS "Lowest"
FROM {_READ} WHERE $__timeFilter("timestamp") AND {_PANEL} GROUP BY 1 ORDER BY 1"""),  # noqa: S608  # our own words
        ),
    ),
    Panel(
        "Power",
        "Of each chosen panel.",
        "watt",
        (curve(_over_time("power_output_watts", "power")),),
    ),
    Panel(
        "Voltage",
        "Of each chosen panel; below 40 V by day look at its connections.",
        "volt",
        (curve(_over_time("voltage_volts", "voltage")),),
    ),
    Panel(
        "Current",
        "Of each chosen panel.",
        "amp",
        (curve(_over_time("current_amperes", "current")),),
    ),
    Panel(
        "Temperature",
        "Of each chosen panel.",
        "celsius",
        (curve(_over_time("temperature_celsius", "temperature")),),
    ),
    Panel(
        "Efficiency by day",
        "Mean power of a day against the rating of a panel, which stands above.",
        "percentunit",
        (
            rows(f"""\
SELECT to_char(bucket_start AT TIME ZONE time_zone, 'YYYY-MM-DD') AS day,
  avg(mean) / $rating AS "Efficiency"
FROM wattscope.rollup_1d {ZONE}
WHERE {_PRODUCED} AND $__timeFilter(bucket_start) GROUP BY 1 ORDER BY 1"""),  # noqa: S608  # our own words
        ),
        Look.BARS,
        period="14d",
        decimals=1,
    ),
)
_FAULTS: Final = (
    Panel(
        "Weakest panels",
        "Energy in the period against the mean of the chosen panels: 100 % is like the others. "
        "What Wattscope thinks of a panel stands on its page Solar.",
        "kwatth",
        (
            rows(f"""\
SELECT device, sum(energy_wh) / 1000 AS energy,
  sum(energy_wh) / nullif(avg(sum(energy_wh)) OVER (), 0) AS share
FROM wattscope.rollup_15m WHERE {_PRODUCED} AND $__timeFilter(bucket_start)
GROUP BY 1 ORDER BY 2 LIMIT 10"""),  # noqa: S608  # our own words
        ),
        Look.TABLE,
        12,
        10,
        "24h",
        units={"share": "percentunit"},
        decimals=2,
        columns={"device": "Panel", "energy": "Energy", "share": "Of the mean"},
    ),
    Panel(
        "Energy by day",
        "Local days of the site, integrated, never across a gap.",
        "kwatth",
        (energy_by_day(_PRODUCED),),
        Look.BARS,
        12,
        10,
        "14d",
        decimals=1,
    ),
)
BOARD: Final = Board(
    "timescaledb-solar",
    "Solar plant (TimescaleDB)",
    "Solar panels with a sensor each, from Wattscope's tables in TimescaleDB or PostgreSQL.",
    Source.TIMESCALEDB,
    (
        *choose("dc_voltage_v", "Panel"),
        Variable("rating", "Rating of a panel [W]", "400", is_box=True),
    ),
    (("Now and today", _NOW), ("Over time", _TRENDS), ("Who needs a look", _FAULTS)),
)

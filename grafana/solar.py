"""The dashboard of the recipe ``solar``, asked of Wattscope itself."""

from __future__ import annotations

from typing import Final

from grafana.boards import Board
from grafana.panels import Look, Panel
from grafana.promql import AT_SITE, BEHIND, KWH, TODAY, choose, now, select
from grafana.questions import Question, Source

POWER: Final = select("wattscope_production_power_watts")
TEMPERATURE: Final = select("wattscope_temperature_celsius")
_MEAN: Final = f"avg_over_time({POWER}[$__range])"

_NOW: Final = (
    Panel(
        "Power now",
        "What the chosen panels give together.",
        "watt",
        (now(f"sum({POWER})", "Power"),),
        Look.TILE,
        6,
        6,
        steps=((None, "yellow"),),
    ),
    Panel(
        "Energy today",
        "Mean power since midnight of the time zone of this dashboard, times the hours since then. "
        "It is too high for a panel that was silent; the pages of Wattscope and the dashboard over "
        "TimescaleDB know gaps.",
        "kwatth",
        (now(f"sum({_MEAN}) * $__range_s / {KWH:.2g}", "Today"),),
        Look.TILE,
        6,
        6,
        TODAY,
        decimals=2,
    ),
    Panel(
        "Panels that answer",
        "How many have said something in the last five minutes.",
        "none",
        (now(f"count({POWER})", "Panels"),),
        Look.TILE,
        6,
        6,
    ),
    Panel(
        "Hottest panel",
        "Above 60 °C look at what cools it.",
        "celsius",
        (now(f"max({TEMPERATURE})", "Temperature"),),
        Look.TILE,
        6,
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
            Question(f"avg(avg_over_time({POWER}{BEHIND}))", "Mean", step="1h"),
            Question(f"max(max_over_time({POWER}{BEHIND}))", "Highest", step="1h"),
            Question(f"min(min_over_time({POWER}{BEHIND}))", "Lowest", step="1h"),
        ),
    ),
    Panel(
        "Power",
        "Of each chosen panel.",
        "watt",
        (Question(POWER),),
    ),
    Panel(
        "Voltage",
        "Of each chosen panel; below 40 V by day look at its connections.",
        "volt",
        (Question(select("wattscope_dc_voltage_volts")),),
    ),
    Panel(
        "Current",
        "Of each chosen panel.",
        "amp",
        (Question(select("wattscope_dc_current_amperes")),),
    ),
    Panel(
        "Temperature",
        "Of each chosen panel.",
        "celsius",
        (Question(TEMPERATURE),),
    ),
    Panel(
        "Light",
        "Irradiance in the plane of the panels, where a sensor measures it.",
        "Wm2",
        (Question(select("wattscope_irradiance_watts_per_square_meter", AT_SITE)),),
    ),
)
_FAULTS: Final = (
    Panel(
        "Weakest panels",
        "Mean power in the period, against the mean of all panels of the site: 100 % is like the "
        "others. A panel far below has a fault, dirt or shade; what Wattscope thinks of it stands "
        "on its page Solar.",
        "percentunit",
        (
            now(
                f"bottomk(10, {_MEAN} / scalar(avg(avg_over_time("
                f"{select('wattscope_production_power_watts', AT_SITE)}[$__range]))))"
            ),
        ),
        Look.RANKING,
        24,
        9,
        "24h",
        decimals=0,
        steps=((None, "red"), (0.8, "yellow"), (0.9, "green")),
    ),
)
BOARD: Final = Board(
    "wattscope-solar",
    "Solar plant",
    "Solar panels with a sensor each, asked of Wattscope.",
    Source.WATTSCOPE,
    choose("wattscope_dc_voltage_volts", "Panel"),
    (("Now and today", _NOW), ("Over time", _TRENDS), ("Who needs a look", _FAULTS)),
)

"""The dashboard of the recipe ``grid``, asked of Wattscope itself."""

from __future__ import annotations

from typing import Final

from grafana.boards import Board, Variable
from grafana.panels import Look, Panel
from grafana.promql import AT_SITE, BEHIND, KWH, QUARTER, TODAY, by_span_kwh, choose, now, select
from grafana.questions import Question, Shape, Source

IN_REGION: Final = 'site=~"$site", device=~"($region).*"'
POWER: Final = select("wattscope_active_power_watts", IN_REGION)
BOUGHT: Final = select("wattscope_energy_import_joules_total", IN_REGION)
ONE_POWER: Final = select("wattscope_active_power_watts")
ONE_BOUGHT: Final = select("wattscope_energy_import_joules_total")

_NOW: Final = (
    Panel(
        "Load now",
        "The newest power of each meter that has spoken in the last five minutes, added up.",
        "watt",
        (now(f"sum({POWER})", "Load"),),
        Look.TILE,
        6,
        6,
    ),
    Panel(
        "Meters that answer",
        "How many have spoken in the last five minutes; meters that read every five minutes may "
        "be in between.",
        "none",
        (now(f"count({POWER})", "Meters"),),
        Look.TILE,
        6,
        6,
    ),
    Panel(
        "Energy today",
        "Growth of all registers since midnight of the time zone of this dashboard.",
        "kwatth",
        (now(f"sum(increase({BOUGHT}[$__range])) / {KWH:.2g}", "Today"),),
        Look.TILE,
        6,
        6,
        TODAY,
        decimals=0,
    ),
    Panel(
        "Grid frequency",
        "Mean of all meters.",
        "hertz",
        (
            now(
                f"avg({select('wattscope_frequency_hertz', AT_SITE)})",
                "Frequency",
            ),
        ),
        Look.TILE,
        6,
        6,
        decimals=2,
        steps=((None, "red"), (49.5, "yellow"), (49.8, "green"), (50.2, "yellow"), (50.5, "red")),
    ),
)
_LOAD: Final = (
    Panel(
        "Live readings",
        "Load of the last hour.",
        "watt",
        (Question(f"sum({POWER})", "Load"),),
        period="1h",
    ),
    Panel(
        "Load today by hour",
        "Mean of each hour since midnight of the time zone of this dashboard.",
        "watt",
        (Question(f"sum(avg_over_time({POWER}{BEHIND}))", "Load", step="1h"),),
        Look.COLUMNS,
        period=TODAY,
    ),
    Panel(
        "Highest quarters of an hour",
        "The ten highest mean loads of seven days.",
        "watt",
        (Question(f"sum(avg_over_time({POWER}{BEHIND}))", "Load", step=QUARTER),),
        Look.TABLE,
        period="7d",
        top=("Load", 10),
    ),
    Panel(
        "Energy by day",
        "Growth of all registers, by days of the time zone of this dashboard.",
        "kwatth",
        (by_span_kwh(BOUGHT, "Energy"),),
        Look.DAYS,
        period="14d",
        decimals=0,
    ),
)
_METERS: Final = (
    Panel(
        "Largest consumers",
        "The ten registers that grew most in the period.",
        "kwatth",
        (Question(f"topk(10, increase({BOUGHT}[$__range])) / {KWH:.2g}", "{{device}}", Shape.NOW),),
        Look.RANKING,
        12,
        12,
        decimals=1,
    ),
    Panel(
        "Voltage",
        "Lowest and highest of all meters; EN 50160 allows a tenth up and down.",
        "volt",
        (
            Question(f"min({select('wattscope_voltage_volts', IN_REGION)})", "Lowest"),
            Question(f"max({select('wattscope_voltage_volts', IN_REGION)})", "Highest"),
        ),
        height=12,
    ),
    Panel("Power of a meter", "The meters chosen above.", "watt", (Question(ONE_POWER),)),
    Panel(
        "Register of a meter",
        "The meters chosen above.",
        "kwatth",
        (Question(f"{ONE_BOUGHT} / {KWH:.2g}"),),
    ),
)
BOARD: Final = Board(
    "wattscope-grid",
    "Grid",
    "Many meters of a network, asked of Wattscope.",
    Source.WATTSCOPE,
    (
        *choose("wattscope_energy_import_joules_total", "Meter"),
        Variable("region", "Ids that begin with (as 1 or 1|2)", "", is_box=True),
    ),
    (("Now and today", _NOW), ("Load", _LOAD), ("Meters", _METERS)),
    period="now-6h",
    refresh="1m",
)

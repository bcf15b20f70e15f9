"""The dashboard of the recipe ``home``, asked of Wattscope itself."""

from __future__ import annotations

from typing import Final

from grafana.boards import Board
from grafana.panels import Look, Panel
from grafana.promql import (
    AT_SITE,
    BEHIND,
    KWH,
    TODAY,
    by_span_kwh,
    choose,
    grown_kwh,
    now,
    select,
)
from grafana.questions import Question, Source

POWER: Final = select("wattscope_active_power_watts")
BOUGHT: Final = select("wattscope_energy_import_joules_total")
SOLD: Final = select("wattscope_energy_export_joules_total")
SOLAR: Final = select("wattscope_production_power_watts", AT_SITE)
MADE: Final = select("wattscope_energy_production_joules_total", AT_SITE)
_OWN: Final = f"sum(increase({MADE}[$__range])) - sum(increase({SOLD}[$__range]))"

_NOW: Final = (
    Panel(
        "Power now",
        "What flows through the grid meter at this moment; below zero is sold.",
        "watt",
        (now(f"sum({POWER})", "Grid"),),
        Look.TILE,
        6,
        6,
        steps=((None, "green"), (2000.0, "yellow"), (4000.0, "red")),
    ),
    Panel(
        "Solar power now",
        "What the panels give at this moment.",
        "watt",
        (now(f"sum({SOLAR})", "Solar"),),
        Look.TILE,
        6,
        6,
        steps=((None, "yellow"),),
    ),
    Panel(
        "Bought today",
        "Growth of the register since midnight of the time zone of this dashboard.",
        "kwatth",
        (now(grown_kwh(BOUGHT), "Bought"),),
        Look.TILE,
        6,
        6,
        TODAY,
        decimals=2,
    ),
    Panel(
        "Produced today",
        "Growth of the solar register since midnight of the time zone of this dashboard.",
        "kwatth",
        (now(grown_kwh(MADE), "Produced"),),
        Look.TILE,
        6,
        6,
        TODAY,
        decimals=2,
    ),
)
_TOTALS: Final = (
    Panel(
        "Total energy bought",
        "What the register shows.",
        "kwatth",
        (now(f"sum({BOUGHT}) / {KWH:.2g}", "Bought"),),
        Look.TILE,
        6,
        5,
    ),
    Panel(
        "Total energy sold",
        "What the register shows.",
        "kwatth",
        (now(f"sum({SOLD}) / {KWH:.2g}", "Sold"),),
        Look.TILE,
        6,
        5,
    ),
    Panel(
        "Total energy produced",
        "What the register of the panels shows.",
        "kwatth",
        (now(f"sum({MADE}) / {KWH:.2g}", "Produced"),),
        Look.TILE,
        6,
        5,
    ),
    Panel(
        "Self-sufficiency",
        "Of all that was used in the period shown, the share that came from the own panels: "
        "(produced − sold) / (produced − sold + bought).",
        "percentunit",
        (now(f"({_OWN}) / ({_OWN} + sum(increase({BOUGHT}[$__range])))", "Self-sufficiency"),),
        Look.TILE,
        6,
        5,
        decimals=1,
        steps=((None, "red"), (0.3, "yellow"), (0.6, "green")),
    ),
)
_CURVES: Final = (
    Panel(
        "Power",
        "Each reading; over long periods the mean of each point.",
        "watt",
        (
            Question(f"avg_over_time({POWER}[$__rate_interval])", "{{device}}"),
            Question(f"avg_over_time({SOLAR}[$__rate_interval])", "{{device}}"),
        ),
        width=24,
    ),
    Panel(
        "Energy bought and sold",
        "The registers of the grid meter, as they grow.",
        "kwatth",
        (
            Question(f"{BOUGHT} / {KWH:.2g}", "Bought {{device}}"),
            Question(f"{SOLD} / {KWH:.2g}", "Sold {{device}}"),
        ),
    ),
    Panel(
        "Energy produced",
        "The register of the panels, as it grows.",
        "kwatth",
        (Question(f"{MADE} / {KWH:.2g}", "{{device}}"),),
    ),
    Panel(
        "Power by hour",
        "Mean of each hour; the highest bar is the hour of the peak.",
        "watt",
        (Question(f"sum(avg_over_time({POWER}{BEHIND}))", "Grid", step="1h"),),
        Look.COLUMNS,
    ),
    Panel(
        "Energy by day",
        "Days of the time zone of this dashboard; choose a longer period for more of them.",
        "kwatth",
        (
            by_span_kwh(BOUGHT, "Bought"),
            by_span_kwh(SOLD, "Sold"),
            by_span_kwh(MADE, "Produced"),
        ),
        Look.DAYS,
        period="7d",
        decimals=1,
    ),
)
BOARD: Final = Board(
    "wattscope-home",
    "Home",
    "A household with a smart meter and solar panels, asked of Wattscope.",
    Source.WATTSCOPE,
    choose("wattscope_energy_import_joules_total", "Grid meter"),
    (("Now and today", _NOW), ("Registers", _TOTALS), ("Over time", _CURVES)),
)

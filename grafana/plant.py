"""The dashboard of the recipe ``modbus``, asked of Wattscope itself."""

from __future__ import annotations

from typing import Final

from grafana.boards import Board
from grafana.panels import Look, Panel
from grafana.promql import KWH, TODAY, by_span_kwh, choose, now, select
from grafana.questions import Question, Source

POWER: Final = select("wattscope_active_power_watts")
BOUGHT: Final = select("wattscope_energy_import_joules_total")


def _by_phase(title: str, description: str, unit: str, metric: str) -> Panel:
    return Panel(title, description, unit, (Question(select(metric), "{{device}} {{phase}}"),))


_NOW: Final = (
    Panel(
        "Power now",
        "Of each chosen meter; a sub-meter counts in the meter above it as well.",
        "watt",
        (now(POWER),),
        Look.TILE,
        12,
        6,
    ),
    Panel(
        "Energy today",
        "Growth of each register since midnight of the time zone of this dashboard.",
        "kwatth",
        (now(f"increase({BOUGHT}[$__range]) / {KWH:.2g}"),),
        Look.TILE,
        12,
        6,
        TODAY,
        decimals=1,
    ),
)
_TRENDS: Final = (
    Panel("Power", "Of each chosen meter.", "watt", (Question(POWER),), width=24),
    _by_phase(
        "Power by phase",
        "Phases far apart load the neutral.",
        "watt",
        "wattscope_phase_active_power_watts",
    ),
    _by_phase("Current by phase", "Of each phase.", "amp", "wattscope_phase_current_amperes"),
    _by_phase("Voltage by phase", "To neutral.", "volt", "wattscope_phase_voltage_volts"),
    Panel(
        "Power factor",
        "Below 0.85 a network may charge for reactive energy.",
        "none",
        (Question(select("wattscope_power_factor_ratio")),),
        decimals=2,
    ),
    Panel(
        "Reactive power",
        "What flows back and forth; capacitors lower it.",
        "voltampreact",
        (Question(select("wattscope_reactive_power_vars")),),
    ),
    Panel(
        "Grid frequency",
        "As each meter sees it.",
        "hertz",
        (Question(select("wattscope_frequency_hertz")),),
        decimals=2,
    ),
    Panel(
        "Register",
        "What each meter has counted in all.",
        "kwatth",
        (Question(f"{BOUGHT} / {KWH:.2g}"),),
    ),
    Panel(
        "Energy by day",
        "Of all chosen meters together, by days of the time zone of this dashboard. Choose one "
        "meter, or meters of one level: a sub-meter counts in the meter above it as well.",
        "kwatth",
        (by_span_kwh(BOUGHT, "Energy"),),
        Look.DAYS,
        period="7d",
        decimals=0,
    ),
)
BOARD: Final = Board(
    "wattscope-plant",
    "Plant",
    "Modbus meters and inverters of a plant or building, asked of Wattscope.",
    Source.WATTSCOPE,
    choose("wattscope_energy_import_joules_total", "Meter"),
    (("Now and today", _NOW), ("Over time", _TRENDS)),
)

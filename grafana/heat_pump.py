"""The dashboards of the recipe ``heatpump``: asked of Wattscope, and of a Prometheus beside it.

The second has the names of the WAGO exporter, which Wattscope exports as well, so that it goes on
with years of data that a Prometheus has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana.boards import Board, Variable
from grafana.panels import Look, Panel
from grafana.promql import BEHIND, KWH, QUARTER, TODAY, choose, now, select
from grafana.questions import Question, Source

PHASES: Final = ("L1", "L2", "L3")
PHASE_COLOURS: Final = {"L1": "red", "L2": "yellow", "L3": "blue"}
LOAD_STEPS: Final = ((None, "green"), (1.0, "yellow"), (2.0, "red"))
FREQUENCY_STEPS: Final = (
    (None, "red"),
    (49.5, "yellow"),
    (49.8, "green"),
    (50.2, "yellow"),
    (50.5, "red"),
)
FACTOR_STEPS: Final = ((None, "red"), (0.7, "yellow"), (0.85, "green"))
STATES: Final = (
    (-1.0, 0.025, "Standby", "green"),
    (0.025, 2.0, "Active", "yellow"),
    (2.0, None, "High load", "red"),
)
"""6 W are the electronics, 46 W the circulation pump with them, above 2 kW is defrost [kW]."""


@dataclass(frozen=True, slots=True)
class Names:
    """How the source calls what the panels show; powers in kW, ``per_kwh`` of the registers."""

    power_kw: str
    phase_power_kw: dict[str, str]
    energy: str
    phase_energy: dict[str, str]
    per_kwh: float
    frequency: str
    factor: str
    today: Panel


def _today(question: str, description: str, period: str) -> Panel:
    return Panel(
        "Energy today",
        description,
        "kwatth",
        (now(question, "Today"),),
        Look.TILE,
        5,
        6,
        period,
        decimals=2,
    )


def _phase(metric: str, phase: str) -> str:
    return select(metric, f'site=~"$site", device=~"$device", phase="{phase.lower()}"')


_POWER: Final = "wattscope_phase_active_power_watts"
_ENERGY: Final = "wattscope_phase_energy_total_joules_total"
_TOTAL: Final = select("wattscope_energy_total_joules_total")
OURS: Final = Names(
    f"sum({select('wattscope_active_power_watts')}) / 1000",
    {one: f"sum({_phase(_POWER, one)}) / 1000" for one in PHASES},
    _TOTAL,
    {one: _phase(_ENERGY, one) for one in PHASES},
    KWH,
    f"avg({select('wattscope_frequency_hertz')})",
    f"avg({select('wattscope_power_factor_ratio')})",
    _today(
        f"sum(increase({_TOTAL}[$__range])) / {KWH:.2g}",
        "Growth of the register since midnight of the time zone of this dashboard.",
        TODAY,
    ),
)
_SEED: Final = 'instance=~"$instance"'
SEEDS: Final = Names(
    f"sum({select('wago_power_total_kw', _SEED)})",
    {one: f"sum({select(f'wago_power_{one}_kw', _SEED)})" for one in PHASES},
    select("wago_energy_total_kwh", _SEED),
    {one: select(f"wago_energy_{one}_kwh", _SEED) for one in PHASES},
    1.0,
    f"avg({select('wago_frequency_hz', _SEED)})",
    f"avg({select('wago_power_factor', _SEED)})",
    _today(
        f"sum({select('wattscope_energy_total_today_joules', _SEED)}) / {KWH:.2g}",
        "Since midnight at the site, as Wattscope itself tells it: right on days of 23 and 25 "
        "hours, and when the register was reset.",
        "",
    ),
)


def _write_rows(names: Names) -> tuple[tuple[str, tuple[Panel, ...]], ...]:
    scale = "" if names.per_kwh == 1.0 else f" / {names.per_kwh:.2g}"
    live = (
        Panel(
            "Power now",
            "Green up to 1 kW, yellow up to 2 kW, red above.",
            "kwatt",
            (now(names.power_kw, "Power"),),
            Look.TILE,
            5,
            6,
            steps=LOAD_STEPS,
        ),
        Panel(
            "State",
            "Standby is the electronics (about 6 W), active the circulation pump or the "
            "compressor, high load above 2 kW: defrost or hot water.",
            "kwatt",
            (now(names.power_kw, "State"),),
            Look.TILE,
            4,
            6,
            words=STATES,
        ),
        Panel(
            "Grid frequency",
            "Green within 0.2 Hz of 50 Hz, yellow within 0.5 Hz, red beyond.",
            "hertz",
            (now(names.frequency, "Frequency"),),
            Look.TILE,
            5,
            6,
            steps=FREQUENCY_STEPS,
            decimals=2,
        ),
        Panel(
            "Power factor",
            "Green above 0.85, yellow from 0.7, red below; in standby it says little.",
            "none",
            (now(names.factor, "cos φ"),),
            Look.TILE,
            5,
            6,
            steps=FACTOR_STEPS,
            decimals=2,
        ),
        names.today,
    )
    trends = (
        Panel(
            "Power",
            "All phases together, and each.",
            "kwatt",
            (
                Question(names.power_kw, "Total"),
                *(Question(names.phase_power_kw[one], one) for one in PHASES),
            ),
            colours={"Total": "text"} | PHASE_COLOURS,
            width=24,
        ),
        Panel(
            "Cumulative energy",
            "What the registers show.",
            "kwatth",
            (
                Question(f"sum({names.energy}){scale}", "Total"),
                *(Question(f"sum({names.phase_energy[one]}){scale}", one) for one in PHASES),
            ),
            colours={"Total": "text"} | PHASE_COLOURS,
        ),
        Panel(
            "Energy by day and phase",
            "Days of the time zone of this dashboard; choose a longer period for more of them.",
            "kwatth",
            tuple(
                Question(f"sum(increase({register}{BEHIND})){scale}", one, step=QUARTER)
                for one, register in names.phase_energy.items()
            ),
            Look.DAYS,
            period="7d",
            colours=PHASE_COLOURS,
            is_stacked=True,
            decimals=1,
        ),
        Panel(
            "Grid quality",
            "Frequency of the grid, and power factor of the heat pump.",
            "hertz",
            (Question(names.frequency, "Frequency"), Question(names.factor, "Power factor")),
            units={"Power factor": "none"},
            width=24,
        ),
    )
    return (("Now and today", live), ("Over time", trends))


BOARD: Final = Board(
    "wattscope-heatpump",
    "Heat pump",
    "A heat pump behind a three-phase meter, asked of Wattscope.",
    Source.WATTSCOPE,
    choose("wattscope_phase_active_power_watts", "Heat pump"),
    _write_rows(OURS),
)
SEED_BOARD: Final = Board(
    "prometheus-heatpump",
    "Heat pump (Prometheus)",
    "A heat pump behind a three-phase meter, by the names of the WAGO exporter, from a Prometheus "
    "that scrapes Wattscope.",
    Source.PROMETHEUS,
    (Variable("instance", "Exporter", "label_values(wago_power_total_kw, instance)", ".+"),),
    _write_rows(SEEDS),
)

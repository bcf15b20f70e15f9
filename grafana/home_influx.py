"""The dashboard of the recipe ``home`` for those whose Telegraf writes to an InfluxDB.

It asks in InfluxQL, which InfluxDB 1 and 2 answer (docs/decisions/). What is asked is what
``deploy/telegraf/telegraf.conf`` writes: the measurement ``meter`` with the field ``value`` and the
tags ``device`` and ``quantity``, which names an endpoint of the Itron bridge.
"""

from __future__ import annotations

from typing import Final

from grafana.boards import Board, Variable
from grafana.panels import Look, Panel
from grafana.promql import QUARTER, TODAY
from grafana.questions import Question, Shape, Source

DEMAND: Final = "Instantaneous_Demand"
BOUGHT: Final = "Current_Summation_Received"
SOLD: Final = "Current_Summation_Delivered"
_PER_KWH: Final = "1000"
"""The bridge counts in Wh."""


def _read(columns: str, quantity: str) -> str:
    chosen = f'"quantity" = \'{quantity}\' AND "device" =~ /^$device$/ AND $timeFilter'
    return f'SELECT {columns} FROM "meter" WHERE {chosen}'  # noqa: S608  # our own words


def _newest(quantity: str, name: str, per: str = "1") -> Question:
    """The newest value; of one meter, which is chosen above."""
    return Question(_read(f'last("value") / {per}', quantity), name, Shape.NOW)


def _grown(quantity: str, name: str, step: str = "") -> Question:
    """What a register grew by [kWh], in the period or in each span of it; resets do not count."""
    # A step back is a new register: it adds nothing.
    steps = _read('non_negative_difference("value") AS "step"', quantity)
    spans = " GROUP BY time($__interval)" if step else ""
    text = f'SELECT sum("step") / {_PER_KWH} FROM ({steps}){spans}'  # noqa: S608  # our own words
    return Question(text, name, Shape.CURVE if step else Shape.NOW, step)


def _means(quantity: str, name: str, per: str = "1", step: str = "") -> Question:
    means = f'mean("value") / {per}'
    text = f'{_read(means, quantity)} GROUP BY time($__interval), "device" fill(none)'
    return Question(text, name, step=step)


def _tile(title: str, description: str, unit: str, question: Question, period: str = "") -> Panel:
    return Panel(title, description, unit, (question,), Look.TILE, 6, 6, period)


BOARD: Final = Board(
    "influxdb-home",
    "Home (InfluxDB)",
    "A household with a smart meter, from the InfluxDB that Telegraf writes to.",
    Source.INFLUXDB,
    (
        Variable(
            "device",
            "Grid meter",
            f'SHOW TAG VALUES FROM "meter" WITH KEY = "device" WHERE "quantity" = \'{BOUGHT}\'',
            is_one=True,
        ),
    ),
    (
        (
            "Now and today",
            (
                _tile(
                    "Power now",
                    "What flows through the grid meter at this moment; below zero is sold.",
                    "watt",
                    _newest(DEMAND, "Power"),
                ),
                _tile(
                    "Bought today",
                    "Growth of the register since midnight of the time zone of this dashboard.",
                    "kwatth",
                    _grown(BOUGHT, "Bought"),
                    TODAY,
                ),
                _tile(
                    "Total energy bought",
                    "What the register shows.",
                    "kwatth",
                    _newest(BOUGHT, "Bought", _PER_KWH),
                ),
                _tile(
                    "Total energy sold",
                    "What the register shows. How much of the production was used at home only a "
                    "meter at the panels knows; with one, see the dashboard Home.",
                    "kwatth",
                    _newest(SOLD, "Sold", _PER_KWH),
                ),
            ),
        ),
        (
            "Over time",
            (
                Panel(
                    "Power",
                    "Mean of each point.",
                    "watt",
                    (_means(DEMAND, "$tag_device"),),
                    width=24,
                ),
                Panel(
                    "Energy bought and sold",
                    "The registers, as they grow.",
                    "kwatth",
                    (
                        _means(BOUGHT, "Bought", _PER_KWH),
                        _means(SOLD, "Sold", _PER_KWH),
                    ),
                ),
                Panel(
                    "Energy sold",
                    "What the panels gave to the grid, in each hour.",
                    "kwatth",
                    (_grown(SOLD, "Sold", "1h"),),
                    Look.COLUMNS,
                ),
                Panel(
                    "Power by hour",
                    "Mean of each hour; the highest bar is the hour of the peak.",
                    "watt",
                    (_means(DEMAND, "$tag_device", step="1h"),),
                    Look.COLUMNS,
                ),
                Panel(
                    "Energy by day",
                    "Days of the time zone of this dashboard.",
                    "kwatth",
                    (_grown(BOUGHT, "Bought", QUARTER), _grown(SOLD, "Sold", QUARTER)),
                    Look.DAYS,
                    period="7d",
                    decimals=1,
                ),
            ),
        ),
    ),
)

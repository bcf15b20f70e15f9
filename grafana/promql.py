"""What the dashboards in PromQL have in common: selectors, energies, variables."""

from __future__ import annotations

from typing import Final

from grafana.boards import Variable
from grafana.questions import Question, Shape

KWH: Final = 3.6e6
"""Joules of a kilowatt-hour."""
CHOSEN: Final = 'site=~"$site", device=~"$device"'
AT_SITE: Final = 'site=~"$site"'
BEHIND: Final = "[$__interval] offset -$__interval"
"""The span that begins at a point, so that a bar of 10 o'clock is the hour from 10 on."""
QUARTER: Final = "15m"
"""Every time zone in use begins its days on a quarter of an hour."""
TODAY: Final = "now/d"
"""As the period of a panel: the local day so far."""


def select(metric: str, labels: str = CHOSEN) -> str:
    """A metric of the chosen devices."""
    return f"{metric}{{{labels}}}"


def now(text: str, name: str = "{{device}}") -> Question:
    """One number at the end of the period."""
    return Question(text, name, Shape.NOW)


def grown_kwh(counter: str) -> str:
    """What registers grew by in the period of the panel [kWh]; each by itself, then their sum."""
    return f"sum(increase({counter}[$__range])) / {KWH:.2g}"


def by_span_kwh(counter: str, name: str, step: str = QUARTER) -> Question:
    """What registers grew by in each span that begins at a point [kWh]."""
    return Question(f"sum(increase({counter}{BEHIND})) / {KWH:.2g}", name, step=step)


def choose(metric: str, label: str = "Device") -> tuple[Variable, ...]:
    """Site and device, of those that have a metric."""
    return (
        Variable("site", "Site", f"label_values({metric}, site)", ".+"),
        Variable("device", label, f'label_values({metric}{{site=~"$site"}}, device)', ".+"),
    )

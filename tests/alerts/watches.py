"""A watch over a few places, walked through a history second by second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wattscope.alerts import Place, Watch, WatchState, make_state, step
from wattscope.alerts.watch import NEVER
from wattscope.core.alerting import AlertRule, RuleKind, Schedule
from wattscope.core.time_grid import US_PER_S

START_US = 1_700_000_000 * US_PER_S


def make_rule(
    kind: RuleKind = RuleKind.ABOVE,
    threshold: float = 10.0,
    *,
    hysteresis: float = 0.0,
    for_s: float = 0.0,
    per_s: float = 60.0,
    schedule: Schedule | None = None,
) -> AlertRule:
    return AlertRule(
        1,
        "Hot",
        kind,
        quantity="temperature_c",
        threshold=threshold,
        hysteresis=hysteresis,
        for_s=for_s,
        per_s=per_s,
        schedule=schedule or Schedule(),
    )


def make_watch(rule: AlertRule, n_places: int = 1, *, stale_s: float = 30.0) -> Watch:
    places = tuple(Place(f"panel-{n}", "temperature_c") for n in range(n_places))
    return Watch(rule, places, np.full(n_places, round(stale_s * US_PER_S)))


@dataclass
class Walk:
    """A watch of one place on its way."""

    watch: Watch
    state: WatchState
    t_us: int = NEVER
    value: float = float("nan")

    def look(self, second: float, value: float | None = None) -> str:
        """What a look says: ``raised``, ``cleared`` or nothing; None: no new value."""
        now_us = START_US + round(second * US_PER_S)
        if value is not None:
            self.t_us, self.value = now_us, value
        made = step(self.watch, self.state, np.array([self.t_us]), np.array([self.value]), now_us)
        self.state = made.state
        return "raised" if len(made.raised) else "cleared" if len(made.cleared) else ""


def walk(rule: AlertRule, *, stale_s: float = 30.0) -> Walk:
    watch = make_watch(rule, stale_s=stale_s)
    return Walk(watch, make_state(watch))


def tell(rule: AlertRule, values: Iterable[float | None]) -> list[tuple[int, str]]:
    """Second and word of everything that happens, with one look and value a second."""
    on_the_way = walk(rule)
    said = [(second, on_the_way.look(second, value)) for second, value in enumerate(values)]
    return [one for one in said if one[1]]


def words(said: Sequence[tuple[int, str]]) -> list[str]:
    return [word for _, word in said]

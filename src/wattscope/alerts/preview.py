"""What a rule would have done: the same steps, over history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattscope.alerts.watch import Watch, make_state, step
from wattscope.core.reading import FloatColumn, Int64Column


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that would have been."""

    place: int
    """Which of the watch's places."""
    raised_at_us: int
    cleared_at_us: int | None
    """None: it would still be there at the end."""
    value: float
    """What was measured when it was raised [base unit]."""


def preview(
    watch: Watch, look_us: Sequence[int], t_us: Int64Column, value: FloatColumn
) -> list[Fired]:
    """Alerts in order of their beginning.

    Args:
        watch: Rule and places.
        look_us: Instants at which it would have looked, rising [µs].
        t_us: For each place and look the instant of the newest value; ``(n_places, n_looks)``.
        value: The values themselves [base unit]; likewise.
    """
    state = make_state(watch)
    fired: list[Fired] = []
    still: dict[int, int] = {}
    for at, now_us in enumerate(look_us):
        made = step(watch, state, t_us[:, at], value[:, at], now_us)
        state = made.state
        for place in made.raised.tolist():
            still[place] = len(fired)
            fired.append(Fired(place, now_us, None, float(made.measured[place])))
        for place in made.cleared.tolist():
            number = still.pop(place)
            begun = fired[number]
            fired[number] = Fired(place, begun.raised_at_us, now_us, begun.value)
    return fired

"""What counters grew by from reading to reading, however their registers misbehaved.

Nearly all readings count on from the one before, which columns tell at once. Only around the rare
places that fall or jump does the state machine of ``compute.counter_walk`` walk along.

Each reading is judged by a walk that begins at the newest calm reading before it, at most
``WINDOW`` readings back, and looks ``LOOK_AHEAD`` readings ahead; then the believed readings are
linked, each to the one before. Where the machine is in step again between two faults, as it is
after ``CALM_STEPS`` plain steps, that is one walk along the whole register. Where a register is so
broken that it never is, walks may disagree, but still no time is counted twice.

So the word on a reading is a function of few readings around it: several calls, each with the last
``LEAD_READINGS`` before its rows, say the same as one call over all rows, but for the last
``LOOK_AHEAD`` readings of the older call. What was said about those, ``Judge.say_at`` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wattscope.compute.counter_walk import LOOK_AHEAD, CounterLimits, Outcome, link, walk
from wattscope.core.counter_steps import CounterStep, StepKind

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WINDOW: Final = 7
"""How far back a walk begins, and a believed reading is looked for [readings]. Two wrong readings
with the calm ones before them fit in, and a reading that is wrong again soon after."""
CALM_STEPS: Final = 4
"""Plain steps after which every walk, wherever it began, has the same good reading: one that the
machine doubts wrongly is believed again after ``LOOK_AHEAD`` readings and one step."""
LEAD_READINGS: Final = 2 * WINDOW + CALM_STEPS + LOOK_AHEAD
"""Older readings of a register that a call needs."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of each reading, shape ``(n,)``."""

    origin: Ints
    """Row of the good reading before it; -1 where nothing is counted."""
    growth: Floats
    is_known: Bools
    walked: dict[int, Outcome]
    """The whole word on each reading that the state machine judged, by row; origins are rows."""


class Judge:
    """Judges the readings of registers, given as columns sorted by series, then time."""

    def __init__(
        self, series: Ints, t: Ints, value: Floats, limits: Mapping[int, CounterLimits]
    ) -> None:
        """``limits`` may leave series out of which nothing is known."""
        self._series = series
        self._t = t
        self._value = value
        self._limits = limits
        self._is_odd = self._find_odd()
        is_first = np.r_[np.ones(min(len(t), 1), np.bool_), series[1:] != series[:-1]]
        self._is_first = is_first
        self.is_doubtful = _spread(self._is_odd, is_first)
        """Rows about which columns alone cannot tell."""

    def say(self) -> Said:
        """The word on every reading."""
        n_rows = len(self._t)
        rows = np.arange(n_rows)
        said = Said(
            origin=np.where(self._is_first, -1, rows - 1),
            growth=np.where(self._is_first, 0.0, np.diff(self._value, prepend=self._value[:1])),
            is_known=np.ones(n_rows, np.bool_),
            walked={},
        )
        walked = dict(self._walk_doubtful())
        is_good = ~self.is_doubtful
        is_good[[row for row, one in walked.items() if one.is_believed]] = True
        for row, outcome in walked.items():
            linked = self._link(row, outcome, lambda one: bool(is_good[one]), len(self._t))
            said.walked[row] = linked
            said.origin[row] = linked.origin if linked.is_counted else -1
            said.growth[row] = linked.growth if linked.is_counted else 0.0
            said.is_known[row] = linked.is_known
        return said

    def say_at(self, row: int, end: int) -> Outcome:
        """The word on one reading while the readings from row ``end`` on were not there yet."""

        def is_good(one: int) -> bool:
            return self._is_calm(one, end) or judge(one).is_believed

        def judge(one: int) -> Outcome:
            earliest = self._earliest(one)
            before = range(one - 1, earliest - 1, -1)
            start = next((two for two in before if self._is_calm(two, end)), earliest)
            return self._walk(start, min(end, one + LOOK_AHEAD + 1))[one - start]

        return self._link(row, judge(row), is_good, end)

    def _link(
        self, row: int, outcome: Outcome, is_good: Callable[[int], bool], end: int
    ) -> Outcome:
        """The word on a reading, counted from the believed one before it."""
        if not outcome.is_counted:
            return outcome
        earliest = self._earliest(row)
        good = next((one for one in range(row - 1, earliest - 1, -1) if is_good(one)), -1)
        if good == outcome.origin:
            return outcome
        if good < 0:
            return outcome._replace(origin=-1, growth=0.0)
        rows = [good, *range(row, min(end, row + LOOK_AHEAD + 1, self._end_of(row)))]
        linked = link(self._value[rows].tolist(), self._t[rows].tolist(), self._limits_of(row))
        return linked._replace(origin=good)

    def list_steps(self, wanted: Bools) -> list[CounterStep]:
        """The readings among the wanted rows that are not plain growth."""
        return [
            CounterStep(
                series_id=int(self._series[row]),
                before_at_us=int(self._t[outcome.origin]),
                at_us=int(self._t[row]),
                before=float(self._value[outcome.origin]),
                after=float(self._value[row]),
                kind=outcome.kind,
                growth=0.0 if outcome.is_held else outcome.growth,
                is_held=outcome.is_held,
                is_decided=self._is_decided(row),
            )
            for row, outcome in self.say().walked.items()
            if wanted[row]
            and outcome.origin >= 0
            and (outcome.kind is not StepKind.NORMAL or self._is_decided(row))
        ]

    def _find_odd(self) -> Bools:
        """Rows that do not plainly count on from the row before, or that people decided about."""
        is_odd = np.zeros(len(self._t), np.bool_)
        if len(self._t) < 2:
            return is_odd
        rise = np.diff(self._value)
        fits = rise >= 0
        ids, inverse = np.unique(self._series, return_inverse=True)
        known = [self._limits.get(int(one), _NOTHING_KNOWN) for one in ids]
        most = np.array([one.most_per_us for one in known])
        if np.isfinite(most).any():
            fits &= rise <= most[inverse[1:]] * np.diff(self._t)
        is_odd[1:] = ~fits & (self._series[1:] == self._series[:-1])
        for place, one in enumerate(known):
            if one.decisions:
                decided = (inverse == place) & np.isin(self._t, list(one.decisions))
                is_odd |= decided
                # The step that leads away from it begins where a person says.
                is_odd[1:] |= decided[:-1] & (inverse[1:] == place)
        return is_odd

    def _walk_doubtful(self) -> Iterator[tuple[int, Outcome]]:
        """The word on every doubtful row; one walk serves a whole doubtful stretch where it can."""
        start, last, outcomes = 0, -1, list[Outcome]()
        for row in np.flatnonzero(self.is_doubtful).tolist():
            if row > last or (row - 1 > start and not self.is_doubtful[row - 1]):
                start, reach = self._choose_start(row)
                end = self._end_of(row)
                last = min(reach, end - 1)
                outcomes = self._walk(start, min(reach + LOOK_AHEAD + 1, end))
            yield row, outcomes[row - start]

    def _choose_start(self, row: int) -> tuple[int, int]:
        """Where the walk to a doubtful row begins, and the last row for which that is the start."""
        first, earliest = self._first_of(row), self._earliest(row)
        calm = np.flatnonzero(~self.is_doubtful[earliest:row])
        if len(calm):
            start = earliest + int(calm[-1])
            return start, start + WINDOW
        return earliest, first + WINDOW if earliest == first else row

    def _walk(self, start: int, end: int) -> list[Outcome]:
        value, t = self._value[start:end].tolist(), self._t[start:end].tolist()
        walked = walk(value, t, self._limits_of(start))
        return [
            one._replace(origin=one.origin + start) if one.origin >= 0 else one for one in walked
        ]

    def _is_calm(self, row: int, end: int) -> bool:
        """Whether a row would not be doubtful if the readings ended before row ``end``."""
        low = max(self._first_of(row), row - CALM_STEPS + 1)
        return not self._is_odd[low : min(row + LOOK_AHEAD + 1, end)].any()

    def _first_of(self, row: int) -> int:
        return int(np.searchsorted(self._series, self._series[row], side="left"))

    def _earliest(self, row: int) -> int:
        return max(self._first_of(row), row - WINDOW)

    def _end_of(self, row: int) -> int:
        return int(np.searchsorted(self._series, self._series[row], side="right"))

    def _limits_of(self, row: int) -> CounterLimits:
        return self._limits.get(int(self._series[row]), _NOTHING_KNOWN)

    def _is_decided(self, row: int) -> bool:
        return int(self._t[row]) in self._limits_of(row).decisions


_NOTHING_KNOWN: Final = CounterLimits()


def _spread(is_odd: Bools, is_first: Bools) -> Bools:
    """Rows near an odd one of their series: the next ones, and those whose look ahead meets it."""
    spread = is_odd.copy()
    if not is_odd.any():
        return spread
    number = np.cumsum(is_first)
    for distance in range(1, CALM_STEPS):
        spread[distance:] |= is_odd[:-distance] & (number[distance:] == number[:-distance])
    for distance in range(1, LOOK_AHEAD + 1):
        spread[:-distance] |= is_odd[distance:] & (number[distance:] == number[:-distance])
    return spread

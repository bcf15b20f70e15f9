"""One rule over the columns of everything it looks at: what begins, what ends.

A rule is asked once a second about a thousand devices at once, so the state is columns with a place
for each device. What a value does between two questions is not seen.

- A value that is older than its device's pace allows says nothing: it neither raises an alert nor
  ends one, and what was about to be raised begins anew.
- An alert ends when its value has been back behind the hysteresis for ``for_s``, for a minute at
  least. Each time that it comes again within an hour after its end, it must be back for twice as
  long, up to an hour: a value that swings for a day raises a few alerts, not a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from wattscope.alerts.schedule import ALWAYS, is_within
from wattscope.core.alerting import AlertRule, RuleKind
from wattscope.core.reading import FloatColumn, Int64Column
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, US_PER_S, load_zone

BoolColumn = npt.NDArray[np.bool_]

NEVER: Final = int(np.iinfo(np.int64).min)
"""The instant of what has not been."""
CALM_US: Final = US_PER_MINUTE
"""An alert ends when its value is back for so long, at least."""
LONGEST_CALM_US: Final = US_PER_HOUR
AGAIN_US: Final = US_PER_HOUR
"""What comes again within this time after its end must be back for longer."""
_MOST_AGAIN: Final = 6
N_PAST: Final = 32
"""Parts of ``per_s`` of which the extremes are remembered, and two more: a change is measured over
``per_s`` to within a thirtieth."""
_CHANGES = {RuleKind.RISES, RuleKind.FALLS}
_DOWNWARD = {RuleKind.BELOW, RuleKind.FALLS}


@dataclass(frozen=True, slots=True)
class Place:
    """What one entry of the columns is about."""

    device: str
    key: str
    """A quantity; empty for the device as a whole."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule, and all it looks at."""

    rule: AlertRule
    places: tuple[Place, ...]
    stale_us: Int64Column
    """Age from which a value says nothing [µs]; shape ``(n_places,)``."""
    zones: tuple[str, ...] = ("UTC",)
    """Time zones of the sites."""
    zone_of: npt.NDArray[np.intp] | None = None
    """Place in ``zones`` of each place; None: all in the first."""

    def is_looking(self, now_us: int) -> BoolColumn | bool:
        """Whether the rule looks, by its schedule; one answer where it is the same for all."""
        if self.rule.schedule == ALWAYS:
            return True
        each = [is_within(self.rule.schedule, now_us, load_zone(name)) for name in self.zones]
        if self.zone_of is None or len(set(each)) == 1:
            return each[0]
        return np.array(each)[self.zone_of]


@dataclass(frozen=True, slots=True)
class WatchState:
    """What must be remembered of each place; columns of shape ``(n_places,)``, never changed."""

    is_raised: BoolColumn
    since_us: Int64Column
    """Since when the rule holds, while it is not raised; ``NEVER``: it does not."""
    calm_us: Int64Column
    """Since when the value is back, while it is raised; ``NEVER``: it is not."""
    ended_us: Int64Column
    """When the last alert ended."""
    n_again: npt.NDArray[np.int64]
    """How often it came again within an hour."""
    first_us: Int64Column
    """When it was looked at first."""
    past: FloatColumn
    """Lowest value (of a fall the highest) of each part of ``per_s``; ``(n_places, N_PAST)``, and
    of no size for rules that measure no change."""
    past_part: Int64Column
    """Which parts these are; likewise."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a watch at an instant."""

    state: WatchState
    raised: npt.NDArray[np.intp]
    """Places whose alert begins."""
    cleared: npt.NDArray[np.intp]
    """Places whose alert is over."""
    measured: FloatColumn
    """What was compared with the threshold [base unit; s for ``no_data``]."""


def make_state(watch: Watch) -> WatchState:
    """The state before the first look."""
    n_places = len(watch.places)
    n_past = N_PAST if watch.rule.kind in _CHANGES else 0
    never = np.full(n_places, NEVER, np.int64)
    return WatchState(
        is_raised=np.zeros(n_places, bool),
        since_us=never,
        calm_us=never,
        ended_us=never,
        n_again=np.zeros(n_places, np.int64),
        first_us=never,
        past=np.full((n_places, n_past), np.nan),
        past_part=np.full((n_places, n_past), NEVER, np.int64),
    )


def step(
    watch: Watch, state: WatchState, t_us: Int64Column, value: FloatColumn, now_us: int
) -> Step:
    """Look at the newest values.

    Args:
        watch: Rule and places.
        state: What the step before has left.
        t_us: Instant of the newest value of each place [µs]; ``NEVER`` where there is none.
        value: The values [base unit]; NaN where there is none.
        now_us: The instant of the look [µs]; not before that of the step before.
    """
    state = _begin(state, now_us)
    measured, is_known, state = _measure(watch, state, t_us, value, now_us)
    sign = -1.0 if watch.rule.kind is RuleKind.BELOW else 1.0
    limit = watch.rule.for_s if watch.rule.kind is RuleKind.NO_DATA else watch.rule.threshold
    excess = sign * (measured - limit)
    holds = is_known & (excess > 0)
    is_back = is_known & (excess <= -watch.rule.hysteresis)
    may_raise = holds & watch.is_looking(now_us) & ~state.is_raised
    if not (may_raise.any() or state.is_raised.any() or (state.since_us != NEVER).any()):
        none = np.empty(0, np.intp)
        return Step(state, none, none, measured)
    began_us = np.where(t_us == NEVER, now_us, np.minimum(t_us, now_us))
    since_us = np.where(
        may_raise, np.where(state.since_us == NEVER, began_us, state.since_us), NEVER
    )
    hold_us = 0 if watch.rule.kind is RuleKind.NO_DATA else _to_us(watch.rule.for_s)
    is_new = may_raise & (now_us - np.where(may_raise, since_us, now_us) >= hold_us)
    calm_us = np.where(is_back & (state.calm_us == NEVER), now_us, state.calm_us)
    calm_us = np.where(state.is_raised & ~(is_known & ~is_back), calm_us, NEVER)
    is_calm = calm_us != NEVER
    is_over = is_calm & (now_us - np.where(is_calm, calm_us, now_us) >= _calm_needed(watch, state))
    return Step(
        _turn(state, since_us, calm_us, is_new, is_over, now_us),
        np.flatnonzero(is_new),
        np.flatnonzero(is_over),
        measured,
    )


def _begin(state: WatchState, now_us: int) -> WatchState:
    is_first = state.first_us == NEVER
    if not is_first.any():
        return state
    return replace(state, first_us=np.where(is_first, now_us, state.first_us))


def _measure(
    watch: Watch, state: WatchState, t_us: Int64Column, value: FloatColumn, now_us: int
) -> tuple[FloatColumn, BoolColumn, WatchState]:
    """What is compared with the threshold, whether it is known, and what is remembered for it."""
    heard_us = np.where(t_us == NEVER, state.first_us, t_us)
    age_us = now_us - np.minimum(heard_us, now_us)
    if watch.rule.kind is RuleKind.NO_DATA:
        return age_us / US_PER_S, np.ones(len(t_us), bool), state
    is_known = (t_us != NEVER) & ~np.isnan(value) & (age_us <= watch.stale_us)
    if watch.rule.kind not in _CHANGES:
        return value, is_known, state
    sign = -1.0 if watch.rule.kind in _DOWNWARD else 1.0
    past, past_part = _remember(watch, state, t_us, sign * value, is_known)
    part = t_us // _part_us(watch)
    is_recent = past_part > np.where(is_known, part - (N_PAST - 1), np.iinfo(np.int64).max)[:, None]
    lowest = np.where(is_recent, past, np.inf).min(axis=1, initial=np.inf)
    change = np.where(is_known, sign * value - lowest, np.nan)
    return change, is_known, replace(state, past=past, past_part=past_part)


def _part_us(watch: Watch) -> int:
    return max(1, _to_us(watch.rule.per_s) // (N_PAST - 2))


def _remember(
    watch: Watch, state: WatchState, t_us: Int64Column, value: FloatColumn, is_known: BoolColumn
) -> tuple[FloatColumn, Int64Column]:
    """The lowest values of the parts of time, with the newest values taken in."""
    part = np.where(is_known, t_us, 0) // _part_us(watch)
    rows, at = np.arange(len(t_us)), part % N_PAST
    known_part = state.past_part[rows, at]
    lowest = np.where(known_part == part, np.fmin(state.past[rows, at], value), value)
    takes = is_known & (known_part <= part)
    past, past_part = state.past.copy(), state.past_part.copy()
    past[rows[takes], at[takes]] = lowest[takes]
    past_part[rows[takes], at[takes]] = part[takes]
    return past, past_part


def _calm_needed(watch: Watch, state: WatchState) -> Int64Column:
    """How long a value must be back until its alert is over [µs]."""
    own_us = 0 if watch.rule.kind is RuleKind.NO_DATA else _to_us(watch.rule.for_s)
    base_us = max(CALM_US, own_us)
    grown_us = base_us * 2**state.n_again
    return np.minimum(grown_us, max(LONGEST_CALM_US, base_us))


def _turn(  # the columns of one step
    state: WatchState,
    since_us: Int64Column,
    calm_us: Int64Column,
    is_new: BoolColumn,
    is_over: BoolColumn,
    now_us: int,
) -> WatchState:
    ended = state.ended_us
    is_again = (
        is_new & (ended != NEVER) & (now_us - np.where(ended == NEVER, now_us, ended) <= AGAIN_US)
    )
    n_again = np.where(is_again, np.minimum(state.n_again + 1, _MOST_AGAIN), state.n_again)
    return replace(
        state,
        is_raised=(state.is_raised | is_new) & ~is_over,
        since_us=np.where(is_new, NEVER, since_us),
        calm_us=np.where(is_over, NEVER, calm_us),
        ended_us=np.where(is_over, now_us, ended),
        n_again=np.where(is_new & ~is_again, 0, n_again),
    )


def _to_us(seconds: float) -> int:
    return round(seconds * US_PER_S)

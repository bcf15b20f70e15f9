"""Standby, active and high load of a machine, told by its power.

::

    power     ──╮      ╭─────╮╭──╮     ╭───        limits with hysteresis, no state for a moment
                ╰──────╯     ╰╯  ╰─────╯
    samples   · · · · · · · · · · · · · · ·        each owns half of the way to its neighbours
    stretches standby│ high        │standby│ high

A sample stands for half of the way to each neighbour, so that its power times its time, summed up,
is the trapezium rule of ``compute.segments``: the energies of the states add up to the energy of
the device. Where that module sees a gap there is no state: a gap is never standby.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from wattscope.compute.segments import SeriesRule, SeriesTable, find_joins
from wattscope.core.reading import Batch, empty_batch
from wattscope.core.time_grid import US_PER_HOUR
from wattscope.core.topology import Sampling

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class RunningState(IntEnum):
    """What a machine does, by rising power."""

    STANDBY = 0
    ACTIVE = 1
    HIGH = 2

    @property
    def word(self) -> str:
        """Its name in answers and on screens."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class StateLimits:
    """Powers between which a state changes."""

    standby_below_w: float
    """Below it is standby [W]."""
    high_from_w: float
    """From here on it is high load [W]."""
    hysteresis: float
    """How far below a limit power must fall for the lower state, as a share of the limit."""
    min_duration_us: int
    """A state of less time than this is none [µs]."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One state without interruption."""

    state: RunningState
    start_us: int
    end_us: int
    goes_on: bool
    """Whether it follows the stretch before it without a gap."""

    @property
    def duration_us(self) -> int:
        """Its length [µs]."""
        return self.end_us - self.start_us


@dataclass(frozen=True, slots=True)
class Cells:
    """The time that each usable sample stands for, by time; they touch, or a gap is between."""

    start_us: Ints
    end_us: Ints
    power_w: Floats

    def energy_wh(self, start_us: int, end_us: int) -> float:
        """Energy of what is known in ``[start, end)`` [Wh]."""
        overlap = np.minimum(self.end_us, end_us) - np.maximum(self.start_us, start_us)
        return float((self.power_w * np.maximum(overlap, 0)).sum() / US_PER_HOUR)


def cut_cells(rows: Batch, rule: SeriesRule) -> Cells:
    """The cells of one series of power.

    Args:
        rows: Its values.
        rule: As the rollups have it, so that both see the same gaps.
    """
    series = int(rows.series_id[0]) if len(rows) else 0
    table = SeriesTable.build(rows, empty_batch(), {series: rule})
    if rule.sampling is Sampling.MEAN:
        length = rule.interval_us or _median_step(table.t)
        end = np.minimum(table.t + length, np.r_[table.t[1:], np.iinfo(np.int64).max])
        start = table.t
    else:
        middle = table.t[:-1] + np.diff(table.t) // 2
        joined = find_joins(table) if len(table.t) else np.empty(0, np.bool_)
        start, end = table.t.copy(), table.t.copy()
        start[1:] = np.where(joined, middle, table.t[1:])
        end[:-1] = np.where(joined, middle, table.t[:-1])
    kept = table.is_usable & (end > start)
    return Cells(start[kept], end[kept], table.value[kept])


def _median_step(t: Ints) -> int:
    return int(np.median(np.diff(t))) if len(t) > 1 else 0


def find_stretches(cells: Cells, limits: StateLimits) -> list[Stretch]:
    """The states of a machine over time.

    A state that lasts less than ``min_duration_us`` belongs to the one before it. When several such
    follow each other and last that long together, they are one state: the one with most time.
    """
    settled: list[Stretch] = []
    for chain in _split_chains(_find_runs(cells, limits)):
        settled += _settle(chain, limits.min_duration_us)
    return settled


def grade_power(power_w: Floats, limits: StateLimits, is_first: npt.NDArray[np.bool_]) -> Ints:
    """The state of each sample, as numbers of ``RunningState``, with hysteresis.

    Args:
        power_w: By time [W].
        limits: Where states change.
        is_first: Whether nothing is known right before the sample; then no hysteresis applies.
    """
    edges = np.array([limits.standby_below_w, limits.high_from_w])
    risen = np.searchsorted(edges, power_w, side="right").astype(np.int64)
    not_fallen = np.searchsorted(edges * (1.0 - limits.hysteresis), power_w, side="right")
    state = risen.copy()
    # Only where the two limits disagree does the state before decide.
    for at in np.flatnonzero((not_fallen > risen) & ~is_first).tolist():
        state[at] = min(max(int(state[at - 1]), int(risen[at])), int(not_fallen[at]))
    return state


def count_starts(stretches: list[Stretch], state: RunningState, start_us: int, end_us: int) -> int:
    """How often a machine rose to ``state`` or above it from below it in ``[start, end)``.

    What follows a gap is no start: nobody saw it.
    """
    return sum(
        before.state < state <= now.state and now.goes_on and start_us <= now.start_us < end_us
        for before, now in itertools.pairwise(stretches)
    )


def clip(stretches: list[Stretch], start_us: int, end_us: int) -> list[Stretch]:
    """The parts of stretches within ``[start, end)``."""
    return [
        Stretch(one.state, max(one.start_us, start_us), min(one.end_us, end_us), one.goes_on)
        for one in stretches
        if one.start_us < end_us and one.end_us > start_us
    ]


def _find_runs(cells: Cells, limits: StateLimits) -> list[Stretch]:
    """Neighbouring cells of one state."""
    if not len(cells.power_w):
        return []
    is_first = np.r_[True, cells.start_us[1:] != cells.end_us[:-1]]
    state = grade_power(cells.power_w, limits, is_first)
    begins = np.flatnonzero(np.r_[True, state[1:] != state[:-1]] | is_first)
    ends = np.r_[begins[1:], len(state)] - 1
    return [
        Stretch(
            RunningState(int(state[first])),
            int(cells.start_us[first]),
            int(cells.end_us[last]),
            not bool(is_first[first]),
        )
        for first, last in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def _split_chains(runs: list[Stretch]) -> list[list[Stretch]]:
    """Runs between gaps."""
    chains: list[list[Stretch]] = []
    for run in runs:
        if run.goes_on and chains:
            chains[-1].append(run)
        else:
            chains.append([run])
    return chains


def _settle(chain: list[Stretch], min_us: int) -> list[Stretch]:
    """A chain without states of a moment."""
    settled: list[Stretch] = []
    short: list[Stretch] = []
    for run in chain:
        if run.duration_us < min_us:
            short.append(run)
            continue
        _take_short(settled, short, min_us)
        short = []
        if len(settled) == 1 and settled[0].duration_us < min_us:
            # A moment at the beginning has nothing before it: it belongs to what comes.
            settled[0] = _join(settled[0], run, run.state)
        else:
            _add(settled, run)
    _take_short(settled, short, min_us)
    return settled


def _take_short(settled: list[Stretch], short: list[Stretch], min_us: int) -> None:
    """Add runs that are each too short: as one state, or to the state before them."""
    if not short:
        return
    whole = _join(short[0], short[-1], _most_time(short))
    if settled and whole.duration_us < min_us:
        settled[-1] = _join(settled[-1], whole, settled[-1].state)
    else:
        _add(settled, whole)


def _add(settled: list[Stretch], run: Stretch) -> None:
    if settled and settled[-1].state is run.state:
        settled[-1] = _join(settled[-1], run, run.state)
    else:
        settled.append(run)


def _join(first: Stretch, last: Stretch, state: RunningState) -> Stretch:
    return Stretch(state, first.start_us, last.end_us, first.goes_on)


def _most_time(runs: list[Stretch]) -> RunningState:
    """The state that had most of the time."""
    spent = dict.fromkeys(RunningState, 0)
    for run in runs:
        spent[run.state] += run.duration_us
    return max(spent, key=lambda state: spent[state])

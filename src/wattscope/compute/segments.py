"""From values to segments: what each stretch of time between readings holds.

- A gauge of power that is *sampled* gives the trapezium between neighbours, and nothing over a gap
  (longer than the gap limit, or with a missing value between);
- a gauge that is a *mean* gives the rectangle of its own interval;
- a counter gives its growth, over a gap too (the register knows), but a gap has no coverage;
- a delta gives its own amount over its own interval.

A call gives what its rows add to the segments of the rows before them, its lead. Where a row
changes the meaning of an older one (a held reading of a register is confirmed, or the newest one
proves to be wrong; a mean's interval is cut short), the older segment is taken back by one of
negative weight. So the segments of several calls sum up to those of one call over all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.counter_walk import LOOK_AHEAD, CounterLimits, Outcome
from wattscope.compute.counters import LEAD_READINGS, Judge, Said
from wattscope.compute.runs import find_different, is_ordered, list_different
from wattscope.core.counter_steps import CounterDecision, CounterStep
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, concat_batches
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.topology import Device, Sampling, Series

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

GAP_FACTOR = 3.0
"""A pause longer than this many usual intervals is a gap."""
MIN_GAP_LIMIT_US = 10 * US_PER_S
INTERVAL_STEPS = 8
"""Newest steps whose median is the interval of a series that was not told one."""
LEAD_ROWS = max(INTERVAL_STEPS + LOOK_AHEAD, LEAD_READINGS)
"""Older rows a series that a call needs, so that several calls give the same as one."""
_NO_STEP = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class SeriesRule:
    """How the values of one series turn into energy and coverage."""

    kind: QuantityKind
    sampling: Sampling
    interval_us: int
    """Expected time between readings [µs]; 0 lets the median of the newest steps tell."""
    is_power: bool
    is_energy: bool
    rating_w: float | None = None
    """Most power that a counter of energy can count [W]; None when not told."""
    rollover: float | None = None
    """At what the register begins again at zero [unit of the quantity]; None when not told."""
    decisions: tuple[CounterDecision, ...] = ()
    """What people decided about steps of this counter."""

    @classmethod
    def build(cls, series: Series, device: Device) -> SeriesRule:
        """The rule of a series as its quantity, its device and people's decisions make it."""
        quantity = series.quantity
        is_register = quantity.kind is QuantityKind.COUNTER and quantity.is_energy
        return cls(
            kind=quantity.kind,
            sampling=device.sampling,
            interval_us=int((device.interval_s or 0.0) * US_PER_S),
            is_power=quantity.is_power,
            is_energy=quantity.is_energy,
            rating_w=device.rating_w if is_register else None,
            rollover=device.rollover_wh if is_register else None,
            decisions=series.decisions,
        )

    @property
    def limits(self) -> CounterLimits:
        """What is known of the register beforehand."""
        rating_w = self.rating_w if self.is_energy else None
        return CounterLimits.build(rating_w, self.rollover, self.decisions)


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """Rows and leads sorted by series, then time, with each row's rule spread out."""

    series: Ints
    t: Ints
    value: Floats
    is_lead: Bools
    is_usable: Bools
    is_counter: Bools
    is_delta: Bools
    is_mean: Bools
    is_power: Bools
    is_energy: Bools
    interval: Ints

    @classmethod
    def build(cls, rows: Batch, lead: Batch, rules: dict[int, SeriesRule]) -> SeriesTable:
        both = concat_batches([lead, rows]) if len(lead) else rows
        is_lead = np.arange(len(both)) < len(lead)
        if not is_ordered(both.series_id, both.measured_at_us):
            order = np.lexsort((both.measured_at_us, both.series_id))
            both, is_lead = both.take(order), is_lead[order]
        series = both.series_id.astype(np.int64)
        ids, inverse = find_different(series)
        known = [rules[int(i)] for i in ids]
        interval = np.array([rule.interval_us for rule in known], np.int64)

        def spread(flags: list[bool]) -> Bools:
            return np.array(flags, np.bool_)[inverse] if flags else np.empty(0, np.bool_)

        return cls(
            series=series,
            t=both.measured_at_us,
            value=both.value,
            is_lead=is_lead,
            is_usable=both.is_usable,
            is_counter=spread([rule.kind is QuantityKind.COUNTER for rule in known]),
            is_delta=spread([rule.kind is QuantityKind.DELTA for rule in known]),
            is_mean=spread([rule.sampling is Sampling.MEAN for rule in known]),
            is_power=spread([rule.is_power for rule in known]),
            is_energy=spread([rule.is_energy for rule in known]),
            interval=interval[inverse] if len(ids) else np.empty(0, np.int64),
        )

    def take(self, rows: Bools) -> SeriesTable:
        """The chosen rows."""
        if rows.all():
            return self
        return SeriesTable(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Segments:
    """Amounts that belong to a span of time; ``energy`` or ``increase`` is NaN where neither."""

    series: Ints
    start: Ints
    end: Ints
    increase: Floats
    energy: Floats
    is_covered: Bools
    weight: Floats
    """1, or -1 for a segment that an older call counted and that proves to be wrong."""


def build_segments(table: SeriesTable, rules: dict[int, SeriesRule]) -> list[Segments]:
    """Segments between neighbours, and the own intervals of means and deltas."""
    has_own = (table.is_mean & ~table.is_counter) | table.is_delta
    own = table.take(has_own & table.is_usable)
    counts = table.take(table.is_counter & table.is_usable)
    return [
        # A question for one meter has rows of one kind.
        *(_own_intervals(own) if len(own.t) else ()),
        _between_neighbours(table.take(~has_own & ~table.is_counter)),
        *(_between_counts(counts, rules) if len(counts.t) else ()),
    ]


def list_counter_steps(rows: Batch, lead: Batch, rules: dict[int, SeriesRule]) -> list[CounterStep]:
    """The steps of counters that end at ``rows`` and are not plain growth, by series, then time.

    The arguments are those of ``compute.rollups.roll_up``, and the steps are those that it books.
    """
    table = SeriesTable.build(rows, lead, rules)
    counts = table.take(table.is_counter & table.is_usable)
    return _judge(counts, rules).list_steps(~counts.is_lead)


def _own_intervals(table: SeriesTable) -> list[Segments]:
    """Each value over the interval that begins at its instant, cut short by the next value.

    A lead's newest value had its whole interval when it was the newest of all; the next value may
    cut it.
    """
    has_next = np.r_[
        table.series[1:] == table.series[:-1], np.zeros(min(len(table.t), 1), np.bool_)
    ]
    alone = np.maximum(_find_intervals(table), 1)
    informed = np.where(has_next, np.r_[alone[1:], alone[-1:]], alone)
    step = np.r_[np.diff(table.t), 0]
    length = np.where(has_next, np.minimum(informed, step), alone)
    is_last_lead = table.is_lead & has_next & ~np.r_[table.is_lead[1:], table.is_lead[:1]]
    is_corrected = is_last_lead & (length != alone)
    counted = ~table.is_lead | is_corrected
    return [
        _stretch(table.take(counted), length[counted], 1.0),
        _stretch(table.take(is_corrected), alone[is_corrected], -1.0),
    ]


def _stretch(table: SeriesTable, length: Ints, weight: float) -> Segments:
    """A segment a row, from its instant on."""
    delta = np.where(table.is_delta, table.value, np.nan)
    mean = np.where(table.is_power & ~table.is_delta, table.value, np.nan)
    return Segments(
        series=table.series,
        start=table.t,
        end=table.t + length,
        increase=delta,
        energy=np.where(table.is_delta & table.is_energy, delta, mean * (length / US_PER_HOUR)),
        is_covered=np.ones(len(length), np.bool_),
        weight=np.full(len(length), weight),
    )


def _find_intervals(table: SeriesTable) -> Ints:
    """The usual interval of each row's series at that row [µs]; 0 where nothing tells it.

    Where it was not told, it is the lower median of the ``INTERVAL_STEPS`` newest steps, so that
    one pause among them is not taken for the rule.
    """
    unknown = np.flatnonzero(table.interval == 0)
    if not len(unknown):
        return table.interval
    series, t = table.series[unknown], table.t[unknown]
    is_first = np.r_[True, series[1:] != series[:-1]]
    n_before = np.arange(len(t)) - np.maximum.accumulate(np.where(is_first, np.arange(len(t)), 0))
    n_steps = np.minimum(n_before, INTERVAL_STEPS)
    step = np.where(is_first, _NO_STEP, np.diff(t, prepend=t[:1]))
    padded = np.r_[np.full(INTERVAL_STEPS - 1, _NO_STEP), step]
    window = np.lib.stride_tricks.sliding_window_view(padded, INTERVAL_STEPS)
    is_own = np.arange(INTERVAL_STEPS) >= INTERVAL_STEPS - n_steps[:, np.newaxis]
    ranked = np.sort(np.where(is_own, window, _NO_STEP), axis=1)
    median = ranked[np.arange(len(t)), np.maximum(n_steps - 1, 0) // 2]
    interval = table.interval.copy()
    interval[unknown] = np.where(n_steps > 0, median, 0)
    return interval


def _gap_limit(interval: Ints) -> Floats:
    """Longest pause that is no gap [µs]."""
    limit: Floats = np.maximum(interval * GAP_FACTOR, MIN_GAP_LIMIT_US)
    return limit


def find_joins(table: SeriesTable) -> Bools:
    """Whether each row is joined to the one before it: no missing value, no long pause between.

    Returns:
        For every row but the first, shape ``(n_rows - 1,)``.
    """
    limit = _gap_limit(_find_intervals(table))
    is_same = table.series[1:] == table.series[:-1]
    usable = table.is_usable[1:] & table.is_usable[:-1]
    joined: Bools = is_same & usable & (np.diff(table.t) <= limit[1:])
    return joined


def _between_neighbours(table: SeriesTable) -> Segments:
    """Trapezia between sampled values; a missing value or a long pause between them is a gap."""
    rows = find_joins(table) & ~table.is_lead[1:]
    step = np.diff(table.t)
    hours = step / US_PER_HOUR
    # Halves first: the sum of two values of some meter's nonsense may be more than a float holds.
    mean = table.value[1:] / 2 + table.value[:-1] / 2
    n_rows = int(rows.sum())
    return Segments(
        series=table.series[1:][rows],
        start=table.t[:-1][rows],
        end=table.t[1:][rows],
        increase=np.full(n_rows, np.nan),
        energy=np.where(table.is_power[1:], mean * hours, np.nan)[rows],
        is_covered=np.ones(n_rows, np.bool_),
        weight=np.ones(n_rows),
    )


def _judge(table: SeriesTable, rules: dict[int, SeriesRule]) -> Judge:
    limits = {int(one): rules[int(one)].limits for one in list_different(table.series)}
    return Judge(table.series, table.t, table.value, limits)


def _between_counts(table: SeriesTable, rules: dict[int, SeriesRule]) -> list[Segments]:
    """Growth between the readings of a register that are believed.

    The newest readings of a lead were judged without those behind them. Where the word on one has
    changed, the segment of the old word is taken back, and that of the new one given.
    """
    judge = _judge(table, rules)
    said = judge.say()
    changed = {
        row: old
        for row, end in _find_open_ends(table, judge.is_doubtful)
        if (old := judge.say_at(row, end)) != said.walked[row]
    }
    is_given = ~table.is_lead
    is_given[list(changed)] = True
    given = np.flatnonzero(is_given & (said.origin >= 0))
    limit = _gap_limit(_find_intervals(table))
    taken_back = [(row, old) for row, old in changed.items() if old.is_counted]
    return [
        _grow(table, limit, _Steps.said(said, given), 1.0),
        _grow(table, limit, _Steps.of(taken_back), -1.0),
    ]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps of counters: rows of their readings, and what was counted."""

    row: Ints
    origin: Ints
    growth: Floats
    is_known: Bools

    @classmethod
    def said(cls, said: Said, rows: Ints) -> _Steps:
        return cls(rows, said.origin[rows], said.growth[rows], said.is_known[rows])

    @classmethod
    def of(cls, outcomes: list[tuple[int, Outcome]]) -> _Steps:
        return cls(
            np.array([row for row, _ in outcomes], np.int64),
            np.array([one.origin for _, one in outcomes], np.int64),
            np.array([one.growth for _, one in outcomes], np.float64),
            np.array([one.is_known for _, one in outcomes], np.bool_),
        )


def _find_open_ends(table: SeriesTable, is_doubtful: Bools) -> list[tuple[int, int]]:
    """Doubtful rows that an older call judged without all the readings that decide about them.

    Each with the row at which that call's readings ended.
    """
    ends = np.flatnonzero(
        table.is_lead[:-1] & ~table.is_lead[1:] & (table.series[:-1] == table.series[1:])
    )
    return [
        (row, last + 1)
        for last in ends[_meets(is_doubtful, ends)].tolist()
        for row in range(max(last - LOOK_AHEAD + 1, 0), last + 1)
        if is_doubtful[row] and table.series[row] == table.series[last]
    ]


def _meets(is_doubtful: Bools, ends: Ints) -> Bools:
    """Ends at or just before which a doubtful row lies."""
    before = [is_doubtful[np.maximum(ends - distance, 0)] for distance in range(LOOK_AHEAD)]
    return np.any(before, axis=0) if len(ends) else np.zeros(0, np.bool_)


def _grow(table: SeriesTable, limit: Floats, steps: _Steps, weight: float) -> Segments:
    """Segments of steps; one whose growth is unknown covers nothing."""
    row, start = steps.row, table.t[steps.origin]
    length = table.t[row] - start
    return Segments(
        series=table.series[row],
        start=start,
        end=table.t[row],
        increase=steps.growth,
        energy=np.where(table.is_energy[row], steps.growth, np.nan),
        is_covered=(length <= limit[row]) & steps.is_known,
        weight=np.full(len(row), weight),
    )

"""From values to buckets: count, sum, extremes, growth, energy and coverage.

::

    rows of a series   t0────t1────t2 ······ gap ······ t3────t4
    segments             └────┘└────┘└──────────────────┘└────┘
    pieces             each segment cut at the edges of the buckets

Energy belongs to segments, not to points: a segment that crosses an edge gives each bucket its
share of time, so that the sum over the buckets is the sum over the segments. Rules:

- a gauge of power that is *sampled* gives the trapezium between neighbours, and nothing over a gap
  (longer than the gap limit, or with a missing value between);
- a gauge that is a *mean* gives the rectangle of its own interval;
- a counter gives its growth, over a gap too (the register knows), but a gap has no coverage;
- a delta gives its own amount over its own interval.

Buckets of equal keys from different calls may be merged in any order: see ``merge_rollups``.
The module promises that nothing is counted twice; it does not know files, clocks or zones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.counters import find_lone_outliers, increases
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, Quality, concat_batches
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.core.topology import Sampling
from wattscope.ports import Rollup

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

GAP_FACTOR = 3.0
"""A pause longer than this many usual intervals is a gap."""
MIN_GAP_LIMIT_US = 10 * US_PER_S
MAX_SPREAD_BUCKETS = 3000
"""A counter's growth over a gap of more buckets is booked where the counter was next read."""
_UNUSABLE = int(Quality.MISSING | Quality.IMPLAUSIBLE)
_BUCKET_BITS = 32
_BUCKET_MASK = (1 << _BUCKET_BITS) - 1


@dataclass(frozen=True, slots=True)
class SeriesRule:
    """How the values of one series turn into energy and coverage."""

    kind: QuantityKind
    sampling: Sampling
    interval_us: int
    """Expected time between readings [µs]; 0 lets the median of the rows tell."""
    is_power: bool
    is_energy: bool


def roll_up(rows: Batch, lead: Batch, rules: dict[int, SeriesRule], size_us: int) -> Rollup:
    """Buckets of ``size_us`` from rows, with the row before them as the start of the first segment.

    Args:
        rows: Values in any order; no (series, instant) twice.
        lead: At most one older row a series; starts its first segment and counts nowhere.
        rules: A rule for each series id in ``rows``.
        size_us: Bucket length [µs]; buckets begin at multiples of it since 1970.
    """
    table = _Table.build(rows, lead, rules)
    points = _roll_up_points(table, size_us)
    pieces = _cut_at_edges(_build_segments(table), size_us)
    return _combine(points, pieces, size_us)


@dataclass(frozen=True, slots=True)
class _Table:
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
    def build(cls, rows: Batch, lead: Batch, rules: dict[int, SeriesRule]) -> _Table:
        both = concat_batches([lead, rows])
        order = np.lexsort((both.measured_at_us, both.series_id))
        series = both.series_id[order].astype(np.int64)
        t = both.measured_at_us[order]
        ids, inverse = np.unique(series, return_inverse=True)
        known = [rules[int(i)] for i in ids]
        interval = np.array([rule.interval_us for rule in known], np.int64)
        interval = _fill_intervals(interval, t, inverse)

        def spread(flags: list[bool]) -> Bools:
            return np.array(flags, np.bool_)[inverse] if flags else np.empty(0, np.bool_)

        return cls(
            series=series,
            t=t,
            value=both.value[order],
            is_lead=order < len(lead),
            is_usable=(both.quality[order] & _UNUSABLE) == 0,
            is_counter=spread([rule.kind is QuantityKind.COUNTER for rule in known]),
            is_delta=spread([rule.kind is QuantityKind.DELTA for rule in known]),
            is_mean=spread([rule.sampling is Sampling.MEAN for rule in known]),
            is_power=spread([rule.is_power for rule in known]),
            is_energy=spread([rule.is_energy for rule in known]),
            interval=interval[inverse] if len(ids) else np.empty(0, np.int64),
        )

    def take(self, rows: Bools) -> _Table:
        """The chosen rows."""
        return _Table(*(getattr(self, name)[rows] for name in self.__slots__))


def _fill_intervals(interval: Ints, t: Ints, inverse: Ints) -> Ints:
    """Unknown intervals become the median step of the series' own rows; 0 where there is none."""
    unknown = np.flatnonzero(interval == 0)
    if not len(unknown) or len(t) < 2:
        return interval
    filled = interval.copy()
    starts = np.searchsorted(inverse, unknown, side="left")
    ends = np.searchsorted(inverse, unknown, side="right")
    for index, start, end in zip(unknown, starts, ends, strict=True):
        if end - start > 1:
            filled[index] = int(np.median(np.diff(t[start:end])))
    return filled


@dataclass(frozen=True, slots=True)
class _Points:
    key: Ints
    count: Ints
    sum: Floats
    min: Floats
    max: Floats
    first: Floats
    last: Floats


def _make_key(series: Ints, bucket: Ints) -> Ints:
    """Series and bucket number in one integer that sorts by both."""
    key: Ints = (series << _BUCKET_BITS) | bucket
    return key


def _roll_up_points(table: _Table, size_us: int) -> _Points:
    """Statistics of the values themselves; deltas and gauges and counters alike."""
    chosen = table.take(table.is_usable & ~table.is_lead)
    key = _make_key(chosen.series, chosen.t // size_us)
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.empty(0, int)
    if not len(starts):
        none = np.empty(0, np.float64)
        return _Points(key[:0], key[:0], none, none, none, none, none)
    ends = np.r_[starts[1:], len(key)]
    value = chosen.value
    return _Points(
        key=key[starts],
        count=(ends - starts).astype(np.int64),
        sum=np.add.reduceat(value, starts),
        min=np.minimum.reduceat(value, starts),
        max=np.maximum.reduceat(value, starts),
        first=value[starts],
        last=value[ends - 1],
    )


@dataclass(frozen=True, slots=True)
class _Segments:
    """Amounts that belong to a span of time; ``energy`` or ``increase`` is NaN where neither."""

    series: Ints
    start: Ints
    end: Ints
    increase: Floats
    energy: Floats
    is_covered: Bools


def _build_segments(table: _Table) -> list[_Segments]:
    """Segments between neighbours, and the own intervals of means and deltas."""
    has_own = table.is_mean | table.is_delta
    return [
        _own_intervals(table.take(has_own & table.is_usable & ~table.is_lead)),
        _between_neighbours(table.take(~has_own & ~table.is_counter)),
        _between_counts(table.take(table.is_counter & table.is_usable)),
    ]


def _own_intervals(table: _Table) -> _Segments:
    """Each value over the interval that begins at its instant, cut short by the next value."""
    length = np.maximum(table.interval, 1)
    if len(length) > 1:
        step = np.where(table.series[1:] == table.series[:-1], np.diff(table.t), length[:-1])
        length = np.r_[np.minimum(length[:-1], step), length[-1:]]
    hours = length / US_PER_HOUR
    delta = np.where(table.is_delta, table.value, np.nan)
    power = np.where(table.is_power & ~table.is_delta, table.value * hours, np.nan)
    return _Segments(
        series=table.series,
        start=table.t,
        end=table.t + length,
        increase=delta,
        energy=np.where(table.is_delta & table.is_energy, delta, power),
        is_covered=np.ones(len(length), np.bool_),
    )


def _gap_limit(interval: Ints) -> Floats:
    """Longest pause that is no gap [µs]."""
    limit: Floats = np.maximum(interval * GAP_FACTOR, MIN_GAP_LIMIT_US)
    return limit


def _between_neighbours(table: _Table) -> _Segments:
    """Trapezia between sampled values; a missing value or a long pause between them is a gap."""
    joined = table.series[1:] == table.series[:-1]
    usable = table.is_usable[1:] & table.is_usable[:-1]
    step = np.diff(table.t)
    rows = joined & usable & (step <= _gap_limit(table.interval[1:]))
    hours = step / US_PER_HOUR
    mean = (table.value[1:] + table.value[:-1]) / 2
    return _Segments(
        series=table.series[1:][rows],
        start=table.t[:-1][rows],
        end=table.t[1:][rows],
        increase=np.full(int(rows.sum()), np.nan),
        energy=np.where(table.is_power[1:], mean * hours, np.nan)[rows],
        is_covered=np.ones(int(rows.sum()), np.bool_),
    )


def _between_counts(table: _Table) -> _Segments:
    """Growth between readings of a register, without its lone outliers."""
    kept = table.take(~find_lone_outliers(table.value, table.series[1:] == table.series[:-1]))
    joined = kept.series[1:] == kept.series[:-1]
    growth = increases(kept.value[:-1], kept.value[1:])[joined]
    step = np.diff(kept.t)[joined]
    return _Segments(
        series=kept.series[1:][joined],
        start=kept.t[:-1][joined],
        end=kept.t[1:][joined],
        increase=growth,
        energy=np.where(kept.is_energy[1:][joined], growth, np.nan),
        is_covered=step <= _gap_limit(kept.interval[1:][joined]),
    )


@dataclass(frozen=True, slots=True)
class _Pieces:
    key: Ints
    increase: Floats
    energy: Floats
    covered_us: Floats


def _cut_at_edges(segments: list[_Segments], size_us: int) -> _Pieces:
    """Each segment's amounts by bucket, in proportion to time."""
    parts = [_cut(segment, size_us) for segment in segments if len(segment.series)]
    if not parts:
        none = np.empty(0, np.float64)
        return _Pieces(np.empty(0, np.int64), none, none, none)
    return _Pieces(
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.increase for part in parts]),
        np.concatenate([part.energy for part in parts]),
        np.concatenate([part.covered_us for part in parts]),
    )


def _cut(segments: _Segments, size_us: int) -> _Pieces:
    first = segments.start // size_us
    last = (segments.end - 1) // size_us
    is_too_wide = (last - first) >= MAX_SPREAD_BUCKETS
    start = np.where(is_too_wide, segments.end - 1, segments.start)
    first = np.where(is_too_wide, last, first)
    n_pieces = last - first + 1
    rows = np.repeat(np.arange(len(first)), n_pieces)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    bucket = first[rows] + within
    piece_start = np.maximum(start[rows], bucket * size_us)
    piece_end = np.minimum(segments.end[rows], (bucket + 1) * size_us)
    length = (piece_end - piece_start).astype(np.float64)
    share = length / (segments.end - start)[rows]
    return _Pieces(
        key=_make_key(segments.series[rows], bucket),
        increase=segments.increase[rows] * share,
        energy=segments.energy[rows] * share,
        covered_us=np.where(segments.is_covered[rows], length, 0.0),
    )


def _sum_by_key(inverse: Ints, amounts: Floats, n_keys: int) -> Floats:
    """Sums a key; NaN where a key has no number at all."""
    is_number = ~np.isnan(amounts)
    totals = np.bincount(inverse[is_number], amounts[is_number], n_keys)
    counts = np.bincount(inverse[is_number], minlength=n_keys)
    return np.where(counts > 0, totals, np.nan)


def _combine(points: _Points, pieces: _Pieces, size_us: int) -> Rollup:
    """Points and pieces of the same bucket side by side."""
    keys, inverse = np.unique(np.concatenate([points.key, pieces.key]), return_inverse=True)
    of_points, of_pieces = inverse[: len(points.key)], inverse[len(points.key) :]
    n_keys = len(keys)

    def place(values: Floats) -> Floats:
        column = np.full(n_keys, np.nan)
        column[of_points] = values
        return column

    count = np.zeros(n_keys, np.int64)
    count[of_points] = points.count
    total = np.zeros(n_keys)
    total[of_points] = points.sum
    covered = np.bincount(of_pieces, pieces.covered_us, n_keys)
    return Rollup(
        series_id=(keys >> _BUCKET_BITS).astype(np.int32),
        bucket_start_us=(keys & _BUCKET_MASK) * size_us,
        count=count,
        sum=total,
        min=place(points.min),
        max=place(points.max),
        first=place(points.first),
        last=place(points.last),
        increase=_sum_by_key(of_pieces, pieces.increase, n_keys),
        energy_wh=_sum_by_key(of_pieces, pieces.energy, n_keys),
        coverage=np.minimum(covered / size_us, 1.0),
    )


def merge_rollups(parts: Rollup, edges_us: Ints, size_us: int) -> Rollup:
    """Coarser buckets, or one bucket from several parts of it.

    Args:
        parts: Fine buckets of ``size_us`` in any order; the same (series, bucket) may occur often.
        edges_us: Starts of the coarse buckets and the end of the last, strictly rising, each at
            an edge of the fine grid; fine buckets outside are left out.
        size_us: Length of the fine buckets [µs].

    Merging is associative and does not depend on the order of parts (to float rounding).
    """
    slot = np.searchsorted(edges_us, parts.bucket_start_us, side="right") - 1
    inside = (slot >= 0) & (slot < len(edges_us) - 1)
    # Parts without values sort first, so that they never are a bucket's first or last value.
    order = np.lexsort((parts.bucket_start_us, parts.count > 0, slot, parts.series_id))
    order = order[inside[order]]
    key = _make_key(parts.series_id[order].astype(np.int64), slot[order])
    if not len(key):
        return _take(parts, order)
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    ends = np.r_[starts[1:], len(key)]
    group = np.repeat(np.arange(len(starts)), ends - starts)
    count = np.add.reduceat(parts.count[order], starts)
    n_empty = np.add.reduceat((parts.count[order] == 0).astype(np.int64), starts)
    first_valued = np.minimum(starts + n_empty, ends - 1)
    slots = slot[order][starts]
    length = (edges_us[slots + 1] - edges_us[slots]).astype(np.float64)
    covered = np.add.reduceat(parts.coverage[order] * size_us, starts)
    return Rollup(
        series_id=parts.series_id[order][starts],
        bucket_start_us=edges_us[slots],
        count=count,
        sum=np.add.reduceat(parts.sum[order], starts),
        min=np.fmin.reduceat(parts.min[order], starts),
        max=np.fmax.reduceat(parts.max[order], starts),
        first=parts.first[order][first_valued],
        last=parts.last[order][ends - 1],
        increase=_sum_by_key(group, parts.increase[order], len(starts)),
        energy_wh=_sum_by_key(group, parts.energy_wh[order], len(starts)),
        coverage=np.minimum(covered / length, 1.0),
    )


def _take(parts: Rollup, rows: Ints) -> Rollup:
    return Rollup(*(getattr(parts, name)[rows] for name in ROLLUP_COLUMNS))


def concat_rollups(parts: list[Rollup]) -> Rollup:
    """All buckets of all parts, unmerged."""
    return Rollup(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ROLLUP_COLUMNS)
    )


ROLLUP_COLUMNS = tuple(Rollup.__slots__)
"""Names of the columns of a rollup, in order."""

"""From values to buckets: count, sum, extremes, growth, energy and coverage.

::

    rows of a series   t0────t1────t2 ······ gap ······ t3────t4
    segments             └────┘└────┘└──────────────────┘└────┘
    pieces             each segment cut at the edges of the buckets

Energy belongs to segments, not to points: see ``compute.segments``. A segment that crosses an edge
gives each bucket its share of time, so that the sum over the buckets is the sum over the segments.

Rows may be rolled up in several calls, each with the rows before it as its lead. Buckets of equal
keys from different calls may be merged in any order: see ``merge_rollups``. The merged buckets of
all calls are those of one call over all rows.
The module promises that nothing is counted twice; it does not know files, clocks or zones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.runs import find_different, find_starts, is_ordered
from wattscope.compute.segments import (
    Floats,
    Ints,
    Segments,
    SeriesRule,
    SeriesTable,
    build_segments,
)
from wattscope.core.reading import Batch
from wattscope.ports import Rollup

MAX_SPREAD_BUCKETS = 3000
"""A counter's growth over a gap of more buckets is booked where the counter was next read."""
_BUCKET_BITS = 32
_BUCKET_MASK = (1 << _BUCKET_BITS) - 1


def roll_up(rows: Batch, lead: Batch, rules: dict[int, SeriesRule], size_us: int) -> Rollup:
    """What rows add to buckets of ``size_us``, beyond what the rows before them gave.

    Args:
        rows: Values in any order; no (series, instant) twice.
        lead: The last ``LEAD_ROWS`` rows before them of each series, and of usable rows as many;
            fewer only where there are no more. They begin segments and count nowhere themselves.
        rules: A rule for each series id in ``rows`` and ``lead``.
        size_us: Bucket length [µs]; buckets begin at multiples of it since 1970.
    """
    table = SeriesTable.build(rows, lead, rules)
    points = _roll_up_points(table, size_us)
    pieces = _cut_at_edges(build_segments(table, rules), size_us)
    return _combine(points, pieces, size_us)


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


def _roll_up_points(table: SeriesTable, size_us: int) -> _Points:
    """Statistics of the values themselves; deltas and gauges and counters alike."""
    chosen = table.take(table.is_usable & ~table.is_lead)
    key = _make_key(chosen.series, chosen.t // size_us)
    starts = find_starts(key)
    if not len(starts):
        none = np.empty(0, np.float64)
        return _Points(key[:0], key[:0], none, none, none, none, none)
    ends = np.append(starts[1:], len(key))
    value = chosen.value
    return _Points(
        key=key[starts],
        count=(ends - starts).astype(np.int64),
        sum=_add_up(value, starts),
        min=np.minimum.reduceat(value, starts),
        max=np.maximum.reduceat(value, starts),
        first=value[starts],
        last=value[ends - 1],
    )


@dataclass(frozen=True, slots=True)
class _Pieces:
    key: Ints
    increase: Floats
    energy: Floats
    covered_us: Floats


def _cut_at_edges(segments: list[Segments], size_us: int) -> _Pieces:
    """Each segment's amounts by bucket, in proportion to time."""
    parts = [_cut(segment, size_us) for segment in segments if len(segment.series)]
    if not parts:
        none = np.empty(0, np.float64)
        return _Pieces(np.empty(0, np.int64), none, none, none)
    if len(parts) == 1:
        return parts[0]
    return _Pieces(
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.increase for part in parts]),
        np.concatenate([part.energy for part in parts]),
        np.concatenate([part.covered_us for part in parts]),
    )


def _cut(segments: Segments, size_us: int) -> _Pieces:
    first = segments.start // size_us
    last = (segments.end - 1) // size_us
    if (first == last).all():
        # As where meters are read at whole minutes: there is nothing to cut.
        length = (segments.end - segments.start).astype(np.float64)
        return _Pieces(
            key=_make_key(segments.series, first),
            increase=segments.increase * segments.weight,
            energy=segments.energy * segments.weight,
            covered_us=np.where(segments.is_covered, length, 0.0) * segments.weight,
        )
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
    share = length / (segments.end - start)[rows] * segments.weight[rows]
    return _Pieces(
        key=_make_key(segments.series[rows], bucket),
        increase=segments.increase[rows] * share,
        energy=segments.energy[rows] * share,
        covered_us=np.where(segments.is_covered[rows], length, 0.0) * segments.weight[rows],
    )


def _add_up(values: Floats, starts: Ints) -> Floats:
    """Sums of stretches; beyond the largest double a sum is infinite, as arithmetic says."""
    with np.errstate(over="ignore"):
        return np.add.reduceat(values, starts)


def _sum_by_key(inverse: Ints, amounts: Floats, n_keys: int) -> Floats:
    """Sums a key; NaN where a key has no number at all."""
    is_number = ~np.isnan(amounts)
    if not is_number.any():
        return np.full(n_keys, np.nan)
    totals = np.bincount(inverse[is_number], amounts[is_number], n_keys)
    counts = np.bincount(inverse[is_number], minlength=n_keys)
    return np.where(counts > 0, totals, np.nan)


def _combine(points: _Points, pieces: _Pieces, size_us: int) -> Rollup:
    """Points and pieces of the same bucket side by side."""
    piece_keys, of_pieces = find_different(pieces.key)
    if np.array_equal(points.key, piece_keys):
        # As where no reading is missing: what is measured in a bucket reaches into no other.
        keys, of_points = points.key, np.arange(len(points.key))
    else:
        keys, inverse = np.unique(np.concatenate([points.key, piece_keys]), return_inverse=True)
        of_points, of_pieces = inverse[: len(points.key)], inverse[len(points.key) :][of_pieces]
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
    if is_ordered(parts.series_id, parts.bucket_start_us) and parts.count.all():
        order = inside.nonzero()[0]
    else:
        # Parts without values sort first, so that they never are a bucket's first or last value.
        order = np.lexsort((parts.bucket_start_us, parts.count > 0, slot, parts.series_id))
        order = order[inside[order]]
    if len(order) < len(slot) or not (order[1:] > order[:-1]).all():
        parts, slot = select_buckets(parts, order), slot[order]
    if not len(slot):
        return parts
    starts = find_starts(_make_key(parts.series_id.astype(np.int64), slot))
    ends = np.append(starts[1:], len(slot))
    group = np.arange(len(starts)).repeat(ends - starts)
    count = np.add.reduceat(parts.count, starts)
    n_empty = np.add.reduceat((parts.count == 0).astype(np.int64), starts)
    first_valued = np.minimum(starts + n_empty, ends - 1)
    slots = slot[starts]
    length = (edges_us[slots + 1] - edges_us[slots]).astype(np.float64)
    covered = np.add.reduceat(parts.coverage * size_us, starts)
    return Rollup(
        series_id=parts.series_id[starts],
        bucket_start_us=edges_us[slots],
        count=count,
        sum=_add_up(parts.sum, starts),
        min=np.fmin.reduceat(parts.min, starts),
        max=np.fmax.reduceat(parts.max, starts),
        first=parts.first[first_valued],
        last=parts.last[ends - 1],
        increase=_sum_by_key(group, parts.increase, len(starts)),
        energy_wh=_sum_by_key(group, parts.energy_wh, len(starts)),
        coverage=np.minimum(covered / length, 1.0),
    )


def select_buckets(parts: Rollup, rows: Ints | npt.NDArray[np.bool_]) -> Rollup:
    """The chosen buckets, in order."""
    return Rollup(*(getattr(parts, name)[rows] for name in ROLLUP_COLUMNS))


def concat_rollups(parts: list[Rollup]) -> Rollup:
    """All buckets of all parts, unmerged."""
    full = [part for part in parts if len(part.series_id)]
    if len(full) == 1:
        return full[0]
    return Rollup(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ROLLUP_COLUMNS)
    )


ROLLUP_COLUMNS = tuple(Rollup.__slots__)
"""Names of the columns of a rollup, in order."""

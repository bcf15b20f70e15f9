"""The plan of an answer in words of the port: kept buckets, rows of files, rows of the tail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wattscope.core.explanation import GONE, ROWS, TAIL, Explanation, Step
from wattscope.stores.rollup_plan import Plan
from wattscope.stores.rollup_reader import RollupReader
from wattscope.stores.snapshot import Snapshot

_RAW = "raw"
_Places = dict[tuple[str, int], set[int]]
"""Series by the origin of their part and the start of its span [µs]."""


def explain_answer(
    rollups: RollupReader,
    snapshot: Snapshot,
    series: tuple[int, ...],
    level: str,
    range_us: tuple[int, int],
) -> Explanation:
    """Where buckets of a level, or readings for level ``raw``, would come from.

    Raises:
        QueryError: Unknown level, or too many buckets.
    """
    if level == _RAW:
        return explain_rows(snapshot, series, range_us)
    return explain_plans(snapshot, level, rollups.explain(snapshot, series, level, range_us))


def explain_rows(
    snapshot: Snapshot, series: tuple[int, ...], range_us: tuple[int, int]
) -> Explanation:
    """Where the readings of a range come from: files by their span, and the tail."""
    chunk_us = snapshot.manifest.chunk_us
    starts = {part.min_us // chunk_us * chunk_us for part in snapshot.parts_between(*range_us)}
    places: _Places = {(ROWS, start): set(series) for start in starts}
    in_tail = {
        one
        for one in series
        if one < len(snapshot.tail_first) and snapshot.tail_first[one] < range_us[1]
    }
    return Explanation(_RAW, (*_join(places, chunk_us), *_describe_tail(snapshot, in_tail)))


def explain_plans(snapshot: Snapshot, level: str, plans: Iterable[Plan]) -> Explanation:
    """The steps of all plans of one answer."""
    chunk_us = snapshot.manifest.chunk_us
    places: _Places = {}
    in_tail: set[int] = set()
    for plan in plans:
        in_tail.update(plan.tail)
        for stored in plan.stored:
            places.setdefault((stored.level, stored.span_us), set()).update(stored.series)
        for gone in plan.gone:
            for start in snapshot.span_starts():
                if gone.start_us <= start < gone.end_us:
                    places.setdefault((GONE, start), set()).update(gone.series)
        for computed in plan.computed:
            for start in snapshot.span_starts():
                if computed.start_us <= start < computed.end_us:
                    places.setdefault((ROWS, start), set()).update(computed.series)
            if computed.has_tail:
                in_tail.update(computed.series)
    return Explanation(level, (*_join(places, chunk_us), *_describe_tail(snapshot, in_tail)))


def _join(places: _Places, chunk_us: int) -> Iterator[Step]:
    """One step for spans that follow each other, with the same series from the same place."""
    last: Step | None = None
    members: set[int] = set()
    for (origin, start), series in sorted(places.items(), key=lambda place: place[0][1]):
        if last is not None and last.origin == origin and members == series:
            last = Step(origin, last.start_us, start + chunk_us, last.n_spans + 1, len(series))
            continue
        if last is not None:
            yield last
        last, members = Step(origin, start, start + chunk_us, 1, len(series)), series
    if last is not None:
        yield last


def _describe_tail(snapshot: Snapshot, series: set[int]) -> Iterator[Step]:
    if not series:
        return
    chunk_us = snapshot.manifest.chunk_us
    first = int(min(snapshot.tail_first[one] for one in series))
    spans = [start for start in snapshot.tail_spans if start + chunk_us > first]
    yield Step(TAIL, first, max(spans) + chunk_us, len(spans), len(series))

"""Where the buckets of a question come from: kept levels where they are right, rows elsewhere.

A level is kept for a series of a span only where it is ``WORTH`` times smaller than what it is
computed from, so that the disk pays for nothing that saves no time. A plan takes the coarsest kept
level from which the asked one follows exactly, and computes the rest from rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from wattscope.stores.checked_files import CheckedFiles
from wattscope.stores.manifest import RollupPart, Span
from wattscope.stores.rollup_files import series_of
from wattscope.stores.row_files import row_columns
from wattscope.stores.snapshot import Snapshot

LEVELS = ("1m", "15m", "1h", "1d")
LEVEL_US = {
    "1m": US_PER_MINUTE,
    "15m": 15 * US_PER_MINUTE,
    "1h": US_PER_HOUR,
    "1d": US_PER_DAY,
}
"""Length of a bucket [µs]; a local day may be longer or shorter."""
WORTH = 200
"""A level is kept where it has so many times fewer entries than the next finer kept one."""


@dataclass(frozen=True, slots=True)
class StoredStep:
    """Buckets that are read from a file."""

    span_us: int
    level: str
    part: RollupPart
    series: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ComputedStep:
    """Buckets that are computed from the rows of ``[start, end)``, some whole spans."""

    start_us: int
    end_us: int
    series: tuple[int, ...]
    has_tail: bool = False
    """Whether rows of the tails take part; else those of files alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps of an answer; their buckets are merged."""

    level: str
    stored: tuple[StoredStep, ...]
    computed: tuple[ComputedStep, ...]
    tail: tuple[int, ...] = ()
    """Series to whose buckets the rows of the tails are added: all newer than those in files."""
    gone: tuple[ComputedStep, ...] = ()
    """Of these retention removed the rows, and kept no level that would be fine enough."""


def choose_levels(n_rows: int, length_us: int) -> tuple[str, ...]:
    """The levels that are worth keeping for a series.

    Args:
        n_rows: Its rows in a span.
        length_us: From its first to behind its last row [µs].

    >>> choose_levels(86_400, US_PER_DAY)  # every second for a day
    ('15m',)
    >>> choose_levels(288, US_PER_DAY)  # every five minutes
    ('1d',)
    """
    kept = []
    n_below = n_rows
    for level in LEVELS:
        n_buckets = -(-length_us // LEVEL_US[level]) or 1
        if n_below >= WORTH * n_buckets:
            kept.append(level)
            n_below = n_buckets
    return tuple(kept)


def make_plan(  # what a question consists of
    snapshot: Snapshot,
    files: CheckedFiles,
    zone_names: dict[str, str],
    series: Sequence[int],
    levels: Sequence[str],
    range_us: tuple[int, int],
) -> Plan:
    """Where the buckets of some series in a range come from.

    Args:
        snapshot: Files and tails.
        files: Access to them.
        series: The asked series.
        levels: The asked level and those from which it follows exactly, the coarsest first.
        zone_names: Time zone of each site; local days cut in other zones are of no use.
        range_us: Start and end [µs].
    """
    stored: list[StoredStep] = []
    left: dict[int, set[int]] = {}
    asked = frozenset(series)
    in_tails = snapshot.spans_of_tails(asked)
    gone: dict[int, set[int]] = {}
    retired_until = _find_retired(snapshot, asked)
    late = {one: start for one, start in in_tails.items() if one in snapshot.late}
    # Late rows of a span whose rows are gone cannot be put together with its buckets.
    late = {
        one: max(start, retired_until.get(one, start))
        for one, start in _find_broken(snapshot, files, asked, late).items()
    }
    for span in snapshot.manifest.spans:
        if not _reaches_into(span, range_us):
            continue
        rest = {one for one in asked if late.get(one, span.start_us + 1) > span.start_us}
        if span.rollups is not None:
            sound = rest.difference(span.rollups.outdated)
            for step in _find_stored(span, files, zone_names, levels, sound):
                stored.append(step)
                rest -= set(step.series)
        lacking = rest.intersection(span.retired)
        if lacking:
            gone[span.start_us] = lacking
        if rest - lacking:
            left[span.start_us] = rest - lacking
    computed = _join(snapshot, left)
    computed += _compute_late(snapshot, late)
    fresh = tuple(sorted(in_tails.keys() - late.keys()))
    return Plan(levels[0], tuple(stored), tuple(computed), fresh, tuple(_join(snapshot, gone)))


def _find_retired(snapshot: Snapshot, asked: frozenset[int]) -> dict[int, int]:
    """Of asked series the end of the last span whose rows retention removed [µs]."""
    chunk_us = snapshot.manifest.chunk_us
    return {
        one: span.start_us + chunk_us
        for span in snapshot.manifest.spans
        for one in asked.intersection(span.retired)
    }


def _find_broken(
    snapshot: Snapshot, files: CheckedFiles, asked: frozenset[int], late: dict[int, int]
) -> dict[int, int]:
    """From which span on all buckets of a series must be computed [µs], late rows included.

    Rows of a damaged file are missing, so that segments of sound rows begin elsewhere than those
    of the kept buckets; the two must not be mixed, or growth would be counted twice.
    """
    if not files.damages:
        return late
    found = dict(late)
    for span in snapshot.manifest.spans:
        for part in span.parts:
            if part.note is not None and files.is_damaged(part.note):
                # Of a file that tells nothing any more, any series may be missed.
                members = files.series_of(part.note, row_columns(part.scale)) or asked
                for one in asked & members:
                    found[one] = min(found.get(one, span.start_us), span.start_us)
    return found


def _compute_late(snapshot: Snapshot, late: dict[int, int]) -> list[ComputedStep]:
    """Steps for series with late rows in the tails: all from there on, whatever is kept."""
    starts = snapshot.span_starts()
    end_us = starts[-1] + snapshot.manifest.chunk_us if starts else 0
    by_start: dict[int, list[int]] = {}
    for one, start in late.items():
        by_start.setdefault(start, []).append(one)
    return [
        ComputedStep(start, end_us, tuple(sorted(series)), has_tail=True)
        for start, series in sorted(by_start.items())
    ]


def _reaches_into(span: Span, range_us: tuple[int, int]) -> bool:
    """Whether a span's rows may say something of a range.

    A segment may reach back over a gap of any length, so a span that is not rolled up yet, or is
    outdated, may always.
    """
    if span.rollups is None or span.rollups.outdated:
        return True
    low, high = range_us
    return span.rollups.reach[0] < high and span.rollups.reach[1] >= low


def _find_stored(
    span: Span,
    files: CheckedFiles,
    zone_names: dict[str, str],
    levels: Sequence[str],
    wanted: set[int],
) -> list[StoredStep]:
    """Steps over kept levels, the coarsest first, for as many of the wanted series as possible."""
    assert span.rollups is not None  # noqa: S101  # the caller looked
    steps = []
    rest = set(wanted)
    for candidate in levels:
        if candidate == "1d" and has_moved(span.rollups.zones, zone_names):
            continue
        for part in span.rollups.levels.get(candidate, ()):
            found = rest & series_of(files, part)
            if found:
                rest -= found
                steps.append(StoredStep(span.start_us, candidate, part, tuple(sorted(found))))
    return steps


def has_moved(zones: dict[str, str], now: dict[str, str]) -> bool:
    """Whether a site has another zone now; a site that is new has no days yet."""
    return any(now.get(site, zone) != zone for site, zone in zones.items())


def _join(snapshot: Snapshot, left: dict[int, set[int]]) -> list[ComputedStep]:
    """Neighbouring spans with the same series to compute become one stretch."""
    steps: list[ComputedStep] = []
    chunk_us = snapshot.manifest.chunk_us
    before: list[int] = snapshot.span_starts()
    for at, start in enumerate(before):
        if start not in left:
            continue
        series = tuple(sorted(left[start]))
        is_next = bool(steps) and at > 0 and steps[-1].end_us == before[at - 1] + chunk_us
        if is_next and steps[-1].series == series:
            steps[-1] = ComputedStep(steps[-1].start_us, start + chunk_us, series)
        else:
            steps.append(ComputedStep(start, start + chunk_us, series))
    return steps

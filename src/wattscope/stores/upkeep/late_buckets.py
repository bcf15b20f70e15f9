"""Changing the kept buckets of series whose rows are gone: filling holes, dropping levels.

A row that comes late for a removed stretch may be one that was there before: nothing tells any
more. So it counts only where the finest kept level has no bucket yet, and it adds nothing to the
growth of a register, which is complete already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from wattscope.compute.rollups import concat_rollups, roll_up, select_buckets
from wattscope.core.errors import StorageError
from wattscope.core.quantities import QuantityKind
from wattscope.core.reading import Batch, empty_batch
from wattscope.core.time_grid import local_day_edges
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import empty_rollup
from wattscope.stores.manifest import RollupPart, Span, SpanRollups
from wattscope.stores.rollup_files import read_rollup, series_of, write_rollup
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS
from wattscope.stores.upkeep.bucket_check import compare, merge_to_level
from wattscope.stores.workbench import Workbench

Scales = dict[int, int | None]
Change = Callable[[str, Rollup], Rollup]
"""Gives the buckets of a level from those that are kept."""


def drop_series(
    bench: Workbench, span: Span, expired: dict[str, set[int]], version: int
) -> SpanRollups:
    """The rollups of a span without some series of some levels."""

    def change(level: str, kept: Rollup) -> Rollup:
        gone = np.array(sorted(expired.get(level, ())), np.int64)
        return select_buckets(kept, ~np.isin(kept.series_id, gone))

    return _rewrite(bench, span, set(expired), change, version)


def add_late_rows(bench: Workbench, span: Span, rows: Batch, version: int) -> SpanRollups:
    """The rollups of a span with late rows where no bucket was.

    Args:
        bench: Tools of the folder.
        span: Its rows of these series are gone.
        rows: By series, then time.
        version: For the names of new files.
    """
    finest = _finest_levels(bench, span)
    new = [empty_rollup()]
    for level in LEVELS:
        own = [one for one in np.unique(rows.series_id).tolist() if finest.get(one) == level]
        if own:
            chosen = rows.take(np.isin(rows.series_id, own))
            new.append(_find_new(bench, span, chosen, level))
    added = concat_rollups(new)
    if not len(added.series_id):
        return _rollups_of(span)

    def change(level: str, kept: Rollup) -> Rollup:
        there = np.unique(kept.series_id)
        own = select_buckets(added, np.isin(added.series_id, there))
        touched = np.isin(kept.series_id, own.series_id)
        timed = _to_time(bench, select_buckets(kept, touched), level)
        both = merge_to_level(bench, concat_rollups([timed, own]), level)
        return concat_rollups([select_buckets(kept, ~touched), both])

    return _rewrite(bench, span, set(_rollups_of(span).levels), change, version)


def _rollups_of(span: Span) -> SpanRollups:
    if span.rollups is None:
        raise StorageError("a span without rollups cannot have removed rows")
    return span.rollups


def _finest_levels(bench: Workbench, span: Span) -> dict[int, str]:
    """The finest kept level of each series."""
    finest: dict[int, str] = {}
    for level in LEVELS:
        for part in _rollups_of(span).levels.get(level, ()):
            for one in series_of(bench.files, part):
                finest.setdefault(one, level)
    return finest


def _find_new(bench: Workbench, span: Span, rows: Batch, level: str) -> Rollup:
    """Buckets of a level that rows make and that are not kept; ``coverage`` is time [µs]."""
    size = min(LEVEL_US[level], LEVEL_US["15m"])
    rules = bench.catalogue.rules
    fine = roll_up(rows, empty_batch(), rules, size)
    fine = select_buckets(fine, fine.count > 0)
    is_register = np.array(
        [rules[one].kind is QuantityKind.COUNTER for one in fine.series_id.tolist()], np.bool_
    )
    fine = replace(
        fine,
        coverage=fine.coverage * size,
        increase=np.where(is_register, np.nan, fine.increase),
        energy_wh=np.where(is_register, np.nan, fine.energy_wh),
    )
    made = _to_time(bench, merge_to_level(bench, fine, level), level)
    kept, _ = _read_level(bench, span, level)
    known = set(zip(kept.series_id.tolist(), kept.bucket_start_us.tolist(), strict=True))
    is_new = [
        key not in known
        for key in zip(made.series_id.tolist(), made.bucket_start_us.tolist(), strict=True)
    ]
    return select_buckets(made, np.array(is_new, np.bool_))


def _to_time(bench: Workbench, buckets: Rollup, level: str) -> Rollup:
    """Buckets with covered time [µs] instead of shares."""
    if level != "1d":
        return replace(buckets, coverage=buckets.coverage * LEVEL_US[level])
    lengths = np.zeros(len(buckets.series_id))
    for zone, members in bench.catalogue.by_zone(np.unique(buckets.series_id).tolist()).items():
        rows = np.isin(buckets.series_id, sorted(members))
        starts = buckets.bucket_start_us[rows]
        edges = local_day_edges(int(starts.min()), int(starts.max()) + 1, zone)
        at = np.searchsorted(edges, starts, side="right") - 1
        lengths[rows] = edges[at + 1] - edges[at]
    return replace(buckets, coverage=buckets.coverage * lengths)


def _read_level(bench: Workbench, span: Span, level: str) -> tuple[Rollup, Scales]:
    buckets = [empty_rollup()]
    scales: Scales = {}
    for part in _rollups_of(span).levels.get(level, ()):
        buckets.append(read_rollup(bench.files, part, None))
        scales |= dict.fromkeys(np.unique(buckets[-1].series_id).tolist(), part.scale)
    return concat_rollups(buckets), scales


def _rewrite(
    bench: Workbench, span: Span, levels: set[str], change: Change, version: int
) -> SpanRollups:
    """New files for some levels, read again before they count.

    Raises:
        StorageError: The disk gives back other buckets than were written.
    """
    old = _rollups_of(span)
    changed: dict[str, tuple[RollupPart, ...]] = dict(old.levels)
    for level in sorted(levels):
        kept, scales = _read_level(bench, span, level)
        buckets = change(level, kept)
        order = np.lexsort((buckets.bucket_start_us, buckets.series_id))
        path = bench.folder / f"rollup-{level}-{span.start_us // 1_000_000}-{version}t.parquet"
        # A float holds any value: late rows may have more decimals than those that were there.
        exact = _widen(scales, buckets)
        parts = write_rollup(path, select_buckets(buckets, order), exact, span.start_us)
        again = concat_rollups(
            [empty_rollup(), *(read_rollup(bench.files, part, None) for part in parts)]
        )
        if compare(again, buckets):
            raise StorageError(f"{path.name}: the disk gives back other buckets than were written")
        changed[level] = parts
        if not parts:
            del changed[level]
    return msgspec.structs.replace(old, levels=changed)


def _widen(scales: Scales, buckets: Rollup) -> Scales:
    """The decimals of each series, or floats where they do not hold its values exactly."""
    wide: Scales = dict(scales)
    for one in np.unique(buckets.series_id).tolist():
        scale = scales.get(one)
        if scale is None:
            continue
        own = buckets.series_id == one
        values = np.r_[buckets.min[own], buckets.max[own], buckets.first[own], buckets.last[own]]
        values = values[~np.isnan(values)]
        if (np.rint(values * 10.0**scale) / 10.0**scale != values).any():
            wide[one] = None
    return wide

"""Saves what is left of the buckets of a span whose rows retention removed.

A damaged level follows exactly from a finer one that is sound. Where there is none, the sound pages
of the file stay, and the others are noted as lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from wattscope.compute.rollups import concat_rollups, select_buckets
from wattscope.core.errors import StorageError
from wattscope.ports import Rollup
from wattscope.stores.bucket_edges import empty_rollup
from wattscope.stores.manifest import Loss, RollupPart, Span, SpanRollups
from wattscope.stores.rollup_files import read_rollup, series_of, write_rollup
from wattscope.stores.rollup_plan import LEVEL_US, LEVELS
from wattscope.stores.upkeep.bucket_check import merge_to_level
from wattscope.stores.workbench import Workbench

Scales = dict[int, int | None]


def mend_rollups(
    bench: Workbench, span: Span, damaged: Sequence[RollupPart], version: int, *, is_dry_run: bool
) -> tuple[SpanRollups, list[Loss]]:
    """The rollups of a span without its damaged files, and what was lost with them.

    All series that have rows are outdated afterwards, and so rolled up anew.

    Args:
        bench: Tools of the folder.
        span: Has rollups and retired series.
        damaged: Its files that are not sound.
        version: For the names of new files.
        is_dry_run: Write nothing.
    """
    rollups = span.rollups
    if rollups is None:
        raise StorageError("a span without rollups cannot have retired series")
    levels: dict[str, tuple[RollupPart, ...]] = {}
    lost: list[Loss] = []
    finer: tuple[Rollup, Scales] | None = None
    for level in LEVELS:
        parts = rollups.levels.get(level, ())
        bad = [part for part in parts if part in damaged]
        if parts and not bad:
            levels[level] = parts
            finer = _read_retired(bench, span, level)
        elif bad:
            buckets, scales = _mend_level(bench, span, level, finer)
            lost += [] if finer is not None else _note_losses(bench, bad)
            stem = f"rollup-{level}-{span.start_us // 1_000_000}-{version}"
            path = bench.folder / f"{stem}.parquet"
            if not is_dry_run:
                levels[level] = write_rollup(path, buckets, scales, span.start_us)
    outdated = tuple(sorted(_series_with_rows(bench, span) - set(span.retired)))
    return msgspec.structs.replace(rollups, levels=levels, outdated=outdated), lost


def _mend_level(
    bench: Workbench, span: Span, level: str, finer: tuple[Rollup, Scales] | None
) -> tuple[Rollup, Scales]:
    """Buckets of retired series: from a finer level where that has them, else the sound ones."""
    buckets, scales = _read_retired(bench, span, level)
    if level != "1d":
        buckets = replace(buckets, coverage=buckets.coverage / LEVEL_US[level])
    if finer is not None:
        fine, fine_scales = finer
        is_other = ~np.isin(buckets.series_id, fine.series_id)
        made = merge_to_level(bench, fine, level)
        buckets = concat_rollups([select_buckets(buckets, is_other), made])
        scales |= fine_scales
    order = np.lexsort((buckets.bucket_start_us, buckets.series_id))
    return select_buckets(buckets, order), scales


def _read_retired(bench: Workbench, span: Span, level: str) -> tuple[Rollup, Scales]:
    """Sound buckets of retired series, with covered time [µs] but for days, and their decimals."""
    buckets: list[Rollup] = [empty_rollup()]
    scales: Scales = {}
    parts = () if span.rollups is None else span.rollups.levels.get(level, ())
    for part in parts:
        try:
            found = read_rollup(bench.files, part, None)
        except StorageError:
            continue
        found = select_buckets(found, np.isin(found.series_id, span.retired))
        buckets.append(found)
        scales |= dict.fromkeys(np.unique(found.series_id).tolist(), part.scale)
    both = concat_rollups(buckets)
    if level != "1d":
        both = replace(both, coverage=both.coverage * LEVEL_US[level])
    return both, scales


def _note_losses(bench: Workbench, damaged: Sequence[RollupPart]) -> list[Loss]:
    losses = []
    for part in damaged:
        try:
            n_sound = len(read_rollup(bench.files, part, None).series_id)
        except StorageError:
            n_sound = 0
        if n_sound < part.note.rows:
            series = tuple(sorted(series_of(bench.files, part)))
            n_lost = part.note.rows - n_sound
            losses.append(
                Loss(part.note.file, n_lost, series, part.min_bucket_us, part.max_bucket_us)
            )
    return losses


def _series_with_rows(bench: Workbench, span: Span) -> set[int]:
    found: set[int] = set()
    for part in span.parts:
        found |= set(np.unique(bench.files.read_part(part, None).series_id).tolist())
    return found

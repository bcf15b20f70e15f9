"""A consistent copy of a data folder at a stated log offset, while a program writes to it.

::

    manifest M ─▶ the files that M names ─▶ log from M's covered offset on ─▶ registry ─▶ proof

In this order each part may be newer than the one before, never older: records that M covers are in
its files, all later ones are in the log, and every series that either names is in the registry.
What moved meanwhile (files merged, segments dropped, a rule of a device changed) is noticed, and
the round is made again; files that are copied already are kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wattscope import __version__
from wattscope.assembly.storage import now_us, open_storage
from wattscope.core.errors import SettingsError, StorageError, StorageFullError
from wattscope.core.time_grid import US_PER_S, format_utc
from wattscope.logs.log_copy import CopiedLog, copy_log
from wattscope.pipeline.persist import KEPT_RECORDS
from wattscope.registry.online_copy import copy_book, copy_registry, read_rules
from wattscope.settings import CHUNK_INTERVALS, Settings
from wattscope.stores.folder import DataFolder
from wattscope.stores.manifest import Manifest, publish_file
from wattscope.stores.upkeep.aside import build_folder, demand_free
from wattscope.stores.upkeep.backup import (
    ASIDE,
    FORMAT,
    NOTE_NAME,
    BackupNote,
    FileSum,
    SeriesSum,
    encode_note,
    explain_disk,
    sum_file,
)
from wattscope.stores.upkeep.chunk_copy import ChunkCopy
from wattscope.stores.upkeep.row_sums import sum_rows

MAX_ROUNDS = 50
_SPARE_BYTES = 1 << 20

Watch = Callable[[str, int, int], None]
"""Is told what is done now, how much of it is done, and how much there is."""


def make_backup(settings: Settings, data: Path, target: Path, watch: Watch) -> BackupNote:
    """Copy a data folder; a program may be writing to it.

    Args:
        settings: Those of the data folder.
        data: The data folder.
        target: Missing or empty; the backup appears there when it is whole and proved.
        watch: Told of progress [bytes, then rows].

    Raises:
        SettingsError: There is no data.
        StorageError: The target is taken, or the data folder is damaged.
        StorageFullError: There is no room.
    """
    folder = DataFolder(data)
    if not folder.registry.exists():
        raise SettingsError([f"there is no data in {data}"])
    demand_free(target)
    with explaining(f"backup {target}"):
        aside = target.with_name(target.name + ASIDE)
        with build_folder(target, aside):
            note = _fill(settings, folder, DataFolder(aside), watch)
            path = aside / NOTE_NAME
            fresh = path.with_suffix(".new")
            fresh.write_bytes(encode_note(note))
            publish_file(fresh, path)
    return note


@contextmanager
def explaining(doing: str) -> Iterator[None]:
    """Turn errors of the disk into words."""
    try:
        yield
    except OSError as fault:
        raise explain_disk(fault, doing) from fault


def _fill(settings: Settings, data: DataFolder, aside: DataFolder, watch: Watch) -> BackupNote:
    made_at = format_utc(now_us() // US_PER_S * US_PER_S)
    manifest, log, sums = _copy_parts(settings, data, aside, watch)
    series = prove_folder(settings, aside.path, watch)
    return BackupNote(
        format=FORMAT,
        program=__version__,
        made_at=made_at,
        log_offset=log.end_offset,
        covered_offset=manifest.covered_offset,
        manifest_version=manifest.version,
        lost_records=log.n_lost,
        rows=sum(one.rows for one in series),
        files=tuple(sums.get(path) or sum_file(aside.path, path) for path in _list_files(aside)),
        series=series,
    )


def _copy_parts(
    settings: Settings, data: DataFolder, aside: DataFolder, watch: Watch
) -> tuple[Manifest, CopiedLog, dict[str, FileSum]]:
    """The three parts, each not older than the one before."""
    done = 0

    def count(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        watch("copying", done, max(done, total))

    chunk_us = CHUNK_INTERVALS[settings.storage.chunk]
    chunks = ChunkCopy(data.chunks, aside.chunks, chunk_us, count)
    total = (
        chunks.count_bytes()
        + _size_of(data.log.glob("*.log"))
        + _size_of([data.registry, data.meters])
    )
    demand_room(aside.path, total)
    for _ in range(MAX_ROUNDS):
        rules = read_rules(data.registry)
        manifest = chunks.take()
        log = _copy_log(data, aside, manifest, count)
        if log.n_lost and chunks.read_manifest().version > manifest.version:
            # They were not lost but dropped: newer files hold them.
            continue
        aside.registry.unlink(missing_ok=True)
        copy_registry(data.registry, aside.registry)
        if read_rules(aside.registry) == rules:
            if data.meters.exists():
                aside.meters.unlink(missing_ok=True)
                copy_book(data.meters, aside.meters)
            count(_size_of([aside.registry, aside.meters]))
            return manifest, log, chunks.sums
    raise StorageError(f"data folder {data.path} changes too fast to be copied; try again")


def _copy_log(
    data: DataFolder, aside: DataFolder, manifest: Manifest, count: Callable[[int], None]
) -> CopiedLog:
    for path in aside.log.iterdir():
        path.unlink()
    covered = manifest.covered_offset
    # The records before know the messages that may still be sent again.
    wanted = max(0, covered - KEPT_RECORDS)
    return copy_log(
        data.log, aside.log, wanted_offset=wanted, needed_offset=covered, on_bytes=count
    )


def prove_folder(settings: Settings, folder: Path, watch: Watch) -> tuple[SeriesSum, ...]:
    """Open a finished copy as the program does, and sum up its rows.

    Raises:
        StorageError: It cannot be read whole.
    """
    with open_storage(settings, folder, is_read_only=True) as storage:
        series = sum_rows(
            storage.store,
            storage.registry.list_series(),
            lambda done, total: watch("proving", done, total),
        )
        damages = storage.store.damages
    # What questions spill to the disk belongs in no backup.
    shutil.rmtree(folder / "chunks" / "spill", ignore_errors=True)
    if damages:
        raise StorageError(f"{folder / 'chunks' / damages[0].file}: {damages[0].detail}")
    return series


def demand_room(folder: Path, n_bytes: int) -> None:
    """Refuse to begin what will not fit.

    Raises:
        StorageFullError: There is too little room.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes + _SPARE_BYTES:
        raise StorageFullError(
            f"{folder.parent} has {free / 1e6:.0f} MB free, {n_bytes / 1e6:.0f} MB are needed; "
            "free some, or choose another disk"
        )


def _list_files(aside: DataFolder) -> list[str]:
    """All files of a backup but its note."""
    found = [aside.registry, *aside.log.iterdir(), *aside.chunks.iterdir()]
    found += [aside.meters] if aside.meters.exists() else []
    return sorted(path.relative_to(aside.path).as_posix() for path in found)


def _size_of(paths: Iterator[Path] | list[Path]) -> int:
    """Bytes of the files that are there; a segment may be dropped while they are counted."""
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total

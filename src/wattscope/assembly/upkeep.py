"""Looking after a data folder: verify and repair it, scrub it, keep to its retention."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch
from wattscope.core.topology import Device, Series, Site
from wattscope.logs.segment_reader import Damage, DamageKind, first_offset_of, read_segments
from wattscope.registry.database import Database
from wattscope.registry.model_shelf import ModelShelf
from wattscope.registry.sql_registry import SqlRegistry
from wattscope.settings import CHUNK_INTERVALS, Settings
from wattscope.stores.catalogue import SeriesNames
from wattscope.stores.folder import DataFolder
from wattscope.stores.manifest import load_manifest
from wattscope.stores.upkeep.repair import Deed, RepairOptions, repair_store
from wattscope.stores.upkeep.verify import Finding, Severity, verify_store

_MAX_REGISTRY_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a look at a folder has come."""

    part: str
    done: int
    total: int


# ── verify ───────────────────────────────────────────────────────────────────────────────────


def verify_folder(
    data: Path, *, is_full: bool = False, on_progress: Callable[[Progress], None]
) -> Iterator[Finding]:
    """Everything that is wrong with a data folder; changes nothing, also beside a program."""
    folder = DataFolder(data)
    on_progress(Progress("registry", 0, 1))
    faults = list(_check_registry(folder.registry))
    yield from faults
    yield from _check_log(folder, on_progress)
    with _open_names(folder) as names:
        yield from verify_store(
            folder.chunks,
            names,
            is_full=is_full,
            on_progress=lambda done, total: on_progress(Progress("chunks", done, total)),
        )
    for refused in ModelShelf(data).read_all()[1]:
        yield Finding(Severity.DAMAGE, refused.reason, refused.file, 0, refused.advice)


def _check_registry(path: Path) -> Iterator[Finding]:
    advice = "the next start makes it anew from registry.names; if that fails, restore a backup"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            answer = connection.execute(f"PRAGMA integrity_check({_MAX_REGISTRY_FAULTS})")
            lines = [line for (line,) in answer.fetchall() if line != "ok"]
        finally:
            connection.close()
    except sqlite3.Error as fault:
        lines = [f"cannot be read ({fault})"]
    lines += _list_name_damages(path)
    for line in lines:
        yield Finding(Severity.DAMAGE, line, path.name, 0, advice)


def _list_name_damages(path: Path) -> list[str]:
    """What does not fit between the registry and the copy of its names."""
    if not path.exists():
        return []
    try:
        database = Database(path, is_read_only=True)
    except StorageError as fault:
        return [str(fault)]
    try:
        return list(database.damages)
    finally:
        database.close()


def _check_log(folder: DataFolder, on_progress: Callable[[Progress], None]) -> Iterator[Finding]:
    covered = _covered_offset(folder)
    paths = sorted(folder.log.glob("*.log"))
    for found in _read_log(paths, lambda done: on_progress(Progress("log", done, len(paths)))):
        yield from _word_damage(found, covered)


def _read_log(paths: list[Path], on_progress: Callable[[int], None]) -> Iterator[Damage]:
    """Damage of all segments; progress by the offsets of their first records."""
    firsts = [first_offset_of(path) for path in paths]
    done = 0
    for found in read_segments(paths):
        if isinstance(found, Damage):
            yield found
        elif done < len(firsts) and found.offset >= firsts[done]:
            done += 1
            on_progress(done)


def _word_damage(damage: Damage, covered: int) -> Iterator[Finding]:
    end = damage.first_missing + damage.n_missing
    n_lost = max(0, end - max(damage.first_missing, covered))
    where = f"log/{damage.segment} byte {damage.position}"
    if damage.kind is DamageKind.TORN:
        what = "the end of a write that is under way or was cut short; it was never acknowledged"
        yield Finding(Severity.NOTE, what, where, 0, "nothing to do")
    elif damage.kind is DamageKind.ABSENT and not n_lost:
        return
    elif not n_lost:
        what = "is damaged; the store holds what was there"
        yield Finding(Severity.DAMAGE, what, where, 0, "nothing is lost; look after the disk")
    else:
        what = f"is damaged: records {damage.first_missing} to {end - 1}"
        advice = "the disk or another program changed the file; restore it from a backup"
        yield Finding(Severity.DAMAGE, what, where, n_lost, advice)


def _covered_offset(folder: DataFolder) -> int:
    try:
        return load_manifest(folder.chunks, 0)[0].covered_offset
    except StorageError:
        return 0


class _NoNames:
    """A registry that cannot be read: the files are looked at all the same."""

    def list_sites(self) -> list[Site]:
        return []

    def list_devices(self) -> list[Device]:
        return []

    def list_series(self) -> list[Series]:
        return []

    def count_series(self) -> int:
        return 0


@contextmanager
def _open_names(folder: DataFolder) -> Iterator[SeriesNames]:
    try:
        database = Database(folder.registry, is_read_only=True)
    except StorageError:
        yield _NoNames()
        return
    try:
        yield SqlRegistry(database)
    finally:
        database.close()


# ── repair ───────────────────────────────────────────────────────────────────────────────────


def repair_folder(
    settings: Settings,
    data: Path,
    *,
    backup: Path | None = None,
    is_full: bool = False,
    is_dry_run: bool = False,
) -> Iterator[Deed]:
    """Mend the store of a data folder that no program uses now.

    Raises:
        StorageError: A program uses the folder, or nothing is left to mend from.
    """
    folder = DataFolder(data)
    likeliest = CHUNK_INTERVALS[settings.storage.chunk]
    options = RepairOptions(
        read_log=lambda: _read_records(folder),
        chunk_choices=(likeliest, *sorted(set(CHUNK_INTERVALS.values()) - {likeliest})),
        backup=backup,
        is_full=is_full,
        is_dry_run=is_dry_run,
    )
    with folder:
        database = Database(folder.registry, is_read_only=is_dry_run)
        try:
            yield from repair_store(folder.chunks, SqlRegistry(database), options)
        finally:
            database.close()


def _read_records(folder: DataFolder) -> Iterable[tuple[int, Batch]]:
    for found in read_segments(sorted(folder.log.glob("*.log"))):
        if not isinstance(found, Damage):
            yield found.offset, found.batch

"""A data folder out of a backup, put in place only when it is proved to hold the same rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from wattscope.assembly.backup import Watch, demand_room, explaining, prove_folder
from wattscope.core.errors import StorageError
from wattscope.registry.online_copy import bring_up_to_date
from wattscope.settings import Settings
from wattscope.stores.upkeep.aside import build_folder, demand_free, sync_tree
from wattscope.stores.upkeep.backup import REGISTRY_NAME, BackupNote, copy_noted, read_note
from wattscope.stores.upkeep.row_sums import find_difference

_ASIDE = ".restoring"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored and proved."""

    note: BackupNote
    copy_s: float
    """Time for reading, checking and writing the files durably [s]."""
    prove_s: float
    """Time for opening the folder and summing up its rows [s]."""


def restore_backup(
    settings: Settings, backup: Path, data: Path, watch: Watch, *, is_kept: bool = True
) -> Restored:
    """Restore a backup aside, prove it, and put it in place.

    Args:
        settings: Those of the data folder.
        backup: What ``make_backup`` made.
        data: The folder to make, missing or empty.
        watch: Told of progress [bytes, then rows].
        is_kept: False: prove only; the restored folder is removed again.

    Raises:
        StorageError: The backup is damaged, unfinished, of a newer program or none at all, or the
            target is taken, or the restored folder does not hold what the backup says.
        StorageFullError: There is no room.
    """
    note = read_note(backup)
    if is_kept:
        demand_free(data)
    with (
        explaining(f"restore to {data}"),
        build_folder(data, data.with_name(data.name + _ASIDE), is_kept=is_kept) as aside,
    ):
        demand_room(aside, note.size_bytes)
        began = time.monotonic()
        _copy_files(backup, note, aside, watch)
        sync_tree(aside)
        copied = time.monotonic()
        bring_up_to_date(aside / REGISTRY_NAME)
        difference = find_difference(note.series, prove_folder(settings, aside, watch))
        if difference is not None:
            raise StorageError(
                f"backup {backup} does not hold what it says ({difference}); take another backup"
            )
        proved = time.monotonic()
    return Restored(note, copied - began, proved - copied)


def _copy_files(backup: Path, note: BackupNote, aside: Path, watch: Watch) -> None:
    done = 0

    def count(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        watch("restoring", done, note.size_bytes)

    for file in note.files:
        copy_noted(backup, file, aside, count)

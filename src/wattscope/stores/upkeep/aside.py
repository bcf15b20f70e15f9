"""A folder that is made aside and appears under its name only when it is whole.

A process that is killed leaves the folder aside, which nobody takes for the whole one; the next
attempt removes it, unless somebody else is at work there or it holds what we did not make.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wattscope.core.errors import StorageError
from wattscope.stores.folder import DataFolder
from wattscope.stores.upkeep.backup import CHUNKS_NAME, LOG_NAME, NOTE_NAME

_REGISTRY = "registry."
"""So begin its database and what may lie beside that."""
_OURS = {CHUNKS_NAME, LOG_NAME, NOTE_NAME, "lock"}


def demand_free(target: Path) -> None:
    """Refuse a name that is taken; an empty folder may be put in place.

    Raises:
        StorageError: There is something.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise StorageError(f"{target} exists and is no folder; choose another name")
    if target.is_dir() and any(target.iterdir()):
        raise StorageError(f"{target} exists and is not empty; choose another name")


@contextmanager
def build_folder(target: Path, aside: Path, *, is_kept: bool = True) -> Iterator[Path]:
    """Make ``aside`` in the block; afterwards it is synced and gets the name ``target``.

    Args:
        target: Missing or empty.
        aside: Beside it; removed again when the block fails.
        is_kept: False: removed in any case.

    Raises:
        StorageError: ``aside`` is in use, or not ours.
    """
    _clear(aside)
    aside.mkdir(parents=True, mode=0o750)
    lock = DataFolder(aside)
    try:
        with lock:
            for name in (CHUNKS_NAME, LOG_NAME):
                (aside / name).mkdir(mode=0o750)
            yield aside
            if is_kept:
                _put_in_place(aside, target)
    finally:
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _clear(aside: Path) -> None:
    """Remove what a killed process left."""
    if not aside.exists():
        return
    found = {path.name for path in aside.iterdir()} if aside.is_dir() else {aside.name}
    if any(name not in _OURS and not name.startswith(_REGISTRY) for name in found):
        raise StorageError(f"{aside} is in the way and was not made by wattscope; move it")
    with DataFolder(aside):
        shutil.rmtree(aside)


def _put_in_place(aside: Path, target: Path) -> None:
    (aside / "lock").unlink()
    sync_tree(aside)
    # A folder takes the name of an empty one; of another it would not.
    aside.rename(target)
    _sync(target.absolute().parent)


def sync_tree(folder: Path) -> None:
    """Make everything below a folder durable."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

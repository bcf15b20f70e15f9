"""What a subject keeps on disk, and how to make it forget what it keeps in memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def count_folder_bytes(folder: Path, *, without: tuple[str, ...] = ()) -> int:
    """Room that all files below a folder take [bytes].

    A file with several names counts once; one with holes only as far as it is filled.

    Args:
        folder: Files may come and go meanwhile.
        without: Names of folders directly below it that do not count.
    """
    os.sync()
    lengths: dict[int, int] = {}
    for path in folder.rglob("*"):
        if path.relative_to(folder).parts[0] in without:
            continue
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file():
                # stat(2): blocks of 512 bytes; the last one of a file may be half empty.
                lengths[status.st_ino] = min(status.st_size, 512 * status.st_blocks)
    return sum(lengths.values())


def evict(folder: Path) -> None:
    """Ask the kernel to drop the folder's files from its cache, so that reading means the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)

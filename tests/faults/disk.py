"""A disk that loses its power: what of a journal is there afterwards.

What was synced is there. Of every file's later writes, a random part: none, all, the first few or
any of them, each broken into sectors that may be missing, torn, or, where the file had grown,
zero. Of every folder's later changes of names none, all, the first few, or any of them in order,
until that folder was synced. A folder that was made stays made, unless ``Disk`` is told otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tests.faults.journal import Change, What

SECTOR_BYTES = 512
KeptT = TypeVar("KeptT")


@dataclass
class File:
    """One inode: what is safe, what the process sees, and the changes between them."""

    safe: bytes = b""
    seen: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def take(self, change: Change) -> None:
        _apply(self.seen, change.at, change.content, is_resize=change.what is What.TRUNCATE)
        self.pending.append(change)

    def sync(self) -> None:
        if self.pending:
            self.safe = bytes(self.seen)
            self.pending.clear()


Names = dict[str, File]
"""File by path."""


class Disk:
    """Takes the changes of a journal, and can be cut off from power at any time."""

    def __init__(self, found: Path | None = None, *, are_folders_kept: bool = True) -> None:
        """Begin with an empty disk, or with the files of a folder.

        Args:
            found: Its files are safe; the journal's inodes are theirs.
            are_folders_kept: ext4, XFS and Btrfs write a new folder's own entry with the first
                file in it that is synced; the POSIX standard promises that only once the folder
                above it was synced.
        """
        self._are_folders_kept = are_folders_kept
        self._files: dict[int, File] = {}
        """By inode; the inode of a removed file is given again."""
        self._seen: Names = {}
        self._safe: Names = {}
        self._pending: dict[str, list[tuple[Change, File]]] = {}
        if found is not None:
            self._take_over(found)

    def _take_over(self, found: Path) -> None:
        for path in sorted(found.rglob("*")):
            name = str(path.relative_to(found)) + "/" * path.is_dir()
            content = b"" if path.is_dir() else path.read_bytes()
            file = File(content, bytearray(content))
            self._files[path.stat().st_ino] = self._seen[name] = self._safe[name] = file

    def take(self, change: Change) -> None:
        """Do the next change."""
        match change.what:
            case What.WRITE | What.TRUNCATE:
                self._files[change.inode].take(change)
            case What.SYNC:
                self._files[change.inode].sync()
            case What.SYNC_FOLDER:
                for pending, file in self._pending.pop(change.path, []):
                    _change_names(self._safe, pending, file)
            case What.MAKE_FOLDER | What.REMOVE_FOLDER:
                self._change_folder(change)
            case What.MAP:
                # SQLite's index of its log is made anew at every start.
                assert change.path.endswith("-shm"), f"{change.path} is written by mmap, unseen"
            case _:
                self._rename(change)

    def _rename(self, change: Change) -> None:
        if change.what is What.CREATE:
            file = self._files[change.inode] = File()
        else:
            file = self._seen[change.path]
        _change_names(self._seen, change, file)
        folder = str(PurePosixPath(change.target).parent)
        self._pending.setdefault(folder, []).append((change, file))

    def _change_folder(self, change: Change) -> None:
        what = What.CREATE if change.what is What.MAKE_FOLDER else What.UNLINK
        made = change._replace(what=what, path=f"{change.path}/")
        _change_names(self._seen, made, File())
        if self._are_folders_kept:
            _change_names(self._safe, made, File())
        else:
            folder = str(PurePosixPath(change.path).parent)
            self._pending.setdefault(folder, []).append((made, File()))

    def tree(self) -> dict[str, bytes]:
        """Every file as the process sees it; folders end with a slash."""
        return {path: bytes(file.seen) for path, file in self._seen.items()}

    def cut_power(self, draw: random.Random) -> dict[str, bytes]:
        """Every file as it may be found afterwards; folders end with a slash."""
        names = dict(self._safe)
        for folder in sorted(self._pending):
            for change, file in _draw_survivors(self._pending[folder], draw):
                _change_names(names, change, file)
        return {
            path: _draw_content(file, draw)
            for path, file in names.items()
            if all(f"{above}/" in names for above in PurePosixPath(path).parents[:-1])
        }


def write_tree(tree: dict[str, bytes], to: Path) -> None:
    """Put files and folders into a folder."""
    to.mkdir()
    for path in sorted(tree):
        if path.endswith("/"):
            (to / path).mkdir()
        else:
            (to / path).write_bytes(tree[path])


def _change_names(names: Names, change: Change, file: File) -> None:
    if change.what is What.UNLINK:
        names.pop(change.path, None)
        return
    if change.what is What.RENAME and names.get(change.path) is file:
        del names[change.path]
    names[change.target] = file


def _apply(content: bytearray, at: int, new: bytes, *, is_resize: bool) -> None:
    if is_resize:
        del content[at:]
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(new)] = new


def _draw_survivors(pending: Sequence[KeptT], draw: random.Random) -> Sequence[KeptT]:
    """None, all, the first few, or any, in order."""
    mode = draw.randrange(4)
    if mode == 0:
        return ()
    if mode == 1:
        return pending
    if mode == 2:
        return pending[: draw.randrange(len(pending) + 1)]
    odds = draw.random()
    return [one for one in pending if draw.random() < odds]


def _draw_content(file: File, draw: random.Random) -> bytes:
    if not file.pending:
        return file.safe
    content = bytearray(file.safe)
    mode = draw.randrange(4)
    for change in _draw_survivors(file.pending, draw):
        if change.what is What.TRUNCATE or mode != 3:
            _apply(content, change.at, change.content, is_resize=change.what is What.TRUNCATE)
        else:
            _write_sectors(content, change, draw, len(file.safe))
    if draw.random() < 0.25 and len(content) < len(file.seen):
        # The size reached the disk, the bytes did not.
        content.extend(bytes(len(file.seen) - len(content)))
    return bytes(content)


def _write_sectors(
    content: bytearray, change: Change, draw: random.Random, safe_bytes: int
) -> None:
    """Write some sectors of a change, some of them in part or as zeros.

    Bytes beside the change keep what they were: disks do not damage what was not written.
    """
    odds = draw.random()
    at, end = change.at, change.at + len(change.content)
    while at < end:
        following = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        piece = change.content[at - change.at : following - change.at]
        chance = draw.random()
        if chance < odds:
            if draw.random() < 0.1:
                piece = piece[: draw.randrange(len(piece) + 1)]
            elif at >= safe_bytes and draw.random() < 0.1:
                piece = bytes(len(piece))
            _apply(content, at, piece, is_resize=False)
        at = following

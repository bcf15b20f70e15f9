"""Reading what ``watch_files.c`` wrote down, and doing it again."""

from __future__ import annotations

import fnmatch
import struct
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("=4sc3xQqIIII")
_MAGIC = b"WFJ1"


class What(Enum):
    """A kind of change."""

    CREATE = b"C"
    TRUNCATE = b"T"
    WRITE = b"W"
    SYNC = b"S"
    SYNC_FOLDER = b"D"
    RENAME = b"R"
    UNLINK = b"U"
    MAKE_FOLDER = b"M"
    REMOVE_FOLDER = b"X"
    LINK = b"L"
    MAP = b"P"


KINDS = {
    "create": What.CREATE,
    "write": What.WRITE,
    "truncate": What.TRUNCATE,
    "fsync": What.SYNC,
    "fsyncdir": What.SYNC_FOLDER,
    "rename": What.RENAME,
    "unlink": What.UNLINK,
    "mkdir": What.MAKE_FOLDER,
}
"""Kinds as rules name them."""


class Change(NamedTuple):
    """One entry."""

    what: What
    inode: int
    """0 for changes of names."""
    at: int
    """Position of written bytes, or the new size."""
    path: str
    other: str
    """The new name of a rename or a link."""
    content: bytes

    @property
    def target(self) -> str:
        """The path that rules are compared with."""
        return self.other or self.path


def read_journal(path: Path) -> Iterator[Change]:
    """All entries in order."""
    content = path.read_bytes()
    at = 0
    while at < len(content):
        magic, what, inode, position, *lengths, _ = _HEAD.unpack_from(content, at)
        assert magic == _MAGIC, at
        at += _HEAD.size
        parts = []
        for length in lengths:
            parts.append(content[at : at + length])
            at += length
        yield Change(What(what), inode, position, parts[0].decode(), parts[1].decode(), parts[2])


def count_matches(changes: Iterable[Change], kind: str, pattern: str) -> int:
    """How often a rule of this kind and pattern would have met a call."""
    return sum(
        (kind == "any" or one.what is KINDS[kind]) and fnmatch.fnmatchcase(one.target, pattern)
        for one in changes
        if one.what is not What.MAP
    )

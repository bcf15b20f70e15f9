"""Rows of the quarantine with their checksums: made, checked when read, and saved from damage.

A row's checksum covers every column but the instant of its replay, which has one of its own: that
is noted later, and would otherwise cost reading the payload again. Texts are read as bytes, for a
flipped bit may leave no text at all.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from wattscope.ports import Quarantined

COLUMNS = (
    "id",
    "key",
    "source",
    "topic",
    "payload",
    "received_at_us",
    "code",
    "detail",
    "replayed_at_us",
    "crc",
    "replayed_crc",
)
_BYTES = {"key", "source", "topic", "payload", "code", "detail"}
SELECT = (
    "SELECT "  # noqa: S608  # our own names
    + ", ".join(f"CAST({name} AS BLOB)" if name in _BYTES else name for name in COLUMNS)
    + " FROM quarantine"
)
INSERT = (
    f"INSERT OR IGNORE INTO quarantine ({', '.join(COLUMNS)}) "  # noqa: S608  # our own names
    f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
)

_UNREADABLE = (sqlite3.Error, ValueError, OverflowError)

ShelfRow = dict[str, Any]
"""Values by column."""


def sum_row(row: Mapping[str, Any]) -> int:
    """The checksum of a row."""
    parts = [str(row["id"]).encode(), str(row["received_at_us"]).encode()]
    for name in ("key", "source", "topic", "payload", "code", "detail"):
        value = row[name]
        # A lone surrogate is no text in any file, but nothing here may fail for it.
        parts.append(value.encode(errors="replace") if isinstance(value, str) else bytes(value))
    lengths = ",".join(str(len(part)) for part in parts)
    return zlib.crc32(b"".join([lengths.encode(), *parts]))


def sum_replay(number: int, replayed_at_us: int | None) -> int | None:
    """The checksum of the instant of a replay; None where there was none."""
    return None if replayed_at_us is None else zlib.crc32(f"{number}:{replayed_at_us}".encode())


def read_sound(row: tuple[Any, ...]) -> ShelfRow | None:
    """A row as it was written; None when it is another."""
    found: ShelfRow = dict(zip(COLUMNS, row, strict=True))
    if any(not isinstance(found[name], bytes) for name in _BYTES - {"payload"}):
        return None
    # An empty payload may come back as NULL.
    found["payload"] = found["payload"] or b""
    if not isinstance(found["payload"], bytes) or sum_row(found) != found["crc"]:
        return None
    if sum_replay(found["id"], found["replayed_at_us"]) != found["replayed_crc"]:
        return None
    for name in _BYTES - {"payload"}:
        found[name] = found[name].decode(errors="replace")
    return found


def item_of(row: ShelfRow) -> Quarantined:
    """The item that a row holds."""
    return Quarantined(
        row["source"],
        row["topic"],
        row["payload"],
        row["received_at_us"],
        row["code"],
        row["detail"],
    )


class Salvage:
    """Sound rows out of a database that cannot be trusted, read from both ends to the damage."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.n_damaged = 0
        """Rows that were met and are not what was written."""
        self.is_whole = True
        """Whether every row could be met."""

    def read(self) -> Iterator[ShelfRow]:
        """The sound rows."""
        with contextlib.suppress(*_UNREADABLE):
            # A damaged table definition shall not hide the others.
            self._connection.execute("PRAGMA writable_schema = ON")
        last = None
        for row in self._walk("ASC"):
            last = row[0]
            yield from self._check(row)
        if self.is_whole:
            return
        for row in self._walk("DESC"):
            if row[0] == last:
                return
            yield from self._check(row)

    def _walk(self, order: str) -> Iterator[tuple[Any, ...]]:
        try:
            # The table in its own order: an index may be what is damaged.
            yield from self._connection.execute(f"{SELECT} NOT INDEXED ORDER BY id {order}")
        except _UNREADABLE:
            self.is_whole = False

    def _check(self, row: tuple[Any, ...]) -> Iterator[ShelfRow]:
        sound = read_sound(row)
        if sound is None:
            self.n_damaged += 1
        else:
            yield sound

"""What a database file says of itself: its version, its names, and whether SQLite finds it sound.

An error of SQLite means damage, unless it is one of the disk, the rights or another program.
"""

from __future__ import annotations

import sqlite3
from enum import Enum
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from wattscope.core.errors import StorageError, StorageFullError, TransientError
from wattscope.registry.names import StoredNames, read_mark, read_names
from wattscope.registry.schema import FIRST_MARKED_VERSION, SCHEMA_VERSION

MAX_CHECKED_BYTES = 256_000_000
"""Of a larger file the structure is left to ``wattscope verify``: a start shall not wait for it."""
_PRIMARY = 0xFF
_NO_DAMAGE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_INTERRUPT,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
UNREADABLE = (sqlite3.Error, ValueError, OverflowError)
"""What reading a damaged file may raise; the driver fails to decode its own words about some."""


class Age(Enum):
    """The version of a database beside that of the program."""

    CURRENT = "current"
    OLDER = "older"
    OLDEST = "oldest"
    """Of a version that had neither a mark of its names nor a copy of them."""


def look_into(
    connection: sqlite3.Connection, path: Path, *, is_read_only: bool
) -> StoredNames | str:
    """The names of a database of this version, or what is wrong with it.

    Raises:
        sqlite3.Error: The disk refuses, or another program keeps the file to itself.
    """
    try:
        # One moment, also while another program writes. The header may forbid writing.
        connection.execute("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
        found = StoredNames(read_names(connection), read_mark(connection))
        size = path.stat().st_size
        if size <= MAX_CHECKED_BYTES:
            [(verdict,), *_] = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if verdict != "ok":
                return f"SQLite finds it damaged ({str(verdict).strip()})"
    except UNREADABLE as fault:
        return word_damage(fault)
    finally:
        connection.rollback()
    return found


def read_age(connection: sqlite3.Connection, path: Path) -> Age | str:
    """The version of a database, or what is wrong with it.

    Raises:
        StorageError: It is of a newer version.
        sqlite3.Error: The disk refuses, or another program keeps the file to itself.
    """
    try:
        noted = _read_noted(connection)
        [(second,)] = connection.execute("PRAGMA user_version").fetchall()
    except UNREADABLE as fault:
        return word_damage(fault)
    if noted == second == SCHEMA_VERSION:
        return Age.CURRENT
    if second == 0 and (noted is None or noted in range(1, FIRST_MARKED_VERSION)):
        # Versions 1 and 2 had only one note; a program that died first has left none.
        return Age.OLDEST
    if noted == second and noted in range(FIRST_MARKED_VERSION, SCHEMA_VERSION):
        return Age.OLDER
    if noted == second and isinstance(noted, int) and noted > SCHEMA_VERSION:
        raise StorageError(
            f"registry {path} has version {noted}, this program knows up to "
            f"{SCHEMA_VERSION}; use the newer program"
        )
    return "its version is damaged"


def _read_noted(connection: sqlite3.Connection) -> object:
    is_there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'")
    if not is_there.fetchall():
        return None
    rows = connection.execute("SELECT version FROM schema_version").fetchall()
    return rows[0][0] if rows else None


def word_damage(fault: Exception) -> str:
    """What an error of ``UNREADABLE`` says about the file.

    Raises:
        sqlite3.Error: The disk or another program is at fault, not the file.
    """
    if isinstance(fault, sqlite3.Error) and _code_of(fault) in _NO_DAMAGE:
        raise fault
    return f"it cannot be read ({fault})"


def explain(path: Path, fault: DBAPIError | sqlite3.Error) -> Exception:
    """The error of the product for one of SQLite while the program runs."""
    origin = fault.orig if isinstance(fault, DBAPIError) else fault
    code = _code_of(origin) if isinstance(origin, sqlite3.Error) else None
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError(f"registry {path}: no room on the disk ({origin}); free some")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN}:
        return TransientError(f"registry {path}: the disk refused ({origin}); look after the disk")
    if code in _DAMAGE:
        return StorageError(
            f"registry {path} is damaged ({origin}); start the program again, which mends it"
        )
    return fault


def _code_of(fault: sqlite3.Error) -> int | None:
    code = getattr(fault, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY

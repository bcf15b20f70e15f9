"""A database file written whole: aside, synced, then put in place.

So are new ones made, and those that take the place of a damaged one, which is kept under another
name. Nothing is ever made half: a file in place is either the one before or the new one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from wattscope.registry.names import Mark, Names, list_rows, make_digest, write_change, write_mark
from wattscope.registry.names_copy import sync_folder
from wattscope.registry.schema import SCHEMA_VERSION, metadata
from wattscope.registry.shelf_rows import INSERT, ShelfRow

_LOGS = ("-wal", "-shm")


def fill_database(
    connection: sqlite3.Connection, names: Names, serial: int, rows: Iterable[ShelfRow]
) -> int:
    """Make tables and rows in an empty database. Returns how many rows of the quarantine."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    metadata.create_all(engine)
    n_rows = 0
    for change in list_rows(names):
        write_change(connection, change)
    for row in rows:
        connection.execute(INSERT, row)
        n_rows += 1
    write_mark(connection, Mark(serial, make_digest(names)))
    write_version(connection)
    connection.commit()
    return n_rows


def write_version(connection: sqlite3.Connection) -> None:
    """Note the version in two places, so that one flipped bit is not taken for a newer program."""
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def write_database(path: Path, names: Names, serial: int, rows: Iterable[ShelfRow]) -> int:
    """Write a database aside. Returns how many rows of the quarantine it has."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        # It is nobody's yet: after a crash it is begun anew.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        n_rows = fill_database(connection, names, serial, rows)
    path.chmod(0o640)
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return n_rows


def aside_of(path: Path) -> Path:
    """Where the new database is written."""
    return path.with_name(path.name + ".new")


def set_aside(path: Path) -> Path | None:
    """Keep a damaged database under another name. Returns it; None when there is no file."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        # A second name, so that at no moment there is no database at all.
        os.link(path, kept)
    except OSError:
        # Some file systems have no second names; the copy of the names is there.
        path.replace(kept)
    for end in _LOGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).replace(kept.with_name(kept.name + end))
    return kept


def put_in_place(path: Path) -> None:
    """Give the new database its name."""
    for end in _LOGS:
        # SQLite would play a log that an older file has left into the new one.
        path.with_name(path.name + end).unlink(missing_ok=True)
    aside_of(path).replace(path)
    sync_folder(path.parent)

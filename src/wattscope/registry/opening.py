"""Opening a registry: look at the database and the copy of its names, and mend what is damaged.

A writer mends on the disk; the damaged database is kept under another name. A reader changes
nothing: it works from what is sound, in memory. Nothing is refused for one damaged file.
"""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from wattscope.core.errors import StorageError
from wattscope.registry.inspection import UNREADABLE, Age, look_into, read_age, word_damage
from wattscope.registry.names import (
    Mark,
    Names,
    StoredNames,
    list_changes,
    make_digest,
    no_names,
    write_change,
    write_mark,
)
from wattscope.registry.names_copy import CopyContent, NamesCopy
from wattscope.registry.names_judge import Verdict, judge
from wattscope.registry.rebuild import (
    aside_of,
    fill_database,
    put_in_place,
    set_aside,
    write_database,
)
from wattscope.registry.shelf_rows import Salvage
from wattscope.registry.upgrade import upgrade_tables

_READ_ATTEMPTS = 4
_READ_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Opened:
    """A registry that can be used."""

    connection: sqlite3.Connection
    names: Names
    damages: tuple[str, ...]
    """What was found damaged, and what became of it, each as one line."""


def make_engine(connection: sqlite3.Connection) -> Engine:
    """SQLAlchemy over the one connection."""
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)


def open_to_write(path: Path, copy: NamesCopy | None) -> Opened:
    """Open or make a database, and mend it.

    Args:
        path: The file of the database.
        copy: The copy of its names; None: do without.

    Raises:
        StorageError: Both are damaged, or one is of a newer version.
        sqlite3.Error: The disk refuses, or another program keeps the file to itself.
        OSError: The disk refuses.
    """
    content = None if copy is None else copy.read()
    is_absent = not path.exists() or not path.stat().st_size
    if is_absent and content is None:
        write_database(aside_of(path), no_names(), 0, ())
        put_in_place(path)
    connection = _connect(path, "rw" if path.exists() else "memory")
    try:
        if is_absent and content is not None:
            stored: StoredNames | str = "it is missing or empty"
        else:
            stored = _look_to_write(connection, path, content)
        verdict = _judge(path, stored, content)
        damages = _word_copy_fault(path, verdict, "it was written anew")
        if verdict.database_fault is not None:
            damages.append(_rebuild(connection, path, verdict))
            connection = _connect(path, "rw")
            _prepare(connection)
        elif verdict.is_behind and isinstance(stored, StoredNames):
            _catch_up(connection, stored, verdict)
    except BaseException:
        connection.close()
        raise
    if copy is not None and (
        content is None
        or not content.is_sound
        or content.last < verdict.serial
        or copy.is_long(content)
    ):
        copy.rewrite(verdict.names, verdict.serial)
    return Opened(connection, verdict.names, tuple(damages))


def open_to_read(path: Path, copy: NamesCopy | None) -> Opened:
    """Look at a database that another program may be writing.

    Raises:
        StorageError: As ``open_to_write``; or it is of an older version, or not there.
        sqlite3.Error: It cannot be opened.
        OSError: Likewise.
    """
    for attempt in range(_READ_ATTEMPTS):
        is_last = attempt == _READ_ATTEMPTS - 1
        connection = _connect(path, "ro")
        try:
            stored = _look_to_read(connection, path)
            # After the database: the copy is always the one that is ahead.
            verdict = _judge(path, stored, None if copy is None else copy.read())
        except StorageError:
            connection.close()
            if is_last:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            if is_last or (verdict.database_fault is None and verdict.copy_fault is None):
                return _settle_reader(connection, path, verdict)
            connection.close()
        # A writer may have changed both between our two looks.
        time.sleep(_READ_PAUSE_S)
    raise AssertionError


def _settle_reader(connection: sqlite3.Connection, path: Path, verdict: Verdict) -> Opened:
    advice = "`wattscope run` writes it anew"
    damages = _word_copy_fault(path, verdict, advice)
    if verdict.database_fault is not None:
        connection.close()
        connection = _connect(path, "memory")
        fill_database(connection, verdict.names, verdict.serial, ())
        damages.append(
            f"{path.name}: {verdict.database_fault}; the names are those of its copy, the "
            f"quarantine is not shown; start `wattscope run` on the folder once, which mends it"
        )
    return Opened(connection, verdict.names, tuple(damages))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # A path may hold a question mark or a number sign, which mean something in a URI.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if mode == "memory":
        uri = "file::memory:"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


def _prepare(connection: sqlite3.Connection) -> str | None:
    """Set how a writer writes; what is wrong with the file where it cannot be."""
    try:
        [(mode,)] = connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("PRAGMA synchronous=FULL")
    except UNREADABLE as fault:
        return word_damage(fault)
    return None if mode == "wal" else "its head is damaged"


def _look_to_write(
    connection: sqlite3.Connection, path: Path, content: CopyContent | None
) -> StoredNames | str:
    if not os.access(path, os.W_OK):
        raise StorageError(f"registry {path}: this user may not write it; give him the right")
    fault = _prepare(connection)
    if fault is not None:
        return fault
    age = read_age(connection, path)
    if age is Age.OLDEST and content is not None:
        return "it is of an older version than its copy"
    if age in {Age.OLDER, Age.OLDEST}:
        fault = _upgrade(connection, is_marked=age is Age.OLDER)
        if fault is not None:
            return fault
    elif isinstance(age, str):
        return age
    return look_into(connection, path, is_read_only=False)


def _upgrade(connection: sqlite3.Connection, *, is_marked: bool) -> str | None:
    """Bring a sound database up to date; what is wrong with one that is not."""
    try:
        upgrade_tables(make_engine(connection), connection, is_marked=is_marked)
    except UNREADABLE as fault:
        return word_damage(fault)
    return None


def _look_to_read(connection: sqlite3.Connection, path: Path) -> StoredNames | str:
    age = read_age(connection, path)
    if age in {Age.OLDER, Age.OLDEST}:
        raise StorageError(
            f"registry {path} has an older version; start `wattscope run` on it once, which "
            "brings it up to date"
        )
    return age if isinstance(age, str) else look_into(connection, path, is_read_only=True)


def _judge(path: Path, stored: StoredNames | str, content: CopyContent | None) -> Verdict:
    try:
        return judge(stored, content)
    except StorageError as fault:
        raise StorageError(f"registry {path}: {fault}") from fault


def _word_copy_fault(path: Path, verdict: Verdict, deed: str) -> list[str]:
    if verdict.copy_fault is None:
        return []
    return [f"copy of the names in {path.name}: {verdict.copy_fault}; nothing is lost, {deed}"]


def _catch_up(connection: sqlite3.Connection, stored: StoredNames, verdict: Verdict) -> None:
    """Give the database the change that only the copy got before we died."""
    for change in list_changes(stored.names, verdict.names):
        write_change(connection, change)
    write_mark(connection, Mark(verdict.serial, make_digest(verdict.names)))
    connection.commit()


def _rebuild(connection: sqlite3.Connection, path: Path, verdict: Verdict) -> str:
    """Put a new database in place of a damaged one. Returns what was done."""
    salvage = Salvage(connection)
    try:
        n_saved = write_database(aside_of(path), verdict.names, verdict.serial, salvage.read())
    finally:
        connection.close()
    kept = set_aside(path)
    put_in_place(path)
    kept_as = "" if kept is None else f" and kept as {kept.name}"
    return (
        f"{path.name}: {verdict.database_fault}; it was built anew from the copy of its names"
        f"{kept_as}; {n_saved} items of the quarantine were saved, {salvage.n_damaged} are "
        f"damaged and left out{'' if salvage.is_whole else ', others could not be read'}"
    )

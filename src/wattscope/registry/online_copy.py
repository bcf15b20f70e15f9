"""Copies of the registry's database and of the meter book while others write to them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from wattscope.core.errors import StorageError
from wattscope.registry.database import Database
from wattscope.registry.schema import counter_decisions, devices, sites

_RULES = (sites.name, devices.name, counter_decisions.name)
_WAIT_S = 30.0

Rules = dict[str, list[tuple[Any, ...]]]


def copy_registry(source: Path, target: Path) -> None:
    """Copy a database as of one moment, by SQLite's online backup.

    The copy has the tables of this version of the program.

    Raises:
        StorageError: The database, or its copy, is damaged.
    """
    try:
        with closing(_open(source)) as reading, closing(sqlite3.connect(target)) as writing:
            # All pages in one step: one moment, and no waiting of the writer, for both use WAL.
            reading.backup(writing)
            [(verdict,)] = writing.execute("PRAGMA integrity_check(1)").fetchall()
        if verdict != "ok":
            raise StorageError(f"registry {source} is damaged ({verdict})")
    except sqlite3.Error as fault:
        raise StorageError(f"registry {source} cannot be copied ({fault})") from fault
    try:
        bring_up_to_date(target)
    except StorageError as fault:
        raise StorageError(f"registry {source} cannot be copied: in the copy, {fault}") from fault
    target.chmod(0o640)


def copy_book(source: Path, target: Path) -> None:
    """Copy a meter book as of one moment, whoever edits it.

    Raises:
        StorageError: It is damaged, or kept by another program.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            [(verdict,)] = writing.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.Error as fault:
        raise StorageError(f"meter book {source} cannot be copied ({fault})") from fault
    if verdict != "ok":
        raise StorageError(f"meter book {source} is damaged ({verdict})")
    target.chmod(0o640)


def bring_up_to_date(path: Path) -> None:
    """Give a copy the tables of this version, as one file without a log beside it.

    So it can be read where nothing may be written, and a reader leaves nothing behind.

    Raises:
        StorageError: The database is damaged, or of a newer version.
    """
    # A copy of the names is made when a program starts on it.
    database = Database(path, has_copy=False)
    damages = list(database.damages)
    database.close()
    if damages:
        raise StorageError(
            f"registry {path} is damaged: {damages[0]}; 'wattscope run' or 'wattscope repair' on "
            "its data folder mends what can be mended"
        )
    try:
        with closing(sqlite3.connect(path)) as writing:
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as fault:
        raise StorageError(f"registry {path} cannot be changed ({fault})") from fault


def read_rules(path: Path) -> Rules:
    """What buckets depend on: sites, devices and decisions about counters.

    Raises:
        StorageError: The database cannot be read.
    """
    found: Rules = {}
    try:
        with closing(_open(path)) as reading:
            present = {name for (name,) in reading.execute("SELECT name FROM sqlite_master")}
            for name in _RULES:
                rows = f"SELECT * FROM {name}"  # noqa: S608  # our own table names
                found[name] = sorted(reading.execute(rows), key=repr) if name in present else []
    except sqlite3.Error as fault:
        raise StorageError(f"registry {path} cannot be read ({fault})") from fault
    return found


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)

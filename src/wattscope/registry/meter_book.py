"""The meter book: what people edit about Modbus meters, read as it is and changed row by row.

Rows come as plain mappings, whatever anybody put into them; what they mean is said by
``compute.modbus.meter_rows``. Nothing is remembered between two looks but that nothing changed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, delete, insert, text, update

from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.core.errors import UnknownNameError
from wattscope.registry.book_database import BookDatabase, PostgresBook, SqliteBook
from wattscope.registry.meter_tables import (
    BOOK_VERSIONS,
    energy_meters,
    poll_groups,
    registers,
    sites,
)
from wattscope.registry.meter_upgrade import read_version, upgrade_book

_LOOKS: Final = (
    # In the order in which rows count.
    text("SELECT * FROM energy_meters ORDER BY id"),
    text("SELECT * FROM registers ORDER BY id"),
    text("SELECT * FROM poll_groups ORDER BY name"),
    text("SELECT * FROM sites ORDER BY id"),
)


class BookTable(Enum):
    """The tables by their names in SQL."""

    METERS = "energy_meters"
    REGISTERS = "registers"
    GROUPS = "poll_groups"
    SITES = "sites"


_TABLES: Final[Mapping[BookTable, Table]] = {
    BookTable.METERS: energy_meters,
    BookTable.REGISTERS: registers,
    BookTable.GROUPS: poll_groups,
    BookTable.SITES: sites,
}


@dataclass(frozen=True, slots=True)
class BookChange:
    """One row that is put in, changed, or taken out."""

    table: BookTable
    key: int | str | None
    """Of the row; None: a new one, whose key is in ``values`` or given by the database."""
    values: Mapping[str, Any] | None
    """Its columns, those that are left out stay as they are; None takes the row out."""


class MeterBook:
    """The tables, wherever they are; safe to use from several threads.

    Nothing is asked of the database before the first look, so that a program starts while it is
    away.
    """

    def __init__(self, database: BookDatabase, *, has_example: bool = True) -> None:
        self._database = database
        self._has_example = has_example
        self._lock = threading.Lock()
        self._ready_epoch: int | None = None
        self._seen: tuple[object, BookRows] | None = None

    @property
    def where(self) -> str:
        """What names the database for a person, without a password."""
        return self._database.where

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._database.kind

    def read_rows(self) -> BookRows:
        """All tables as at one moment; the same object while nothing changed.

        Raises:
            TransientError: The database cannot be reached.
            StorageError: It is damaged, or of a newer version.
        """
        with self._lock:
            self._prepare()
            # Before the rows: a change in between is seen by the next look.
            mark = self._database.read_mark()
            if mark is not None and self._seen is not None and self._seen[0] == mark:
                return self._seen[1]
            with self._database.begin(is_writing=False) as connection:
                rows = BookRows(*(_read(connection, look) for look in _LOOKS))
            if self._seen is not None and self._seen[1] == rows:
                rows = self._seen[1]
            self._seen = mark, rows
            return rows

    def apply(self, changes: Sequence[BookChange]) -> list[int | str]:
        """Make changes, all or none; the keys of their rows.

        Raises:
            UnknownNameError: A row to change or take out is not there.
            RowError: The database refuses a row.
            TransientError: It cannot be reached; nothing was changed.
            StorageError: It is damaged, or of a newer version.
        """
        with self._lock:
            self._prepare()
            with self._database.begin(is_writing=True) as connection:
                return [_apply(connection, change) for change in changes]

    def close(self) -> None:
        """Release the database."""
        with self._lock:
            self._database.close()

    def _prepare(self) -> None:
        """Bring the tables to the newest version, once for each database that is in this place."""
        epoch = self._database.read_epoch()
        if self._ready_epoch == epoch:
            return
        with self._database.begin(is_writing=False) as connection:
            version = read_version(connection, self.where)
        if version != BOOK_VERSIONS[-1]:
            with self._database.begin(is_writing=True) as connection:
                upgrade_book(connection, self.where, has_example=self._has_example)
        self._ready_epoch = epoch


def open_book(
    path: Path, url: str | None = None, password: str | None = None, *, has_example: bool = True
) -> MeterBook:
    """The meter book of a data folder, or of a PostgreSQL database.

    Args:
        path: The SQLite file, where there is no url; made at the first look.
        url: ``postgresql://user@host/database``.
        password: Of the database.
        has_example: Whether tables that are made anew hold the virtual meter.

    Raises:
        SettingsError: The url is none, or the extra ``postgres`` is not installed.
    """
    database = SqliteBook(path) if url is None else PostgresBook(url, password)
    return MeterBook(database, has_example=has_example)


def key_column(table: BookTable) -> str:
    """The column that tells the rows of a table apart."""
    return _key_of(_TABLES[table]).name


def column_kinds(table: BookTable) -> dict[str, tuple[type, int | None]]:
    """The columns of a table with the type of their cells, and the longest text."""
    return {
        one.name: (one.type.python_type, getattr(one.type, "length", None))
        for one in _TABLES[table].columns
    }


def _key_of(table: Table) -> Column[Any]:
    [key] = table.primary_key.columns
    return key


def _read(connection: Connection, look: Any) -> tuple[dict[str, Any], ...]:  # noqa: ANN401  # a text()
    return tuple(dict(row) for row in connection.execute(look).mappings())


def _apply(connection: Connection, change: BookChange) -> int | str:
    table = _TABLES[change.table]
    key = _key_of(table)
    if change.key is None:
        made = connection.execute(insert(table).values(**(change.values or {})))
        primary: int | str = (made.inserted_primary_key or (0,))[0]
        return primary
    if change.values is None:
        touched = connection.execute(delete(table).where(key == change.key))
    else:
        touched = connection.execute(update(table).where(key == change.key).values(**change.values))
    if not touched.rowcount:
        raise UnknownNameError(f"there is no row {change.key!r} in {table.name}")
    return change.key

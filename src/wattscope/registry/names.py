"""The rows that give stored values their meaning, in one canonical form.

Sites, devices, series, decisions about counters and rules of alerts are *names*. Each row is a
tuple in the order of its table's columns, as SQLite and JSON both give it back. A digest over all
rows is kept beside them in the database, and changed with each row, so that a row that changed by
itself is found.
"""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Boolean, Float, Table

from wattscope.registry.schema import (
    alert_rules,
    counter_decisions,
    devices,
    metadata,
    series,
    sites,
)

Row = tuple[Any, ...]
Names = dict[str, dict[Row, Row]]
"""Rows by key, by table."""
Packed = dict[str, list[Row]]
"""Rows as they are now, by table; keys of rows that are gone, by table with a minus sign."""

TABLES: tuple[Table, ...] = (sites, devices, series, counter_decisions, alert_rules)
_encoder = msgspec.json.Encoder()
_N_KEY = {str(table.name): len(table.primary_key.columns) for table in TABLES}
_DEFINED = {str(table.name) for table in metadata.tables.values()} | {
    str(index.name) for table in metadata.tables.values() for index in table.indexes
}
_COLUMNS = {str(table.name): tuple(column.name for column in table.columns) for table in TABLES}


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that comes, changes or goes."""

    table: str
    old: Row | None
    """None: there was none of this key."""
    new: Row | None
    """None: there is none from now on."""

    @property
    def key(self) -> Row:
        """The key of the row."""
        row = self.new if self.new is not None else self.old
        return () if row is None else row[: _N_KEY[self.table]]

    @property
    def digest(self) -> int:
        """What the digest of all rows differs by."""
        return _sum_row(self.table, self.old) ^ _sum_row(self.table, self.new)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which state of the names a database holds."""

    serial: int
    """Number of the last change."""
    digest: int

    def sum_up(self, schema: bytes) -> int:
        """Checksum of the mark itself and of the definitions of the tables."""
        return zlib.crc32(schema, zlib.crc32(f"{self.serial}:{self.digest}".encode()))

    def step(self, changes: Iterable[RowChange]) -> Mark:
        """The mark after one more change of these rows."""
        digest = self.digest
        for change in changes:
            digest ^= change.digest
        return Mark(self.serial + 1, digest)


@dataclass(frozen=True, slots=True)
class StoredNames:
    """What a database says."""

    names: Names
    mark: Mark


def change_row(table: Table, old: Row | None, new: Row | None) -> RowChange:
    """A change of one row of a table."""
    # SQLAlchemy's names are no plain texts, which the encoder wants.
    return RowChange(str(table.name), old, new)


def make_row(table: Table, values: Mapping[str, Any]) -> Row:
    """A row in canonical form: as it comes back from SQLite."""
    return tuple(_canonical(column.type, values.get(column.name)) for column in table.columns)


def name_columns(table: Table, row: Row) -> dict[str, Any]:
    """The values of a row by column."""
    return dict(zip(_COLUMNS[table.name], row, strict=True))


def pack_changes(changes: Iterable[RowChange]) -> Packed:
    """Changes as JSON takes them."""
    packed: Packed = {}
    for change in changes:
        if change.new is None:
            packed.setdefault(f"-{change.table}", []).append(change.key)
        else:
            packed.setdefault(change.table, []).append(change.new)
    return packed


def apply_packed(names: Names, packed: Packed) -> None:
    """Take packed changes into the names."""
    for table, rows in packed.items():
        if table.startswith("-"):
            for key in rows:
                names[table[1:]].pop(key, None)
        else:
            n_key = _N_KEY[table]
            names[table].update((row[:n_key], _widen(table, row)) for row in rows)


def list_rows(names: Names) -> list[RowChange]:
    """All rows, as changes that make them out of nothing."""
    return [RowChange(table, None, row) for table in names for row in names[table].values()]


def list_changes(before: Names, after: Names) -> list[RowChange]:
    """What makes one state of the names into another."""
    return [
        RowChange(table, before[table].get(key), after[table].get(key))
        for table in before
        for key in before[table].keys() | after[table].keys()
        if before[table].get(key) != after[table].get(key)
    ]


def make_digest(names: Names) -> int:
    """CRC-32 of each row, joined by exclusive or: the same in any order."""
    digest = 0
    for table, rows in names.items():
        for row in rows.values():
            digest ^= _sum_row(table, row)
    return digest


def no_names() -> Names:
    """A registry that nobody has used."""
    return {str(table.name): {} for table in TABLES}


def read_names(connection: sqlite3.Connection) -> Names:
    """All rows of a database, not yet believed.

    Raises:
        ValueError: A key is there twice.
        sqlite3.Error: The database cannot be read.
    """
    return _read_columns(connection, _COLUMNS)


def read_older_names(connection: sqlite3.Connection) -> Names:
    """All rows of a database of an older version, with the columns that they had then.

    Raises:
        ValueError: A key is there twice.
        sqlite3.Error: The database cannot be read.
    """
    present = {
        table: [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        for table in _COLUMNS
    }
    return _read_columns(
        connection,
        {
            table: tuple(name for name in names if name in present[table])
            for table, names in _COLUMNS.items()
        },
    )


def _read_columns(connection: sqlite3.Connection, wanted: Mapping[str, tuple[str, ...]]) -> Names:
    """Rows of some columns of each table; a table without any has no rows."""
    names = no_names()
    for table, rows in names.items():
        if not wanted[table]:
            continue
        n_key = _N_KEY[table]
        # Our own names of tables and columns.
        found = connection.execute(f"SELECT {', '.join(wanted[table])} FROM {table}").fetchall()  # noqa: S608
        rows.update((row[:n_key], row) for row in found)
        if len(rows) != len(found):
            raise ValueError(f"a key is twice in {table}")
    return names


def read_mark(connection: sqlite3.Connection) -> Mark:
    """The mark of a database.

    Raises:
        ValueError: There is none, or it is damaged.
        sqlite3.Error: The database cannot be read.
    """
    rows = connection.execute("SELECT serial, digest, crc FROM names_mark").fetchall()
    if len(rows) != 1 or not all(isinstance(one, int) for one in rows[0]):
        raise ValueError("the mark of its names is damaged")
    mark = Mark(*rows[0][:2])
    if mark.sum_up(_read_schema(connection)) != rows[0][2]:
        raise ValueError("the mark of its names, or a definition of a table, is damaged")
    return mark


def write_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Put the mark in place of the one before, within the transaction that changes the names."""
    connection.execute("DELETE FROM names_mark")
    connection.execute(
        "INSERT INTO names_mark (serial, digest, crc) VALUES (?, ?, ?)",
        (mark.serial, mark.digest, mark.sum_up(_read_schema(connection))),
    )


def write_change(connection: sqlite3.Connection, change: RowChange) -> None:
    """Make a change of one row."""
    # Our own names of tables and columns.
    keys = " AND ".join(f"{name} = ?" for name in _COLUMNS[change.table][: _N_KEY[change.table]])
    connection.execute(f"DELETE FROM {change.table} WHERE {keys}", change.key)  # noqa: S608
    if change.new is not None:
        places = ", ".join("?" * len(change.new))
        columns = ", ".join(_COLUMNS[change.table])
        connection.execute(
            f"INSERT INTO {change.table} ({columns}) VALUES ({places})",  # noqa: S608
            change.new,
        )


def _read_schema(connection: sqlite3.Connection) -> bytes:
    """The definitions of our tables and indices; those that others have made do not count."""
    found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    return repr([one for one in found if one[0] in _DEFINED]).encode(errors="replace")


def widen_row(table: Table, row: Row) -> Row:
    """A row of an older version with the columns that came later: they come last, and are null."""
    return _widen(str(table.name), row)


def _widen(table: str, row: Row) -> Row:
    return row + (None,) * (len(_COLUMNS[table]) - len(row))


def _sum_row(table: str, row: Row | None) -> int:
    return 0 if row is None else zlib.crc32(_encoder.encode((table, *row)))


def _canonical(kind: object, value: object) -> object:
    if isinstance(kind, Float) and isinstance(value, float | int):
        # JSON has no other numbers, and SQLite keeps NaN as NULL.
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(kind, Boolean) and isinstance(value, bool) else value

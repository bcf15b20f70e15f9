"""Bringing the tables of an older version up to date; nothing that is stored changes."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, inspect, text

from wattscope.registry.names import (
    Mark,
    make_digest,
    read_mark,
    read_names,
    read_older_names,
    write_mark,
)
from wattscope.registry.rebuild import write_version
from wattscope.registry.schema import metadata
from wattscope.registry.shelf_rows import COLUMNS, SELECT, ShelfRow, sum_replay, sum_row


def upgrade_tables(engine: Engine, connection: sqlite3.Connection, *, is_marked: bool) -> None:
    """Add what is missing, in one transaction: a crash leaves the older version as it was.

    Args:
        engine: Over the connection.
        connection: The database.
        is_marked: Whether its version has a mark of its names, which is then compared first.

    Raises:
        ValueError: The names are not those of the mark.
        sqlite3.Error: The database cannot be read or written.
    """
    # The driver begins by itself only before rows change, and definitions do too.
    connection.execute("BEGIN IMMEDIATE")
    try:
        serial = _check_mark(connection) if is_marked else None
        with engine.begin() as within:
            metadata.create_all(within)
            add_missing_columns(within)
            if serial is None:
                write_checksums(connection)
            write_mark(connection, Mark(serial or 1, make_digest(read_names(connection))))
            write_version(connection)
    finally:
        # Nothing to take back once the block above has committed.
        connection.rollback()


def add_missing_columns(connection: Connection) -> None:
    """Add the columns that an older version did not have."""
    present = inspect(connection)
    for table in metadata.sorted_tables:
        names = {column["name"] for column in present.get_columns(table.name)}
        for column in table.columns:
            if column.name not in names:
                kind = column.type.compile(connection.dialect)
                # Names and types are those of the schema, none comes from outside.
                connection.execute(
                    text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")
                )


def write_checksums(connection: sqlite3.Connection) -> None:
    """Sum up the rows of a version that had no checksums: from now on they are known."""
    numbers = connection.execute("SELECT id FROM quarantine WHERE crc IS NULL").fetchall()
    for (number,) in numbers:
        row = _read_row(connection, number)
        connection.execute(
            "UPDATE quarantine SET crc = ?, replayed_crc = ? WHERE id = ?",
            (sum_row(row), sum_replay(number, row["replayed_at_us"]), number),
        )


def _check_mark(connection: sqlite3.Connection) -> int:
    """Number of the last change of the names, which are what they were then.

    The new mark is made from what the database says: without this look, damage would become truth.
    """
    mark = read_mark(connection)
    if make_digest(read_older_names(connection)) != mark.digest:
        raise ValueError("some of its names are damaged")
    return mark.serial


def _read_row(connection: sqlite3.Connection, number: int) -> ShelfRow:
    [row] = connection.execute(f"{SELECT} WHERE id = ?", (number,))
    found: ShelfRow = dict(zip(COLUMNS, row, strict=True))
    return found | {"payload": found["payload"] or b""}

"""Bringing the tables of an older version up to date; nothing that is stored changes."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Engine, inspect, text

from wattscope.registry.names import Mark, make_digest, read_names, write_mark
from wattscope.registry.rebuild import write_version
from wattscope.registry.schema import metadata
from wattscope.registry.shelf_rows import COLUMNS, SELECT, ShelfRow, sum_replay, sum_row


def upgrade_tables(engine: Engine, connection: sqlite3.Connection) -> None:
    """Add what is missing; the new version is noted last, so that a crash leaves the older one."""
    metadata.create_all(engine)
    add_missing_columns(engine)
    write_checksums(connection)


def add_missing_columns(engine: Engine) -> None:
    """Add the columns that an older version did not have."""
    present = inspect(engine)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            names = {column["name"] for column in present.get_columns(table.name)}
            for column in table.columns:
                if column.name not in names:
                    kind = column.type.compile(engine.dialect)
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
    write_mark(connection, Mark(1, make_digest(read_names(connection))))
    write_version(connection)
    connection.commit()


def _read_row(connection: sqlite3.Connection, number: int) -> ShelfRow:
    [row] = connection.execute(f"{SELECT} WHERE id = ?", (number,))
    found: ShelfRow = dict(zip(COLUMNS, row, strict=True))
    return found | {"payload": found["payload"] or b""}

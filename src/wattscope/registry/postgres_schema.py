"""Tables that only processes sharing a registry need, and how all tables are made and migrated.

::

    schema wattscope_registry
      as on SQLite  sites, devices, series, counter_decisions, quarantine, alert_…, incidents
      names_state   number of the last change of names, highest id of a series: one row
      names_changes what each change was, so that others need not read everything again
      leases        who works on what: see ``poll_leases``
      models        model files, see ``sql_models``
      processes     what each process said of itself last, see ``process_book``
      version       version of all this: one row

They lie in a schema of their own: a meter book may be in the same database, and has a table
``sites`` too.
"""

from __future__ import annotations

import zlib
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateSchema

from wattscope.core.errors import StorageError
from wattscope.registry.schema import metadata as registry_metadata
from wattscope.registry.schema import names_mark, schema_version

POSTGRES_VERSION: Final = 1
"""Raised with every change of a table here or in ``schema``; a newer one is refused.

A column that is added to a table comes last and may be null; other changes need a step of their
own in ``_bring_up``.
"""
_BOOK_OF_TABLES: Final = "tables"

metadata = MetaData()

version = Table("version", metadata, Column("version", Integer, nullable=False))

names_state = Table(
    "names_state",
    metadata,
    Column("serial", BigInteger, nullable=False),
    Column("last_series", Integer, nullable=False),
)

names_changes = Table(
    "names_changes",
    metadata,
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    # Rows as ``names.pack_changes`` gives them; JSON.
    Column("content", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    # Raised whenever the holder says that it is still there, or another takes over.
    Column("beat", BigInteger, nullable=False),
    Column("lease_s", Float, nullable=False),
)

lease_members = Table(
    "lease_members",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("lease_s", Float, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("device_class", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("role", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # JSON.
    Column("content", Text, nullable=False),
    # By the clock of the server [µs].
    Column("told_at_us", BigInteger, nullable=False),
)

# The version is ``version``; damage is found by checksums of the server, not by a mark.
_ONLY_SQLITE: Final = (schema_version, names_mark)
REGISTRY_TABLES: Final = tuple(
    one for one in registry_metadata.sorted_tables if one not in _ONLY_SQLITE
)


def lock_book(connection: Connection, schema: str, book: str) -> None:
    """Wait until no other transaction has locked this book; until the end of this one."""
    keys = [_signed(zlib.crc32(word.encode())) for word in (f"wattscope {schema}", book)]
    connection.execute(select(func.pg_advisory_xact_lock(*keys)))


def read_version(connection: Connection, schema: str, where: str) -> int | None:
    """The version of the tables; None before there are any.

    Raises:
        StorageError: This program does not know it.
    """
    if not inspect(connection).has_table(version.name, schema=schema):
        return None
    found = connection.scalar(select(func.max(version.c.version)))
    if found is not None and found > POSTGRES_VERSION:
        raise StorageError(
            f"registry {where} has version {found}, this program knows up to {POSTGRES_VERSION}; "
            "use the newer program"
        )
    return None if found is None else int(found)


def prepare_tables(connection: Connection, schema: str, where: str) -> None:
    """Make what is missing and bring the rest up to date, within the open transaction.

    Of several processes that start at once, one does it and the others wait.

    Raises:
        StorageError: The tables are of a newer version.
    """
    # To wait for another process, or to make an index, may take longer than a question.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    lock_book(connection, schema, _BOOK_OF_TABLES)
    found = read_version(connection, schema, where)
    if found == POSTGRES_VERSION:
        return
    if not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))
    registry_metadata.create_all(connection, tables=REGISTRY_TABLES)
    metadata.create_all(connection)
    if found is None:
        connection.execute(insert(version).values(version=POSTGRES_VERSION))
        connection.execute(insert(names_state).values(serial=0, last_series=0))
        return
    _bring_up(connection, schema)
    connection.execute(update(version).values(version=POSTGRES_VERSION))


def _bring_up(connection: Connection, schema: str) -> None:
    """Add the columns that an older version did not have."""
    quote = connection.dialect.identifier_preparer.quote
    for table in (*REGISTRY_TABLES, *metadata.sorted_tables):
        present = {one["name"] for one in inspect(connection).get_columns(table.name, schema)}
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                # Names and types are those of the schema; that of the schema itself is quoted.
                connection.execute(
                    text(
                        f"ALTER TABLE {quote(schema)}.{quote(table.name)} "
                        f"ADD COLUMN {quote(column.name)} {kind}"
                    )
                )


def _signed(number: int) -> int:
    """As PostgreSQL's integer takes it."""
    return number - (1 << 32) if number >= 1 << 31 else number

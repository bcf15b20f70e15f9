"""Brings the tables of the meter book to the newest version, in one transaction or not at all.

Alembic takes 9 MB of memory, so it is imported only where something is to be done; which version
a database has is read with plain SQL.
"""

from __future__ import annotations

import importlib
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from wattscope.core.errors import StorageError
from wattscope.registry.meter_tables import BOOK_VERSIONS

# Any number will do, as long as it is always the same: "meter" on a telephone's keys.
_POSTGRES_LOCK = 63837


def upgrade_book(connection: Connection, where: str, *, has_example: bool = True) -> bool:
    """Bring the tables to the newest version, if they are not.

    Args:
        connection: In an open transaction that nobody else can write beside (SQLite: immediate).
        where: What names the database in an error, without a password.
        has_example: Whether tables that are made anew hold the virtual meter.

    Returns:
        Whether anything was done.

    Raises:
        StorageError: The database is of a newer version than this program knows.
    """
    if read_version(connection, where) == BOOK_VERSIONS[-1]:
        return False
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        if read_version(connection, where) == BOOK_VERSIONS[-1]:
            return False
    run_steps(connection, "head", has_example=has_example)
    return True


def read_version(connection: Connection, where: str) -> str | None:
    """The version of the tables; None before the first.

    Raises:
        StorageError: This program does not know it.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if version is None or version in BOOK_VERSIONS:
        return None if version is None else str(version)
    raise StorageError(
        f"meter book {where} has tables of version {version!r}, this program knows "
        f"{BOOK_VERSIONS[-1]} and older; update the program, or name another database in "
        "[registry] url"
    )


def run_steps(connection: Connection, target: str, *, has_example: bool = True) -> None:
    """Bring the tables to a version, as part of the open transaction.

    Args:
        connection: In an open transaction.
        target: A version, or ``head`` for the newest.
        has_example: Whether tables that are made anew hold the virtual meter.
    """
    command = importlib.import_module("alembic.command")
    config = importlib.import_module("alembic.config").Config()
    folder = str(files("wattscope").joinpath("registry", "migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["has_example"] = has_example
    command.upgrade(config, target)

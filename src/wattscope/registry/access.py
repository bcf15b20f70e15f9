"""A registry wherever it is: a file of one process, or a server that many share.

What only a server needs is imported only for one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from wattscope.ports import Quarantined
from wattscope.registry.database import Database
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.shelf_rows import ShelfRow
from wattscope.registry.sql_quarantine import ShelfKey, ShelvedItem, SqlQuarantine


class Shelf(Protocol):
    """Where set-aside items are; see ``SqlQuarantine``."""

    def put(self, items: Sequence[Quarantined], offset: int, *, origin: str = "") -> None: ...

    def list_newest(self, limit: int, code: str | None = None) -> list[ShelvedItem]: ...

    def list_unreplayed(self, code: str | None = None) -> list[ShelvedItem]: ...

    def mark_replayed(self, ids: Sequence[int], at_us: int) -> None: ...

    def count_by_code(self) -> dict[str, int]: ...

    def list_keys(self, after: int, limit: int) -> list[ShelfKey]: ...

    def find_keys(self, ids: Sequence[int]) -> dict[int, ShelfKey]: ...

    def read_rows(self, ids: Sequence[int]) -> list[ShelfRow]: ...

    def write_rows(self, rows: Sequence[ShelfRow]) -> None: ...


def open_database(where: Path | PostgresOptions, *, is_read_only: bool = False) -> RegistryDatabase:
    """Open or make a registry.

    Args:
        where: A SQLite file, or a PostgreSQL server.
        is_read_only: Look only; other processes may be writing.

    Raises:
        TransientError: The server cannot be reached or refuses for now: try again.
        StorageError: It is damaged beyond mending, or of another version.
        SettingsError: The extra ``postgres`` is not installed.
    """
    if isinstance(where, Path):
        return Database(where, is_read_only=is_read_only)
    module = importlib.import_module("wattscope.registry.postgres_database")
    database: RegistryDatabase = module.PostgresDatabase(where, is_read_only=is_read_only)
    return database


def open_shelf(database: RegistryDatabase) -> Shelf:
    """The quarantine of a registry."""
    if isinstance(database, Database):
        return SqlQuarantine(database)
    module = importlib.import_module("wattscope.registry.postgres_quarantine")
    shelf: Shelf = module.PostgresQuarantine(database)
    return shelf

"""Opening the registry's database: one guarded connection, full durability, a known version."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from wattscope.core.errors import StorageError
from wattscope.registry.schema import SCHEMA_VERSION, metadata, schema_version


class Database:
    """A SQLite file behind one connection.

    One connection writes and checkpoints: SQLite before 3.51.3 can corrupt a WAL file when two do
    so at once (reported and fixed by its authors as the WAL-reset bug).
    """

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        """Open or make the file.

        Raises:
            StorageError: The file is no database, or of a newer version than this program knows.
        """
        self._path = path
        self._lock = threading.RLock()
        self._engine = _open_engine(path, is_read_only=is_read_only)
        try:
            if not is_read_only:
                metadata.create_all(self._engine)
            self._check_version(is_read_only=is_read_only)
        except SQLAlchemyError as fault:
            raise StorageError(
                f"registry {path}: cannot be opened ({fault}); restore it from a backup"
            ) from fault

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; committed and durable when the block ends without an error."""
        with self._lock, self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._engine.dispose()

    def _check_version(self, *, is_read_only: bool) -> None:
        with self.begin() as connection:
            found = connection.execute(select(schema_version.c.version)).scalar()
            if found is None and not is_read_only:
                connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
            elif found is not None and found > SCHEMA_VERSION:
                raise StorageError(
                    f"registry {self._path} has version {found}, this program knows up to "
                    f"{SCHEMA_VERSION}; use the newer program"
                )


def _open_engine(path: Path, *, is_read_only: bool) -> Engine:
    mode = "ro" if is_read_only else "rwc"
    # A path may hold a question mark or a number sign, which mean something in a URI.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False),
        poolclass=StaticPool,
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # DBAPI, untyped
        if not is_read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.close()

    return engine

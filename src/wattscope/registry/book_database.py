"""The databases that a meter book may live in: a SQLite file, or PostgreSQL.

Both are edited by others while we look, so nothing is held: transactions are short, and a
connection that broke is made anew with the next one. No error shows a password.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import StaticPool

from wattscope.core.errors import (
    RowError,
    StorageError,
    TransientError,
    WattscopeError,
)
from wattscope.registry.postgres_link import (
    NO_RIGHT,
    make_postgres_engine,
    read_url,
    show_url,
    word_fault,
)

BUSY_S: Final = 5.0
"""How long a transaction waits for another program to finish its own [s]."""
_STATEMENT_S: Final = 10.0


class BookDatabase(Protocol):
    """Where the tables are."""

    @property
    def where(self) -> str:
        """Words for a person, without a password."""
        ...

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    def read_epoch(self) -> int:
        """Another number once another database has taken the place of this one."""
        ...

    def begin(self, *, is_writing: bool) -> AbstractContextManager[Connection]:
        """One transaction, in which everything is seen as at one moment.

        Raises:
            TransientError: The database cannot be reached, or another program keeps it.
            RowError: It refuses what is to be written.
            StorageError: It is damaged, or not what it must be.
        """
        ...

    def read_mark(self) -> object | None:
        """What is another one once anybody changed the tables; None where that cannot be told."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class SqliteBook:
    """A file behind one guarded connection.

    It keeps a rollback journal, not a write-ahead log: the file is written by programs whose
    SQLite we cannot choose, and those before 3.51.3 can corrupt a write-ahead log when two of them
    write and checkpoint at once (reported and fixed by its authors as the WAL-reset bug).
    """

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._raw: sqlite3.Connection | None = None
        self._engine: Engine | None = None
        self._inode = -1
        self._n_writes = 0

    @property
    def where(self) -> str:
        return str(self._path)

    def read_epoch(self) -> int:
        with self._lock, _explained(self):
            self._open()
            return self._inode

    @contextmanager
    def begin(self, *, is_writing: bool) -> Iterator[Connection]:
        with self._lock, _explained(self):
            option = "BEGIN IMMEDIATE" if is_writing else "BEGIN"
            with self._open().connect() as plain:
                connection = plain.execution_options(wattscope_begin=option)
                with connection.begin():
                    yield connection
            self._n_writes += is_writing

    def read_mark(self) -> object | None:
        with self._lock, _explained(self):
            self._open()
            if self._raw is None:
                return None
            [version] = self._raw.execute("PRAGMA data_version").fetchone()
            return self._inode, version, self._n_writes

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            if self._raw is not None:
                self._raw.close()
            self._engine = self._raw = None

    def _open(self) -> Engine:
        """The engine over the file that now has the name: somebody may have put another there."""
        if self._engine is not None and self._inode == _inode_of(self._path):
            return self._engine
        self.close()
        if not self._path.parent.is_dir():
            self._path.parent.mkdir(parents=True, mode=0o750)
        raw = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        # Another program may have put in a text that is none.
        raw.text_factory = _read_text
        self._raw, self._inode = raw, _inode_of(self._path)
        self._engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        event.listen(self._engine, "begin", _begin_as_wanted)
        return self._engine


class PostgresBook:
    """Tables in a PostgreSQL database."""

    kind = "postgresql"

    def __init__(self, url: str, password: str | None = None) -> None:
        """``url`` as in the settings; the database is asked for nothing yet.

        Raises:
            SettingsError: The url is none of PostgreSQL, or psycopg is not installed.
        """
        self._url = read_url(url, password)
        self._engine = make_postgres_engine(self._url, _STATEMENT_S)

    @property
    def where(self) -> str:
        return show_url(self._url)

    def read_epoch(self) -> int:
        return 0

    @contextmanager
    def begin(self, *, is_writing: bool) -> Iterator[Connection]:
        with _explained(self, self._url.password), self._engine.connect() as plain:
            connection = plain.execution_options(
                isolation_level="READ COMMITTED" if is_writing else "REPEATABLE READ",
                postgresql_readonly=not is_writing,
            )
            with connection.begin():
                yield connection

    def read_mark(self) -> object | None:
        return None

    def close(self) -> None:
        self._engine.dispose()


def _inode_of(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return -1


def _read_text(content: bytes) -> str:
    return content.decode(errors="replace")


def _begin_as_wanted(connection: Connection) -> None:
    words = connection.get_execution_options().get("wattscope_begin", "BEGIN")
    connection.exec_driver_sql(words)


@contextmanager
def _explained(book: BookDatabase, secret: str | None = None) -> Iterator[None]:
    """Turn errors of a database into errors of the product."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as fault:
        raise _explain(book.where, fault, secret) from fault


def _explain(where: str, fault: Exception, secret: str | None) -> WattscopeError:
    original = fault.orig if isinstance(fault, DBAPIError) and fault.orig is not None else fault
    words = word_fault(fault, secret)
    if isinstance(fault, IntegrityError | DataError | sqlite3.IntegrityError):
        return RowError(f"meter book {where} refuses the row: {words}")
    if isinstance(original, sqlite3.OperationalError) and "locked" in words:
        return TransientError(
            f"meter book {where} is kept by another program for more than {BUSY_S:g} s; commit "
            "or end the open change there"
        )
    if isinstance(fault, OperationalError | sqlite3.OperationalError | OSError):
        return TransientError(f"meter book {where} cannot be reached: {words}")
    if getattr(original, "sqlstate", None) == NO_RIGHT:
        return StorageError(
            f"meter book {where}: {words}; give its user the right to read and alter these tables"
        )
    return StorageError(
        f"meter book {where} is not what it must be: {words}; restore it, or move it aside and "
        "import its meters again"
    )

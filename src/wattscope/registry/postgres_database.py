"""The registry's database on a PostgreSQL server, shared by all processes of an installation.

It makes and migrates its tables itself. Nothing of it is remembered but what others may not
change: whoever keeps names in memory asks ``read_news`` now and then. A connection that broke is
made anew with the next transaction, so a server may be restarted at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from wattscope.core.errors import StorageError
from wattscope.registry.database_port import NOTHING_SEEN, NamesEdit, NamesNews
from wattscope.registry.names import RowChange
from wattscope.registry.postgres_link import (
    PostgresOptions,
    explain_postgres,
    make_postgres_engine,
    read_password,
    read_url,
    show_url,
)
from wattscope.registry.postgres_names import PostgresEdit, read_all, read_news
from wattscope.registry.postgres_schema import (
    POSTGRES_VERSION,
    lock_book,
    names_state,
    prepare_tables,
    read_version,
)


class PostgresDatabase:
    """Tables of the registry in a schema of a PostgreSQL database; for many threads."""

    is_shared = True

    def __init__(self, options: PostgresOptions, *, is_read_only: bool = False) -> None:
        """Open the registry; make or migrate its tables, unless it is only read.

        Raises:
            TransientError: The server cannot be reached, does not take the password, or refuses
                for now: try again.
            StorageError: The tables are of a newer version than this program knows, or of an older
                one and may only be read.
            SettingsError: psycopg is not installed.
        """
        self.schema = options.schema
        """Where its tables are."""
        self._is_read_only = is_read_only
        self._url = read_url(options.url)
        self._secret = self._url.password
        self._lock = threading.Lock()
        self.damages: list[str] = []
        """Stays empty: a server looks after its pages itself."""
        file = options.password_file
        self._engine = make_postgres_engine(
            self._url,
            options.statement_s,
            pool_size=options.pool_size,
            find_password=None if file is None else partial(self._find_password, file),
            execution_options={"schema_translate_map": {None: options.schema}}
            | ({"postgresql_readonly": True} if is_read_only else {}),
        )
        event.listen(self._engine, "connect", _sync_commits)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def where(self) -> str:
        """Words for a person, without a password."""
        return show_url(self._url)

    @property
    def engine(self) -> Engine:
        """Its connections."""
        return self._engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; committed and durable when the block ends without an error.

        Raises:
            TransientError: The server cannot be reached or refuses now. Where it was lost while it
                committed, nobody knows whether it did.
            StorageError: It has lost tables, or rights are missing.
        """
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def begin_alone(self, book: str) -> Iterator[Connection]:
        """``begin``, while no process is in ``begin_alone`` of the same book."""
        with self.begin() as connection:
            lock_book(connection, self.schema, book)
            yield connection

    def read_news(self, since: int) -> NamesNews | None:
        """What changed after a change of this number; all names after ``NOTHING_SEEN``."""
        with self._explained():
            if since != NOTHING_SEEN and not self._has_news(since):
                return None
            with self._engine.connect() as plain:
                # All of it as of one moment.
                connection = plain.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    if since == NOTHING_SEEN:
                        return read_all(connection)
                    return read_news(connection, since)

    @contextmanager
    def edit_names(self, since: int | None = None) -> Iterator[NamesEdit]:
        """Change names while nobody else does; see the port."""
        if self._is_read_only:
            raise StorageError(f"registry {self.where} was opened readonly")
        with self._explained(), self._engine.connect() as connection:
            yield PostgresEdit.begin(connection, since)

    def change_names(self, changes: Sequence[RowChange]) -> None:
        """Change rows of names; durable on return."""
        with self.edit_names() as edit:
            edit.write(changes)

    def note_damage(self, words: str) -> None:
        """Add to ``damages``; the same is said once."""
        with self._lock:
            if words not in self.damages:
                self.damages.append(words)

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    def _has_news(self, since: int) -> bool:
        with self._engine.connect() as connection:
            return connection.scalar(select(names_state.c.serial)) != since

    def _prepare(self) -> None:
        with self.begin() as connection:
            found = read_version(connection, self.schema, self.where)
        if found == POSTGRES_VERSION:
            return
        if self._is_read_only:
            has = "no tables" if found is None else "an older version"
            raise StorageError(
                f"registry {self.where} has {has}; start `wattscope run` on it once, which makes "
                "them and brings them up to date"
            )
        with self.begin() as connection:
            prepare_tables(connection, self.schema, self.where)

    def _find_password(self, file: Path) -> str:
        self._secret = read_password(file)
        return self._secret

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of the server into errors of the product."""
        try:
            yield
        except SQLAlchemyError as fault:
            error = explain_postgres(f"registry {self.where}", fault, self._secret)
            if error is fault:
                raise
            raise error from fault


def _sync_commits(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Where a server does not wait for its disk, ours do: an id that was given must stay."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SHOW synchronous_commit")
        [setting] = cursor.fetchone() or ("on",)
        if setting == "off":
            cursor.execute("SET synchronous_commit = on")
    connection.commit()

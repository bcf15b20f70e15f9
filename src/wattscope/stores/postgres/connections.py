"""A few connections to one server, handed out one transaction at a time.

A connection that is lost costs the call that found it so, as a ``TransientError``; the next call
gets a new one. No message tells a password.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.stores.postgres.columns import Connection, register_columns

_NEVER_BY_ITSELF = 2**31
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS = (
    "SELECT set_config('TimeZone', 'UTC', false), set_config('search_path', %s, false), "
    "set_config('jit', 'off', false), set_config('DateStyle', 'ISO', false)"
)


class Connections:
    """A pool. Thread-safe."""

    def __init__(self, url: str, *, search_path: str, size: int, timeout_s: int) -> None:
        """Take the address; nothing is opened yet.

        Args:
            url: As libpq reads it.
            search_path: Where names without a schema are looked up.
            size: Most connections at a time.
            timeout_s: Longest wait for a connection [s].

        Raises:
            SettingsError: The URL cannot be read.
        """
        self.place = mask_url(url)
        """The server and database in words, without the password."""
        self._url = url
        self._search_path = search_path
        self._timeout_s = timeout_s
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._is_closed = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block.

        Raises:
            TransientError: The server cannot be reached, was lost, or has no room.
        """
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One moment of the database, to read only.

        Raises:
            TransientError: The server cannot be reached, or was lost.
        """
        with self.transaction() as connection:
            connection.execute(_SNAPSHOT)
            yield connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside of any transaction.

        Raises:
            TransientError: The server cannot be reached, was lost, or has no room.
        """
        if not self._free.acquire(timeout=self._timeout_s):
            raise TransientError(f"{self.place}: all connections are in use; try again")
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as fault:
            raise TransientError(f"{self.place}: {tell(fault)}") from fault
        except psycopg.errors.ReadOnlySqlTransaction as fault:
            # Another server has become the first one, and this one takes no rows any more.
            self._drop_idle()
            raise TransientError(f"{self.place}: {tell(fault)}") from fault
        except psycopg.Error as fault:
            raise StorageError(f"{self.place}: {tell(fault)}; look at its tables") from fault
        finally:
            self._free.release()

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=self._timeout_s,
            application_name="wattscope",
            # A plan is made for its own instants, so that it leaves out what cannot matter. What
            # asks for the same few rows by their key, again and again, says so with ``prepare``.
            prepare_threshold=_NEVER_BY_ITSELF,
        )
        try:
            register_columns(connection)
            connection.execute(_SETTINGS, [self._search_path])
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.closed or connection.broken:
            # The others were most likely lost with it.
            self._drop_idle()
            return
        with self._lock:
            if not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            with suppress(psycopg.Error):
                connection.close()

    def close(self) -> None:
        """End all connections that are not in use, and the others when they are given back."""
        with self._lock:
            self._is_closed = True
        self._drop_idle()


def mask_url(url: str) -> str:
    """Server and database of a URL, without password.

    Raises:
        SettingsError: It cannot be read.

    >>> mask_url("postgresql://me:secret@db.example:5433/energy")
    'postgresql://me@db.example:5433/energy'
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SettingsError(
            ["the URL of PostgreSQL cannot be read; write postgresql://user@host:5432/database"]
        ) from None
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or ''}{port}/{parts.get('dbname') or ''}"


def tell(fault: psycopg.Error) -> str:
    """What a server said, in one line."""
    words = fault.diag.message_primary or str(fault)
    return " ".join(words.split()) or type(fault).__name__

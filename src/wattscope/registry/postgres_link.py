"""How this program speaks to a PostgreSQL server: its address, its connections, its refusals.

No error and no word of ours shows a password. Nothing is retried here: what may go away by itself
is a ``TransientError``, and whoever gets it decides when to ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from wattscope.core.errors import SettingsError, StorageError, StorageFullError, TransientError

DEFAULT_SCHEMA: Final = "wattscope_registry"
CONNECT_S: Final = 5
DISK_FULL: Final = "53100"
NO_RIGHT: Final = "42501"
"""SQLSTATE insufficient_privilege (PostgreSQL documentation, appendix A)."""
_TRY_AGAIN: Final = (
    "08",  # connection exception
    "25006",  # read-only transaction: the server is a standby, until it is promoted
    "25P03",  # this process slept within a transaction, and the server gave it up
    "40",  # transaction rollback: deadlock, serialization
    "53",  # insufficient resources
    "55P03",  # lock not available
    "57",  # operator intervention: shutdown, starting up, statement timeout
    "58",  # system error outside of PostgreSQL
)
"""SQLSTATEs, or their classes, that a later attempt may not meet (appendix A)."""


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Where a registry is, and how it is spoken to."""

    url: str = field(repr=False)
    """``postgresql://user@host:5432/database?sslmode=verify-full``."""
    password_file: Path | None = None
    """Its first line is the password; read at each new connection, so that it may change."""
    schema: str = DEFAULT_SCHEMA
    """Where its tables are; made when missing."""
    pool_size: int = 4
    """Connections that are kept open; four more are made while they are needed."""
    statement_s: float = 10.0
    """After this time a statement is given up [s]."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; the server is asked for nothing.

        Raises:
            SettingsError: All faults at once.
        """
        faults: list[str] = []
        try:
            read_url(self.url)
        except SettingsError as fault:
            faults += fault.faults
        if not self.schema or "\0" in self.schema or len(self.schema.encode()) > 63:
            faults.append("registry schema: a name of 1 to 63 bytes is wanted")
        if self.pool_size < 1:
            faults.append("registry pool_size: at least 1 connection is wanted")
        if not self.statement_s > 0:
            faults.append("registry statement_s: more than 0 seconds are wanted")
        if faults:
            raise SettingsError(faults)


def read_url(url: str, password: str | None = None) -> URL:
    """The address of a PostgreSQL database.

    Raises:
        SettingsError: It is none; the url is not shown, for it may hold a password.
    """
    advice = "write it as postgresql://user@host:5432/database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as fault:
        raise SettingsError(f"registry.url is no URL; {advice}") from fault
    if parsed.get_backend_name() not in {"postgresql", "postgres"} or not parsed.database:
        raise SettingsError(f"registry.url names no PostgreSQL database; {advice}")
    return parsed.set(drivername="postgresql+psycopg", password=password or parsed.password)


def show_url(url: URL) -> str:
    """What names a database for a person: neither password nor options."""
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()


def read_password(path: Path) -> str:
    """The first line of a file of secrets.

    Raises:
        TransientError: It cannot be read; it may be mounted later.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        words = getattr(fault, "strerror", None) or "it is no text"
        raise TransientError(f"password file {path} cannot be read ({words})") from fault
    if not lines or not lines[0].strip():
        raise TransientError(f"password file {path} is empty; write the password in its first line")
    return lines[0].strip()


def make_postgres_engine(
    url: URL,
    statement_s: float,
    *,
    pool_size: int = 1,
    find_password: Callable[[], str] | None = None,
    execution_options: Mapping[str, Any] | None = None,
) -> Engine:
    """Connections to a database, made when they are needed; nothing is asked of it yet.

    Args:
        url: From ``read_url``.
        statement_s: After this time a statement is given up [s]; a server that vanished as well,
            however silent the network is.
        pool_size: Connections that are kept; four more are made while they are needed.
        find_password: Asked at each new connection, so that a password may change meanwhile.
        execution_options: Of all its statements, as SQLAlchemy takes them.

    Raises:
        SettingsError: psycopg is not installed.
    """
    statement_ms = round(statement_s * 1000)
    try:
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=4,
            pool_pre_ping=True,
            pool_timeout=statement_s,
            # Rows may hold what devices said, which belongs in no log.
            hide_parameters=True,
            connect_args={
                "connect_timeout": CONNECT_S,
                "application_name": "wattscope",
                "tcp_user_timeout": statement_ms,
                "keepalives_idle": CONNECT_S,
                # A process that is frozen within a transaction must not keep all others waiting.
                "options": f"-c statement_timeout={statement_ms} "
                f"-c idle_in_transaction_session_timeout={statement_ms}",
            },
            execution_options=dict(execution_options or {}),
        )
    except ModuleNotFoundError as fault:
        raise SettingsError(
            f"registry.url needs {fault.name}; run pip install 'wattscope[postgres]'"
        ) from fault
    if find_password is not None:

        def put_password(*connecting: Any) -> None:  # noqa: ANN401  # as SQLAlchemy calls it
            connecting[-1]["password"] = find_password()

        event.listen(engine, "do_connect", put_password)
    return engine


def word_fault(fault: Exception, secret: str | None = None) -> str:
    """What a server or its driver says, in one line and without the secret."""
    original = fault.orig if isinstance(fault, DBAPIError) and fault.orig is not None else fault
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    words = " ".join(str(primary or original).split()) or type(original).__name__
    return words.replace(secret, "***") if secret else words


def explain_postgres(what: str, fault: SQLAlchemyError, secret: str | None = None) -> Exception:
    """The error of the product for one of a server; the fault itself where it is a programmer's.

    Args:
        what: The database in words, as ``registry postgresql://host/database``.
        fault: What was raised.
        secret: The password, which must not be shown.
    """
    if isinstance(fault, PoolTimeoutError):
        return TransientError(f"{what}: all its connections are busy; ask again")
    return _explain_server(what, fault, secret) if isinstance(fault, DBAPIError) else fault


def _explain_server(what: str, fault: DBAPIError, secret: str | None) -> Exception:
    words = word_fault(fault, secret)
    state = getattr(fault.orig, "sqlstate", None) or ""
    if state == DISK_FULL:
        return StorageFullError(f"{what}: no room on its disk ({words}); free some")
    if state == NO_RIGHT:
        return StorageError(
            f"{what}: {words}; give its user the right to read and alter its tables"
        )
    if state.startswith(_TRY_AGAIN):
        return TransientError(f"{what} refuses now: {words}")
    if fault.connection_invalidated or (
        not state and isinstance(fault, OperationalError | InterfaceError)
    ):
        return TransientError(f"{what} cannot be reached: {words}")
    return fault

"""What can be chosen about a store in PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wattscope.core.errors import SettingsError
from wattscope.core.time_grid import US_PER_DAY

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True)
class PostgresStoreOptions:
    """Options of ``PostgresStore``.

    Raises:
        SettingsError: A value that cannot be meant.
    """

    url: str
    """``postgresql://user:password@host:port/database``, or another form that libpq reads."""
    schema: str = "wattscope"
    """Where all tables and views are kept; made when missing."""
    chunk_us: int = 7 * US_PER_DAY
    """Length of a chunk of the hypertable [µs]; only for a new store, an old one keeps its own."""
    compress_after_us: int | None = 7 * US_PER_DAY
    """Age at which chunks are compressed [µs]; None: only when told. Community edition only."""
    log_name: str = "log"
    """Whose offsets ``write`` counts; every log that writes here has a name of its own."""
    flush_rows: int = 200_000
    """A flush is due when so many rows were written here since the last one."""
    flush_every_s: float = 10.0
    """A flush is due when this time has passed since the last one and rows were written [s]."""
    n_connections: int = 4
    """Most connections at a time."""
    connect_timeout_s: int = 10
    """Longest wait for a connection [s]."""
    query_timeout_s: float = 30.0
    """Longest time for one question in SQL [s]."""
    uses_timescale: bool = True
    """False takes a server as plain PostgreSQL whatever it has."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        faults = []
        if not _SCHEMA_NAME.fullmatch(self.schema) or self.schema.startswith("pg_"):
            faults.append(
                f"schema {self.schema!r} is no plain name; write small letters, digits and _"
            )
        if self.chunk_us <= 0:
            faults.append("the chunk interval must be longer than nothing")
        if self.n_connections < 1:
            faults.append("n_connections must be at least 1")
        if faults:
            raise SettingsError(faults)

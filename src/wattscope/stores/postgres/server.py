"""What a server is and can do, as it tells itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import psycopg
from psycopg.rows import scalar_row

from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.connections import Connections

EXTENSION = "timescaledb"
_COMMUNITY = "timescale"
"""Value of ``timescaledb.license`` of the community edition; the other is ``apache``."""


class Edition(Enum):
    """Which of the three servers it is."""

    PLAIN = "PostgreSQL"
    APACHE = "TimescaleDB, Apache edition"
    COMMUNITY = "TimescaleDB, community edition"

    @property
    def has_hypertables(self) -> bool:
        """Whether rows are kept in chunks that can be dropped as a whole."""
        return self is not Edition.PLAIN

    @property
    def has_compression(self) -> bool:
        """Whether it compresses chunks, keeps aggregates and runs policies by itself."""
        return self is Edition.COMMUNITY


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it was found."""

    edition: Edition
    version: str
    """Of PostgreSQL, and of TimescaleDB where it is there."""

    def describe(self) -> str:
        """One line: what it is, and what the store has to do without."""
        lacks = {
            Edition.PLAIN: "no hypertable, no compression; rows in one table, own rollup tables",
            Edition.APACHE: "its licence has no compression, no continuous aggregates and no "
            "policies; hypertable, own rollup tables",
            Edition.COMMUNITY: "hypertable, compression, continuous aggregates, own rollup tables",
        }
        return f"{self.edition.value} {self.version}: {lacks[self.edition]}"


def install_extension(connections: Connections) -> None:
    """Make the extension of TimescaleDB where the server offers it and lets us."""
    with connections.connection() as connection:
        if not _ask(connection, "SELECT 1 FROM pg_available_extensions WHERE name = %s"):
            return
        if _ask(connection, "SELECT 1 FROM pg_extension WHERE extname = %s"):
            return
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.OperationalError:
            # It is installed but not loaded, and ends the connection: a plain server to us.
            connection.close()
        except psycopg.Error:
            # Not ours to make, or another process was faster.
            return


def find_server(connection: Connection, *, uses_timescale: bool) -> Server:
    """What the server is; the extension must be there already."""
    version = str(_ask(connection, "SELECT current_setting('server_version') WHERE %s <> ''"))
    version = version.split(maxsplit=1)[0]
    extension = _ask(connection, "SELECT extversion FROM pg_extension WHERE extname = %s")
    if extension is None or not uses_timescale:
        return Server(Edition.PLAIN, version)
    licence = _ask(connection, "SELECT current_setting(%s || '.license')")
    edition = Edition.COMMUNITY if licence == _COMMUNITY else Edition.APACHE
    return Server(edition, f"{extension} on PostgreSQL {version}")


def _ask(connection: Connection, sql: str) -> object:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(sql, [EXTENSION]).fetchone()

"""The tables and views of the store, made and migrated by the program.

::

    raw_rows      one row a value: (series_id, measured_at) is its key
    bucket_15m …  kept buckets of each series, whole ones only
    series_names  copies of the registry's names, for SQL
    series_states newest row of each series, and from where on its buckets are outdated
    late_spans    further stretches whose buckets are outdated
    row_ends      the last rows before those that retention removed

Two processes may start at once: one migrates, the other waits.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql
from psycopg.rows import scalar_row

from wattscope.core.errors import StorageError
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.views import READINGS_VIEW, SEED_VIEWS, rollup_view

KEPT_LEVELS: Final = ("15m", "1h", "1d")
"""Levels that are kept; minutes are computed from rows when asked for."""
_LOCK: Final = 0x77617474
"""Key of the advisory lock under which the tables are made; "watt"."""

_BUCKETS: Final = """
CREATE TABLE bucket_{level} (
    series_id int4 NOT NULL,
    bucket_start timestamptz NOT NULL,
    count int8 NOT NULL,
    sum float8 NOT NULL,
    min float8 NOT NULL,
    max float8 NOT NULL,
    first float8 NOT NULL,
    last float8 NOT NULL,
    increase float8 NOT NULL,
    energy_wh float8 NOT NULL,
    coverage float8 NOT NULL,
    PRIMARY KEY (series_id, bucket_start)
);
COMMENT ON TABLE bucket_{level} IS
    'Kept buckets; NaN stands for nothing. Ask the view rollup_{level}.';
"""
_TABLES: Final = """
CREATE TABLE raw_rows (
    series_id int4 NOT NULL,
    measured_at timestamptz NOT NULL,
    value float8,
    quality int2 NOT NULL,
    PRIMARY KEY (series_id, measured_at)
);
CREATE TABLE row_ends (LIKE raw_rows INCLUDING ALL);
CREATE TABLE series_names (
    series_id int4 PRIMARY KEY,
    site text NOT NULL,
    device text NOT NULL,
    quantity text NOT NULL,
    unit text NOT NULL,
    is_counter bool NOT NULL,
    time_zone text NOT NULL,
    rule_crc int8 NOT NULL
);
CREATE TABLE series_states (
    series_id int4 PRIMARY KEY,
    n_rows int8 NOT NULL,
    oldest timestamptz NOT NULL,
    newest timestamptz NOT NULL,
    newest_value float8,
    newest_quality int2 NOT NULL,
    fresh_from timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN series_states.fresh_from IS
    'Buckets from here on are not kept yet; NULL where all are.';
CREATE TABLE late_spans (
    series_id int4 NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL
);
CREATE INDEX ON late_spans (series_id);
CREATE TABLE log_offsets (log text PRIMARY KEY, next_offset int8 NOT NULL);
CREATE TABLE store_state (
    only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
    retired_until timestamptz NOT NULL DEFAULT '-infinity',
    chunk_us int8 NOT NULL DEFAULT 0
);
INSERT INTO store_state DEFAULT VALUES;
"""
# Functions of the embedded store that questions may use on every store.
_FUNCTIONS: Final = """
CREATE FUNCTION epoch_us(t timestamptz) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (extract(epoch FROM t) * 1000000)::int8 $$;
CREATE FUNCTION epoch(t timestamptz) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT extract(epoch FROM t)::float8 $$;
CREATE FUNCTION epoch(length interval) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT extract(epoch FROM length)::float8 $$;
"""

MIGRATIONS: Final = (
    "".join(
        (
            _TABLES,
            *(_BUCKETS.format(level=level) for level in KEPT_LEVELS),
            READINGS_VIEW,
            *(rollup_view(level, f"bucket_{level}") for level in KEPT_LEVELS),
            *SEED_VIEWS,
            _FUNCTIONS,
        )
    ),
)
"""What brings a store from each version to the next; what is written here never changes."""


def migrate(connection: Connection, schema: str) -> bool:
    """Bring the tables to this program's version, inside a transaction.

    Returns:
        Whether they were made just now.

    Raises:
        StorageError: A newer program has made them.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, schema])
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    version = _read_version(connection, schema)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"the store in schema {schema} has version {version}, this program knows "
            f"{len(MIGRATIONS)}; run the program that made it, or a newer one"
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute(sql.SQL(statements))
        connection.execute("UPDATE store_version SET version = %s", [number])
    return version == 0


def _read_version(connection: Connection, schema: str) -> int:
    """The version of the tables; 0 where there are none yet."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        known = "SELECT to_regclass(quote_ident(%s) || '.store_version') IS NOT NULL"
        if not cursor.execute(known, [schema]).fetchone():
            cursor.execute("CREATE TABLE store_version (version int4 NOT NULL)")
            cursor.execute("INSERT INTO store_version VALUES (0)")
        return int(cursor.execute("SELECT version FROM store_version").fetchone() or 0)

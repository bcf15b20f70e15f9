"""What a server with TimescaleDB has more: chunks, compression, aggregates and their policies.

The continuous aggregates are there for whoever looks for them, and hold what they can hold: count,
sum, minimum, maximum and mean of the values. Energy, growth of counters and coverage are in our own
tables of buckets, for they depend on more than the rows of a bucket.
"""

from __future__ import annotations

from typing import Final

from psycopg.rows import scalar_row

from wattscope.core.time_grid import US_PER_S
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.server import Edition

AGGREGATES: Final = {"15m": "15 minutes", "1h": "1 hour", "1d": "1 day"}
"""Level of an aggregate to its bucket; days are those of UTC."""

_HYPERTABLE: Final = """SELECT create_hypertable(%s::regclass, 'measured_at',
    chunk_time_interval => make_interval(secs => %s), create_default_indexes => false,
    migrate_data => true, if_not_exists => true)"""
_COMPRESSION: Final = """ALTER TABLE raw_rows SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'series_id',
    timescaledb.compress_orderby = 'measured_at')"""
# A new store is often given a history first. Chunks that were compressed under it would take every
# further row only after a look into what is compressed.
_COMPRESSION_POLICY: Final = """SELECT add_compression_policy('raw_rows',
    compress_after => make_interval(secs => %s), if_not_exists => true,
    initial_start => now() + interval '1 hour')"""
_AGGREGATE: Final = """CREATE MATERIALIZED VIEW IF NOT EXISTS aggregate_{level}
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT series_id, time_bucket('{bucket}', measured_at) AS bucket,
           count(value) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max,
           avg(value) AS mean
    FROM raw_rows WHERE quality & 3 = 0
    GROUP BY series_id, time_bucket('{bucket}', measured_at)
    WITH NO DATA"""
# As in the smart grid: three days back, but for the newest hour, every quarter of an hour.
_REFRESH_POLICY: Final = """SELECT add_continuous_aggregate_policy(%s::regclass,
    start_offset => interval '3 days' + interval '{bucket}', end_offset => interval '1 hour',
    schedule_interval => interval '15 minutes', if_not_exists => true)"""


def set_up(connection: Connection, edition: Edition, options: PostgresStoreOptions) -> None:
    """Turn the table of rows into what the server can do best, inside a transaction."""
    if not edition.has_hypertables:
        connection.execute(
            "CREATE INDEX IF NOT EXISTS raw_rows_by_time ON raw_rows "
            "USING brin (measured_at) WITH (pages_per_range = 32)"
        )
        _note_interval(connection, options.chunk_us)
        return
    connection.execute(_HYPERTABLE, ["raw_rows", options.chunk_us / US_PER_S])
    _note_interval(connection, options.chunk_us)
    if edition.has_compression:
        _set_up_community(connection, options)


def _set_up_community(connection: Connection, options: PostgresStoreOptions) -> None:
    if not _is_compressed(connection):
        connection.execute(_COMPRESSION)
    if options.compress_after_us is not None:
        connection.execute(_COMPRESSION_POLICY, [options.compress_after_us / US_PER_S])
    for level, bucket in AGGREGATES.items():
        connection.execute(_AGGREGATE.format(level=level, bucket=bucket))
        policy = _REFRESH_POLICY.format(bucket=bucket)
        connection.execute(policy, [f"aggregate_{level}"])


def _is_compressed(connection: Connection) -> bool:
    sql = """SELECT compression_enabled FROM timescaledb_information.hypertables
        WHERE hypertable_schema = current_schema() AND hypertable_name = 'raw_rows'"""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(sql).fetchone())


def _note_interval(connection: Connection, chunk_us: int) -> None:
    """Of a new store; an old one keeps its own."""
    connection.execute("UPDATE store_state SET chunk_us = %s WHERE chunk_us = 0", [chunk_us])


def compress_rows(connection: Connection, older_than_us: int) -> int:
    """Compress chunks of rows that end before an instant; returns their number."""
    sql = """SELECT count(compress_chunk(format('%%I.%%I', chunk_schema, chunk_name)::regclass))
        FROM timescaledb_information.chunks
        WHERE hypertable_schema = current_schema() AND hypertable_name = 'raw_rows'
            AND NOT is_compressed AND range_end <= to_timestamp(%s)"""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(sql, [older_than_us / US_PER_S]).fetchone() or 0)

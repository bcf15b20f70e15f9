"""What the store takes on the server's disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.schema import KEPT_LEVELS
from wattscope.stores.postgres.server import Edition

_ROWS: Final = "SELECT coalesce(sum(n_rows), 0)::int8 FROM series_states"
_BUCKETS: Final = "SELECT " + " + ".join(
    f"pg_total_relation_size('bucket_{level}')" for level in KEPT_LEVELS
)
# Also right before 1970, where a remainder is negative.
_SPANS: Final = """SELECT t - ((t %% %s) + %s) %% %s AS start, count(*)
    FROM (SELECT epoch_us(measured_at) AS t FROM raw_rows) r GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of rows and of kept buckets."""

    rows: int
    """Rows that were ever stored."""
    chunks: int
    compressed_chunks: int
    row_bytes: int
    """With their index."""
    bucket_bytes: int


def read_sizes(connection: Connection, edition: Edition) -> Sizes:
    """The sizes at this moment."""
    chunks = compressed = 0
    row_bytes = "SELECT pg_total_relation_size('raw_rows')"
    if edition.has_hypertables:
        row_bytes = "SELECT hypertable_size('raw_rows')"
        sql = """SELECT count(*), count(*) FILTER (WHERE is_compressed)
            FROM timescaledb_information.chunks
            WHERE hypertable_schema = current_schema() AND hypertable_name = 'raw_rows'"""
        chunks, compressed = connection.execute(sql).fetchone() or (0, 0)
    return Sizes(
        rows=_ask(connection, _ROWS),
        chunks=chunks,
        compressed_chunks=compressed,
        row_bytes=_ask(connection, row_bytes),
        bucket_bytes=_ask(connection, _BUCKETS),
    )


def count_span_rows(connection: Connection, chunk_us: int) -> dict[int, int]:
    """Rows by start of their span [µs], rising."""
    return dict(connection.execute(_SPANS, [chunk_us] * 3).fetchall())


def _ask(connection: Connection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0] or 0) if found else 0

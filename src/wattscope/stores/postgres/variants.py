"""Copies of the rows with other chunk intervals, and the four questions timed on each.

What the smart grid project measured by hand: chunks of three hours and of a week beside its own,
compressed and not, and what that does to an hour's mean, the peaks of a week, the months and a scan
of everything. For a store with TimescaleDB.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S
from wattscope.stores.postgres.columns import Connection
from wattscope.stores.postgres.connections import Connections
from wattscope.stores.postgres.server import Edition, Server, find_server

INTERVALS: Final = {"3h": 3 * US_PER_HOUR, "1d": US_PER_DAY, "week": 7 * US_PER_DAY}
"""Name of a variant to its chunk interval [µs]."""
ROLLUPS: Final = "rollups"
"""The variant that reads kept buckets instead of rows."""
_MAIN: Final = "raw_rows"

_POWER: Final = """ARRAY(SELECT series_id FROM series_names
    WHERE quantity IN ('active_power_w', 'production_power_w'))"""
_ENERGY: Final = """ARRAY(SELECT series_id FROM series_names
    WHERE quantity IN ('energy_import_wh', 'energy_import_delta_wh'))"""
_NEWEST: Final = "(SELECT max(newest) FROM series_states)"
# From a whole quarter on, so that rows and buckets are asked for the same time.
_WEEK_AGO: Final = f"date_bin('15 minutes', {_NEWEST} - interval '7 days', '2000-01-01')"

ON_ROWS: Final = {
    "hourly power of the newest day": f"""SELECT date_trunc('hour', measured_at) AS hour, avg(value)
        FROM {{table}} WHERE series_id = ANY({_POWER}) AND quality & 3 = 0
            AND measured_at >= date_trunc('day', {_NEWEST})
        GROUP BY hour ORDER BY hour""",  # noqa: S608  # our own words
    "ten peaks of 15 minutes in 7 days": f"""SELECT
            date_bin('15 minutes', measured_at, '2000-01-01') AS period, avg(value) AS mean
        FROM {{table}} WHERE series_id = ANY({_POWER}) AND quality & 3 = 0
            AND measured_at >= {_WEEK_AGO}
        GROUP BY period ORDER BY mean DESC LIMIT 10""",  # noqa: S608  # our own words
    "monthly energy by meter": f"""SELECT series_id, date_trunc('month', measured_at) AS month,
            max(value) - min(value)
        FROM {{table}} WHERE series_id = ANY({_ENERGY}) AND quality & 3 = 0
        GROUP BY series_id, month ORDER BY month, series_id""",  # noqa: S608  # our own words
    "everything": "SELECT count(*), avg(value), max(value), min(value) FROM {table}",
}
"""The four questions over rows."""
ON_BUCKETS: Final = {
    "hourly power of the newest day": f"""SELECT bucket_start, sum(sum) / nullif(sum(count), 0)
        FROM bucket_1h WHERE series_id = ANY({_POWER})
            AND bucket_start >= date_trunc('day', {_NEWEST})
        GROUP BY bucket_start ORDER BY bucket_start""",  # noqa: S608  # our own words
    "ten peaks of 15 minutes in 7 days": f"""SELECT bucket_start,
            sum(sum) / nullif(sum(count), 0) AS mean
        FROM bucket_15m WHERE series_id = ANY({_POWER})
            AND bucket_start >= {_WEEK_AGO}
        GROUP BY bucket_start ORDER BY mean DESC NULLS LAST LIMIT 10""",  # noqa: S608  # our own words
    "monthly energy by meter": f"""SELECT series_id, date_trunc('month', bucket_start) AS month,
            sum(nullif(energy_wh, 'NaN'))
        FROM bucket_1h WHERE series_id = ANY({_ENERGY})
        GROUP BY series_id, month ORDER BY month, series_id""",  # noqa: S608  # our own words
    "everything": """SELECT sum(count), sum(sum) / sum(count), max(nullif(max, 'NaN')),
            min(nullif(min, 'NaN')) FROM bucket_1d""",
}
"""The same over kept buckets; energy there is exact over resets and gaps.

Months are those of UTC, as over rows, hence not from days, which are local.
"""


@dataclass(frozen=True, slots=True)
class VariantSize:
    """What one variant takes."""

    variant: str
    chunk_interval_us: int
    chunks: int
    compressed_chunks: int
    bytes_before: int
    """Of all chunks before they were compressed."""
    bytes_now: int


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one question took on one variant."""

    variant: str
    question: str
    median_ms: float
    rows: int
    """Of the answer."""


class Variants:
    """The variants of one store."""

    def __init__(self, url: str, schema: str = "wattscope") -> None:
        """Take the address of a store that was made before.

        Raises:
            SettingsError: The URL cannot be read.
        """
        self._schema = schema
        path = f'"{schema}", public'
        self._connections = Connections(url, search_path=path, size=1, timeout_s=10)

    def close(self) -> None:
        """End the connection."""
        self._connections.close()

    def list_names(self) -> list[str]:
        """The variants that there are; the first is the store's own table.

        Raises:
            SettingsError: There is no store, or it has no TimescaleDB.
        """
        with self._connections.transaction() as connection:
            self._require(connection, needs_compression=False)
            return self._list_names(connection)

    def clone(self, name: str) -> int:
        """Copy all rows to a table with another chunk interval; returns their number.

        A copy that is there already is made anew.

        Raises:
            SettingsError: No such interval, no store, or no TimescaleDB.
        """
        if name not in INTERVALS:
            raise SettingsError([f"interval {name!r} is unknown; use {', '.join(INTERVALS)}"])
        table = sql.Identifier(_table_of(name))
        with self._connections.transaction() as connection:
            self._require(connection, needs_compression=False)
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE raw_rows INCLUDING ALL)").format(table)
            )
            connection.execute(
                "SELECT create_hypertable(%s::regclass, 'measured_at', "
                "chunk_time_interval => make_interval(secs => %s), "
                "create_default_indexes => false)",
                [_table_of(name), INTERVALS[name] / US_PER_S],
            )
            copied = connection.execute(
                sql.SQL("INSERT INTO {} SELECT * FROM raw_rows").format(table)
            )
            return copied.rowcount

    def compress(self) -> dict[str, int]:
        """Compress all chunks of all variants; number of those that were not, by variant.

        Raises:
            SettingsError: The server cannot compress.
        """
        done = {}
        with self._connections.transaction() as connection:
            self._require(connection, needs_compression=True)
            for name in self._list_names(connection):
                table = _table_of(name)
                connection.execute(
                    sql.SQL(
                        "ALTER TABLE {} SET (timescaledb.compress, "
                        "timescaledb.compress_segmentby = 'series_id', "
                        "timescaledb.compress_orderby = 'measured_at')"
                    ).format(sql.Identifier(table))
                )
                found = connection.execute(
                    "SELECT count(compress_chunk("
                    "format('%%I.%%I', chunk_schema, chunk_name)::regclass)) "
                    "FROM timescaledb_information.chunks WHERE hypertable_schema = %s "
                    "AND hypertable_name = %s AND NOT is_compressed",
                    [self._schema, table],
                ).fetchone()
                done[name] = int(found[0]) if found else 0
        return done

    def measure_sizes(self) -> list[VariantSize]:
        """Sizes of all variants, before and after compression.

        Raises:
            SettingsError: There is no store, or it has no TimescaleDB.
        """
        with self._connections.transaction() as connection:
            edition = self._require(connection, needs_compression=False).edition
            return [
                self._measure(connection, name, edition) for name in self._list_names(connection)
            ]

    def _measure(self, connection: Connection, name: str, edition: Edition) -> VariantSize:
        table = _table_of(name)
        chunks = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE is_compressed) "
            "FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = %s AND hypertable_name = %s",
            [self._schema, table],
        ).fetchone()
        now = connection.execute("SELECT hypertable_size(%s::regclass)", [table]).fetchone()
        interval = connection.execute(
            "SELECT (extract(epoch FROM time_interval) * 1000000)::int8 "
            "FROM timescaledb_information.dimensions "
            "WHERE hypertable_schema = %s AND hypertable_name = %s",
            [self._schema, table],
        ).fetchone()
        saved = 0
        if edition.has_compression:
            stats = connection.execute(
                "SELECT coalesce(before_compression_total_bytes - "
                "after_compression_total_bytes, 0)::int8 "
                "FROM hypertable_compression_stats(%s::regclass)",
                [table],
            ).fetchone()
            saved = int(stats[0]) if stats else 0
        n_bytes = int(now[0]) if now else 0
        return VariantSize(
            name,
            int(interval[0]) if interval else 0,
            int(chunks[0]) if chunks else 0,
            int(chunks[1]) if chunks else 0,
            n_bytes + saved,
            n_bytes,
        )

    def time_questions(
        self, n_times: int = 5, clock_s: Callable[[], float] = time.perf_counter
    ) -> list[Timing]:
        """The four questions on every variant and on the kept buckets, each several times.

        Raises:
            SettingsError: There is no store, or it has no TimescaleDB.
            QueryError: Fewer than one time.
        """
        if n_times < 1:
            raise QueryError("each question must be asked at least once")
        found = []
        with self._connections.transaction() as connection:
            self._require(connection, needs_compression=False)
            for name in [*self._list_names(connection), ROLLUPS]:
                questions = ON_BUCKETS if name == ROLLUPS else ON_ROWS
                for words, text in questions.items():
                    statement = text.format(table=_table_of(name))
                    found.append(_time(connection, name, words, statement, (n_times, clock_s)))
        return found

    def _list_names(self, connection: Connection) -> list[str]:
        known = connection.execute(
            "SELECT hypertable_name FROM timescaledb_information.hypertables "
            "WHERE hypertable_schema = %s",
            [self._schema],
        ).fetchall()
        tables = {str(name) for (name,) in known}
        return [_MAIN, *(name for name in INTERVALS if _table_of(name) in tables)]

    def _require(self, connection: Connection, *, needs_compression: bool) -> Server:
        """The server, if it can do what is asked."""
        there = connection.execute("SELECT to_regclass('raw_rows')").fetchone()
        if not there or there[0] is None:
            raise SettingsError(
                [f"there is no store in schema {self._schema} of {self._connections.place}"]
            )
        server = find_server(connection, uses_timescale=True)
        has_all = server.edition.has_compression or not needs_compression
        if not server.edition.has_hypertables or not has_all:
            raise SettingsError([f"{self._connections.place} cannot do that: {server.describe()}"])
        return server


def _table_of(name: str) -> str:
    return _MAIN if name == _MAIN else f"{_MAIN}_{name}"


def _time(
    connection: Connection,
    name: str,
    words: str,
    statement: str,
    how: tuple[int, Callable[[], float]],
) -> Timing:
    n_times, clock_s = how
    took: list[float] = []
    rows: Sequence[object] = ()
    for _ in range(n_times):
        before = clock_s()
        rows = connection.execute(statement).fetchall()
        took.append(clock_s() - before)
    return Timing(name, words, sorted(took)[n_times // 2] * 1000, len(rows))

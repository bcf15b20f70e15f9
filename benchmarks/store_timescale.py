"""TimescaleDB as a subject, when ``WATTSCOPE_TEST_TIMESCALE`` names a server (edition "community").

Tuned as its documentation says under "Hypertables" and "Hypercore": chunks of one day for the grid
(as the grid project has them) and of seven days, its default, for sets of few meters; columnar
compression with one segment a meter, ordered by time; doubles. Questions are asked of the
compressed chunks; the hourly continuous aggregate answers Q1 in a row of its own. Databases of our
own are made on that server and dropped. Its settings are not touched; the notes name its version.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.store_postgres import (
    Connection,
    build_meters,
    build_table,
    connect,
    copy_rows,
    fetch_one,
    list_postgres_questions,
    require_durable,
)
from benchmarks.store_questions import HOURLY_AGGREGATE, Prepared, Question, to_rows
from benchmarks.store_sets import MeasuredSet
from tests.servers import ServerMissingError
from wattscope.core.time_grid import US_PER_DAY, US_PER_S

VARIABLE = "WATTSCOPE_TEST_TIMESCALE"
_DAYS_A_CHUNK = {"grid": 1}
_DEFAULT_DAYS = 7
_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
_DATABASE = f"wattscope_bench_{os.getpid()}"


@dataclass
class OpenedTimescale:
    """A database with one compressed hypertable."""

    database: Connection
    _measured: MeasuredSet = field(init=False)

    def load(self, prepared: Prepared) -> None:
        self._measured = prepared.measured
        self.database.execute(build_table(self._measured))
        self.database.execute(build_meters(self._measured))
        days = _DAYS_A_CHUNK.get(self._measured.name, _DEFAULT_DAYS)
        self.database.execute(
            "SELECT create_hypertable('readings', 'ts', "
            f"chunk_time_interval => interval '{days} days')"
        )
        self.database.execute("CREATE INDEX ON readings (meter, ts DESC)")
        copy_rows(self.database, self._measured)
        self.database.execute(
            "ALTER TABLE readings SET (timescaledb.compress, "
            "timescaledb.compress_segmentby = 'meter', timescaledb.compress_orderby = 'ts')"
        )
        self.database.execute("SELECT compress_chunk(chunk) FROM show_chunks('readings') AS chunk")

    def settle(self) -> None:
        if self._measured.name == "grid":
            self.database.execute(
                "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS "
                "SELECT meter, time_bucket('1 hour', ts) AS hour, sum(power) AS total, "
                "count(power) AS n FROM readings GROUP BY meter, hour"
            )
        del self._measured
        self.database.execute("VACUUM ANALYZE")
        self.database.execute("CHECKPOINT")

    def count_bytes(self) -> int:
        # Without the continuous aggregate: the comparison is with the compressed readings alone.
        return int(
            fetch_one(
                self.database,
                "SELECT hypertable_size('readings') + pg_total_relation_size('meters')",
            )
        )

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        quarter = "time_bucket('15 minutes', ts)"
        found = dict(list_postgres_questions(self.database, measured, quarter))
        if measured.name == "grid":
            found[HOURLY_AGGREGATE] = self._ask_aggregate(measured)
        return found

    def _ask_aggregate(self, measured: MeasuredSet) -> Question:
        newest_s = int(measured.at_us.max()) // US_PER_S
        today_s = newest_s - newest_s % (US_PER_DAY // US_PER_S)
        sql = f"""SELECT (extract(epoch FROM hour) * 1000000)::int8, sum(total) / sum(n)
            FROM hourly WHERE hour >= to_timestamp({today_s}) GROUP BY hour ORDER BY hour"""
        return Question(lambda _: self.database.execute(sql, binary=True).fetchall(), to_rows)


class TimescaleSubject:
    """TimescaleDB, compressed."""

    name = "TimescaleDB compressed"
    durability = "commit waits for fsync"
    n_loads = 5
    is_slow = True
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:  # noqa: ARG002  # no file
        return Prepared(measured.order_by_time())

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedTimescale]:  # noqa: ARG002  # the server has its own
        url = os.environ.get(VARIABLE)
        if not url:
            raise ServerMissingError(f"{VARIABLE} names no server")
        with connect(url) as server:
            server.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {_DATABASE}")
            try:
                with connect(_replace_database(url)) as database:
                    database.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
                    _require_compression(database)
                    require_durable(database)
                    version = fetch_one(database, _VERSION)
                    self.durability = f"version {version}, commit waits for fsync"
                    yield OpenedTimescale(database)
            finally:
                server.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)")


def _replace_database(url: str) -> str:
    """The same server, our database."""
    if "://" not in url:
        return f"{url} dbname={_DATABASE}"
    return re.sub(r"^([^:]+://[^/?]+)(/[^?]*)?", rf"\1/{_DATABASE}", url)


def _require_compression(database: Connection) -> None:
    """Skip the Apache edition, which cannot compress.

    Raises:
        ServerMissingError: It is that edition.
    """
    if fetch_one(database, "SHOW timescaledb.license") != "timescale":
        raise ServerMissingError(f"the server that {VARIABLE} names has no compression (Apache)")

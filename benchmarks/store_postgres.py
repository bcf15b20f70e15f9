"""PostgreSQL 15 as a subject, filled by binary COPY from psycopg.

Table: one row a reading, time and meter and one double a quantity; rows arrive in order of time.
Tuned as its documentation says under "Populating a Database" and "BRIN Indexes":

- table and ``COPY … FREEZE`` in one transaction, indexes made afterwards, then ``VACUUM ANALYZE``;
- a B-tree on (meter, time) for questions about one meter, a BRIN on time for spans of all meters
  (rows lie in order of time), with 32 pages a range, because 4 MB hold a day of few meters;
- ``max_wal_size`` so large that no checkpoint falls into the load, ``work_mem`` so large that
  groups stay in memory, ``random_page_cost`` of a solid-state disk, no compilation of plans that
  take milliseconds.

``fsync`` and ``synchronous_commit`` are on: a commit waits for the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks.store_duckdb import build_content_sql
from benchmarks.store_questions import (
    BY_MONTH,
    CHART,
    CONTENT,
    FULL_SCAN,
    HOURLY_TODAY,
    LAST,
    N_PIXELS,
    ONE_METER,
    TOP_QUARTERS,
    Prepared,
    Question,
    to_rows,
)
from benchmarks.store_sets import MeasuredSet
from tests.servers import run_postgres
from wattscope.core.time_grid import US_PER_DAY, US_PER_S

Connection = psycopg.Connection[tuple[Any, ...]]

SETTINGS = {
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
}
# Binary COPY, "File Format" in its documentation: signature, flags, length of an extension.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_EPOCH_2000_US = 946_684_800 * US_PER_S
_ROWS_A_PIECE = 100_000


def encode_rows(measured: MeasuredSet) -> bytes:
    """Rows of (time, meter, values …) as binary COPY wants them."""
    columns = measured.columns
    layout = [("n", ">i2"), ("l0", ">i4"), ("ts", ">i8"), ("l1", ">i4"), ("meter", ">i4")]
    for at in range(len(columns)):
        layout += [(f"m{at}", ">i4"), (f"v{at}", ">f8")]
    rows = np.zeros(measured.n_rows, np.dtype(layout))
    rows["n"], rows["l0"], rows["l1"] = 2 + len(columns), 8, 4
    rows["ts"], rows["meter"] = measured.at_us - _EPOCH_2000_US, measured.meter
    for at, column in enumerate(columns):
        rows[f"m{at}"], rows[f"v{at}"] = 8, column.values
    return rows.tobytes()


def copy_rows(database: Connection, measured: MeasuredSet, options: str = "") -> None:
    """COPY the set into ``readings``."""
    statement = f"COPY readings FROM STDIN WITH (FORMAT binary {options})"
    with database.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_COPY_HEADER)
        for piece in measured.slices(_ROWS_A_PIECE):
            copy.write(encode_rows(piece))
        copy.write(_COPY_END)


def build_table(measured: MeasuredSet) -> str:
    """The statement that makes ``readings`` for a set."""
    columns = ", ".join(f"{one.name} float8 NOT NULL" for one in measured.columns)
    return f"CREATE TABLE readings (ts timestamptz NOT NULL, meter int4 NOT NULL, {columns})"


@dataclass
class OpenedPostgres:
    """A database with one table."""

    database: Connection

    def load(self, prepared: Prepared) -> None:
        with self.database.transaction():
            self.database.execute(build_table(prepared.measured))
            copy_rows(self.database, prepared.measured, ", FREEZE true")
            self.database.execute("CREATE INDEX ON readings (meter, ts)")
            self.database.execute(
                "CREATE INDEX ON readings USING brin (ts) WITH (pages_per_range = 32)"
            )
            self.database.execute(build_meters(prepared.measured))

    def settle(self) -> None:
        self.database.execute("VACUUM ANALYZE")
        self.database.execute("CHECKPOINT")

    def count_bytes(self) -> int:
        sizes = "pg_total_relation_size('readings') + pg_total_relation_size('meters')"
        return int(fetch_one(self.database, f"SELECT {sizes}"))

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        quarter = "date_bin('15 minutes', ts, '2000-01-01')"
        return list_postgres_questions(self.database, measured, quarter)


def build_meters(measured: MeasuredSet) -> str:
    """The statement that makes ``meters`` with the number of every meter."""
    last = len(measured.meters) - 1
    return f"CREATE TABLE meters AS SELECT generate_series(0, {last})::int4 AS meter"


class PostgresSubject:
    """PostgreSQL 15."""

    name = "PostgreSQL 15"
    durability = "commit waits for fsync"
    n_loads = 5
    is_slow = True
    # 2.6 GB and a quarter of a minute for each chart would tell nothing new.
    left_out: tuple[str, ...] = ("year",)

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:  # noqa: ARG002  # no file
        return Prepared(measured.order_by_time())

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedPostgres]:  # noqa: ARG002  # it has one of its own
        with run_postgres() as url, connect(url) as database:
            for name, value in SETTINGS.items():
                database.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            database.execute("SELECT pg_reload_conf()")
            require_durable(database)
            yield OpenedPostgres(database)


def connect(url: str) -> Connection:
    """A connection whose hours and months are those of UTC."""
    return psycopg.connect(url, autocommit=True, options="-c timezone=UTC")


def require_durable(database: Connection) -> None:
    """A commit must wait for the disk.

    Raises:
        RuntimeError: It does not.
    """
    for name in ("fsync", "synchronous_commit"):
        if fetch_one(database, f"SHOW {name}") != "on":
            raise RuntimeError(f"PostgreSQL has {name} off; the comparison wants it on")


def fetch_one(database: Connection, sql: str) -> Any:  # noqa: ANN401  # whatever was asked for
    """The only value of an answer."""
    row = database.execute(sql).fetchone()
    assert row is not None
    return row[0]


def list_postgres_questions(
    database: Connection, measured: MeasuredSet, quarter: str
) -> Mapping[str, Question]:
    """The questions in PostgreSQL's SQL over ``readings`` and ``meters``.

    Args:
        database: Holds the set.
        measured: The set.
        quarter: Expression for the quarter of an hour of ``ts``.
    """

    def ask_for(sql: str) -> Question:
        def ask(meter: int) -> list[tuple[Any, ...]]:
            text = sql.format(meter=meter)
            return database.execute(text, binary=True).fetchall()

        return Question(ask, to_rows)

    if measured.is_real:
        return {CONTENT: ask_for(build_content_sql(measured))}
    last = """SELECT m.meter, l.power FROM meters m, LATERAL (
            SELECT power FROM readings r WHERE r.meter = m.meter ORDER BY ts DESC LIMIT 1) l
        ORDER BY m.meter"""
    found = {LAST: ask_for(last)}
    if measured.name == "grid":
        found |= {name: ask_for(sql) for name, sql in _build_grid_sql(measured, quarter).items()}
    if measured.name == "year":
        start_s = int(measured.at_us[0]) / 1e6
        width_s = measured.n_rows * measured.step_us / 1e6 / N_PIXELS
        sql = f"""SELECT {_us("min(ts)")}, min(power), max(power) FROM readings
            WHERE meter = 0
            GROUP BY floor((extract(epoch FROM ts)::float8 - {start_s}) / {width_s}) ORDER BY 1"""
        found = {CHART: ask_for(sql)}
    return found


def _us(expression: str) -> str:
    return f"(extract(epoch FROM {expression}) * 1000000)::int8"


def _build_grid_sql(measured: MeasuredSet, quarter: str) -> dict[str, str]:
    def since(instant_us: int) -> str:
        return f"ts >= to_timestamp({instant_us // US_PER_S})"

    newest, now_us = int(measured.at_us.max()), measured.now_us
    hour = "date_trunc('hour', ts)"
    month = "date_trunc('month', ts)"
    return {
        HOURLY_TODAY: f"""SELECT {_us(hour)} AS hour, avg(power) FROM readings
            WHERE {since(newest - newest % US_PER_DAY)} GROUP BY hour ORDER BY hour""",
        TOP_QUARTERS: f"""SELECT {_us("period")}, mean FROM (
                SELECT {quarter} AS period, avg(power) AS mean FROM readings
                WHERE {since(now_us - 7 * US_PER_DAY)}
                GROUP BY period ORDER BY mean DESC LIMIT 10) q ORDER BY mean DESC""",
        BY_MONTH: f"""SELECT (extract(year FROM month)::int - 1970) * 12
                   + extract(month FROM month)::int - 1, meter, total
            FROM (SELECT meter, {month} AS month, sum(energy) AS total
                  FROM readings GROUP BY meter, {month}) q
            ORDER BY month, total DESC""",
        FULL_SCAN: "SELECT count(*), avg(power), max(power), min(power) FROM readings",
        ONE_METER: f"""SELECT {_us("hour")}, mean, low, high FROM (
                SELECT {hour} AS hour, avg(power) AS mean, min(power) AS low, max(power) AS high
                FROM readings WHERE meter = {{meter}} AND {since(now_us - 14 * US_PER_DAY)}
                GROUP BY 1) q ORDER BY hour""",
    }

"""Plain DuckDB and plain Parquet as subjects: what one gets without any store.

Both run in process and use all cores, as DuckDB does when nothing is set. One column a quantity,
doubles, the meter as a number.

- Table: in order of time, in a database file; ``INSERT`` from NumPy columns, then ``CHECKPOINT``,
  which moves all rows from the write-ahead log into the file and syncs it.
- Parquet: sorted by meter and time, zstd; after ``COPY`` the file and its folder are synced.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np

from benchmarks.store_disk import count_folder_bytes
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
from wattscope.core.time_grid import US_PER_DAY


def register_set(database: duckdb.DuckDBPyConnection, measured: MeasuredSet) -> None:
    """Make the set's columns known to DuckDB as ``measured``, without a copy."""
    columns: dict[str, np.ndarray] = {
        "ts": measured.at_us.view("datetime64[us]"),
        "meter": measured.meter,
    }
    columns |= {one.name: one.values for one in measured.columns}
    database.register("measured", columns)


@dataclass
class OpenedTable:
    """A database file with one table."""

    database: duckdb.DuckDBPyConnection
    folder: Path

    def load(self, prepared: Prepared) -> None:
        register_set(self.database, prepared.measured)
        self.database.execute("CREATE TABLE readings AS SELECT * FROM measured")
        self.database.execute("CHECKPOINT")

    def settle(self) -> None:
        self.database.unregister("measured")
        self.database.execute("FORCE CHECKPOINT")

    def count_bytes(self) -> int:
        return count_folder_bytes(self.folder)

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        return list_duckdb_questions(self.database, measured)


@dataclass
class OpenedParquet:
    """One Parquet file."""

    database: duckdb.DuckDBPyConnection
    folder: Path
    _file: Path = field(init=False)

    def __post_init__(self) -> None:
        self._file = self.folder / "readings.parquet"

    def load(self, prepared: Prepared) -> None:
        register_set(self.database, prepared.measured)
        self.database.execute(
            f"COPY (SELECT * FROM measured) TO '{self._file}' (FORMAT parquet, COMPRESSION zstd)"
        )
        for path in (self._file, self.folder):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    def settle(self) -> None:
        self.database.unregister("measured")
        self.database.execute(f"CREATE VIEW readings AS FROM read_parquet('{self._file}')")

    def count_bytes(self) -> int:
        return count_folder_bytes(self.folder)

    def list_questions(self, measured: MeasuredSet) -> Mapping[str, Question]:
        return list_duckdb_questions(self.database, measured)


class DuckdbSubject:
    """Plain DuckDB."""

    name = "DuckDB table"
    durability = "CHECKPOINT, file synced"
    n_loads = 5
    is_slow = False
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:  # noqa: ARG002  # no file
        return Prepared(measured.order_by_time())

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedTable]:
        with duckdb.connect(folder / "readings.duckdb") as database:
            yield OpenedTable(database, folder)


class ParquetSubject:
    """Plain Parquet, asked by DuckDB."""

    name = "Parquet"
    durability = "file and folder synced"
    n_loads = 5
    is_slow = False
    left_out: tuple[str, ...] = ()

    def prepare(self, measured: MeasuredSet, folder: Path) -> Prepared:  # noqa: ARG002  # no file
        return Prepared(measured)

    @contextlib.contextmanager
    def open(self, folder: Path) -> Iterator[OpenedParquet]:
        with duckdb.connect() as database:
            yield OpenedParquet(database, folder)


def list_duckdb_questions(
    database: duckdb.DuckDBPyConnection, measured: MeasuredSet
) -> Mapping[str, Question]:
    """The questions in DuckDB's SQL over ``readings``."""

    def ask_for(sql: str) -> Question:
        return Question(lambda meter: database.execute(sql.format(meter=meter)).fetchall(), to_rows)

    if measured.is_real:
        return {CONTENT: ask_for(build_content_sql(measured))}
    last = "SELECT meter, arg_max(power, ts) FROM readings GROUP BY meter ORDER BY meter"
    found = {LAST: ask_for(last)}
    if measured.name == "grid":
        found |= {name: ask_for(sql) for name, sql in _build_grid_sql(measured).items()}
    if measured.name == "year":
        width_us = measured.n_rows * measured.step_us / N_PIXELS
        start_us = int(measured.at_us[0])
        sql = f"""SELECT epoch_us(min(ts)), min(power), max(power) FROM readings
            WHERE meter = 0
            GROUP BY floor((epoch_us(ts) - {start_us}) / {width_us}) ORDER BY 1"""
        found = {CHART: ask_for(sql)}
    return found


def build_content_sql(measured: MeasuredSet) -> str:
    """A query for count, sum, min and max of every column, one row each."""
    parts = [
        f"{at}, count({one.name}) AS n, sum({one.name}), min({one.name}), max({one.name})"
        for at, one in enumerate(measured.columns)
    ]
    union = " UNION ALL ".join(f"SELECT {part} FROM readings" for part in parts)
    return f"SELECT n, s, low, high FROM ({union}) q (place, n, s, low, high) ORDER BY place"


def _build_grid_sql(measured: MeasuredSet) -> dict[str, str]:
    now_us = measured.now_us
    newest = int(measured.at_us.max())
    today_us = newest - newest % US_PER_DAY
    return {
        HOURLY_TODAY: f"""SELECT epoch_us(date_trunc('hour', ts)) AS hour, avg(power)
            FROM readings WHERE ts >= make_timestamp({today_us}) GROUP BY hour ORDER BY hour""",
        TOP_QUARTERS: f"""SELECT epoch_us(time_bucket(INTERVAL '15 minutes', ts)) AS period,
                   avg(power) AS mean
            FROM readings WHERE ts >= make_timestamp({now_us - 7 * US_PER_DAY})
            GROUP BY period ORDER BY mean DESC LIMIT 10""",
        BY_MONTH: """SELECT (year(month) - 1970) * 12 + month(month) - 1, meter, total
            FROM (SELECT meter, date_trunc('month', ts) AS month, sum(energy) AS total
                  FROM readings GROUP BY meter, date_trunc('month', ts))
            ORDER BY month, total DESC""",
        FULL_SCAN: "SELECT count(*), avg(power), max(power), min(power) FROM readings",
        ONE_METER: f"""SELECT epoch_us(date_trunc('hour', ts)) AS hour,
                   avg(power), min(power), max(power)
            FROM readings
            WHERE meter = {{meter}} AND ts >= make_timestamp({now_us - 14 * US_PER_DAY})
            GROUP BY hour ORDER BY hour""",
    }

"""A user's SQL asks, and does nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.histories import open_store, record
from wattscope.core.errors import QueryError
from wattscope.stores.duckdb_store import DuckdbStore

T0 = 1_717_200_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckdbStore]:
    opened = open_store(tmp_path / "chunks")
    opened.write(record(0, (1, T0, 5.0, 0)))
    opened.flush()
    opened.write(record(1, (1, T0 + 1, 6.0, 0)))
    yield opened
    opened.close()


ALLOWED = [
    "SELECT count(*) FROM readings",
    "select 1",
    "FROM readings SELECT value ORDER BY measured_at LIMIT 1;",
    "WITH x AS (SELECT value FROM readings) SELECT max(value) FROM x",
    "SELECT device FROM readings UNION SELECT quantity FROM rollup_1h",
    "SELECT a.value FROM readings a JOIN rollup_1d b USING (device, quantity)",
    "SELECT * FROM range(3) r(n), generate_series(1, 2)",
    "SELECT unnest([1, 2])",
    "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n",
    "SELECT time_bucket(INTERVAL 1 HOUR, measured_at) h, avg(value) FROM readings GROUP BY h",
    "DESCRIBE readings",
    "SUMMARIZE readings",
    "SHOW TABLES",
    "VALUES (1)",
    "SELECT 'DROP TABLE tail_0; COPY x TO y'",
    "SELECT value FROM readings -- ; DROP TABLE tail_0",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_question_is_answered(store: DuckdbStore, sql: str) -> None:
    assert store.query(sql).columns


REFUSED = [
    "",
    ";",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE tail_0",
    "INSERT INTO tail_0 VALUES (1, now(), 1, 0)",
    "DELETE FROM tail_1",
    "UPDATE tail_1 SET value = 0",
    "DROP TABLE tail_1",
    "CREATE TABLE x AS SELECT 1",
    "CREATE OR REPLACE TABLE series_names AS SELECT 1",
    "ATTACH '{folder}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET lock_configuration",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT",
    "BEGIN",
    "USE main",
    "EXPORT DATABASE '{folder}'",
    "COPY (SELECT 1) TO '{folder}/x.csv'",
    "COPY tail_1 FROM '{folder}/x.csv'",
    "EXPLAIN ANALYZE DELETE FROM tail_1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/x.parquet'",
    "EXPLAIN ANALYZE INSERT INTO tail_1 SELECT * FROM tail_1",
    "WITH x AS (DELETE FROM tail_1 RETURNING value) SELECT * FROM x",
    "WITH x AS (INSERT INTO tail_1 VALUES (1, now(), 1, 0) RETURNING 1) SELECT * FROM x",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/x.csv') SELECT * FROM x",
    "SELECT * FROM (WITH x AS (UPDATE tail_1 SET value = 0 RETURNING 1) FROM x)",
    "SELECT (WITH x AS (DELETE FROM tail_1 RETURNING 1) SELECT count(*) FROM x)",
    "SELECT * FROM read_csv('{folder}/manifest.json')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('{folder}/manifest.json')",
    "SELECT * FROM read_parquet('{folder}/*.parquet')",
    "SELECT * FROM '{folder}/manifest.json'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT 1 WHERE 1 IN (SELECT 1 FROM glob('/*'))",
    "SELECT * FROM readings WHERE value = (SELECT count(*) FROM read_blob('/etc/passwd'))",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM nobody",
    "SELECT value FROM readings WHERE",
    "SELECT * FROM readings WHERE value = ?",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_anything_else_is_refused(store: DuckdbStore, tmp_path: Path, sql: str) -> None:
    folder = tmp_path / "chunks"
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(QueryError):
        store.query(sql.replace("{folder}", str(folder)))
    assert sorted(path.name for path in folder.iterdir()) == before
    assert store.query("SELECT list(value ORDER BY value) FROM readings").rows == [([5.0, 6.0],)]


def test_parameters_are_values_not_sql(store: DuckdbStore) -> None:
    sql = "SELECT count(*) FROM readings WHERE device = ?"
    assert store.query(sql, ["meter"]).rows == [(2,)]
    assert store.query(sql, ["' OR 1 = 1 --"]).rows == [(0,)]


def test_deep_question_ends_in_an_answer_or_a_refusal(store: DuckdbStore) -> None:
    sql = "SELECT " + "(" * 900 + "1" + ")" * 900
    with contextlib.suppress(QueryError):
        assert store.query(sql).rows == [(1,)]


def test_question_cannot_see_variables_of_the_program(store: DuckdbStore) -> None:
    for name in ("sql", "parameters", "snapshot", "self", "names_now"):
        with pytest.raises(QueryError):
            store.query(f"SELECT * FROM {name}")


def test_question_without_end_is_cut_off(store: DuckdbStore) -> None:
    store._query_timeout_s = 0.2
    with pytest.raises(QueryError, match=r"took longer than 0\.2 s"):
        store.query("SELECT count(*) FROM range(10000000) a, range(1000000) b WHERE a.range > 7")
    assert store.query("SELECT 1").rows == [(1,)]

"""What the store in PostgreSQL answers to SQL, and what users of older systems find there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.stores.histories import FakeNames, open_store, record
from tests.stores.opened import Opener, ask_server, find_opener, in_schema
from wattscope.core.errors import QueryError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.ports import Table
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.integration

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
S, MIN, H, DAY = US_PER_S, US_PER_MINUTE, US_PER_HOUR, US_PER_DAY
POWER, IMPORT, VOLTAGE = 1, 2, 7


# ── SQL ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep(100)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_catalog.pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT * FROM raw_rows",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM information_schema.tables",
    ],
)
def test_question_that_reaches_beyond_the_views_is_refused(plain: Opener, sql: str) -> None:
    with closing(plain.open()) as store, pytest.raises(QueryError):
        store.query(sql)


def test_server_too_refuses_to_change_anything(
    plain: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the judge of questions lets one through, the transaction reads only."""
    with closing(plain.open()) as store:
        store.write(record(0, (POWER, T0, 5.0, 0)))
        question = store._session.judge("SELECT 1")
        monkeypatch.setattr(question, "text", "DELETE FROM raw_rows")
        monkeypatch.setattr(store._session, "judge", lambda _: question)
        with pytest.raises(QueryError, match="read-only"):
            store.query("SELECT 1")
        monkeypatch.setattr(question, "text", "SELECT 1; COMMIT; DELETE FROM raw_rows")
        with pytest.raises(QueryError, match="multiple commands"):
            store.query("SELECT 1")
        assert len(store.read_raw([POWER], T0, T0 + S)) == 1


def test_question_that_takes_too_long_is_ended(postgres: str, plain: Opener) -> None:
    schema = plain.open()._options.schema
    with closing(in_schema(postgres, schema, query_timeout_s=0.2).open()) as store:
        store.load(build_batch([(POWER, T0 + n * S, 1.0, 0) for n in range(2000)]))
        with pytest.raises(QueryError, match="longer than"):
            store.query("SELECT count(*) FROM readings a, readings b, readings c")
        assert store.query("SELECT count(*) FROM readings").rows == [(2000,)]


def test_further_tables_are_views_too(plain: Opener) -> None:
    shelf = Table(("id", "detail", "share"), [(1, "a\0b", None), (2, None, 0.5)])
    options = plain.open()._options
    extra: dict[str, Callable[[], Table]] = {"quarantine": lambda: shelf}
    with closing(PostgresStore(FakeNames(), options, extra_tables=extra)) as store:
        answer = store.query("SELECT id, detail, share FROM quarantine ORDER BY id")
        assert answer.rows == [(1, "a\N{SYMBOL FOR NULL}b", None), (2, None, 0.5)]


def test_names_of_older_systems_are_views(opener: Opener) -> None:
    store = opener.open()
    store.load(
        build_batch(
            [(POWER, T0 + n * 5 * MIN, 600.0 + n, 0) for n in range(4)]
            + [(IMPORT, T0 + n * 5 * MIN, 50.0 * n, 0) for n in range(4)]
        )
    )
    answer = store.query(
        "SELECT meter_id, power, energy, voltage FROM energy_readings ORDER BY timestamp LIMIT 1"
    )
    assert answer.rows == [("meter", 600.0, 0.0, None)]
    answer = store.query(
        "SELECT meter_id, avg_power, max_power, total_energy FROM energy_readings_15min "
        "ORDER BY bucket LIMIT 1"
    )
    assert answer.rows == [("meter", 601.0, 602.0, 150.0)]
    assert store.query("SELECT panel_id, power_output_watts FROM sensor_readings").rows == []
    store.close()


def test_continuous_aggregates_hold_plain_statistics(request: pytest.FixtureRequest) -> None:
    with closing(find_opener(request, "timescale").open()) as store:
        rows = [(POWER, T0 + n * MIN, float(n), 0) for n in range(60)]
        store.load(
            build_batch([*rows, (POWER, T0 + H, 1e9, 2), (POWER, T0 + 2 * H, float("nan"), 1)])
        )
        answer = store.query("SELECT count, min, max, mean FROM aggregate_1h ORDER BY bucket")
        assert answer.rows == [(60, 0.0, 59.0, 29.5)]
        policies = ask_server(
            store,
            "SELECT proc_name, count(*) FROM timescaledb_information.jobs "
            "WHERE hypertable_schema = current_schema() OR config ->> 'mat_hypertable_id' IN ("
            "SELECT h.id::text FROM _timescaledb_catalog.hypertable h JOIN "
            "timescaledb_information.continuous_aggregates a ON h.table_name = "
            "a.materialization_hypertable_name WHERE a.view_schema = current_schema()) "
            "GROUP BY 1 ORDER BY 1",
        )
        assert dict(policies)["policy_refresh_continuous_aggregate"] == 3
        assert dict(policies)["policy_compression"] == 1


def test_flush_is_due_by_rows_or_time(postgres: str, plain: Opener) -> None:
    schema = plain.open()._options.schema
    now_s = [0.0]
    options = PostgresStoreOptions(postgres, schema=schema, flush_rows=3, flush_every_s=10.0)
    with closing(PostgresStore(FakeNames(), options, monotonic=lambda: now_s[0])) as store:
        assert not store.is_flush_due
        now_s[0] = 20.0
        assert not store.is_flush_due
        store.load(build_batch([(POWER, T0, 1.0, 0)]))
        assert store.is_flush_due
        store.flush()
        assert not store.is_flush_due
        store.load(build_batch([(POWER, T0 + n * S, 1.0, 0) for n in range(1, 4)]))
        assert store.is_flush_due


def test_embedded_and_served_explain_alike(plain: Opener, tmp_path: Path) -> None:
    rows = [(POWER, T0 + n * 10 * S, 1.0, 0) for n in range(3000)]
    with closing(plain.open()) as served, closing(open_store(tmp_path)) as embedded:
        for store in (served, embedded):
            store.load(build_batch(rows))
            store.flush()
            [step] = store.explain([POWER], "1h", T0, T0 + 2 * H).steps
            assert (step.start_us <= T0, step.n_series) == (True, 1)
            with pytest.raises(QueryError, match="unknown"):
                store.explain([POWER], "2h", T0, T0 + H)

"""What the store in PostgreSQL promises beyond the port: many processes, lost servers, old rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stores.histories import FakeNames, open_store, record
from tests.stores.opened import Opener, find_opener, in_schema
from wattscope.core.errors import QueryError, SettingsError, StorageError, TransientError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
from wattscope.ports import Table
from wattscope.stores.postgres import schema as tables
from wattscope.stores.postgres.options import PostgresStoreOptions
from wattscope.stores.postgres.server import Edition
from wattscope.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.integration

T0 = 1_717_200_000 * US_PER_S  # 2024-06-01 00:00 UTC
S, MIN, H, DAY = US_PER_S, US_PER_MINUTE, US_PER_HOUR, US_PER_DAY
POWER, IMPORT, VOLTAGE = 1, 2, 7
EDITIONS = {
    "postgres": Edition.PLAIN,
    "timescale": Edition.COMMUNITY,
    "timescale_apache": Edition.APACHE,
}


@pytest.fixture(params=EDITIONS)
def opener(request: pytest.FixtureRequest) -> Opener:
    return find_opener(request)


@pytest.fixture
def store(opener: Opener) -> Iterator[PostgresStore]:
    with closing(opener.open()) as opened:
        yield opened


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Opener:
    """A place on plain PostgreSQL, where the server makes no difference."""
    return find_opener(request, "postgres")


def ask_server(store: PostgresStore, sql: str) -> list[tuple[Any, ...]]:
    """What SQL of our own gives in the store's schema."""
    with store._connections.connection() as connection:
        return connection.execute(sql).fetchall()


def end_connections(store: PostgresStore) -> None:
    """End all connections of a store from the side of the server."""
    with store._connections.connection() as connection:
        pids = [one.info.backend_pid for one in [connection, *store._connections._idle]]
    with psycopg.connect(store._options.url, autocommit=True) as other:
        for pid in pids:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
            while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                pass


# ── which server it is ───────────────────────────────────────────────────────────────────────────


def test_store_says_what_its_server_is(
    request: pytest.FixtureRequest, store: PostgresStore
) -> None:
    edition = EDITIONS[request.node.callspec.params["opener"]]
    assert store.server.edition is edition
    described = store.describe()
    assert str(described["server"]).startswith(edition.value)
    assert described["has_compression"] == int(edition is Edition.COMMUNITY)


def test_hypertable_has_the_interval_of_the_options(store: PostgresStore) -> None:
    if not store.server.edition.has_hypertables:
        pytest.skip("plain PostgreSQL has no chunks")
    store.load(build_batch([(POWER, T0 + n * 3 * H, 1.0, 0) for n in range(5)]))
    assert store.describe()["chunks"] == 5


def test_timescale_can_be_left_alone(timescale: str, request: pytest.FixtureRequest) -> None:
    schema = find_opener(request, "timescale").open()._options.schema
    with closing(in_schema(timescale, schema, uses_timescale=False).open()) as store:
        assert store.server.edition is Edition.PLAIN
        assert store.write(record(0, (POWER, T0, 5.0, 0))).stored == 1


# ── many at once ─────────────────────────────────────────────────────────────────────────────────


def test_several_processes_may_make_the_tables_at_once(opener: Opener) -> None:
    stores = [opener.open() for _ in range(4)]
    start = threading.Barrier(4)

    def begin(one: PostgresStore) -> int:
        start.wait()
        return one.load(build_batch([(POWER, T0, 5.0, 0)])).stored

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, stores)) == [0, 0, 0, 1]
    for one in stores:
        one.close()


def write_at_once(stores: list[PostgresStore], n_rounds: int = 10) -> list[tuple[int, int]]:
    """The same rows from all stores at the same time, while buckets are made: stored, duplicate."""

    def write(one: PostgresStore) -> tuple[int, int]:
        stored = duplicate = 0
        for n in range(n_rounds):
            rows = [
                (series, T0 + (n * 20 + k) * MIN, 10.0 * (n * 20 + k), 0)
                for series in (POWER, IMPORT, VOLTAGE)
                for k in range(20)
            ]
            receipt = one.load(build_batch(rows))
            stored, duplicate = stored + receipt.stored, duplicate + receipt.duplicate
            if n % 3 == 0:
                one.flush()
        return stored, duplicate

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(write, stores))


def test_same_rows_from_many_writers_are_stored_once(opener: Opener) -> None:
    stores = [opener.open() for _ in range(3)]
    counts = write_at_once(stores)
    assert sum(stored for stored, _ in counts) == 600
    assert sum(duplicate for _, duplicate in counts) == 1200
    first = stores[0]
    first.flush()
    assert first.query("SELECT count(*) FROM readings").rows == [(600,)]
    answer = first.query("SELECT sum(count), sum(increase) FROM rollup_1h WHERE device = 'meter'")
    assert answer.rows == [(400, pytest.approx(1990.0))]
    # And nothing is outdated: what is kept is what the rows say.
    found = first.roll_up([IMPORT], "15m", T0, T0 + 5 * H)
    assert found.increase[:13].tolist() == pytest.approx([150.0] * 13)
    for one in stores:
        one.close()


def test_without_the_lock_writers_would_meet(
    plain: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    from wattscope.stores.postgres import states  # noqa: PLC0415  # what is switched off

    sql = states._LOCK.replace("FOR UPDATE", "")
    monkeypatch.setattr(states, "_LOCK", sql)
    stores = [plain.open() for _ in range(3)]
    for one in stores:
        one.open()
    with pytest.raises((StorageError, TransientError)):
        write_at_once(stores, 30)
    for one in stores:
        one.close()


def test_rule_of_another_process_is_not_overruled(plain: Opener) -> None:
    names = FakeNames()
    old, new = plain.open(), plain.open(names)
    rows = [(POWER, T0 + n * 15 * MIN, 600.0, 0) for n in range(5)]
    old.load(build_batch(rows))
    old.flush()
    names.devices[0] = replace(names.devices[0], interval_s=60)
    new.reopen(POWER, T0)
    # The old one does not know of it, and leaves these buckets to whoever does.
    old.flush()
    assert new.roll_up([POWER], "1h", T0, T0 + H).coverage.tolist() == [0.0]
    new.flush()
    assert ask_server(new, "SELECT coverage FROM bucket_1h ORDER BY bucket_start") == [
        (0.0,),
        (0.0,),
    ]
    old.close()
    new.close()


# ── lost servers ─────────────────────────────────────────────────────────────────────────────────


def test_lost_connection_costs_one_call(store: PostgresStore) -> None:
    store.write(record(0, (POWER, T0, 5.0, 0)))
    end_connections(store)
    with pytest.raises(TransientError):
        store.write(record(1, (POWER, T0 + S, 6.0, 0)))
    assert store.write(record(1, (POWER, T0 + S, 6.0, 0))).stored == 1
    end_connections(store)
    with pytest.raises(TransientError):
        store.read_raw([POWER], T0, T0 + H)
    assert len(store.read_raw([POWER], T0, T0 + H)) == 2


def test_server_that_is_away_is_a_matter_of_time(free_port: int) -> None:
    url = f"postgresql://me:very-secret@127.0.0.1:{free_port}/energy"
    with closing(PostgresStore(FakeNames(), PostgresStoreOptions(url))) as store:
        for _ in range(2):
            with pytest.raises(TransientError) as caught:
                store.write(record(0, (POWER, T0, 5.0, 0)))
        assert f"postgresql://me@127.0.0.1:{free_port}/energy" in str(caught.value)
        assert "very-secret" not in str(caught.value)


def test_database_that_does_not_exist_is_named(postgres: str) -> None:
    url = postgres.replace("/postgres", "/nowhere")
    with (
        closing(PostgresStore(FakeNames(), PostgresStoreOptions(url))) as store,
        pytest.raises(TransientError, match="nowhere"),
    ):
        store.open()


@pytest.mark.parametrize(
    "options", [{"url": "postgresql://[h"}, {"url": "x", "schema": 'a"b'}, {"chunk_us": 0}]
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        PostgresStore(FakeNames(), PostgresStoreOptions(**{"url": "postgresql://h/d"} | options))
    assert caught.value.faults


def test_tables_of_a_newer_program_are_left_alone(plain: Opener) -> None:
    with closing(plain.open()) as store:
        store.open()
        ask_server(
            store, f"UPDATE store_version SET version = {len(tables.MIGRATIONS) + 1} RETURNING 1"
        )
    with closing(plain.open()) as again, pytest.raises(StorageError, match="newer"):
        again.open()


# ── rows and buckets ─────────────────────────────────────────────────────────────────────────────


def test_late_row_goes_into_a_compressed_chunk(opener: Opener) -> None:
    store = opener.open()
    store.load(build_batch([(POWER, T0 + n * 10 * MIN, 600.0, 0) for n in range(100)]))
    store.flush()
    n_chunks = store.compress()
    assert (n_chunks > 0) is store.server.edition.has_compression
    receipt = store.load(
        build_batch([(POWER, T0 + 5 * MIN, 1200.0, 0), (POWER, T0, 600.0, 0), (POWER, T0, 1.0, 0)])
    )
    assert (receipt.stored, receipt.duplicate, len(receipt.conflicts)) == (1, 1, 1)
    for _ in range(2):
        found = store.roll_up([POWER], "1h", T0, T0 + H)
        assert (found.count.tolist(), found.max.tolist()) == ([7], [1200.0])
        store.flush()
    store.close()


def test_buckets_outlive_their_rows(opener: Opener) -> None:
    store = opener.open()
    rows = [(IMPORT, T0 + n * H, 100.0 * n, 0) for n in range(100)]
    store.load(build_batch(rows))
    before = store.roll_up([IMPORT], "1h", T0, T0 + 100 * H)
    store.remove_before(T0 + 90 * H)
    assert len(store.read_raw([IMPORT], T0, T0 + 100 * H)) == 10
    after = store.roll_up([IMPORT], "1h", T0, T0 + 100 * H)
    assert after.increase.tolist() == pytest.approx(before.increase.tolist(), nan_ok=True)
    # What comes late for them counts in no bucket, and spoils none.
    store.load(build_batch([(IMPORT, T0 + 30 * MIN, 50.0, 0)]))
    store.flush()
    again = store.roll_up([IMPORT], "1h", T0, T0 + 100 * H)
    assert again.increase.tolist() == pytest.approx(before.increase.tolist(), nan_ok=True)
    store.close()


def test_growth_over_removed_rows_is_counted(opener: Opener) -> None:
    store = opener.open()
    store.load(build_batch([(IMPORT, T0 + n * H, 100.0 * n, 0) for n in range(50)]))
    store.remove_before(T0 + 60 * H)
    assert len(store.read_raw([IMPORT], T0, T0 + 100 * H)) == 0
    store.load(build_batch([(IMPORT, T0 + 80 * H, 9000.0, 0)]))
    for _ in range(2):
        found = store.roll_up([IMPORT], "1d", T0 - 2 * DAY, T0 + 6 * DAY)
        counted = found.increase[found.bucket_start_us >= T0 + DAY].sum()
        total = found.increase.sum()
        # Up to the cut the buckets are as they were; behind it, the share of the time.
        assert total == pytest.approx(4900.0 + 4100.0 * 20 / 31)
        assert counted > 0
        store.flush()
    store.close()


def test_long_past_is_made_in_pieces(plain: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    from wattscope.stores.postgres import roller  # noqa: PLC0415  # its limit is made small

    monkeypatch.setattr(roller, "GROUP_ROWS", 50)
    rows = [
        (series, T0 + n * 20 * MIN, 10.0 * n, 0) for n in range(300) for series in (POWER, IMPORT)
    ]
    store = plain.open()
    store.load(build_batch(rows))
    store.flush()
    assert ask_server(store, "SELECT count(*) FROM series_states WHERE fresh_from IS NOT NULL") == [
        (0,)
    ]
    found = store.roll_up([IMPORT], "1d", T0 - DAY, T0 + 6 * DAY)
    assert found.increase.tolist() == pytest.approx([660.0, 720.0, 720.0, 720.0, 170.0])
    store.close()


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

"""What the store in PostgreSQL promises beyond the port: many processes, lost servers, old rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.stores.histories import FakeNames, record
from tests.stores.opened import Opener, ask_server, find_opener, in_schema
from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_S
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


@pytest.fixture
def store(opener: Opener) -> Iterator[PostgresStore]:
    with closing(opener.open()) as opened:
        yield opened


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


def test_chunks_are_not_compressed_under_a_first_history(request: pytest.FixtureRequest) -> None:
    with closing(find_opener(request, "timescale").open()) as store:
        store.load(build_batch([(POWER, T0, 1.0, 0)]))
        sql = """SELECT initial_start > now() + interval '50 minutes'
            FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'
                AND hypertable_schema = current_schema() AND hypertable_name = 'raw_rows'"""
        assert ask_server(store, sql) == [(True,)]


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

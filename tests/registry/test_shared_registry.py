"""Many processes share a registry on a server: one id for a series, and nothing given is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import insert, select, text, update

from tests.postgres_server import PASSWORD, PostgresServer, run_own_postgres
from tests.registry.registries import HOME, METER, fresh_options
from tests.servers import ServerMissingError
from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import SettingsError, StorageError, TransientError, UnknownNameError
from wattscope.core.topology import Site
from wattscope.registry import postgres_names
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.postgres_link import PostgresOptions
from wattscope.registry.postgres_schema import POSTGRES_VERSION, names_state, version
from wattscope.registry.schema import devices, series
from wattscope.registry.sql_registry import SqlRegistry

pytestmark = pytest.mark.integration
WORKER = Path(__file__).parent / "series_worker.py"
COMMON = [[f"meter-{n}", name] for n in range(8) for name in ("voltage_v", "active_power_w")]


@pytest.fixture
def options(postgres: str) -> Iterator[PostgresOptions]:
    with fresh_options(postgres) as made:
        yield made


@pytest.fixture
def database(options: PostgresOptions) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(options)) as made:
        yield made


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    try:
        with run_own_postgres() as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def own(running: PostgresServer) -> Iterator[PostgresServer]:
    """A server that the test may stop and kill."""
    yield running
    if not running.is_running:
        running.start()


@pytest.fixture
def own_options(own: PostgresServer) -> Iterator[PostgresOptions]:
    with fresh_options(own.url.replace("@", f":{PASSWORD.replace(' ', '%20')}@")) as made:
        yield replace(made, url=own.url, password_file=own.password_file)


def begin_worker(options: PostgresOptions, wanted: list[list[str]]) -> subprocess.Popen[str]:
    file = options.password_file
    order = {"url": options.url, "schema": options.schema}
    order |= {} if file is None else {"password_file": str(file)}
    return subprocess.Popen(
        [sys.executable, str(WORKER), json.dumps([order, wanted])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(workers: list[subprocess.Popen[str]]) -> None:
    """All at once, when all are ready."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()


def end_worker(worker: subprocess.Popen[str]) -> None:
    for stream in (worker.stdin, worker.stdout):
        assert stream is not None
        stream.close()
    worker.wait(30)


# ── ids ──────────────────────────────────────────────────────────────────────────────────────


def test_processes_that_want_the_same_and_other_series_at_once_agree(
    options: PostgresOptions,
) -> None:
    """They start at once too, on a server that has no tables yet."""
    orders = [
        COMMON[at * 3 :] + COMMON[: at * 3] + [[f"own-{at}-{n}", "frequency_hz"] for n in range(5)]
        for at in range(4)
    ]
    workers = [begin_worker(options, order) for order in orders]
    let_go(workers)
    answers = [worker.communicate(timeout=120)[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    given = [
        {(device, name): number for device, name, number in map(json.loads, one)} for one in answers
    ]
    together = {key: number for one in given for key, number in one.items()}
    assert [one[key] == together[key] for one in given for key in one] == [True] * 84
    assert sorted(together.values()) == list(range(1, len(COMMON) + 20 + 1))
    with closing(PostgresDatabase(options)) as database:
        registry = SqlRegistry(database)
        assert {key: registry.find_series(*key) for key in together} == together


def test_series_that_killed_processes_were_given_are_there(options: PostgresOptions) -> None:
    orders = [[[f"meter-{at}-{n % 50}", f"q{n}"] for n in range(2000)] for at in range(2)]
    workers = [begin_worker(options, order) for order in orders]
    let_go(workers)
    told: list[tuple[str, str, int]] = []
    for worker in workers:
        assert worker.stdout is not None
        told += [tuple(json.loads(worker.stdout.readline())) for _ in range(20)]
        worker.kill()
        rest = worker.stdout.read().splitlines(keepends=True)
        told += [tuple(json.loads(line)) for line in rest if line.endswith("\n")]
        end_worker(worker)
    assert len(told) >= 40
    assert len({number for *_, number in told}) == len(told)
    with closing(PostgresDatabase(options)) as database:
        registry = SqlRegistry(database)
        found = [(device, name, registry.find_series(device, name)) for device, name, _ in told]
    assert found == told


def test_series_of_another_process_is_found_after_follow(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    ours = SqlRegistry(database)
    with closing(PostgresDatabase(options)) as other:
        theirs = SqlRegistry(other)
        theirs.put_site(HOME)
        theirs.put_device(METER, ["voltage_v"])
        number = theirs.find_series("meter", "voltage_v")
        decision = CounterDecision(number or 0, 1_000_000, StepKind.SWAP, 12.5, 5)
        theirs.decisions.put(decision)
        assert ours.find_series("meter", "voltage_v") is None
        assert ours.follow()
        assert ours.find_series("meter", "voltage_v") == number == 1
        assert (ours.list_sites(), ours.list_devices()) == ([HOME], [METER])
        assert ours.decisions.list_of(1) == (decision,)
        assert not ours.follow()
        theirs.decisions.drop(1, 1_000_000)
        theirs.put_site(replace(HOME, name="Cabin", latitude=None))
        assert ours.follow()
    assert ours.decisions.by_series() == {}
    assert ours.list_sites() == [replace(HOME, name="Cabin", latitude=None)]


def test_site_of_another_process_is_known_to_a_new_device_without_follow(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    ours = SqlRegistry(database)
    with closing(PostgresDatabase(options)) as other:
        SqlRegistry(other).put_site(HOME)
    ours.put_device(METER)
    assert ours.list_devices() == [METER]
    with pytest.raises(UnknownNameError, match="site 'moon'"):
        ours.put_device(replace(METER, id="x", site="moon"))


def test_who_is_far_behind_reads_everything_again(
    database: PostgresDatabase, options: PostgresOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_names, "KEPT_CHANGES", 3)
    ours = SqlRegistry(database)
    with closing(PostgresDatabase(options)) as other:
        theirs = SqlRegistry(other)
        for n in range(6):
            theirs.put_site(Site(f"s{n}", "S", "UTC"))
        assert ours.follow()
        assert ours.list_sites() == theirs.list_sites()
        theirs.put_site(Site("s6", "S", "UTC"))
        assert ours.follow()
        assert ours.list_sites() == theirs.list_sites()


def test_server_restored_to_an_older_state_is_read_as_it_is(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    registry = SqlRegistry(database)
    registry.put_site(HOME)
    registry.put_device(METER, ["voltage_v"])
    with closing(PostgresDatabase(options)) as restorer, restorer.begin() as connection:
        connection.execute(series.delete())
        connection.execute(devices.delete())
        connection.execute(update(names_state).values(serial=1, last_series=0))
    assert registry.follow()
    assert registry.list_devices() == []
    assert registry.find_series("meter", "voltage_v") is None


def test_foreign_hand_that_took_an_id_does_not_make_two_histories_one(
    database: PostgresDatabase,
) -> None:
    registry = SqlRegistry(database)
    registry.put_site(HOME)
    registry.put_device(METER)
    with database.begin() as connection:
        connection.execute(insert(series).values(id=1, device="other", quantity="voltage_v"))
    with pytest.raises(StorageError, match="series 1 is voltage_v of 'other'"):
        registry.ensure_series("meter", "current_a")
    with database.begin() as connection:
        assert connection.execute(select(series)).all() == [(1, "other", "voltage_v")]


# ── servers that come and go ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_server_that_comes_back_is_used_again_and_has_all_ids(
    own: PostgresServer, own_options: PostgresOptions, number: signal.Signals
) -> None:
    with closing(PostgresDatabase(own_options)) as database:
        registry = SqlRegistry(database)
        registry.put_site(HOME)
        registry.put_device(METER)
        first = registry.ensure_series("meter", "voltage_v")
        own.stop(number)
        with pytest.raises(TransientError, match="cannot be reached"):
            registry.ensure_series("meter", "current_a")
        with pytest.raises(TransientError, match="cannot be reached"):
            registry.follow()
        # What is known is known without the server.
        assert registry.ensure_series("meter", "voltage_v") == first
        assert registry.find_series("meter", "current_a") is None
        own.start()
        second = registry.ensure_series("meter", "current_a")
        with closing(PostgresDatabase(own_options)) as again:
            found = SqlRegistry(again)
            assert found.find_series("meter", "voltage_v") == first
            assert found.find_series("meter", "current_a") == second != first


def test_server_killed_while_processes_ask_loses_no_id(
    own: PostgresServer, own_options: PostgresOptions
) -> None:
    orders = [[[f"meter-{at}", f"q{n}"] for n in range(5000)] for at in range(2)]
    workers = [begin_worker(own_options, order) for order in orders]
    let_go(workers)
    told: list[list[tuple[str, str, int]]] = [[], []]
    enough = [threading.Event(), threading.Event()]

    def listen(at: int) -> None:
        stream = workers[at].stdout
        assert stream is not None
        for line in stream:
            told[at].append(tuple(json.loads(line)))
            if len(told[at]) >= 30:
                enough[at].set()

    listeners = [threading.Thread(target=listen, args=(at,)) for at in range(2)]
    for listener in listeners:
        listener.start()
    try:
        assert all(event.wait(120) for event in enough)
    finally:
        own.stop(signal.SIGQUIT)
        for worker in workers:
            # The error that it did not expect ends it.
            worker.wait(60)
        for listener in listeners:
            listener.join(60)
        for worker in workers:
            end_worker(worker)
    own.start()
    with closing(PostgresDatabase(own_options)) as database:
        registry = SqlRegistry(database)
        every = [one for ours in told for one in ours]
        assert len({number for *_, number in every}) == len(every)
        for device, name, given in every:
            assert registry.find_series(device, name) == given


def test_absent_server_is_an_error_to_retry_in_words(
    own: PostgresServer, own_options: PostgresOptions
) -> None:
    own.stop()
    with pytest.raises(TransientError) as away:
        PostgresDatabase(own_options)
    assert str(away.value).startswith(
        f"registry postgresql://postgres@127.0.0.1:{own.port}/postgres cannot be reached: "
    )
    assert "\n" not in str(away.value)
    own.start()
    PostgresDatabase(own_options).close()


@pytest.mark.parametrize("place", ["file", "url"])
def test_wrong_password_is_an_error_to_retry_that_does_not_show_it(
    own_options: PostgresOptions, tmp_path: Path, place: str
) -> None:
    wrong = "wr0ng-s3cret"
    file = tmp_path / "password"
    file.write_text(wrong + "\n")
    options = replace(own_options, password_file=file)
    if place == "url":
        url = own_options.url.replace("@", f":{wrong}@")
        options = replace(own_options, url=url, password_file=None)
    with pytest.raises(TransientError, match="password authentication failed") as refused:
        PostgresDatabase(options)
    told = "".join(traceback.format_exception(refused.value)) + repr(options)
    assert wrong not in told
    assert PASSWORD not in told


def test_password_file_that_changes_is_read_again(
    own_options: PostgresOptions, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    options = replace(own_options, password_file=file)
    with pytest.raises(TransientError, match="cannot be read"):
        PostgresDatabase(options)
    file.write_text("\n")
    with pytest.raises(TransientError, match="is empty"):
        PostgresDatabase(options)
    file.write_text(PASSWORD + "\n")
    with closing(PostgresDatabase(options)) as database:
        assert SqlRegistry(database).list_sites() == []


# ── tables ───────────────────────────────────────────────────────────────────────────────────


def test_newer_version_is_refused_and_left_alone(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    with database.begin() as connection:
        connection.execute(update(version).values(version=POSTGRES_VERSION + 1))
    for is_read_only in (False, True):
        with pytest.raises(StorageError, match="use the newer program"):
            PostgresDatabase(options, is_read_only=is_read_only)


def test_columns_that_came_later_are_added_by_one_of_those_that_start(
    database: PostgresDatabase, options: PostgresOptions
) -> None:
    """An older version lacks a column that may be null, and a table."""
    SqlRegistry(database).put_site(replace(HOME, id="cabin"))
    with database.begin() as connection:
        connection.execute(text(f'ALTER TABLE "{options.schema}".devices DROP COLUMN longitude'))
        connection.execute(text(f'DROP TABLE "{options.schema}".models'))
        connection.execute(update(version).values(version=POSTGRES_VERSION - 1))
    with pytest.raises(StorageError, match="older version"):
        PostgresDatabase(options, is_read_only=True)
    workers = [begin_worker(options, [["meter", "voltage_v"]]) for _ in range(3)]
    let_go(workers)
    assert {worker.communicate(timeout=60)[0] for worker in workers} == {
        '["meter", "voltage_v", 1]\n'
    }
    registry = SqlRegistry(database)
    assert [site.id for site in registry.list_sites()] == ["cabin", "home"]
    registry.put_device(replace(METER, longitude=13.4))
    with database.begin() as connection:
        assert connection.execute(select(version)).all() == [(POSTGRES_VERSION,)]


def test_reader_makes_nothing_and_changes_nothing(options: PostgresOptions) -> None:
    with pytest.raises(StorageError, match="has no tables"):
        PostgresDatabase(options, is_read_only=True)
    PostgresDatabase(options).close()
    with closing(PostgresDatabase(options, is_read_only=True)) as reader:
        registry = SqlRegistry(reader)
        with pytest.raises(StorageError, match="readonly"):
            registry.put_site(HOME)
        with pytest.raises(Exception, match="read-only"), reader.begin() as connection:
            connection.execute(insert(series).values(id=1, device="a", quantity="b"))


def test_commits_wait_for_the_disk_where_the_server_does_not(
    own: PostgresServer, own_options: PostgresOptions
) -> None:
    with psycopg.connect(own.url, password=PASSWORD, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE postgres SET synchronous_commit = off"))
        try:
            with closing(PostgresDatabase(own_options)) as database, database.begin() as within:
                assert within.scalar(text("SHOW synchronous_commit")) == "on"
        finally:
            admin.execute(sql.SQL("ALTER DATABASE postgres RESET synchronous_commit"))


def test_user_without_rights_is_told_what_to_give(
    own: PostgresServer, own_options: PostgresOptions
) -> None:
    with psycopg.connect(own.url, password=PASSWORD, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        try:
            url = own.url.replace("postgres@", "guest:guest@")
            with pytest.raises(StorageError, match=r"permission denied.*give its user the right"):
                PostgresDatabase(replace(own_options, url=url, password_file=None))
        finally:
            admin.execute("DROP ROLE guest")


# ── options ──────────────────────────────────────────────────────────────────────────────────


def test_options_tell_all_faults_and_show_no_password() -> None:
    with pytest.raises(SettingsError) as refused:
        PostgresOptions("mysql://a:tu-l1p@h/d", schema="", pool_size=0, statement_s=-1.0)
    assert len(refused.value.faults) == 4
    assert "tu-l1p" not in str(refused.value)
    assert "tu-l1p" not in repr(PostgresOptions("postgresql://a:tu-l1p@h/d"))

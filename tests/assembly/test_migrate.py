"""A data folder is copied to PostgreSQL while it is written to, and back, and proves itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.assembly.installations import ask, assert_same, fresh_database, move, place
from tests.faults.workload import SETTINGS, T0_US
from tests.postgres_server import PASSWORD, PostgresServer, run_own_postgres
from tests.registry.registries import HOME, METER
from tests.registry.test_alert_book import ALERT, DELIVERY, INCIDENT, RULE
from tests.registry.test_moving import ITEM
from tests.servers import ServerMissingError
from tests.stores.backup_cases import fill, loaded, opened, watch_nothing
from tests.stores.test_retention import ALL_GO, FAR
from wattscope.assembly import moved_rows
from wattscope.assembly.migrate import migrate
from wattscope.assembly.moved_days import DayProof
from wattscope.assembly.moving_sides import Place, open_target
from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.core.reading import Batch, Quality, build_batch, empty_batch
from wattscope.core.time_grid import US_PER_HOUR, US_PER_S
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.stores.upkeep.row_match import RowMatch

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_fsync")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a killed process leaves it; never changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        data = fill(tmp_path_factory.mktemp("written"))
        with opened(data) as storage:
            book = AlertBook(storage.database)
            book.put_rule(RULE)
            book.write([(ALERT, [DELIVERY])])
            SqlIncidentBook(storage.database).put_all([INCIDENT], 300)
            step = CounterDecision(2, T0_US + US_PER_HOUR, StepKind.SWAP, 12.5, 5)
            storage.registry.decisions.put(step)
            storage.store.flush = lambda: storage.store.covered_offset  # type: ignore[method-assign]  # for the closing one
        return data


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    """The folder, to be changed."""
    return shutil.copytree(written, tmp_path / "data")


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def moved_once(written: Path, postgres: str) -> Iterator[str]:
    """The URL of a database to which the folder was moved; never changed."""
    with fresh_database(postgres) as url:
        move(written, url)
        yield url


@pytest.fixture
def moved(moved_once: str, postgres: str) -> Iterator[str]:
    """The same, to be changed."""
    with fresh_database(postgres, template=moved_once) as url:
        yield url


# ── there and back ───────────────────────────────────────────────────────────────────────────────


def test_folder_to_server_and_back_is_the_same(data: Path, database: str, tmp_path: Path) -> None:
    up = move(data, database)
    assert up.is_final
    assert up.n_new == up.n_rows > 400
    assert up.n_buckets > 10
    assert set(up.qualities) >= {0, Quality.MISSING, Quality.IMPLAUSIBLE, Quality.LATE}
    assert up.registry.is_complete
    assert (up.n_late, up.n_beyond, up.n_retired, up.n_waiting) == (0, 0, 0, 0)
    assert_same(data, database)
    down = move(database, tmp_path / "back")
    assert down.series == up.series
    assert down.qualities == up.qualities
    assert_same(data, tmp_path / "back")
    with opened(tmp_path / "back") as storage:
        # A program starts on it as on any other.
        assert storage.database.damages == []
    assert_same(data, tmp_path / "back")


@pytest.mark.parametrize("kind", ["timescale", "timescale_apache"])
def test_folder_to_timescale_and_back_is_the_same(
    data: Path, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with fresh_database(request.getfixturevalue(kind)) as database:
        move(data, database)
        assert ask(database, "SELECT count(*) FROM timescaledb_information.hypertables") == [(1,)]
        assert_same(data, database)
        if kind == "timescale":
            ask(database, "SELECT compress_chunk(c) FROM show_chunks('wattscope.raw_rows') c")
        assert move(data, database).n_new == 0
        move(database, tmp_path / "back")
        assert_same(data, tmp_path / "back")


def test_second_run_brings_what_came_meanwhile_and_nothing_else(data: Path, moved: str) -> None:
    assert move(data, moved).n_new == 0
    newest = T0_US + 100 * US_PER_HOUR
    rows = [(1, newest, 5.0, 0), (1, T0_US + 1, 6.0, 0), (3, newest, 7.0, 0)]
    with opened(data) as storage:
        storage.persist.append(build_batch(rows))
        storage.persist.drain()
        added = storage.registry.ensure_series("meter", "frequency_hz")
        storage.persist.append(build_batch([(added, newest, 50.0, 0)]))
        storage.persist.drain()
        storage.registry.put_site(replace(storage.registry.list_sites()[0], name="New"))
    again = move(data, moved)
    assert again.n_new == 4
    assert again.n_late == 0
    assert_same(data, moved)


def test_decision_that_was_made_meanwhile_makes_rollups_anew(data: Path, moved: str) -> None:
    with opened(data) as storage:
        at_us = storage.store.read_raw([4], 0, FAR).measured_at_us[20]
        storage.registry.decisions.put(CounterDecision(4, int(at_us), StepKind.SWAP, 99.5, 5))
        storage.store.reopen(4, int(at_us))
    assert move(data, moved).n_new == 0
    assert_same(data, moved)


def test_program_writes_on_meanwhile(database: str, tmp_path: Path) -> None:
    with loaded(tmp_path / "data") as load:
        load.advance(150, is_flushed=True)

        def watch(_doing: str, _done: int, _total: int) -> None:
            load.advance(2, is_flushed=True)

        first = move(tmp_path / "data", database, watch)
        assert not first.is_final
        assert first.n_new > 0
        with load.running():
            second = move(tmp_path / "data", database)
        assert second.n_new > 0
    last = move(tmp_path / "data", database)
    assert last.is_final
    assert_same(tmp_path / "data", database)


def test_back_into_the_folder_that_it_came_from(data: Path, moved: str) -> None:
    newest = T0_US + 100 * US_PER_HOUR
    with open_target(SETTINGS, place(moved)) as side:
        side.store.load(build_batch([(1, newest, 5.0, 0), (1, T0_US + 1, 6.0, 0)]))
    assert move(moved, data).n_new == 2
    assert_same(moved, data)


def test_server_that_is_written_to_meanwhile_moves_back(moved: str, tmp_path: Path) -> None:
    n_steps = 0

    def watch(_doing: str, _done: int, _total: int) -> None:
        nonlocal n_steps
        n_steps += 1
        at = T0_US + n_steps * US_PER_HOUR
        rows = [(1, at + 200 * US_PER_HOUR, 5.0, 0), (2, at + 77, 6.0, 0)]
        other.store.load(build_batch(rows))

    with open_target(SETTINGS, place(moved)) as other:
        first = move(moved, tmp_path / "back", watch)
    assert first.has_moved
    assert first.n_unproven > 0
    last = move(moved, tmp_path / "back")
    assert (last.has_moved, last.n_unproven) == (False, 0)
    assert_same(moved, tmp_path / "back")


# ── what may be there, and what must not ─────────────────────────────────────────────────────────


def test_rows_of_a_cluster_that_runs_already_are_told(data: Path, moved: str) -> None:
    """Meters were pointed at the server while the folder had rows that were not moved yet."""
    newest = T0_US + 500 * US_PER_HOUR
    with opened(data) as storage:
        storage.persist.append(build_batch([(1, newest - 5, 1.0, 0), (2, newest - 5, 1.0, 0)]))
        storage.persist.drain()
    with open_target(SETTINGS, place(moved)) as side:
        side.store.load(build_batch([(1, newest, 5.0, 0), (1, newest + US_PER_S, 6.0, 0)]))
    again = move(data, moved)
    assert (again.n_new, again.n_beyond, again.n_late) == (2, 2, 1)


def test_rows_that_retention_removed_are_told(data: Path, moved: str) -> None:
    with opened(data) as storage:
        storage.store.flush()
        storage.store.retain([ALL_GO], FAR)
        storage.persist.append(build_batch([(1, T0_US + 500 * US_PER_HOUR, 1.0, 0)]))
        storage.persist.drain()
    again = move(data, moved)
    assert (again.n_new, again.n_rows) == (1, 1)
    assert again.n_beyond > 400
    assert again.n_retired == 7


def test_message_that_only_the_log_has_is_told(data: Path, moved: str) -> None:
    with opened(data) as storage:
        # As if the program were killed before it came to it.
        storage.persist.append(empty_batch(), [replace(ITEM, payload=b"only in the log")])
    assert move(data, moved).n_waiting == 1
    with opened(data):
        pass
    last = move(data, moved)
    assert last.n_waiting == 0
    assert last.registry.tables[-1].n_target == 16


def test_row_that_was_lost_in_the_target_comes_back(data: Path, moved: str) -> None:
    ask(moved, "DELETE FROM wattscope.raw_rows WHERE series_id = 2 AND quality = 0")
    again = move(data, moved)
    # They came after newer ones, and are the same but for the mark that says so.
    assert again.n_late == again.n_new > 10
    assert again.n_rows == move(data, moved).n_rows


def test_row_that_the_target_does_not_keep_is_noticed(data: Path, database: str) -> None:
    with open_target(SETTINGS, place(database)):
        pass
    ask(database, _trigger("wattscope.raw_rows", "IF NEW.series_id = 4 THEN RETURN NULL; END IF;"))
    words = r"rows of .* are not those of .*energy_import_wh of plug: the row of .* is missing"
    with pytest.raises(StorageError, match=words):
        move(data, database)


CHANGES = (
    ("UPDATE wattscope.raw_rows SET value = value + 1", "has another value or quality"),
    ("UPDATE wattscope.raw_rows SET value = 'NaN'", "has another value or quality"),
    ("UPDATE wattscope.raw_rows SET quality = 8", "has another value or quality"),
    (
        """INSERT INTO wattscope.raw_rows
        SELECT series_id, measured_at - interval '1 us', 0, 0 FROM wattscope.raw_rows""",
        "is there, but not in the source",
    ),
)


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_row_that_is_not_the_same_is_named(data: Path, moved: str, change: str, words: str) -> None:
    _change_one(moved, change)
    with pytest.raises(StorageError, match=f"energy_import_wh of plug: the row of .* {words}"):
        move(data, moved)


def test_without_comparing_rows_no_change_is_noticed(
    data: Path, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""

    def believe(wanted: Batch, _present: Batch) -> RowMatch:
        none = wanted.take(slice(0, 0))
        return RowMatch(none, none, none, wanted, 0)

    _change_one(moved, CHANGES[0][0])
    monkeypatch.setattr(moved_rows, "match_rows", believe)
    monkeypatch.setattr(DayProof, "compare", lambda *_: (0, set()))
    assert move(data, moved).n_new == 0


def test_rollups_that_are_not_the_same_are_named(
    data: Path, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(moved, "UPDATE wattscope.bucket_1d SET energy_wh = energy_wh + 1 WHERE series_id = 4")
    with pytest.raises(StorageError, match=r"days of .* energy_import_wh of plug: energy"):
        move(data, moved)
    # The check of the check.
    monkeypatch.setattr(DayProof, "compare", lambda *_: (0, set()))
    assert move(data, moved).n_new == 0


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


def test_target_with_series_of_others_is_refused_and_stays(data: Path, database: str) -> None:
    with open_target(SETTINGS, place(database)) as side:
        side.registry.put_site(replace(HOME, id="theirs"))
        side.registry.put_device(replace(METER, site="theirs"), ["power_factor"])
        side.store.load(build_batch([(1, T0_US, 1.0, 0)]))
    with pytest.raises(StorageError, match="has series that the source does not have, such as 1"):
        move(data, database)
    assert ask(database, "SELECT count(*) FROM wattscope.raw_rows") == [(1,)]


def test_target_with_rows_that_belong_to_nobody_is_refused(data: Path, moved: str) -> None:
    ask(moved, "DROP SCHEMA wattscope_registry CASCADE")
    with pytest.raises(StorageError, match="has rows, but its registry knows no series"):
        move(data, moved)


@pytest.mark.parametrize(
    "newer",
    [
        "UPDATE wattscope.store_version SET version = 999",
        "UPDATE wattscope_registry.version SET version = 999",
    ],
)
def test_newer_target_is_refused(data: Path, moved: str, newer: str) -> None:
    ask(moved, newer)
    with pytest.raises(StorageError, match="version 999"):
        move(data, moved)


def test_empty_database_is_no_source_and_stays_empty(database: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no tables"):
        move(database, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    schemas = ask(database, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'wattscope%'")
    assert schemas == [(0,)]


def test_target_without_room_says_what_to_do(data: Path, database: str) -> None:
    with open_target(SETTINGS, place(database)):
        pass
    full = "RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file';"
    ask(database, _trigger("wattscope.raw_rows", full))
    with pytest.raises(TransientError, match=r"could not extend file.*run it again to go on"):
        move(data, database)
    ask(database, "DROP TRIGGER met ON wattscope.raw_rows")
    assert move(data, database).n_new > 400


def test_folder_in_use_is_no_target(moved: str, data: Path) -> None:
    with opened(data), pytest.raises(StorageError, match="in use by another wattscope"):
        move(moved, data)


def test_folder_without_data_is_no_source(database: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no data in"):
        move(tmp_path / "nothing", database)
    assert not (tmp_path / "nothing").exists()


def test_two_places_of_one_kind_are_refused(data: Path, moved: str, tmp_path: Path) -> None:
    for source, target in ((data, tmp_path / "other"), (moved, moved)):
        with pytest.raises(SettingsError, match="are of one kind"):
            move(source, target)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    try:
        with run_own_postgres() as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def test_password_is_wanted_and_never_told(
    data: Path, own_server: PostgresServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("gu3ssed\n", encoding="utf-8")
    url, right = own_server.url, own_server.password_file
    in_url = url.replace("postgres@", "postgres:gu3ssed@")
    for target in (Place(None, url, wrong), Place(None, in_url), Place(None, url)):
        with pytest.raises(TransientError, match="password") as raised:
            migrate(SETTINGS, Place(data), target, watch_nothing)
        assert "gu3ssed" not in str(raised.value)
    moved = migrate(SETTINGS, Place(data), Place(None, url, right), watch_nothing)
    assert moved.is_final
    assert PASSWORD not in str(moved)
    own_server.stop()
    with pytest.raises(TransientError, match="run it again to go on") as raised:
        migrate(SETTINGS, Place(data), Place(None, url, right), watch_nothing)
    assert PASSWORD not in str(raised.value)


def _change_one(url: str, change: str) -> None:
    """Do something to the row in the middle of series 4."""
    sql = "SELECT measured_at FROM wattscope.raw_rows WHERE series_id = 4 AND quality = 0"
    rows = ask(url, f"{sql} ORDER BY 1")
    [at] = rows[len(rows) // 2]
    ask(url, f"{change} WHERE series_id = 4 AND measured_at = %s", [at])


def _trigger(table: str, body: str) -> str:
    """SQL that has something done before a row is written."""
    return f"""
        CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {body} RETURN NEW; END $$;
        CREATE TRIGGER met BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION meet()"""

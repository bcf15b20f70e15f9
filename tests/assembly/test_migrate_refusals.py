"""What moving refuses, and what it says then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.assembly.installations import ask, make_trigger, move, place
from tests.faults.workload import SETTINGS, T0_US
from tests.postgres_server import PASSWORD, PostgresServer, run_own_postgres
from tests.registry.registries import HOME, METER
from tests.servers import ServerMissingError
from tests.stores.backup_cases import opened, watch_nothing
from wattscope.assembly.migrate import migrate
from wattscope.assembly.moving_sides import Place, open_target
from wattscope.core.errors import SettingsError, StorageError, TransientError
from wattscope.core.reading import build_batch

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_fsync")]


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
    ask(database, make_trigger("wattscope.raw_rows", full))
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

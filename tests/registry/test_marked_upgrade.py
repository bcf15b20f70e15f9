"""A registry of version 3, with its mark and its copy, is brought up to date as nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import StorageError
from wattscope.core.topology import Device, DeviceKind
from wattscope.registry import upgrade
from wattscope.registry.database import Database
from wattscope.registry.names_copy import _close_line
from wattscope.registry.online_copy import bring_up_to_date
from wattscope.registry.schema import SCHEMA_VERSION
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry

# Made by the program of version 3; the mark sums up its definitions to the last blank.
CASE = Path(__file__).parent.parent / "cases" / "registry_version_3"
METER = Device("meter", "home", "Meter", DeviceKind.METER, rating_w=4000.0, rollover_wh=655360.0)
ROOF = Device("roof", "home", "Roof", DeviceKind.INVERTER, parent="meter", is_production=True)
SWAP = CounterDecision(1, 1_000_000, StepKind.SWAP, 12.5, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "registry.sqlite"
    with closing(sqlite3.connect(made)) as connection:
        connection.executescript((CASE / "registry.sql").read_text())
    shutil.copy(CASE / "registry.names", tmp_path)
    return made


def read_version(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path)) as connection:
        [noted] = connection.execute("SELECT version FROM schema_version").fetchone()
        [second] = connection.execute("PRAGMA user_version").fetchone()
    return noted, second


def list_devices(path: Path) -> list[Device]:
    with closing(Database(path)) as database:
        return SqlRegistry(database).list_devices()


def test_registry_of_version_3_keeps_all_that_it_says(path: Path) -> None:
    with closing(Database(path)) as database:
        registry = SqlRegistry(database)
        assert not database.damages
        assert registry.list_devices() == [METER, ROOF]
        assert [(one.id, one.decisions) for one in registry.list_series()] == [
            (1, (SWAP,)),
            (2, ()),
        ]
        assert [one.item.payload for one in SqlQuarantine(database).list_newest(9)] == [b"\xff\x00"]
    assert read_version(path) == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_what_version_4_adds_outlives_a_restart(path: Path) -> None:
    tilted = replace(ROOF, tilt_deg=35.0, azimuth_deg=170.0, latitude=48.1, longitude=11.6)
    with closing(Database(path)) as database:
        SqlRegistry(database).put_device(tilted)
    with closing(Database(path)) as database:
        assert SqlRegistry(database).list_devices() == [METER, tilted]
        assert not database.damages


def test_copy_alone_is_enough(path: Path) -> None:
    path.unlink()
    assert list_devices(path) == [METER, ROOF]


def test_change_that_only_the_copy_got_is_not_lost(path: Path) -> None:
    # As the program of version 3 wrote it: without the columns that came later.
    row = ["roof", "home", "Roof", "inverter", None, 9000.0, None, "instant", 1, 0, None]
    with path.with_suffix(".names").open("ab") as file:
        file.write(_close_line((6, {"devices": [row]})))
    with closing(Database(path)) as database:
        assert SqlRegistry(database).find_device("roof") == replace(
            ROOF, parent=None, rating_w=9000.0
        )
        assert not database.damages


def test_damage_of_an_older_registry_is_mended_and_not_taken_for_truth(path: Path) -> None:
    _turn_a_digit(path)
    with closing(Database(path)) as database:
        assert SqlRegistry(database).list_devices() == [METER, ROOF]
        [words] = database.damages
    assert "some of its names are damaged" in words


def test_without_the_look_at_the_mark_damage_would_be_sealed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _turn_a_digit(path)
    monkeypatch.setattr(upgrade, "_check_mark", lambda _: 5)
    with pytest.raises(StorageError, match="both are sound"):
        Database(path)


def test_damage_without_a_copy_is_refused(path: Path) -> None:
    _turn_a_digit(path)
    path.with_suffix(".names").unlink()
    with pytest.raises(StorageError, match="damaged"):
        Database(path)


@pytest.mark.parametrize("moment", ["add_missing_columns", "write_mark", "write_version"])
def test_upgrade_that_was_cut_short_leaves_the_older_version(
    moment: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, moment, die)
        with pytest.raises(KeyboardInterrupt):
            Database(path)
    assert read_version(path) == (3, 3)
    assert list_devices(path) == [METER, ROOF]


def test_backup_of_version_3_is_brought_up_to_date(path: Path) -> None:
    path.with_suffix(".names").unlink()
    bring_up_to_date(path)
    with closing(Database(path, is_read_only=True)) as database:
        assert SqlRegistry(database).list_devices() == [METER, ROOF]
        assert not database.damages


def test_version_3_that_may_only_be_read_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(StorageError, match="wattscope run"):
        Database(path, is_read_only=True)
    assert read_version(path) == (3, 3)


def _turn_a_digit(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE devices SET rating_w = 4001.0 WHERE id = 'meter'")
        connection.commit()

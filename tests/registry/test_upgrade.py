"""Registries of older versions open, and are brought up to date with nothing lost."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import StorageError
from wattscope.core.topology import Device, DeviceKind
from wattscope.ports import Quarantined
from wattscope.registry import upgrade
from wattscope.registry.database import Database
from wattscope.registry.online_copy import bring_up_to_date
from wattscope.registry.schema import SCHEMA_VERSION
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry

SWAP = CounterDecision(7, 1_000_000, StepKind.SWAP, 12.5, 5)
METER = Device("meter", "home", "Meter", DeviceKind.METER, rating_w=4000.0)
ITEM = Quarantined("mqtt", "a/b", b"\xff\x00", 1_700_000_000_000_000, "json_syntax", "line 1")

# Version 1, as its own program made it.
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);
CREATE TABLE sites (id VARCHAR(128) NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL,
    time_zone VARCHAR(64) NOT NULL, currency VARCHAR(8) NOT NULL, latitude FLOAT, longitude FLOAT);
INSERT INTO sites VALUES ('home', 'Home', 'UTC', 'EUR', NULL, NULL);
CREATE TABLE devices (id VARCHAR(128) NOT NULL PRIMARY KEY, site VARCHAR(128) NOT NULL,
    name VARCHAR(256) NOT NULL, kind VARCHAR(32) NOT NULL, parent VARCHAR(128), rating_w FLOAT,
    interval_s FLOAT, sampling VARCHAR(16) NOT NULL, is_production BOOLEAN NOT NULL,
    is_direction_swapped BOOLEAN NOT NULL);
INSERT INTO devices VALUES ('meter', 'home', 'Meter', 'meter', NULL, 4000.0, NULL, 'instant', 0, 0);
CREATE TABLE series (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, device VARCHAR(128) NOT NULL,
    quantity VARCHAR(64) NOT NULL, UNIQUE (device, quantity));
INSERT INTO series VALUES (7, 'meter', 'energy_import_wh');
CREATE TABLE quarantine (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "key" VARCHAR(64) NOT NULL,
    source VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, payload BLOB NOT NULL,
    received_at_us BIGINT NOT NULL, code VARCHAR(32) NOT NULL, detail VARCHAR(512) NOT NULL,
    replayed_at_us BIGINT, UNIQUE ("key"));
INSERT INTO quarantine VALUES
    (3, 'k3', 'mqtt', 'a/b', x'ff00', 1700000000000000, 'json_syntax', 'line 1', NULL),
    (4, 'k4', 'mqtt', 'a/b', x'ff00', 1700000000000000, 'json_syntax', 'line 1', 99);
"""
# What version 2 added.
VERSION_2 = (
    VERSION_1
    + """
UPDATE schema_version SET version = 2;
ALTER TABLE devices ADD COLUMN rollover_wh FLOAT;
CREATE TABLE counter_decisions (series_id INTEGER NOT NULL, at_us BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL, growth FLOAT, decided_at_us BIGINT NOT NULL,
    PRIMARY KEY (series_id, at_us));
INSERT INTO counter_decisions VALUES (7, 1000000, 'swap', 12.5, 5);
"""
)


@pytest.fixture(params=[VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def old_path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "registry.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(request.param)
    connection.close()
    return path


def read_version(path: Path) -> int:
    connection = sqlite3.connect(path)
    [version] = connection.execute("SELECT version FROM schema_version").fetchone()
    connection.close()
    return int(version)


def test_older_registry_is_brought_up_to_date(old_path: Path) -> None:
    decisions = () if read_version(old_path) == 1 else (SWAP,)
    database = Database(old_path)
    registry = SqlRegistry(database)
    assert registry.list_devices() == [METER]
    assert [(one.id, one.decisions) for one in registry.list_series()] == [(7, decisions)]
    registry.put_device(replace(METER, rollover_wh=655_360.0))
    registry.decisions.put(SWAP)
    database.close()
    assert read_version(old_path) == SCHEMA_VERSION
    database = Database(old_path)
    again = SqlRegistry(database)
    assert again.list_devices() == [replace(METER, rollover_wh=655_360.0)]
    assert [one.decisions for one in again.list_series()] == [(SWAP,)]
    assert again.ensure_series("meter", "voltage_v") == 8
    assert not database.damages


def test_older_registry_out_of_a_backup_is_brought_up_to_date(old_path: Path) -> None:
    bring_up_to_date(old_path)
    assert [one.name for one in old_path.parent.iterdir()] == [old_path.name]
    database = Database(old_path, is_read_only=True)
    assert SqlRegistry(database).list_devices() == [METER]
    assert not database.damages


def test_items_of_an_older_registry_are_kept(old_path: Path) -> None:
    for _ in range(2):
        database = Database(old_path)
        shelf = SqlQuarantine(database)
        found = [(one.id, one.item, one.replayed_at_us) for one in shelf.list_newest(9)]
        assert found == [(4, ITEM, 99), (3, ITEM, None)]
        assert [one.id for one in shelf.list_unreplayed()] == [3]
        database.close()


def test_upgrade_that_was_cut_short_is_finished(
    old_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = read_version(old_path)

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "write_version", die)
        with pytest.raises(KeyboardInterrupt):
            Database(old_path)
    assert read_version(old_path) == version
    assert SqlRegistry(Database(old_path)).list_devices() == [METER]
    assert read_version(old_path) == SCHEMA_VERSION


@pytest.mark.parametrize("left_out", ["add_missing_columns", "write_mark"])
def test_without_the_upgrade_the_old_registry_would_not_open(
    left_out: str, old_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, left_out, lambda *_: None)
    with pytest.raises(StorageError):
        Database(old_path)


def test_old_registry_that_may_only_be_read_is_refused_with_what_to_do(old_path: Path) -> None:
    version = read_version(old_path)
    with pytest.raises(StorageError, match="wattscope run"):
        Database(old_path, is_read_only=True)
    assert read_version(old_path) == version

"""On a disk without room the registry opens, says so when it must write, and goes on later."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from wattscope.core.errors import StorageError, StorageFullError, TransientError
from wattscope.core.topology import Device, DeviceKind, Site
from wattscope.ports import Quarantined
from wattscope.registry.database import Database
from wattscope.registry.inspection import explain
from wattscope.registry.names_copy import NamesCopy
from wattscope.registry.sql_quarantine import SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry

HOME = Site("home", "Home", "UTC")
METER = Device("meter", "home", "Meter", DeviceKind.METER)
ITEM = Quarantined("mqtt", "a/b", b"x" * 50_000, 1_700_000_000_000_000, "json_syntax", "line 1")


def register(database: Database) -> SqlRegistry:
    """What each start does."""
    registry = SqlRegistry(database)
    registry.put_site(HOME)
    registry.put_device(METER, ("voltage_v",))
    registry.ensure_series("meter", "voltage_v")
    return registry


def make_registry(path: Path) -> None:
    database = Database(path)
    register(database)
    database.close()


@contextmanager
def limit_size(database: Database) -> Iterator[None]:
    """No page more."""
    with database.begin() as connection:
        [(pages,)] = connection.exec_driver_sql("PRAGMA page_count").fetchall()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    yield
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


def start_again(tmp_path: Path) -> None:
    make_registry(tmp_path / "registry.sqlite")
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    database = Database(tmp_path / "registry.sqlite")
    register(database)
    with database.begin() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        assert raw.total_changes == 0
    assert (tmp_path / "registry.sqlite-wal").stat().st_size == 0
    database.close()
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_start_with_equal_names_writes_nothing(tmp_path: Path) -> None:
    start_again(tmp_path)


def test_start_that_takes_every_name_for_a_new_one_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    monkeypatch.setattr(Site, "__eq__", lambda *_: False)
    with pytest.raises(AssertionError):
        start_again(tmp_path)


def refuse_item(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.sqlite")
    shelf = SqlQuarantine(database)
    with limit_size(database), pytest.raises(StorageFullError, match="no room"):
        shelf.put([ITEM], 1)
    assert shelf.list_newest(9) == []
    shelf.put([ITEM], 1)
    assert [one.item for one in shelf.list_newest(9)] == [ITEM]
    database.close()


def test_item_that_finds_no_room_is_refused_and_taken_later(tmp_path: Path) -> None:
    refuse_item(tmp_path)


def test_refusal_that_keeps_the_words_of_sqlite_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    monkeypatch.setattr("wattscope.registry.database.explain", lambda _, fault: fault)
    with pytest.raises(sqlite3.OperationalError):
        refuse_item(tmp_path)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EFBIG, StorageFullError),
        (errno.EIO, TransientError),
    ],
)
def test_name_that_the_disk_refuses_is_taken_later(
    code: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_names(code, error, tmp_path, monkeypatch)


def test_line_that_is_not_taken_back_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    monkeypatch.setattr(NamesCopy, "take_back", lambda *_: None)
    with pytest.raises((AssertionError, StorageError)):
        refuse_names(errno.ENOSPC, StorageFullError, tmp_path, monkeypatch)


def refuse_names(
    code: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "registry.sqlite")
    registry = register(database)

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        for _ in range(2):
            with pytest.raises(error):
                registry.ensure_series("meter", "current_a")
            with pytest.raises(error):
                registry.put_site(replace(HOME, name="New"))
    assert registry.find_series("meter", "current_a") is None
    assert registry.list_sites() == [HOME]
    number = registry.ensure_series("meter", "power_factor")
    database.close()
    database = Database(tmp_path / "registry.sqlite")
    again = SqlRegistry(database)
    assert database.damages == []
    assert again.find_series("meter", "power_factor") == number
    assert again.find_series("meter", "current_a") is None
    assert again.list_sites() == [HOME]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, StorageFullError),
        (sqlite3.SQLITE_IOERR_FSYNC, TransientError),
        (sqlite3.SQLITE_BUSY, TransientError),
        (sqlite3.SQLITE_CORRUPT_INDEX, StorageError),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.OperationalError),
    ],
)
def test_refusal_of_sqlite_becomes_an_error_of_the_product(
    code: int, error: type[Exception]
) -> None:
    fault = sqlite3.OperationalError("as SQLite says it")
    fault.sqlite_errorcode = code
    assert type(explain(Path("registry.sqlite"), fault)) is error


def test_registry_opens_where_nothing_more_can_be_written(tmp_path: Path) -> None:
    mount = shutil.which("mount")
    if os.geteuid() or mount is None:
        pytest.skip("a small disk is mounted by root only")
    (tmp_path / "disk").mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path / "disk")]
    done = subprocess.run([mount, *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.decode().strip()})")
    try:
        check_full_disk(tmp_path / "disk")
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def check_full_disk(disk: Path) -> None:
    path = disk / "registry.sqlite"
    make_registry(path)
    found = os.statvfs(disk)
    # SQLite needs 32 KiB of shared memory beside its file; the program's reserve leaves more.
    (disk / "ballast").write_bytes(bytes(found.f_bavail * found.f_frsize - 36_864))
    database = Database(path)
    registry, shelf = register(database), SqlQuarantine(database)
    with pytest.raises(StorageFullError):
        shelf.put([ITEM], 1)
    with pytest.raises(StorageFullError):
        registry.put_devices([(replace(METER, id=f"m{n}"), ("voltage_v",)) for n in range(999)])
    assert registry.list_devices() == [METER]
    (disk / "ballast").unlink()
    shelf.put([ITEM], 1)
    assert registry.ensure_series("meter", "current_a") == 2
    database.close()
    database = Database(path)
    assert SqlRegistry(database).count_series() == 2
    assert database.damages == []
    database.close()

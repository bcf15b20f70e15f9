"""One damaged file of the registry is mended from the other, and said; nothing is wrong in silence.

Most flips are in ``tests/faults/test_bit_flips.py``; here is what each kind of damage leads to.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import StorageError, TransientError
from wattscope.core.topology import Device, DeviceKind, Series, Site
from wattscope.ports import Quarantined
from wattscope.registry import opening
from wattscope.registry.database import Database
from wattscope.registry.names_copy import NamesCopy
from wattscope.registry.names_judge import Verdict
from wattscope.registry.sql_quarantine import DAMAGED, SqlQuarantine
from wattscope.registry.sql_registry import SqlRegistry

HOME = Site("home", "Home", "UTC")
METER = Device("meter", "home", "Meter", DeviceKind.METER, rating_w=4000.0)
SWAP = CounterDecision(2, 1_000_000, StepKind.SWAP, 12.5, 5)
ITEM = Quarantined("mqtt", "a/b", b'{"x": \xff', 1_700_000_000_000_000, "json_syntax", "line 1")
Known = tuple[list[Site], list[Device], list[Series]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A registry with names and items that was closed in order."""
    path = tmp_path / "registry.sqlite"
    database = Database(path)
    registry = SqlRegistry(database)
    registry.put_site(HOME)
    registry.put_device(METER, ("voltage_v", "energy_import_wh"))
    registry.decisions.put(SWAP)
    SqlQuarantine(database).put([replace(ITEM, topic=str(n)) for n in range(5)], 1)
    database.close()
    return path


def copy_of(path: Path) -> Path:
    return path.with_suffix(".names")


def read_known(path: Path, *, is_read_only: bool = False) -> tuple[Known, list[str]]:
    database = Database(path, is_read_only=is_read_only)
    registry = SqlRegistry(database)
    known = registry.list_sites(), registry.list_devices(), registry.list_series()
    database.close()
    return known, database.damages


def change(path: Path, sql: str) -> None:
    """What a flipped bit may do to a row."""
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(sql).rowcount == 1


def flip_line(path: Path, number: int) -> None:
    lines = copy_of(path).read_bytes().splitlines(keepends=True)
    lines[number] = lines[number].replace(b'"', b'"x', 1)
    copy_of(path).write_bytes(b"".join(lines))


CHANGES = (
    "UPDATE devices SET name = 'Mfter'",
    "UPDATE devices SET rating_w = 4001.0",
    "UPDATE series SET id = 9 WHERE id = 1",
    "UPDATE series SET quantity = 'voltage_w' WHERE id = 1",
    "UPDATE sites SET time_zone = 'UTB'",
    "UPDATE counter_decisions SET growth = NULL",
    "DELETE FROM devices",
    "UPDATE names_mark SET serial = serial + 1",
    "UPDATE schema_version SET version = version + 4",
)


@pytest.mark.parametrize("sql", CHANGES)
def test_damaged_name_is_mended_from_the_copy(sql: str, path: Path) -> None:
    truth, _ = read_known(path)
    change(path, sql)
    known, [words] = read_known(path)
    assert known == truth
    assert "5 items of the quarantine were saved" in words
    assert path.with_name("registry.sqlite.damaged-1").exists()
    assert read_known(path) == (truth, [])


def test_without_the_comparison_a_wrong_name_is_silent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    truth, _ = read_known(path)
    monkeypatch.setattr(
        opening, "judge", lambda stored, _: Verdict(stored.names, stored.mark.serial)
    )
    change(path, CHANGES[0])
    known, damages = read_known(path)
    assert known != truth
    assert not damages


def test_reader_of_a_damaged_database_shows_the_copy_and_writes_nothing(path: Path) -> None:
    truth, _ = read_known(path)
    change(path, CHANGES[0])
    before = [file.read_bytes() for file in (path, copy_of(path))]
    known, [words] = read_known(path, is_read_only=True)
    assert known == truth
    assert "start `wattscope run`" in words
    assert [file.read_bytes() for file in (path, copy_of(path))] == before
    assert not list(path.parent.glob("*damaged*"))


@pytest.mark.parametrize("is_read_only", [False, True])
@pytest.mark.parametrize("line", [0, 1, 2, 3])
def test_damaged_copy_is_reported_and_written_anew(
    line: int,
    is_read_only: bool,  # noqa: FBT001  # a case of the table
    path: Path,
) -> None:
    truth, _ = read_known(path)
    flip_line(path, line)
    known, [words] = read_known(path, is_read_only=is_read_only)
    assert known == truth
    assert "nothing is lost" in words
    assert bool(read_known(path)[1]) == is_read_only
    assert read_known(path) == (truth, [])


def test_missing_copy_is_made_anew(path: Path) -> None:
    truth, _ = read_known(path)
    copy_of(path).unlink()
    assert read_known(path, is_read_only=True) == (truth, [])
    assert read_known(path) == (truth, [])
    change(path, CHANGES[0])
    assert read_known(path)[0] == truth


@pytest.mark.parametrize("size", [None, 0, 50, 4096, 5000])
def test_missing_or_cut_database_is_made_of_the_copy(size: int | None, path: Path) -> None:
    truth, _ = read_known(path)
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    known, damages = read_known(path)
    assert known == truth
    assert damages
    assert read_known(path) == (truth, [])


@pytest.mark.parametrize("is_read_only", [False, True])
def test_damage_of_both_is_refused_with_what_to_do(
    is_read_only: bool,  # noqa: FBT001  # a case of the table
    path: Path,
) -> None:
    change(path, CHANGES[0])
    flip_line(path, 2)
    with pytest.raises(StorageError, match="restore it from a backup"):
        Database(path, is_read_only=is_read_only)


def test_registry_without_copy_finds_its_damage_by_the_digest(path: Path) -> None:
    """As it lies in a backup."""
    Database(path, has_copy=False).close()
    change(path, CHANGES[0])
    copy_of(path).unlink()
    with pytest.raises(StorageError, match="names are damaged"):
        Database(path, has_copy=False)


def test_files_of_two_folders_are_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "registry.sqlite"
    other.parent.mkdir()
    database = Database(other)
    registry = SqlRegistry(database)
    for n in range(3):
        registry.put_site(Site(f"s{n}", "S", "UTC"))
    database.close()
    shutil.copy(other, path)
    with pytest.raises(StorageError, match="two data folders"):
        Database(path)


def test_older_database_beside_a_newer_copy_gets_the_names_back(path: Path) -> None:
    older = path.read_bytes()
    database = Database(path)
    registry = SqlRegistry(database)
    numbers = [registry.ensure_series("meter", name) for name in ("current_a", "power_factor")]
    database.close()
    path.write_bytes(older)
    database = Database(path)
    again = SqlRegistry(database)
    assert "lacks the last 2 changes" in database.damages[0]
    assert [again.find_series("meter", name) for name in ("current_a", "power_factor")] == numbers


def leave_log(path: Path) -> Known:
    """Remove the database, and leave the log of a program that died."""
    database = Database(path)
    SqlRegistry(database).put_site(replace(HOME, name="New"))
    SqlQuarantine(database).put([replace(ITEM, topic="late")], 2)
    log = path.with_name("registry.sqlite-wal")
    content = log.read_bytes()
    database.close()
    truth, _ = read_known(path)
    path.unlink()
    log.write_bytes(content)
    return truth


def test_log_of_a_lost_database_is_not_played_into_the_new_one(path: Path) -> None:
    truth = leave_log(path)
    database = Database(path)
    assert "missing or empty" in database.damages[0]
    assert SqlRegistry(database).list_sites() == truth[0]
    assert SqlQuarantine(database).list_newest(9) == []
    database.close()
    assert read_known(path) == (truth, [])


def test_log_that_is_left_in_place_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: the log holds the items of before, the new database none."""
    monkeypatch.setattr("wattscope.registry.rebuild._LOGS", ())
    with pytest.raises((AssertionError, StorageError)):
        test_log_of_a_lost_database_is_not_played_into_the_new_one(path)


def die_before_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy has the line, the database does not, and nobody takes it back."""
    database = Database(path)
    registry = SqlRegistry(database)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        append = NamesCopy.append

        def die(*arguments: object) -> None:
            append(*arguments)  # type: ignore[arg-type]  # handed on as they came
            raise KeyboardInterrupt

        patch.setattr(NamesCopy, "append", die)
        patch.setattr(NamesCopy, "take_back", lambda *_: None)
        registry.ensure_series("meter", "current_a")
    database.close()


def test_change_that_only_the_copy_got_is_taken_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_before_commit(path, monkeypatch)
    database = Database(path)
    registry = SqlRegistry(database)
    assert database.damages == []
    assert registry.find_series("meter", "current_a") == 3
    assert registry.ensure_series("meter", "power_factor") == 4
    database.close()
    assert read_known(path)[1] == []


@pytest.mark.parametrize("length", [1, 8, 30])
def test_line_that_was_cut_short_is_removed_in_silence(
    length: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, _ = read_known(path)
    sound = copy_of(path).read_bytes()
    die_before_commit(path, monkeypatch)
    copy_of(path).write_bytes(copy_of(path).read_bytes()[: len(sound) + length])
    for _ in range(2):
        assert read_known(path) == (truth, [])
    database = Database(path)
    assert SqlRegistry(database).ensure_series("meter", "power_factor") == 3


def test_refused_commit_leaves_no_line(path: Path) -> None:
    before = copy_of(path).read_bytes()
    database = Database(path)
    registry = SqlRegistry(database)
    with database.begin() as connection:
        [(pages,)] = connection.exec_driver_sql("PRAGMA page_count").fetchall()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TransientError):
        registry.put_devices([(replace(METER, id=f"m{n}", name="n" * 200), ()) for n in range(99)])
    assert copy_of(path).read_bytes() == before
    assert registry.list_devices() == [METER]


def test_long_copy_is_shortened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattscope.registry.names_copy._MAX_SPARE_LINES", 3)
    database = Database(path)
    registry = SqlRegistry(database)
    for n in range(20):
        registry.put_site(replace(HOME, name=f"Home {n}"))
    database.close()
    size = copy_of(path).stat().st_size
    truth, _ = read_known(path)
    assert copy_of(path).stat().st_size < size / 2
    assert read_known(path) == (truth, [])
    assert truth[0] == [replace(HOME, name="Home 19")]


# ── Items of the quarantine ──────────────────────────────────────────────────────────────────

ITEM_CHANGES = (
    "UPDATE quarantine SET payload = x'00' WHERE id = 2",
    "UPDATE quarantine SET payload = '' WHERE id = 2",
    "UPDATE quarantine SET topic = CAST(x'ff' AS TEXT) WHERE id = 2",
    "UPDATE quarantine SET topic = 7 WHERE id = 2",
    "UPDATE quarantine SET code = 'json_syntaw' WHERE id = 2",
    "UPDATE quarantine SET code = CAST(x'ff' AS TEXT) WHERE id = 2",
    "UPDATE quarantine SET received_at_us = received_at_us + 1 WHERE id = 2",
    "UPDATE quarantine SET replayed_at_us = 1 WHERE id = 2",
    "UPDATE quarantine SET crc = NULL WHERE id = 2",
    "UPDATE quarantine SET id = 77 WHERE id = 2",
)


def look_at_shelf(path: Path) -> None:
    """The item that was changed is called damaged, and the others are as they were."""
    database = Database(path)
    shelf = SqlQuarantine(database)
    found = {one.id: one.item for one in shelf.list_newest(9)}
    assert sorted(one.topic for one in found.values()) == ["", "0", "2", "3", "4"]
    assert found.pop(77 if 77 in found else 2) == DAMAGED
    assert all(replace(one, topic="a/b") == ITEM for one in found.values())
    assert sorted(one.item.topic for one in shelf.list_unreplayed()) == ["0", "2", "3", "4"]
    assert "of the quarantine is damaged" in database.damages[0]
    database.close()


@pytest.mark.parametrize("sql", ITEM_CHANGES)
def test_damaged_item_is_shown_as_damaged(sql: str, path: Path) -> None:
    change(path, sql)
    look_at_shelf(path)


def test_without_its_checksum_another_content_would_be_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    change(path, ITEM_CHANGES[0])
    monkeypatch.setattr("wattscope.registry.shelf_rows.sum_row", lambda row: row["crc"])
    with pytest.raises(AssertionError):
        look_at_shelf(path)


@pytest.mark.parametrize("sql", [ITEM_CHANGES[4], ITEM_CHANGES[5], ITEM_CHANGES[9]])
def test_damaged_item_is_counted_as_damaged(sql: str, path: Path) -> None:
    change(path, sql)
    database = Database(path)
    counts = SqlQuarantine(database).count_by_code()
    expected = {"json_syntax": 4, "damaged": 1}
    assert counts == (expected if sql != ITEM_CHANGES[9] else {"json_syntax": 5})
    database.close()


def test_items_are_saved_when_the_database_is_built_anew(path: Path) -> None:
    change(path, ITEM_CHANGES[0])
    change(path, CHANGES[0])
    database = Database(path)
    assert "4 items of the quarantine were saved, 1 are damaged" in database.damages[0]
    shelf = SqlQuarantine(database)
    assert [one.item.topic for one in shelf.list_newest(9)] == ["4", "3", "2", "0"]
    shelf.put([replace(ITEM, topic=str(n)) for n in range(5)], 1)
    assert sorted(one.item.topic for one in shelf.list_newest(9)) == ["0", "1", "2", "3", "4"]
    database.close()

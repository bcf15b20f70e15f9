"""R18: what is no whole, sound backup is refused with the reason, and leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.faults.workload import SETTINGS
from tests.stores.backup_cases import (
    back_up,
    fill,
    read_folder,
    restore,
    watch_nothing,
)
from wattscope.assembly import backup as backup_module
from wattscope.assembly.backup import make_backup
from wattscope.assembly.restore import restore_backup
from wattscope.core.errors import SettingsError, StorageError, StorageFullError
from wattscope.stores.upkeep import backup as backup_files
from wattscope.stores.upkeep import chunk_copy
from wattscope.stores.upkeep.backup import (
    FORMAT,
    CopiedFile,
    OnBytes,
    copy_file,
    encode_note,
    read_note,
)

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a killed process leaves it; never changed."""
    return fill(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def backup(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it; never changed."""
    target = tmp_path_factory.mktemp("backups") / "monday"
    back_up(written, target)
    return target


@pytest.fixture
def copy(backup: Path, tmp_path: Path) -> Path:
    """The backup, to be changed."""
    return shutil.copytree(backup, tmp_path / "copy")


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# ── what is refused ──────────────────────────────────────────────────────────────────────────


def assert_refused(backup: Path, tmp_path: Path, *words: str) -> None:
    with pytest.raises(StorageError) as refusal:
        restore(backup, tmp_path / "data")
    for word in words:
        assert word in str(refusal.value)
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "data.restoring").exists()


def test_target_that_is_not_empty_is_refused(backup: Path, tmp_path: Path, written: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter").write_text("dear")
    for attempt in (lambda: back_up(written, taken), lambda: restore(backup, taken)):
        with pytest.raises(StorageError, match="not empty"):
            attempt()
    assert list_files(taken) == {"letter": b"dear"}


def test_empty_folder_is_a_target(backup: Path, tmp_path: Path, written: Path) -> None:
    for name in ("backup", "data"):
        (tmp_path / name).mkdir()
    back_up(written, tmp_path / "backup")
    restore(backup, tmp_path / "data")
    assert read_folder(tmp_path / "data") == read_folder(written)


def test_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no data"):
        back_up(tmp_path / "nothing", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_plain_copy_of_a_data_folder_is_refused(written: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(written, tmp_path / "copied")
    assert_refused(copied, tmp_path, "plain copy", "torn", "wattscope backup")


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert_refused(tmp_path / "photos", tmp_path, "no backup")
    assert_refused(tmp_path / "absent", tmp_path, "not a folder")


def test_unfinished_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    aside = shutil.copytree(backup, tmp_path / "monday.partial")
    assert_refused(aside, tmp_path, "never finished")
    (aside / "backup.json").unlink()
    assert_refused(aside.rename(tmp_path / "monday"), tmp_path, "backup.json is missing")


def test_backup_of_a_newer_format_is_refused(copy: Path, tmp_path: Path) -> None:
    note = msgspec.structs.replace(read_note(copy), format=FORMAT + 1)
    (copy / "backup.json").write_bytes(encode_note(note))
    assert_refused(copy, tmp_path, f"format {FORMAT + 1}", "newer program")


def test_missing_and_cut_files_are_named(copy: Path, tmp_path: Path) -> None:
    for name, content in list_files(copy).items():
        (copy / name).unlink()
        assert_refused(copy, tmp_path, name, "missing")
        if content:
            (copy / name).write_bytes(content[:-1])
            assert_refused(copy, tmp_path, name, "damaged")
        (copy / name).write_bytes(content)
    restore(copy, tmp_path / "data")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "chunks/../../x", "log/", "lock"])
def test_name_that_leads_outside_is_refused(copy: Path, tmp_path: Path, path: str) -> None:
    note = read_note(copy)
    first = msgspec.structs.replace(note.files[0], path=path)
    note = msgspec.structs.replace(note, files=(first, *note.files[1:]))
    (copy / "backup.json").write_bytes(encode_note(note))
    assert_refused(copy, tmp_path, "belongs in no backup")


def test_symbolic_link_in_a_backup_is_not_followed(copy: Path, tmp_path: Path) -> None:
    target = copy / "registry.sqlite"
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    assert_refused(copy, tmp_path, "registry.sqlite")


def test_rows_that_do_not_come_to_the_noted_sums_are_refused(copy: Path, tmp_path: Path) -> None:
    """Proof by rows, where every file is as noted."""
    note = read_note(copy)
    first = msgspec.structs.replace(note.series[0], rows=note.series[0].rows + 1)
    note = msgspec.structs.replace(note, series=(first, *note.series[1:]))
    (copy / "backup.json").write_bytes(encode_note(note))
    assert_refused(copy, tmp_path, "does not hold what it says", first.device)


def test_check_proves_and_keeps_nothing(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in-use").touch()
    assert restore(backup, tmp_path / "data", is_kept=False).note.rows > 0
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert list_files(tmp_path / "data") == {"in-use": b""}


def test_damaged_data_folder_is_not_backed_up(written: Path, tmp_path: Path) -> None:
    data = shutil.copytree(written, tmp_path / "data")
    victim = min((data / "chunks").glob("rows-*"))
    content = bytearray(victim.read_bytes())
    content[10] ^= 1
    victim.write_bytes(bytes(content))
    with pytest.raises(StorageError, match=victim.name):
        back_up(data, tmp_path / "backup")
    victim.unlink()
    with pytest.raises(StorageError, match=f"{victim.name} is missing"):
        back_up(data, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_damaged_registry_is_not_backed_up(written: Path, tmp_path: Path) -> None:
    """A name that has changed in the file without the program."""
    data = shutil.copytree(written, tmp_path / "data")
    path = data / "registry.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE devices SET name = name || '?'")
    with pytest.raises(StorageError, match="registry"):
        back_up(data, tmp_path / "backup")
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


def test_too_little_room_is_told_before_anything_is_copied(
    written: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(StorageFullError, match="MB free"):
        back_up(written, tmp_path / "backup")
    with pytest.raises(StorageFullError, match="MB free"):
        restore(backup, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_disk_that_fills_up_leaves_nothing_behind(
    written: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_copied = 0

    def fail_late(source: Path, target: Path, on_bytes: OnBytes) -> CopiedFile:
        nonlocal n_copied
        n_copied += 1
        if n_copied % 6 == 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return copy_file(source, target, on_bytes)

    monkeypatch.setattr(chunk_copy, "copy_file", fail_late)
    monkeypatch.setattr(backup_files, "copy_file", fail_late)
    for attempt in (
        lambda: back_up(written, tmp_path / "backup"),
        lambda: restore(backup, tmp_path / "data"),
    ):
        with pytest.raises(StorageFullError, match="no room on the disk"):
            attempt()
    assert n_copied == 12
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_way_that_is_not_ours_stays(
    written: Path, backup: Path, tmp_path: Path
) -> None:
    for name in ("backup.partial", "data.restoring"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "letter").write_text("dear")
    with pytest.raises(StorageError, match="was not made by wattscope"):
        back_up(written, tmp_path / "backup")
    with pytest.raises(StorageError, match="was not made by wattscope"):
        restore(backup, tmp_path / "data")
    assert len(list_files(tmp_path)) == 2


def test_second_backup_to_the_same_name_is_refused_while_the_first_works(
    written: Path, tmp_path: Path
) -> None:
    def begin_again(_doing: str, _done: int, _total: int) -> None:
        with pytest.raises(StorageError, match="in use"):
            back_up(written, tmp_path / "backup")

    make_backup(SETTINGS, written, tmp_path / "backup", begin_again)
    restore_backup(SETTINGS, tmp_path / "backup", tmp_path / "data", watch_nothing)

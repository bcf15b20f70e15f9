"""R18: a copy that is consistent while writing goes on, and a restore that proves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.workload import SETTINGS
from tests.stores.backup_cases import (
    back_up,
    fill,
    loaded,
    read_folder,
    restore,
)
from wattscope.assembly import backup as backup_module
from wattscope.assembly.storage import open_storage
from wattscope.core.reading import build_batch
from wattscope.core.topology import Site
from wattscope.logs import log_copy
from wattscope.logs.segment_log import SegmentLog
from wattscope.logs.segment_reader import Damage, read_segments
from wattscope.ports import LogRecord
from wattscope.registry.online_copy import read_rules
from wattscope.stores.folder import DataFolder
from wattscope.stores.manifest import Manifest
from wattscope.stores.upkeep.backup import (
    read_note,
)
from wattscope.stores.upkeep.chunk_copy import ChunkCopy
from wattscope.stores.upkeep.row_sums import RowSums, find_difference

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


# ── what is in it ────────────────────────────────────────────────────────────────────────────


def test_restored_folder_holds_what_the_folder_held(
    written: Path, backup: Path, tmp_path: Path
) -> None:
    restored = restore(backup, tmp_path / "data")
    rows, names = read_folder(tmp_path / "data")
    assert (rows, names) == read_folder(written)
    assert len(rows) == restored.note.rows == sum(one.rows for one in restored.note.series)
    assert any("was not understood" in name for name in names), "no quarantine in the case"


def test_backup_has_rows_of_chunks_and_of_the_log(backup: Path) -> None:
    note = read_note(backup)
    assert note.covered_offset < note.log_offset == 65
    assert note.lost_records == 0
    kinds = {path.split("-")[0].split("/")[0] for path in list_files(backup)}
    assert kinds == {"backup.json", "registry.sqlite", "log", "chunks"}
    assert any("rollup" in one.path for one in note.files)


def test_backup_changes_nothing_in_the_folder(written: Path, tmp_path: Path) -> None:
    data = shutil.copytree(written, tmp_path / "data")
    before = list_files(data)
    back_up(data, tmp_path / "backup")
    after = list_files(data)
    assert {name: after.get(name) for name in before} == before


def test_restored_folder_goes_on_as_a_data_folder(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    note = restore(backup, data).note
    before = read_folder(data)
    with open_storage(SETTINGS, data) as storage:
        assert storage.log.end_offset == note.log_offset
        storage.persist.flush()
    assert read_folder(data)[0] == before[0]


def test_folder_without_any_row_is_backed_up(tmp_path: Path) -> None:
    with open_storage(SETTINGS, tmp_path / "data") as storage:
        storage.registry.put_site(Site("home", "Home", "UTC"))
    note = back_up(tmp_path / "data", tmp_path / "empty")
    assert (note.rows, note.series) == (0, ())
    assert restore(tmp_path / "empty", tmp_path / "again").note.rows == 0


def test_backup_of_a_backup_restored_is_the_same(backup: Path, tmp_path: Path) -> None:
    first = restore(backup, tmp_path / "data").note
    second = back_up(tmp_path / "data", tmp_path / "second")
    assert find_difference(first.series, second.series) is None
    assert second.log_offset == first.log_offset


# ── under load ───────────────────────────────────────────────────────────────────────────────


def test_backup_under_load_holds_exactly_what_was_below_its_offset(tmp_path: Path) -> None:
    with loaded(tmp_path / "data") as load:
        load.advance(150, is_flushed=True)
        offsets = []
        with load.running():
            for number in range(4):
                note = back_up(tmp_path / "data", tmp_path / f"backup{number}")
                offsets.append(note.log_offset)
        assert offsets == sorted(offsets)
        assert offsets[0] < offsets[-1], "nothing was written meanwhile"
        for number, offset in enumerate(offsets):
            restore(tmp_path / f"backup{number}", tmp_path / f"restored{number}")
            found, _ = read_folder(tmp_path / f"restored{number}")
            assert found == load.rows_below(offset)


@dataclass
class Rounds:
    """How often what was copied turned out to be of the past."""

    manifests: int = 0
    logs: int = 0


def back_up_unsteadily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_blind: bool = False
) -> Rounds:
    """Back up while the program merges and drops at the worst moments."""
    rounds, n_turns = Rounds(), 3

    class Unsteady(ChunkCopy):
        def _copy_all(self, manifest: Manifest) -> bool:
            is_done = super()._copy_all(manifest)
            rounds.manifests += not is_done
            return is_done

        def _copy(self, wanted: Any) -> None:  # noqa: ANN401  # private to its module
            nonlocal n_turns
            if n_turns:
                # Between manifest and file: merges remove the file.
                n_turns -= 1
                load.advance(30, is_flushed=True)
            super()._copy(wanted)

    def copy_late(*arguments: Any, **options: Any) -> log_copy.CopiedLog:  # noqa: ANN401  # handed on
        rounds.logs += 1
        if rounds.logs == 1:
            # Between manifest and log: what the manifest does not cover is dropped from the log.
            load.advance(60, is_flushed=True)
        copied = log_copy.copy_log(*arguments, **options)
        return replace(copied, n_lost=0) if is_blind else copied

    monkeypatch.setattr(backup_module, "ChunkCopy", Unsteady)
    monkeypatch.setattr(backup_module, "copy_log", copy_late)
    monkeypatch.setattr(backup_module, "KEPT_RECORDS", 12)
    with loaded(tmp_path / "data") as load:
        load.advance(150, is_flushed=True)
        note = back_up(tmp_path / "data", tmp_path / "backup")
        restore(tmp_path / "backup", tmp_path / "restored")
        found, _ = read_folder(tmp_path / "restored")
        assert found == load.rows_below(note.log_offset)
        assert note.lost_records == 0
    return rounds


def test_merged_files_and_dropped_segments_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = back_up_unsteadily(tmp_path, monkeypatch)
    assert rounds.manifests > 0
    assert rounds.logs == 2


def test_unsteady_backup_finds_a_copy_that_does_not_look_at_what_was_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    with pytest.raises(AssertionError):
        back_up_unsteadily(tmp_path, monkeypatch, is_blind=True)


def test_rule_that_changes_meanwhile_is_noticed(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buckets are of one moment with the rules by which they were made."""
    data = shutil.copytree(written, tmp_path / "data")
    n_rounds = 0

    def change_first(*arguments: Any, **options: Any) -> log_copy.CopiedLog:  # noqa: ANN401  # handed on
        nonlocal n_rounds
        n_rounds += 1
        if n_rounds == 1:
            with open_storage(SETTINGS, data) as storage:
                storage.registry.put_site(Site("new", "New", "UTC"))
        return log_copy.copy_log(*arguments, **options)

    monkeypatch.setattr(backup_module, "copy_log", change_first)
    back_up(data, tmp_path / "backup")
    assert n_rounds == 2
    assert read_rules(tmp_path / "backup" / "registry.sqlite") == read_rules(
        data / "registry.sqlite"
    )


def test_backup_while_the_lock_is_held(written: Path, tmp_path: Path) -> None:
    data = shutil.copytree(written, tmp_path / "data")
    with DataFolder(data):
        assert back_up(data, tmp_path / "backup").rows > 0


# ── the log ──────────────────────────────────────────────────────────────────────────────────


def copy_log_of(tmp_path: Path, wanted: int, needed: int) -> log_copy.CopiedLog:
    target = tmp_path / "copied"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return log_copy.copy_log(
        tmp_path / "log",
        target,
        wanted_offset=wanted,
        needed_offset=needed,
        on_bytes=lambda _: None,
    )


def test_torn_end_of_the_log_is_left_out(written: Path, tmp_path: Path) -> None:
    log = shutil.copytree(written / "log", tmp_path / "log")
    newest = max(log.glob("*.log"))
    newest.write_bytes(newest.read_bytes()[:-3])
    copied = copy_log_of(tmp_path, 0, 60)
    assert (copied.end_offset, copied.n_lost) == (64, 0)
    again = SegmentLog(tmp_path / "copied")
    assert (again.end_offset, again.damages) == (64, [])
    again.close()


def test_record_that_the_log_lost_is_counted_and_stays_lost(written: Path, tmp_path: Path) -> None:
    log = shutil.copytree(written / "log", tmp_path / "log")
    records = list(SegmentLog(log, is_read_only=True).read(60))
    newest = max(log.glob("*.log"))
    content = bytearray(newest.read_bytes())
    lost = next(record for record in records if record.offset >= int(newest.stem) + 1)
    place = content.index(b"WSR1", content.index(b"WSR1") + 1)
    content[place + 30] ^= 1
    newest.write_bytes(bytes(content))
    copied = copy_log_of(tmp_path, 0, 60)
    assert copied.n_lost == 1
    again = SegmentLog(tmp_path / "copied")
    assert [one.n_missing for one in again.damages] == [1]
    kept = [record.offset for record in again.read(60)]
    assert kept == [record.offset for record in records if record.offset != lost.offset]
    again.close()


@pytest.mark.parametrize("n_gone", [1, 2])
def test_segment_that_goes_before_it_is_read_is_noticed(
    n_gone: int, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = shutil.copytree(written / "log", tmp_path / "log")
    assert copy_log_of(tmp_path, 0, 0).n_lost == int(min(log.glob("*.log")).stem)

    def read_late(paths: Sequence[Path]) -> Iterator[LogRecord | Damage]:
        for path in paths[:n_gone]:
            path.unlink()
        return read_segments(paths)

    monkeypatch.setattr(log_copy, "read_segments", read_late)
    oldest = int(min(log.glob("*.log")).stem)
    assert copy_log_of(tmp_path, oldest, oldest).n_lost >= n_gone


def test_number_that_was_given_up_is_no_loss(tmp_path: Path) -> None:
    data = fill(tmp_path, 30)
    with open_storage(SETTINGS, data) as storage:
        storage.persist.flush()
        covered = storage.store.covered_offset
    for path in (data / "log").iterdir():
        path.unlink()
    log = SegmentLog(data / "log", first_offset=covered)
    with open_storage(SETTINGS, data) as storage:
        batch = storage.store.last_rows()
    log.append(batch)
    log._abandon_segment()
    log.append(batch)
    log.close()
    note = back_up(data, tmp_path / "backup")
    assert (note.lost_records, note.log_offset) == (0, covered + 3)
    restore(tmp_path / "backup", tmp_path / "restored")
    assert read_folder(tmp_path / "restored")[0] == read_folder(data)[0]


# ── sums ─────────────────────────────────────────────────────────────────────────────────────


def test_sums_notice_a_change_of_the_last_bit() -> None:
    def sums_of(*rows: tuple[int, int, float, int]) -> object:
        sums = RowSums()
        sums.add(build_batch(list(rows)))
        return sums.finish(())

    before = sums_of((1, 10, 0.3, 0), (1, 20, 0.1, 0))
    assert sums_of((1, 10, 0.3, 0), (1, 20, 0.1, 0)) == before
    for other in ((1, 20, 0.1 + 2**-56, 0), (1, 21, 0.1, 0), (1, 20, 0.1, 4), (2, 20, 0.1, 0)):
        assert sums_of((1, 10, 0.3, 0), other) != before

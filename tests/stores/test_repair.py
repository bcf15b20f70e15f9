"""``repair`` brings back what can be had, says what cannot, and makes nothing up."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.stores.histories import (
    SPAN_US,
    FakeNames,
    Past,
    assert_store_holds,
    open_store,
    record,
)
from tests.stores.test_flush import PowerCutError, cut_before
from tests.stores.test_verify import (
    a_file,
    a_past,
    damage_middle,
    find_damages,
    flip,
    with_wrong_buckets,
)
from wattscope.core.errors import StorageError
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_S
from wattscope.stores import rollup_plan
from wattscope.stores.duckdb_store import DuckdbStore
from wattscope.stores.manifest import COPY_NAME, MANIFEST_NAME, load_manifest, save_manifest
from wattscope.stores.parquet.layout import Page, unpack_index
from wattscope.stores.upkeep import repair, spare_rows, verify
from wattscope.stores.upkeep.repair import Deed, RepairOptions, repair_store
from wattscope.stores.upkeep.verify import Severity, verify_store

POWER = 1
N_EARLY = 30
T0 = 1_717_200_000 * US_PER_S
Rows = list[tuple[int, int, str, int]]


@pytest.fixture(autouse=True)
def _fast_and_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(rollup_plan, "WORTH", 1)
    monkeypatch.setattr(verify, "_SETTLE_S", 0.0)


class Home:
    """A folder with a past, its log, and a backup of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "chunks"
        self.backup = tmp_path / "backup"
        self.early_backup = tmp_path / "early"
        """Made before the last records came and the files were merged."""
        self.past: Past = a_past()
        store = open_store(self.folder)
        for one in self.past.records[:N_EARLY]:
            store.write(one)
        store.flush()
        shutil.copytree(self.folder, self.early_backup / "chunks")
        for one in self.past.records[N_EARLY:]:
            store.write(one)
        store.close()
        self.rows = self.read()
        self.first_logged = 0

    def read_log(self) -> Iterable[tuple[int, Batch]]:
        """Records from ``first_logged`` on."""
        kept = self.past.records[self.first_logged :]
        return ((one.offset, one.batch) for one in kept)

    def read(self) -> Rows:
        """All rows, with the flags that the store gave them."""
        store = open_store(self.folder)
        found = store.read_raw(range(1, 8), 0, 2**61)
        store._engine.close()
        values = [repr(one) for one in found.value.tolist()]
        columns = (found.series_id.tolist(), found.measured_at_us.tolist(), values)
        return list(zip(*columns, found.quality.tolist(), strict=True))

    def back_up(self) -> None:
        shutil.copytree(self.folder, self.backup / "chunks")

    def repair(self, *, has_log: bool = False, **options: object) -> list[Deed]:
        read_log = self.read_log if has_log else tuple
        wanted = RepairOptions(read_log, (SPAN_US, US_PER_DAY), **options)  # type: ignore[arg-type]  # options by name
        return list(repair_store(self.folder, FakeNames(), wanted))

    def assert_whole(self) -> None:
        assert find_damages(self.folder) == []
        assert self.read() == self.rows
        store = open_store(self.folder)
        assert_store_holds(store, self.past)
        store._engine.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────


def test_rows_come_back_from_the_log_to_the_last_bit(home: Home) -> None:
    damage_middle(a_file(home.folder, "rows-*.parquet"))
    deeds = home.repair(has_log=True)
    assert any("brought back from the log" in one.what and one.rows for one in deeds)
    assert sum(one.lost for one in deeds) == 0
    home.assert_whole()


def test_very_same_file_comes_back_from_the_backup(home: Home) -> None:
    home.back_up()
    rows, rollup = a_file(home.folder, "rows-*.parquet"), a_file(home.folder, "rollup-*.parquet")
    damage_middle(rows)
    rollup.unlink()
    home.repair(backup=home.backup)
    for path in (rows, rollup):
        assert path.read_bytes() == (home.backup / "chunks" / path.name).read_bytes()
    home.assert_whole()


def test_rows_come_back_from_a_backup_of_older_files_and_the_log(home: Home) -> None:
    """The backup has not the file, but most of its rows; the log has the others."""
    home.first_logged = N_EARLY
    for path in sorted(home.folder.glob("rows-*.parquet")):
        damage_middle(path)
    deeds = home.repair(has_log=True, backup=home.early_backup)
    assert any("brought back from the backup" in one.what for one in deeds)
    assert any("brought back from the log" in one.what for one in deeds)
    assert sum(one.lost for one in deeds) == 0
    assert {row[:3] for row in home.read()} == {row[:3] for row in home.rows}


def test_damaged_file_of_a_backup_is_not_taken(home: Home) -> None:
    home.back_up()
    path = a_file(home.folder, "rows-*.parquet")
    place = a_page(home.folder, path.name, 0).at
    damage_middle(path)
    flip(home.backup / "chunks" / path.name, place)
    deeds = home.repair(has_log=True, backup=home.backup)
    assert not any("copied from the backup" in one.what for one in deeds)
    home.assert_whole()


def test_damaged_backup_goes_unnoticed_without_its_checksum(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    notes = {note.file: note for note in load_manifest(home.folder, SPAN_US)[0].notes()}
    monkeypatch.setattr(spare_rows, "compute_crc", lambda path: notes[path.name].crc)
    with pytest.raises(AssertionError):
        test_damaged_file_of_a_backup_is_not_taken(home)


def test_what_cannot_be_had_is_lost_and_said_to_be(home: Home) -> None:
    path = a_file(home.folder, "rows-*.parquet")
    whole = path.read_bytes()
    damage_middle(path)
    spoilt = path.read_bytes()
    [part] = [
        part
        for span in load_manifest(home.folder, SPAN_US)[0].spans
        for part in span.parts
        if part.file == path.name
    ]
    deeds = home.repair()
    n_lost = sum(one.lost for one in deeds)
    assert n_lost == part.rows
    assert find_damages(home.folder) == []
    [note] = verify_store(home.folder, FakeNames())
    assert (note.severity, note.rows, note.where) == (Severity.NOTE, n_lost, path.name)
    assert (home.folder / "damaged" / path.name).read_bytes() == spoilt != whole
    left = home.read()
    assert len(left) == len(home.rows) - n_lost
    assert set(left) < set(home.rows)
    # The rollups say what the rows say, before and after the next start.
    keys = {row[:2] for row in left}
    kept = {key: row for key, row in home.past.kept.items() if key in keys}
    store = open_store(home.folder)
    assert_store_holds(store, Past([], kept))
    assert store.describe()["lost_rows"] == n_lost
    store.close()


def test_sound_pages_of_a_damaged_file_stay(tmp_path: Path) -> None:
    folder = tmp_path / "chunks"
    store = open_store(folder)
    rows = [(POWER, T0 + n * US_PER_S // 4, float(n), 0) for n in range(20_000)]
    store.write(record(0, *rows))
    store.close()
    [part] = load_manifest(folder, SPAN_US)[0].spans[0].parts
    page = a_page(folder, part.file, 1)
    flip(folder / part.file, page.at)
    wanted = RepairOptions(tuple, (SPAN_US,))
    deeds = list(repair_store(folder, FakeNames(), wanted))
    assert sum(one.lost for one in deeds) == page.n_rows
    [loss] = load_manifest(folder, SPAN_US)[0].spans[0].lost
    assert (loss.series, loss.start_us) == ((POWER,), rows[8192][1])
    assert loss.end_us == rows[2 * 8192 - 1][1]
    again = open_store(folder)
    left = again.read_raw([POWER], 0, 2**61)
    assert np.array_equal(left.value, [*range(8192), *range(2 * 8192, 20_000)])
    hours = again.roll_up([POWER], "1h", T0, T0 + 3 * 3600 * US_PER_S)
    assert hours.coverage.sum() * 3600 == pytest.approx((20_000 - 8192) / 4, abs=1)
    again.close()


def a_page(folder: Path, file: str, number: int) -> Page:
    """A page of the values of the first row group."""
    notes = load_manifest(folder, SPAN_US)[0].notes()
    [note] = [note for note in notes if note.file == file]
    content = (folder / file).read_bytes()
    index = unpack_index(content[note.index_at :][: note.index_size])
    return index.groups[0].chunks["value"].pages[number]


def test_loss_that_is_not_noted_is_seen(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check."""
    monkeypatch.setattr(repair._Repair, "_note_losses", lambda *_: [])
    with pytest.raises(AssertionError):
        test_what_cannot_be_had_is_lost_and_said_to_be(home)


def test_rows_that_were_there_twice_are_there_once(home: Home) -> None:
    double_rows(home.folder)
    deeds = home.repair(is_full=True)
    assert any("there once" in one.what for one in deeds)
    home.assert_whole()


def double_rows(folder: Path) -> None:
    """The first file of rows once more under another name, as after a merge that was cut off."""
    manifest = load_manifest(folder, SPAN_US)[0]
    first, *others = manifest.spans
    old = first.parts[0]
    assert old.note is not None
    name = old.file.replace("rows-", "rows-copy-")
    shutil.copyfile(folder / old.file, folder / name)
    note = msgspec.structs.replace(old.note, file=name)
    copy = msgspec.structs.replace(old, file=name, note=note)
    span = msgspec.structs.replace(first, parts=(*first.parts, copy))
    save_manifest(folder, msgspec.structs.replace(manifest, spans=(span, *others)))


def test_rows_twice_go_unnoticed_without_the_safeguard(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_first_of_each", lambda rows: rows)
    with pytest.raises((AssertionError, RuntimeWarning)):
        test_rows_that_were_there_twice_are_there_once(home)


# ── rollups ──────────────────────────────────────────────────────────────────────────────────


def test_damaged_rollups_are_rolled_up_anew(home: Home) -> None:
    paths = sorted(home.folder.glob("rollup-*.parquet"))
    damage_middle(paths[0])
    paths[-1].unlink()
    deeds = home.repair()
    assert {paths[0].name, paths[-1].name} <= {one.where for one in deeds}
    home.assert_whole()


def test_wrong_rollups_are_rolled_up_anew(home: Home) -> None:
    with_wrong_buckets(home.folder)
    assert any("were wrong" in one.what for one in home.repair(is_full=True))
    home.assert_whole()


# ── manifest ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("are_gone", [True, False])
def test_manifest_is_made_anew_of_the_files(home: Home, *, are_gone: bool) -> None:
    # What a merge that was cut off leaves: its inputs beside it.
    for path in (home.early_backup / "chunks").glob("rows-*.parquet"):
        if not (home.folder / path.name).exists():
            shutil.copyfile(path, home.folder / path.name)
    for name in (MANIFEST_NAME, COPY_NAME):
        (home.folder / name).unlink() if are_gone else flip(home.folder / name, 100)
    with pytest.raises(StorageError, match="wattscope repair"):
        open_store(home.folder)
    deeds = home.repair(has_log=True)
    assert deeds[0].where == MANIFEST_NAME
    assert load_manifest(home.folder, 0)[0].covered_offset == 0
    assert load_manifest(home.folder, 0)[0].chunk_us == SPAN_US
    home.assert_whole()
    # The log is read from its beginning; that changes nothing.
    store = open_store(home.folder)
    for one in home.past.records:
        store.write(one)
    store.close()
    home.assert_whole()


def test_one_damaged_manifest_is_written_anew(home: Home) -> None:
    flip(home.folder / MANIFEST_NAME, 100)
    home.repair()
    home.assert_whole()


def test_chunk_files_without_a_manifest_are_never_taken_for_strays(home: Home) -> None:
    for name in (MANIFEST_NAME, COPY_NAME):
        (home.folder / name).unlink()
    before = sorted(path.name for path in home.folder.iterdir())
    with pytest.raises(StorageError, match="is missing"):
        open_store(home.folder)
    assert sorted(path.name for path in home.folder.iterdir()) == before


# ── care ─────────────────────────────────────────────────────────────────────────────────────


def spoil_all(home: Home) -> None:
    damage_middle(a_file(home.folder, "rows-*.parquet"))
    damage_middle(a_file(home.folder, "rollup-*.parquet"))
    home.back_up()
    double_rows(home.folder)


def test_dry_run_says_the_same_and_changes_nothing(home: Home) -> None:
    spoil_all(home)
    before = {path.name: path.read_bytes() for path in home.folder.iterdir() if path.is_file()}
    said = home.repair(has_log=True, is_dry_run=True)
    after = {path.name: path.read_bytes() for path in home.folder.iterdir() if path.is_file()}
    assert after == before
    done = home.repair(has_log=True)
    assert [one for one in done if one.what != "manifest put in place"] == said
    home.assert_whole()


def test_sound_folder_is_left_alone(home: Home) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()}
    assert home.repair(is_full=True) == []
    assert {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()} == before


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("step", ["write_rows", "save_manifest"])
def test_repair_that_was_cut_off_is_begun_again(
    home: Home, step: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in home.folder.glob("rows-*.parquet"):
        damage_middle(path)
    with monkeypatch.context() as patch:
        patch.setattr(repair, step, cut_before(getattr(repair, step), call))
        # The second manifest is the one of the buckets, which another module saves.
        with contextlib.suppress(PowerCutError):
            home.repair(has_log=True)
    home.repair(has_log=True)
    home.assert_whole()


def test_backup_of_another_folder_is_refused(home: Home, tmp_path: Path) -> None:
    names = FakeNames()
    names.names = [*names.names[1:], names.names[0]]
    other = tmp_path / "other"
    store = DuckdbStore(other / "chunks", names, chunk_us=SPAN_US)
    store.write(record(0, (POWER, T0, 5.0, 0)))
    store.close()
    damage_middle(a_file(home.folder, "rows-*.parquet"))
    with pytest.raises(StorageError, match="another data folder"):
        home.repair(backup=other)
    with pytest.raises(StorageError, match="is no backup"):
        home.repair(backup=tmp_path / "nothing")


def test_backup_of_another_folder_is_taken_without_the_safeguard(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare_rows.Backup, "demand_same_series", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        test_backup_of_another_folder_is_refused(home, tmp_path)

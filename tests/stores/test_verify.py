"""``verify`` finds what is damaged, says where and how many rows, and touches nothing."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import msgspec
import pytest

from tests.stores.histories import (
    SPAN_US,
    FakeNames,
    Past,
    instant,
    make_past,
    open_store,
    record,
)
from wattscope.core.time_grid import US_PER_S
from wattscope.stores import rollup_plan
from wattscope.stores.manifest import COPY_NAME, MANIFEST_NAME, load_manifest, save_manifest
from wattscope.stores.parquet.layout import unpack_index
from wattscope.stores.upkeep import bucket_check, verify
from wattscope.stores.upkeep.verify import Finding, Severity, verify_store

POWER = 1
T0 = 1_717_200_000 * US_PER_S


@pytest.fixture(autouse=True)
def _fast_and_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fsync, all levels kept, and no wait for a writer."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(rollup_plan, "WORTH", 1)
    monkeypatch.setattr(verify, "_SETTLE_S", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A past of several spans, all in files."""
    fill(tmp_path / "chunks")
    return tmp_path / "chunks"


def a_past() -> Past:
    return make_past(random.Random(5), 40, instant("2018-10-27T20:00:00+00:00"))


def fill(folder: Path) -> Past:
    past = a_past()
    store = open_store(folder)
    for one in past.records:
        store.write(one)
    store.close()
    return past


def find_damages(folder: Path) -> list[Finding]:
    found = verify_store(folder, FakeNames(), is_full=True)
    return [one for one in found if one.severity is Severity.DAMAGE]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def a_file(folder: Path, pattern: str) -> Path:
    """The largest file of a kind."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


def test_sound_folder_has_no_damage_and_stays_as_it_is(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    steps: list[tuple[int, int]] = []
    found = list(
        verify_store(
            folder, FakeNames(), is_full=True, on_progress=lambda *step: steps.append(step)
        )
    )
    assert found == []
    assert steps[-1][0] == steps[-1][1] > 10
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("pattern", ["rows-*.parquet", "rollup-*.parquet"])
def test_every_flipped_bit_of_a_file_is_found(folder: Path, pattern: str) -> None:
    path = a_file(folder, pattern)
    whole = path.read_bytes()
    draw = random.Random(3)
    for _ in range(12):
        flip(path, draw.randrange(len(whole)))
        assert path.name in {one.where for one in find_damages(folder)}
        path.write_bytes(whole)
    assert find_damages(folder) == []


def test_flipped_bit_goes_unnoticed_without_the_checksum(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: with the CRC not looked at, the same flips go red."""
    notes = {note.file: note for note in load_manifest(folder, SPAN_US)[0].notes()}
    monkeypatch.setattr(verify, "compute_crc", lambda path: notes[path.name].crc)
    with pytest.raises(AssertionError):
        test_every_flipped_bit_of_a_file_is_found(folder, "rows-*.parquet")


def test_damaged_page_is_told_with_its_rows(tmp_path: Path) -> None:
    folder = tmp_path / "chunks"
    store = open_store(folder)
    store.write(record(0, *((POWER, T0 + n * US_PER_S // 10, float(n), 0) for n in range(20_000))))
    store.close()
    [part] = load_manifest(folder, SPAN_US)[0].spans[0].parts
    assert part.note is not None
    content = (folder / part.file).read_bytes()
    index = unpack_index(content[part.note.index_at :][: part.note.index_size])
    page = index.groups[0].chunks["value"].pages[1]
    flip(folder / part.file, page.at + page.size // 2)
    [found] = [one for one in find_damages(folder) if one.where == part.file]
    assert found.rows == page.n_rows == 8192
    assert "8192 of 20000 rows" in found.what


def test_missing_and_cut_files_are_found(folder: Path) -> None:
    gone, cut = a_file(folder, "rows-*.parquet"), a_file(folder, "rollup-*.parquet")
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-3])
    found = {one.where: one for one in find_damages(folder)}
    assert found[gone.name].what == "is missing"
    assert found[gone.name].rows > 0
    assert "bytes instead of" in found[cut.name].what


@pytest.mark.parametrize("name", [MANIFEST_NAME, COPY_NAME])
def test_one_damaged_manifest_is_told_and_the_other_is_used(folder: Path, name: str) -> None:
    flip(folder / name, 200)
    [found] = find_damages(folder)
    assert name in found.what
    assert "wattscope repair" in found.advice
    (folder / name).unlink()
    [found] = find_damages(folder)
    assert found.what == f"{name} is missing"


@pytest.mark.parametrize("are_gone", [True, False])
def test_two_damaged_manifests_are_told_with_what_to_do(folder: Path, *, are_gone: bool) -> None:
    for name in (MANIFEST_NAME, COPY_NAME):
        flip(folder / name, 200)
        if are_gone:
            (folder / name).unlink()
    [found] = find_damages(folder)
    assert "run wattscope repair" in found.advice


def change_manifest(folder: Path, **changes: object) -> None:
    """Say something else of the first file of rows."""
    manifest = load_manifest(folder, SPAN_US)[0]
    first, *others = manifest.spans
    part = msgspec.structs.replace(first.parts[0], **changes)
    span = msgspec.structs.replace(first, parts=(part, *first.parts[1:]))
    save_manifest(folder, msgspec.structs.replace(manifest, spans=(span, *others)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": 1_000}, "the manifest says 1000"),
        ({"min_us": 5}, "the manifest says otherwise"),
    ],
)
def test_manifest_that_says_other_than_the_rows_is_found(
    folder: Path, changes: dict[str, object], said: str
) -> None:
    change_manifest(folder, **changes)
    assert any(said in one.what for one in find_damages(folder))


def test_rows_that_are_there_twice_are_found(folder: Path) -> None:
    manifest = load_manifest(folder, SPAN_US)[0]
    first, *others = manifest.spans
    span = msgspec.structs.replace(first, parts=(*first.parts, first.parts[0]))
    save_manifest(folder, msgspec.structs.replace(manifest, spans=(span, *others)))
    assert any("more than once" in one.what for one in find_damages(folder))


def with_wrong_buckets(folder: Path) -> None:
    """A span that names the buckets of another one."""
    manifest = load_manifest(folder, SPAN_US)[0]
    first, second, *others = manifest.spans
    span = msgspec.structs.replace(second, rollups=first.rollups)
    save_manifest(folder, msgspec.structs.replace(manifest, spans=(first, span, *others)))


def test_buckets_that_the_rows_do_not_make_are_found(folder: Path) -> None:
    with_wrong_buckets(folder)
    assert any("kept buckets of" in one.what for one in find_damages(folder))


def test_wrong_buckets_go_unnoticed_without_the_comparison(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_check, "compare", lambda *_: [])
    with pytest.raises(AssertionError):
        test_buckets_that_the_rows_do_not_make_are_found(folder)


def test_strays_are_noted_and_no_damage(folder: Path) -> None:
    (folder / "rows-5-99-0.parquet").write_bytes(b"cut off")
    (folder / "rows-5-99-1.new").write_bytes(b"cut off")
    [first, second] = verify_store(folder, FakeNames())
    assert {first.severity, second.severity} == {Severity.NOTE}


def test_folder_of_a_running_program_is_looked_at_without_false_alarm(tmp_path: Path) -> None:
    """Files come and go while we look."""
    folder = tmp_path / "chunks"
    past = fill(folder)
    store = open_store(folder)
    newest = max(t for _, t in past.kept)
    is_done = threading.Event()

    def write() -> None:
        offset = store.covered_offset
        while not is_done.is_set():
            offset += 1
            store.write(record(offset, (POWER, newest + offset * 600 * US_PER_S, 1.0, 0)))
            store.write(record(offset + 1, (POWER, newest - offset * US_PER_S, 2.0, 0)))
            offset += 1
            store.flush()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            assert find_damages(folder) == []
    finally:
        is_done.set()
        thread.join()
    store.close()


def damage_middle(path: Path) -> None:
    """Spoil the middle half of a file."""
    content = bytearray(path.read_bytes())
    quarter = len(content) // 4
    content[quarter : 3 * quarter] = bytes(2 * quarter)
    path.write_bytes(content)

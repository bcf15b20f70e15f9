"""R3: a bit that flips, a file that ends too early: never a wrong value in silence.

Each flip is made in a copy of a small folder that the real storage wrote. Files of the store are
then read by their own readers, thousands of times; fewer times, and always for the log and the
registry, the folder is opened as the starting program does.
"""

from __future__ import annotations

import random
import shutil
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.damage import (
    Answer,
    Kind,
    find_silent_fault,
    read_log,
    read_registry,
    read_store,
    read_store_after_flush,
)
from tests.faults.file_readers import read_manifest, read_rollup_files, read_rows_files
from tests.faults.workload import make_plan, run_plan
from wattscope.core.reading import build_batch
from wattscope.logs.segment_log import SegmentLog
from wattscope.registry.sql_quarantine import DAMAGED

pytestmark = pytest.mark.usefixtures("no_fsync")

SEED = 20_261_120
N_STEPS = 25
PAGE_BYTES = 4096
"""Of SQLite."""


def read_named(data: Path) -> Answer:
    """All names, and what was set aside; without what the list itself calls damaged."""
    answer = read_registry(data)
    values = {key: value for key, value in answer.values.items() if value != repr(DAMAGED)}
    return replace(answer, values=values)


# A new kind is one line.
KINDS = {
    "log segment": Kind("log", "*.log", read_log, 500),
    "rows file": Kind("chunks", "rows-*", read_rows_files, 100, writes=False),
    "rows file, program": Kind(".", "chunks/rows-*", read_store, 60, 500, 100),
    "rows file, merged later": Kind(".", "chunks/rows-*", read_store_after_flush, 20, 200, 50),
    "rollup file": Kind("chunks", "rollup-*", read_rollup_files, 100, writes=False),
    "rollup file, program": Kind(".", "chunks/rollup-*", read_store, 60, 500, 100),
    "manifest": Kind("chunks", "manifest.json", read_manifest, 200, writes=False),
    "manifest, program": Kind(".", "chunks/manifest.json", read_store, 60, 500, 100),
    "registry": Kind(".", "registry.sqlite", read_named, 100, n_cuts=1000),
    "copy of the names": Kind(".", "registry.names", read_named, 60),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with files of every kind; never changed."""
    root = tmp_path_factory.mktemp("written")
    run_plan(root, SEED, N_STEPS)
    return root / "data"


@dataclass(frozen=True, slots=True)
class Original:
    """Sound files of one kind, and what they say."""

    kind: Kind
    folder: Path
    copy: Path
    """Where the damaged copy lies."""
    truth: Answer

    @property
    def files(self) -> list[Path]:
        found = sorted(self.folder.glob(self.kind.pattern))
        assert found, f"no file of the pattern {self.kind.pattern} any more"
        return found

    def find_silent_fault(self, file: Path, content: bytes) -> str | None:
        """What is wrong in a fresh copy in which one file has another content."""
        if self.kind.writes:
            shutil.rmtree(self.copy)
            shutil.copytree(self.folder, self.copy)
        damaged = self.copy / file.relative_to(self.folder)
        damaged.write_bytes(content)
        try:
            return find_silent_fault(self.truth, self.kind.ask(self.copy))
        except Exception as refusal:  # noqa: BLE001  # whatever it is, the user could not start
            return f"does not open or does not answer: {refusal!r}"
        finally:
            shutil.copyfile(file, damaged)


def open_original(kind: Kind, written: Path, copy: Path) -> Original:
    folder = written / kind.part
    shutil.copytree(folder, copy)
    truth = kind.ask(copy)
    assert truth.values
    assert not truth.is_reported
    return Original(kind, folder, copy, truth)


def flip_often(original: Original, n_flips: int, seed: int) -> str | None:
    """Flip bits, one in each copy; the first silent fault with what repeats it."""
    draw = random.Random(seed)
    for number in range(n_flips):
        file = draw.choice(original.files)
        content = bytearray(file.read_bytes())
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        fault = original.find_silent_fault(file, bytes(content))
        if fault is not None:
            return f"seed {seed}, flip {number}: bit {bit} of {file.name}: {fault}"
    return None


def cut_file(original: Original, file: Path, lengths: Iterable[int]) -> str | None:
    """Cut a file to each length; the first silent fault."""
    content = file.read_bytes()
    for length in lengths:
        fault = original.find_silent_fault(file, content[:length])
        if fault is not None:
            return f"{file.name} cut to {length} bytes: {fault}"
    return None


def choose_lengths(size: int, kind: Kind) -> Sequence[int]:
    """Every length below ``size``; of a large file those about its pages, and others at random."""
    if kind.n_cuts is None:
        return range(size)
    edges = {at + by for at in range(0, size, PAGE_BYTES) for by in (-1, 0, 1) if at + by >= 0}
    others = random.Random(SEED).sample(range(size), min(kind.n_cuts, size))
    return sorted(edges.union(others))


@pytest.mark.parametrize("name", KINDS)
def test_flipped_bit_never_makes_a_wrong_value(name: str, written: Path, tmp_path: Path) -> None:
    original = open_original(KINDS[name], written, tmp_path / "copy")
    assert flip_often(original, original.kind.n_quick, SEED) is None


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_10000_flipped_bits_never_make_a_wrong_value(
    name: str, written: Path, tmp_path: Path
) -> None:
    original = open_original(KINDS[name], written, tmp_path / "copy")
    assert flip_often(original, original.kind.n_long, SEED + 1) is None


@pytest.mark.parametrize("name", KINDS)
def test_file_that_ends_too_early_is_reported(name: str, written: Path, tmp_path: Path) -> None:
    """The oldest file of the kind; on the newest segment of the log see below."""
    original = open_original(KINDS[name], written, tmp_path / "copy")
    file = original.files[0]
    lengths = random.Random(SEED).sample(range(file.stat().st_size), original.kind.n_quick // 2)
    assert cut_file(original, file, lengths) is None


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_file_that_ends_at_any_byte_is_reported(name: str, written: Path, tmp_path: Path) -> None:
    original = open_original(KINDS[name], written, tmp_path / "copy")
    file = original.files[0]
    assert cut_file(original, file, choose_lengths(file.stat().st_size, original.kind)) is None


@pytest.mark.parametrize("name", KINDS)
def test_flips_find_files_without_checksums(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check: where every checksum fits, there are wrong values in silence."""
    monkeypatch.setattr(zlib, "crc32", lambda *_: 0)
    run_plan(tmp_path, SEED, N_STEPS)
    original = open_original(KINDS[name], tmp_path / "data", tmp_path / "copy")
    assert flip_often(original, 4 * original.kind.n_quick, SEED) is not None


def test_newest_segment_cut_at_every_byte_keeps_the_records_before(tmp_path: Path) -> None:
    """A cut between two records is not seen: nothing is behind it."""
    ends: list[int] = []
    log = SegmentLog(tmp_path / "log")
    for step in make_plan(SEED, 12):
        log.append(build_batch(list(step.rows)), step.aside)
        [path] = (tmp_path / "log").glob("*.log")
        ends.append(path.stat().st_size)
    log.close()
    content = path.read_bytes()
    truth = read_log(path.parent)
    begin = min(ends) - (ends[1] - ends[0])
    for length in range(len(content)):
        path.write_bytes(content[:length])
        answer = read_log(path.parent)
        assert {key[0] for key in answer.values} == {
            n for n, end in enumerate(ends) if end <= length
        }
        assert all(truth.values[key] == value for key, value in answer.values.items())
        assert answer.is_reported or length in ends or length <= begin, length

"""The power goes while the real storage writes: what was acknowledged is there afterwards.

One run is written down change by change (``watch_files.c``). For every cut a disk is made up that
may have lost or torn whatever was not synced (``disk.py``), and the real storage opens it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.disk import Disk, write_tree
from tests.faults.journal import Change, What, read_journal
from tests.faults.verdict import find_faults
from tests.faults.watcher import Watch
from tests.faults.worker import Worker, running_worker
from tests.faults.workload import make_plan, read_ledger

# The folders of the verdicts need not outlast the test.
pytestmark = pytest.mark.usefixtures("no_fsync")

SEED = 20_261_120
N_STEPS = 120
N_CUTS = 40


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as started:
        yield started


def write_journal(
    worker: Worker, folder: Path, rules: Sequence[str] = (), scenario: str = "write_plan"
) -> Path:
    """Run the plan to its end; its folder and its journal."""
    root, journal = folder / "written", folder / "journal"
    root.mkdir()
    watch = Watch(root, journal, rules, is_sync_left_out=True)
    ending = worker.run(scenario, root, SEED, N_STEPS, watch=watch)
    assert ending.status == 0, ending.words
    return journal


class Cut(NamedTuple):
    """A disk after a power cut."""

    tree: dict[str, bytes]
    n_acked: int
    words: str
    """How to come here again."""

    def write(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        write_tree(self.tree, root)

    def judge(self, root: Path) -> list[str]:
        self.write(root)
        found = find_faults(root, make_plan(SEED, N_STEPS), self.n_acked)
        return [f"{self.words}: {fault}" for fault in found]


def cut_often(journal: Path, n_cuts: int, seed: int, disk: Disk | None = None) -> Iterator[Cut]:
    """Cut the power at random changes."""
    changes = list(read_journal(journal))
    moments = sorted(random.Random(seed).choices(range(1, len(changes) + 1), k=n_cuts))
    disk = disk or Disk()
    n_done = 0
    for number, moment in enumerate(moments):
        while n_done < moment:
            disk.take(changes[n_done])
            n_done += 1
        # The ledger stands for senders elsewhere, who do not forget.
        ledger = disk.tree().get("ledger", b"")
        tree = disk.cut_power(random.Random(f"{seed}/{number}")) | {"ledger": ledger}
        last = changes[moment - 1]
        words = f"seed {seed}, cut {number} behind {last.what.name} {last.target} ({moment})"
        yield Cut(tree, ledger.count(b"\n"), words)


def judge_cuts(
    journal: Path, folder: Path, n_cuts: int, seed: int, disk: Disk | None = None
) -> Iterator[str]:
    """What was found wrong after each of many cuts."""
    for cut in cut_often(journal, n_cuts, seed, disk):
        yield from cut.judge(folder / "after")


def judge_second_cuts(
    worker: Worker, folder: Path, n_first: int, n_second: int, seed: int
) -> Iterator[str]:
    """Cut the power, start again on what is left, and cut it again."""
    first = write_journal(worker, folder)
    for number in range(n_first):
        [cut] = cut_often(first, 1, seed + number)
        root, journal = folder / "again", folder / f"journal {number}"
        cut.write(root)
        disk = Disk(root)
        watch = Watch(root, journal, is_sync_left_out=True)
        ending = worker.run("write_plan", root, SEED, N_STEPS, watch=watch)
        assert ending.status == 0, (cut.words, ending.words)
        for fault in judge_cuts(journal, folder, n_second, seed + number, disk):
            yield f"{cut.words}, then {fault}"


def test_journal_is_all_that_happened(worker: Worker, tmp_path: Path) -> None:
    """Done again, the journal gives the same files, those of SQLite and DuckDB too."""
    changes = read_journal(write_journal(worker, tmp_path))
    disk = Disk()
    for change in changes:
        disk.take(change)
    written = tmp_path / "written"
    expected = {
        str(path.relative_to(written)) + "/" * path.is_dir(): b""
        if path.is_dir()
        else path.read_bytes()
        for path in written.rglob("*")
    }
    assert disk.tree() == expected
    assert {path.split("/")[-1].split("-")[0] for path in expected} >= {"rows", "rollup"}
    assert len(read_ledger(written / "ledger")) == N_STEPS


def test_cut_disk_keeps_what_was_synced_and_may_lose_the_rest() -> None:
    """The disk itself: every cut keeps the synced bytes, and cuts differ in the others."""
    disk = Disk()
    content = bytes(range(256)) * 8
    for what, at, path, other, written in (
        (What.CREATE, 0, "a", "", b""),
        (What.WRITE, 0, "a", "", content),
        (What.SYNC, 0, "a", "", b""),
        (What.SYNC_FOLDER, 0, ".", "", b""),
        (What.WRITE, len(content), "a", "", content),
        (What.RENAME, 0, "a", "b", b""),
    ):
        disk.take(Change(what, 1, at, path, other, written))
    trees = [disk.cut_power(random.Random(seed)) for seed in range(200)]
    found = [one for tree in trees for one in tree.values()]
    assert all(len(tree) == 1 for tree in trees)
    assert all(one[: len(content)] == content for one in found)
    assert {path for tree in trees for path in tree} == {"a", "b"}
    lengths = {len(one) for one in found}
    assert {len(content), 2 * len(content)} < lengths
    assert any(one != (content + content)[: len(one)] for one in found)


def test_power_cuts_lose_nothing_acknowledged(worker: Worker, tmp_path: Path) -> None:
    journal = write_journal(worker, tmp_path)
    assert not list(judge_cuts(journal, tmp_path, N_CUTS, SEED))


def test_power_cut_after_a_power_cut_loses_nothing(worker: Worker, tmp_path: Path) -> None:
    assert not list(judge_second_cuts(worker, tmp_path, 2, 4, SEED))


@pytest.mark.long
def test_400_power_cuts_lose_nothing_acknowledged(worker: Worker, tmp_path: Path) -> None:
    journal = write_journal(worker, tmp_path)
    assert not list(judge_cuts(journal, tmp_path, 400, SEED + 1))


@pytest.mark.long
def test_200_power_cuts_after_a_power_cut_lose_nothing(worker: Worker, tmp_path: Path) -> None:
    assert not list(judge_second_cuts(worker, tmp_path, 20, 10, SEED + 1000))


@pytest.mark.parametrize(
    ("rule", "scenario"),
    [
        pytest.param("fsync:data/log/*.log:1+:lie", "write_plan", id="records are not synced"),
        pytest.param("fsyncdir:data/log:1+:lie", "write_plan", id="new segments are not synced"),
        pytest.param("fsync:*/manifest*:1+:lie", "write_plan", id="the manifest is not synced"),
        pytest.param("fsync:*/rows-*:1+:lie", "write_plan", id="rows files are not synced"),
        pytest.param("fsyncdir:*/chunks:1+:lie", "write_plan", id="new names are not synced"),
        pytest.param("fsync:*.sqlite*:1+:lie", "write_plan", id="the registry is not synced"),
        pytest.param("", "write_plan_and_drop_early", id="the log forgets too early"),
    ],
)
def test_power_cuts_find_what_is_missing(
    rule: str, scenario: str, worker: Worker, tmp_path: Path
) -> None:
    """The check of the check: without one of the safeguards there is a cut that goes wrong."""
    journal = write_journal(worker, tmp_path, [rule] if rule else [], scenario)
    found = judge_cuts(journal, tmp_path, 4 * N_CUTS, SEED)
    assert next(found, None) is not None

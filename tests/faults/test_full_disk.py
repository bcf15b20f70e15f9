"""R4: on a disk that is full or fails nothing acknowledged is lost; no restart is needed."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.sender import Sender, make_wide_plan, opened
from tests.faults.watcher import Watch
from tests.faults.worker import Worker, running_worker

SEED = 20_261_120
N_STEPS = 40


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as started:
        yield started


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A disk of few megabytes in memory."""
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() or mount is None:
        pytest.skip("a small disk is mounted by root only")
    options = ["-t", "tmpfs", "-o", f"size={size_mb}m", "none", str(folder)]
    done = subprocess.run([mount, *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.decode().strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave_free(disk: Path, n_bytes: int) -> None:
    """Most of the disk belongs to others."""
    found = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(found.f_bavail * found.f_frsize - n_bytes))


def fill(sender: Sender) -> None:
    """Send until nothing is taken any more, also after the store had its turn."""
    for seed in itertools.count(1):
        for step in make_wide_plan(seed, 10, 300):
            sender.send(step)
        if sender.n_refused > 20:
            return


@pytest.mark.parametrize(
    ("size_mb", "is_room_watched"),
    [pytest.param(8, True, id="refused by watermark"), pytest.param(4, False, id="no space left")],
)
def test_full_disk_refuses_and_resumes(
    size_mb: int,
    is_room_watched: bool,  # noqa: FBT001  # a case of the table
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", size_mb) as disk:
        with opened(disk, is_room_watched=is_room_watched) as sender:
            sender.send(make_wide_plan(0, 1)[0])
            leave_free(disk, size_mb * 120_000)
            fill(sender)
            sender.verify()
            assert sender.storage.store.query("SELECT count(*) FROM readings").rows[0][0] > 0
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            sender.send_refused()
            sender.settle()
            sender.verify()
        with opened(disk) as again:
            again.verify(sender)


def die_on_full_disk(worker: Worker, folder: Path, *, is_careless: bool) -> str | None:
    """Fill a disk, die there, make room, start again; what was found wrong."""
    acked = folder / "acked"
    with small_disk(folder / "disk", 4) as disk:
        leave_free(disk, 1_200_000)
        ending = worker.run("die_on_full_disk", disk, str(acked), is_careless)
        assert ending.signal == signal.SIGKILL, ending.words
        (disk / "ballast").unlink()
        n_acked = int(acked.read_text())
        with opened(disk) as again:
            again.acked = make_wide_plan(1, 1000, 100)[:n_acked]
            again.refused = make_wide_plan(1, 1000, 100)[n_acked:]
            try:
                again.verify()
            except AssertionError as fault:
                return str(fault)
    return None


def test_death_on_a_full_disk_loses_nothing_acknowledged(worker: Worker, tmp_path: Path) -> None:
    assert die_on_full_disk(worker, tmp_path, is_careless=False) is None


def test_death_on_a_full_disk_finds_a_log_that_does_not_look(
    worker: Worker, tmp_path: Path
) -> None:
    """The check of the check: with a log that takes a failed write for a good one."""
    assert die_on_full_disk(worker, tmp_path, is_careless=True) is not None


def test_files_that_may_not_grow_refuse_and_resume(worker: Worker, tmp_path: Path) -> None:
    ending = worker.run("refuse_while_files_may_not_grow", tmp_path)
    assert ending.status == 0, ending.words


def test_record_that_could_not_be_synced_is_not_acknowledged(
    worker: Worker, tmp_path: Path
) -> None:
    watch = Watch(tmp_path, rules=["fsync:data/log/*.log:5:EIO"])
    ending = worker.run("refuse_while_log_cannot_sync", tmp_path, watch=watch)
    assert ending.status == 0, ending.words


def fail_often(worker: Worker, folder: Path, n_faults: int, seed: int) -> None:
    """Let single calls fail, each in a run of its own."""
    draw = random.Random(seed)
    for number in range(n_faults):
        rule = f"any:*:{draw.randrange(5, 600)}:{draw.choice(('EIO', 'ENOSPC', 'EFBIG'))}"
        root = folder / f"root-{number}"
        root.mkdir()
        watch = Watch(root, rules=[rule], is_sync_left_out=True)
        ending = worker.run("go_on_after_a_fault", root, SEED, N_STEPS, watch=watch)
        assert ending.status == 0, (seed, rule, ending.words)


def test_call_that_fails_once_is_made_good(worker: Worker, tmp_path: Path) -> None:
    fail_often(worker, tmp_path, 8, SEED)


@pytest.mark.long
def test_call_that_fails_once_anywhere_is_made_good(worker: Worker, tmp_path: Path) -> None:
    fail_often(worker, tmp_path, 120, SEED + 1)

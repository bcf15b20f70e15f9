"""R18: no damaged backup is accepted, and no killed one looks like a whole one."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores.backup_cases import SEED, back_up, fill, read_folder, restore
from wattscope.core.errors import WattscopeError
from wattscope.stores.upkeep import backup as backup_module

pytestmark = pytest.mark.usefixtures("no_fsync")

N_FLIPS = 150
N_LONG_FLIPS = 10_000
N_KILLS = 14
KINDS = {
    "note": "backup.json",
    "registry": "registry.sqlite",
    "log segment": "log/*.log",
    "manifest": "chunks/manifest.json",
    "copy of the manifest": "chunks/manifest.copy.json",
    "rows": "chunks/rows-*.parquet",
    "rollups": "chunks/rollup-*.parquet",
}


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup; whoever changes it puts it right again."""
    data = fill(tmp_path_factory.mktemp("written"))
    target = tmp_path_factory.mktemp("backups") / "monday"
    back_up(data, target)
    return target


def is_accepted(backup: Path, tmp_path: Path) -> bool:
    try:
        restore(backup, tmp_path / "data", is_kept=False)
    except WattscopeError:
        return False
    return True


def change_often(
    backup: Path,
    pattern: str,
    n_changes: int,
    change: Callable[[random.Random, bytes], bytes],
    tmp_path: Path,
) -> str | None:
    """Change files one at a time; the first change that is accepted."""
    draw = random.Random(SEED)
    files = sorted(backup.glob(pattern))
    assert files, f"no file of the pattern {pattern} any more"
    for number in range(n_changes):
        file = draw.choice(files)
        content = file.read_bytes()
        file.write_bytes(change(draw, content))
        try:
            if is_accepted(backup, tmp_path):
                return f"seed {SEED}, change {number} of {file.name}"
        finally:
            file.write_bytes(content)
    return None


def flip_bit(draw: random.Random, content: bytes) -> bytes:
    bit = draw.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def cut_short(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content))]


def lengthen(draw: random.Random, content: bytes) -> bytes:
    return content + draw.randbytes(draw.randrange(1, 100))


def test_sound_backup_is_accepted(backup: Path, tmp_path: Path) -> None:
    assert is_accepted(backup, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bit_is_refused(kind: str, backup: Path, tmp_path: Path) -> None:
    assert change_often(backup, KINDS[kind], N_FLIPS, flip_bit, tmp_path) is None


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_10000_flipped_bits_are_refused(kind: str, backup: Path, tmp_path: Path) -> None:
    assert change_often(backup, KINDS[kind], N_LONG_FLIPS, flip_bit, tmp_path) is None


@pytest.mark.parametrize("change", [cut_short, lengthen])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_or_lengthened_file_is_refused(
    kind: str,
    change: Callable[[random.Random, bytes], bytes],
    backup: Path,
    tmp_path: Path,
) -> None:
    assert change_often(backup, KINDS[kind], 20, change, tmp_path) is None


@pytest.mark.parametrize("kind", ["note", "registry", "copy of the manifest", "rollups"])
def test_flips_find_a_restore_that_compares_no_checksum(
    kind: str, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    monkeypatch.setattr(backup_module, "is_same_sum", lambda _found, _noted: True)
    assert change_often(backup, KINDS[kind], N_FLIPS, flip_bit, tmp_path) is not None


# ── killed ───────────────────────────────────────────────────────────────────────────────────

_CHILD = """
import os, signal, sys
from pathlib import Path
from tests.stores.backup_cases import back_up, restore

act, source, target, watched = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
work = {"backup": back_up, "restore": restore}[act]


def run(point):
    # Every opening, renaming, making and removing of a file passes here, before it happens.
    passed = 0

    def count(event, arguments):
        nonlocal passed
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
            if any(isinstance(one, str) and one.startswith(watched) for one in map(
                lambda one: os.fspath(one) if isinstance(one, os.PathLike) else one, arguments
            )):
                passed += 1
                if passed == point:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    work(source, target)
    return passed


for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, b"%d" % run(int(line)))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    status = os.waitpid(child, 0)[1]
    found = os.read(reading, 20).decode() or "0"
    os.close(reading)
    print("ended", os.WTERMSIG(status), os.waitstatus_to_exitcode(status), found, flush=True)
"""


class Killer:
    """A process that forks a child for each attempt, which is killed at a point."""

    def __init__(self, act: str, source: Path, target: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, act, str(source), str(target), str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, point: int) -> tuple[int, int, int]:
        """Signal, status and points passed; point 0 is never reached."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{point}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            # Between the answers stands what the program logs.
            if line.startswith("ended "):
                signal, status, passed = map(int, line.split()[1:])
                return signal, status, passed
        message = "the process that forks has ended"
        raise AssertionError(message)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def choose_points(n_passed: int) -> list[int]:
    """The first, the last, and some between."""
    draw = random.Random(SEED)
    ends = {1, 2, n_passed - 3, n_passed - 2, n_passed - 1, n_passed}
    return sorted(ends | set(draw.sample(range(3, n_passed - 3), N_KILLS - len(ends))))


def test_killed_backup_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    data, target = fill(tmp_path), tmp_path / "backup"
    truth = read_folder(data)
    killer = Killer("backup", data, target)
    try:
        signal, status, n_passed = killer.run(0)
        assert (signal, status) == (0, 0)
        shutil.rmtree(target)
        for point in choose_points(n_passed):
            assert killer.run(point)[0] == 9
            left = {path.name for path in tmp_path.iterdir()} - {"data", "ledger"}
            assert left <= {"backup.partial"}, point
            for name in left:
                assert not is_accepted(tmp_path / name, tmp_path), point
        assert killer.run(0)[:2] == (0, 0), "what was left is in the way of the next backup"
        assert not (tmp_path / "backup.partial").exists()
    finally:
        killer.close()
    restore(target, tmp_path / "restored")
    assert read_folder(tmp_path / "restored") == truth


def test_killed_restore_leaves_no_data_folder(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "restored"
    killer = Killer("restore", backup, target)
    try:
        n_passed = killer.run(0)[2]
        shutil.rmtree(target)
        for point in choose_points(n_passed):
            assert killer.run(point)[0] == 9
            assert not target.exists(), point
        assert killer.run(0)[:2] == (0, 0)
    finally:
        killer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["restored"]
    assert len(read_folder(target)[0]) > 0

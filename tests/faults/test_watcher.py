"""The watching library by itself, turned on by the environment of a child."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.journal import What, read_journal
from tests.faults.watcher import Watch, watched_environment

SCRIPT = """
import os
with open("aside", "wb", 0) as file:
    file.write(b"01234567")
    os.fsync(file.fileno())
os.rename("aside", "named")
"""


def run_script(folder: Path, *rules: str) -> tuple[int, str, dict[str, bytes]]:
    """Exit code, words and files of the script under rules."""
    root = folder / "root"
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env=watched_environment(Watch(root, folder / "journal", rules)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, {one.name: one.read_bytes() for one in root.iterdir()}


def test_journal_has_every_call_in_order(tmp_path: Path) -> None:
    assert run_script(tmp_path) == (0, "", {"named": b"01234567"})
    found = [(one.what, one.target, one.content) for one in read_journal(tmp_path / "journal")]
    assert found == [
        (What.CREATE, "aside", b""),
        (What.WRITE, "aside", b"01234567"),
        (What.SYNC, "aside", b""),
        (What.RENAME, "named", b""),
    ]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ("write:aside:1:before", {"aside": b""}),
        ("write:*:1:torn", {"aside": b"0123"}),
        ("fsync:a*:1:after", {"aside": b"01234567"}),
        ("rename:named:1:before", {"aside": b"01234567"}),
        ("rename:named:1+:after", {"named": b"01234567"}),
        ("any:*:2:after", {"aside": b"01234567"}),
    ],
)
def test_rule_kills_at_its_moment(rule: str, left: dict[str, bytes], tmp_path: Path) -> None:
    code, _, files = run_script(tmp_path, rule)
    assert (code, files) == (-signal.SIGKILL, left)


def test_rule_fails_a_call(tmp_path: Path) -> None:
    code, words, files = run_script(tmp_path, "write:other:1:EIO", "fsync:*:1:ENOSPC")
    assert (code, files) == (1, {"aside": b"01234567"})
    assert "No space left" in words


def test_rule_that_meets_no_call_changes_nothing(tmp_path: Path) -> None:
    assert run_script(tmp_path, "rename:named:2:before")[::2] == (0, {"named": b"01234567"})


def test_lie_is_not_in_the_journal(tmp_path: Path) -> None:
    assert run_script(tmp_path, "fsync:*:1+:lie")[0] == 0
    assert What.SYNC not in {one.what for one in read_journal(tmp_path / "journal")}

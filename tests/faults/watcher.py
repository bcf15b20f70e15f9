"""Compiles ``watch_files.c`` and loads it into child processes.

A rule is ``kind:pattern:n:action``.

- kind: ``create``, ``write``, ``truncate``, ``fsync``, ``fsyncdir``, ``rename``, ``link``,
  ``unlink``, ``mkdir``, ``rmdir``, or ``any``
- pattern: of the path below the watched folder; ``*`` matches ``/`` too; of a rename the new name
- n: the how manieth such call, from 1; ``3+`` is the third and all that follow
- action: ``before`` and ``after`` kill the process there with SIGKILL, ``torn`` does so after half
  the bytes; ``lie`` reports success and does nothing; ``EIO``, ``ENOSPC`` … fail the call
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.program import program_environment

SOURCE = Path(__file__).with_name("watch_files.c")


@functools.cache
def compile_watcher() -> Path:
    """The library; the test is skipped where it cannot be made."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler is installed (apt install gcc)")
    if sys.platform != "linux" or sys.maxsize < 2**32:
        pytest.skip("files are watched on 64-bit Linux only")
    library = Path(tempfile.mkdtemp(prefix="wattscope-watch-")) / "watch_files.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-lpthread"],
        check=True,
    )
    return library


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched in a process, and what goes wrong there."""

    root: Path
    """Everything below it is watched; no symbolic link in its path."""
    journal: Path | None = None
    """Gets every change in order; outside the root."""
    rules: Sequence[str] = ()
    is_sync_left_out: bool = False
    """Whether fsync is noted but not done, where no machine crashes."""


def watched_environment(watch: Watch) -> dict[str, str]:
    """The environment of a child that is watched from its start."""
    environment = program_environment() | {
        "LD_PRELOAD": str(compile_watcher()),
        "FAULTS_ROOT": str(watch.root),
        "FAULTS_JOURNAL": str(watch.journal or ""),
        "FAULTS_RULES": ";".join(watch.rules),
    }
    if watch.is_sync_left_out:
        environment["FAULTS_NO_SYNC"] = "1"
    return environment


def loaded_environment() -> dict[str, str]:
    """The environment of a child that has the library and turns it on by itself."""
    path = os.pathsep.join(filter(None, (str(SOURCE.parents[2]), os.environ.get("PYTHONPATH"))))
    environment = program_environment() | {"LD_PRELOAD": str(compile_watcher())}
    environment["PYTHONPATH"] = os.pathsep.join((path, environment["PYTHONPATH"]))
    return environment

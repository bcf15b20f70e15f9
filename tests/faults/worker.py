"""A process that is loaded once and forks a child for each run, watched and killed by itself."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import scenarios
from tests.faults.watcher import Watch, loaded_environment


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    signal: int
    """0 where it ended by itself."""
    status: int
    words: str
    """What it said."""


class Worker:
    """The process, seen from the test."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    def run(self, scenario: str, root: Path, *arguments: Any, watch: Watch | None = None) -> Ending:  # noqa: ANN401  # handed on as JSON
        """Run a function of ``scenarios`` in a child, and wait for its end."""
        watch = watch or Watch(root)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "scenario": scenario,
            "arguments": [str(root), *arguments],
            "root": str(watch.root),
            "journal": str(watch.journal or ""),
            "rules": ";".join(watch.rules),
            "is_sync_left_out": watch.is_sync_left_out,
            "output": str(self._output),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        words = self._output.read_text(encoding="utf-8", errors="replace")
        return Ending(os.WTERMSIG(status), os.waitstatus_to_exitcode(status), words)


@contextlib.contextmanager
def running_worker(folder: Path) -> Iterator[Worker]:
    """A worker whose children write their words into a folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=loaded_environment() | {"OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        yield Worker(process, folder / "words.txt")
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def serve() -> None:
    """Do the orders of standard input, one a line."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _obey(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _obey(order: dict[str, Any]) -> None:
    """In the child: run the scenario and end."""
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    configure = ctypes.CDLL(None).faults_configure
    texts = (order[name].encode() for name in ("root", "journal", "rules"))
    configure(*texts, int(order["is_sync_left_out"]))
    status = 1
    try:
        root, *arguments = order["arguments"]
        getattr(scenarios, order["scenario"])(Path(root), *arguments)
        status = 0
    except BaseException:  # noqa: BLE001  # whatever it is, the test must see it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()

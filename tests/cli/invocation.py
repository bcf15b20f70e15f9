"""Running the program as a person does: its words in, its two outputs and its status out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from wattscope.cli import main

_START = "from wattscope.cli import main; main()"
SOURCES = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    def last_line(self) -> str:
        """What a person sees last."""
        return self.err.strip().splitlines()[-1]


def invoke(*words: str | Path) -> Outcome:
    """Run a command in this process, through the same door as the installed program."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with (
        patch.object(sys, "argv", ["wattscope", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return Outcome(status, out.getvalue(), err.getvalue())


def ask(data: Path, question: str) -> list[dict[str, Any]]:
    """The rows that ``wattscope sql`` prints as JSON."""
    outcome = invoke("sql", question, "--format", "json", "--data", data)
    assert outcome.status == 0, outcome.err
    rows: list[dict[str, Any]] = json.loads(outcome.out, parse_constant=_refuse_constant)
    return rows


def _refuse_constant(word: str) -> float:
    message = f"{word} is no JSON"
    raise AssertionError(message)


def child_environment() -> dict[str, str]:
    """The environment of a child that runs the program of this source tree."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(SOURCES)]),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def start_child(words: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start the program as a process of its own; both outputs go to ``log``."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            cwd=log.parent,
        )


def end_child(child: subprocess.Popen[bytes], timeout_s: float = 15.0) -> int:
    """Ask a child to end, insist after a while; gives its status."""
    child.terminate()
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait(5)

"""Points over HTTP: the files of TSBS through ``/write`` of the real program, and what it cost."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import CpuWatch
from benchmarks.rates import WrongAnswerError
from benchmarks.rows import OURS, Limit, Row
from benchmarks.store_real import DataMissingError, find_shared
from tests.chaos.program import Program
from tests.integration.tsbs import BATCH, N_VALUES, Sender, read_batches, run_program

_TARGET = Limit(300_000, is_least=True)


@dataclass(frozen=True, slots=True)
class LineTiming:
    """One file, written once."""

    n_values: int
    took_s: float
    cpu_s: float
    """Of the program."""
    foreign_share: float
    """CPU of the machine that went to neither program nor sender."""


def measure_lines(case: str, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """The rows of both files, and the notes below them."""
    try:
        shared = find_shared()
    except DataMissingError as missing:
        return [], [f"points over HTTP: not run, {missing}"]
    rows: list[Row] = []
    shares: list[float] = []
    for name in N_VALUES:
        with (
            tempfile.TemporaryDirectory(prefix="wattscope-bench-") as folder,
            run_program(Path(folder)) as program,
            contextlib.closing(Sender(program.port)) as sender,
        ):
            timing = _write(program, sender, read_batches(shared, name), name)
            if name == "cpu-only":
                _check(program, shared)
        shares.append(timing.foreign_share)
        per_core = timing.n_values / timing.cpu_s
        say(f"lines of {name}: {per_core:,.0f} values a second of CPU")
        rate = timing.n_values / timing.took_s
        rows += [
            Row(case, OURS, f"lines of {name}, rate", rate, "values/s"),
            _TARGET.mark(Row(case, OURS, f"lines of {name}, one core", per_core, "values/s")),
        ]
    note = (
        f"lines: files of TSBS, each through /write of a program of its own, {BATCH:,} lines a "
        "request, one connection; one core: values by CPU time of the program with all its "
        f"threads, HTTP, log and store included; others took {max(shares):.0%} of the CPU at most"
    )
    return rows, [note]


def _write(program: Program, sender: Sender, batches: list[bytes], name: str) -> LineTiming:
    watch = CpuWatch({OURS: (program.pid,)})
    started_s = time.perf_counter()
    refused = sender.write_all(batches)
    took_s = time.perf_counter() - started_s
    if refused:
        raise WrongAnswerError(f"lines of {name}: {refused[0].text}")
    return LineTiming(N_VALUES[name], took_s, watch.read_used_s()[OURS], watch.read_foreign_share())


def _check(program: Program, shared: Path) -> None:
    told = json.loads((shared / "tsbs" / "expected.json").read_text(encoding="utf-8"))
    wanted = told["cpu-only.lp.gz"]["sum usage_user"]
    [[total]] = program.ask("SELECT sum(value) FROM readings WHERE quantity = 'cpu_usage_user__1'")
    if total != wanted:
        raise WrongAnswerError(f"usage_user sums up to {total}, not {wanted}")

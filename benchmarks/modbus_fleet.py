"""Hundreds of Modbus TCP meters, each read once a second by the whole program on one core."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import CpuWatch
from benchmarks.modbus_lines import run_servers
from benchmarks.modbus_servers import UNIT, read_map
from benchmarks.rates import WrongAnswerError
from tests.chaos.program import Program, kept, wait_until

_SETTLED_S = 10.0


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """Over the measured stretch."""

    n_meters: int
    polls_per_s: float
    values_per_s: float
    """Stored, and found by SQL."""
    on_time: float
    """Share of the polls that were due and took place, 0 to 1."""
    cpu_s_per_million: float
    """CPU time of the program for a million values [s]."""
    core_share: float
    """CPU time of the program a second."""
    worst_age_s: float
    """Age of the oldest newest value of any meter in the end [s]."""
    foreign_share: float


def measure_fleet(n_meters: int, length_s: float) -> FleetFigures:
    """Run ``wattscope run`` over virtual SDM630 for a while, pinned to one core."""
    n_values = len(read_map("sdm630").registers)
    with run_servers("fleet", str(n_meters)) as ports, tempfile.TemporaryDirectory() as name:
        program = Program(Path(name), _write_settings(ports))
        with kept(program):
            program.start()
            _pin(program.pid)
            wait_until(lambda: _count_online(program) == n_meters, "all meters online", 120)
            time.sleep(_SETTLED_S)
            watch = CpuWatch({"wattscope": (program.pid,)})
            before, began_s = _read_state(program), time.monotonic()
            time.sleep(length_s)
            after, elapsed_s = _read_state(program), time.monotonic() - began_s
            used_s, foreign = watch.read_used_s()["wattscope"], watch.read_foreign_share()
            n_rows, worst_age_s = _ask(program)
            program.stop()
    polls, values = after["polls"] - before["polls"], after["stored"] - before["stored"]
    if after["failed"] != before["failed"]:
        raise WrongAnswerError(f"{after['failed'] - before['failed']} polls failed")
    if n_rows < after["stored"]:
        raise WrongAnswerError(f"SQL finds {n_rows} values, stored are {after['stored']}")
    # Of a poll whose message is on its way while the counters are read.
    if abs(values - polls * n_values) > 2 * n_meters * n_values:
        raise WrongAnswerError(f"{polls} polls gave {values} values instead of {n_values} each")
    due = polls + after["skipped"] - before["skipped"]
    return FleetFigures(
        n_meters,
        polls / elapsed_s,
        values / elapsed_s,
        polls / due,
        used_s / values * 1e6,
        used_s / elapsed_s,
        worst_age_s,
        foreign,
    )


def _write_settings(ports: list[int]) -> str:
    lines = [
        "[broker]",
        "embedded = false",
        "[[sources]]",
        'name = "modbus"',
        'type = "modbus"',
        'poll = "1s"',
    ]
    for number, port in enumerate(ports):
        lines += [
            "[[meters]]",
            f'id = "m{number:03}"',
            'host = "127.0.0.1"',
            f"port = {port}",
            f"unit = {UNIT}",
            'type = "sdm630"',
            'framing = "tcp"',
        ]
    return "\n".join(lines)


def _pin(pid: int) -> None:
    """Give a process, and all its threads, the first core that this one may use."""
    core = min(os.sched_getaffinity(0))
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _read_units(program: Program) -> list[dict[str, Any]]:
    _, health = program.read("/api/health")
    units: list[dict[str, Any]] = [
        one for one in health["sources"][0]["meters"] if one["type"] == "sdm630"
    ]
    return units


def _count_online(program: Program) -> int:
    try:
        return sum(one["state"] == "online" for one in _read_units(program))
    except OSError:
        return 0


def _read_state(program: Program) -> dict[str, int]:
    _, health = program.read("/api/health")
    units = [one for one in health["sources"][0]["meters"] if one["type"] == "sdm630"]
    counts = {name: sum(one[name] for one in units) for name in ("polls", "failed", "skipped")}
    return counts | {"stored": health["counters"]["stored"]}


def _ask(program: Program) -> tuple[int, float]:
    """Rows in SQL, and the age of the oldest newest value of any meter [s]."""
    [[n_rows]] = program.ask("SELECT count(*) FROM readings")
    [[oldest_us]] = program.ask(
        "SELECT min(newest) FROM (SELECT epoch_us(max(measured_at)) AS newest FROM readings "
        "WHERE device LIKE 'm___' GROUP BY device)"
    )
    return int(n_rows), time.time() - int(oldest_us) / 1e6

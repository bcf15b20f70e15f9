"""Readings a second from publishing to queryable, for Wattscope and for the seeds' path.

Both get the same readings from the same publisher over the same broker, and no rate is given
before the count and the sums that SQL answers are those of what was published.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.machine import CpuWatch, find_children
from benchmarks.panels import FIELDS, QUANTITIES, START, find_instant, sum_tenths
from benchmarks.publisher import Publishing, start_publisher
from benchmarks.seed_path import TABLE
from tests.chaos.program import Program
from tests.servers import MosquittoServer, run_postgres

_ROOT = Path(__file__).resolve().parents[1]
_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.01, 1.0
_TIMEOUT_S = 300.0


class WrongAnswerError(Exception):
    """What can be queried is not what was published: there is no rate to speak of."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of one subject."""

    rate_per_s: float
    """Readings from the first one sent to all of them queryable."""
    cpu_s_per_million: dict[str, float]
    """CPU time by process tree and million readings [s]."""
    foreign_share: float
    """Share of the machine's CPU time that went to processes that do not take part."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    pids: tuple[int, ...]
    """Roots of its process trees."""
    count: Callable[[], int]
    """Readings taken in since its start, cheaply."""
    check: Callable[[range], None]
    """Ask for some readings in SQL; raises ``WrongAnswerError``."""
    beside: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Roots of further process trees that work for it, by name."""


def measure(subject: Subject, broker: MosquittoServer, numbers: range, n_before: int) -> Timing:
    """One run: publish, wait until all is queryable, check.

    Args:
        subject: Running and subscribed.
        broker: The broker it listens to.
        numbers: The readings to publish.
        n_before: Readings that the subject has from earlier runs.
    """
    publishing = start_publisher(broker.port, numbers.start, len(numbers))
    return watch_publishing(subject, publishing, {"broker": (broker.pid,)}, numbers, n_before)


def watch_publishing(
    subject: Subject,
    publishing: Publishing,
    brokers: Mapping[str, tuple[int, ...]],
    numbers: range,
    n_before: int,
) -> Timing:
    """One run of a publisher that is ready.

    Args:
        subject: Running and subscribed.
        publishing: Is let go, and ended.
        brokers: Roots of the process trees between publisher and subject, by name.
        numbers: The readings that it publishes.
        n_before: Readings that the subject has from earlier runs.
    """
    try:
        trees = {"subject": subject.pids, **brokers, "publisher": (publishing.pid,)}
        watch = CpuWatch({**trees, **subject.beside})
        publishing.go()
        _wait_for_count(subject.count, n_before, len(numbers))
        subject.check(numbers)
        ended_s = time.monotonic()
        used_s = watch.read_used_s()
        foreign_share = watch.read_foreign_share()
        outcome = publishing.finish()
    finally:
        publishing.end()
    used_s["publisher"] = outcome["cpu_s"]
    return Timing(
        rate_per_s=len(numbers) / (ended_s - outcome["started_s"]),
        cpu_s_per_million={name: used / len(numbers) * 1e6 for name, used in used_s.items()},
        foreign_share=foreign_share,
    )


def _wait_for_count(count: Callable[[], int], n_before: int, n_readings: int) -> None:
    """Return when so many more readings have been taken in.

    It looks again after half the time that the rest will take, so that looking costs little.

    Raises:
        WrongAnswerError: They do not come.
    """
    started_s = time.monotonic()
    while (n_now := count() - n_before) < n_readings:
        took_s = time.monotonic() - started_s
        if took_s > _TIMEOUT_S:
            raise WrongAnswerError(f"{n_now} of {n_readings} readings after {_TIMEOUT_S:g} s")
        rest_s = took_s * (n_readings - n_now) / max(1, n_now)
        time.sleep(min(max(rest_s / 2, _SHORTEST_LOOK_S), _LONGEST_LOOK_S))


# ── Wattscope ────────────────────────────────────────────────────────────────────────────────────

_SETTINGS = """\
[broker]
embedded = false

[storage]
durability = "full"

[[sources]]
url = "{url}"
profiles = ["panel-json"]
qos = 1
"""


def configure_program(folder: Path, broker: MosquittoServer) -> Program:
    """The real program, not started yet."""
    return Program(folder, _SETTINGS.format(url=broker.url))


def describe_program(program: Program) -> Subject:
    """Wattscope as a subject."""

    def count() -> int:
        stored: int = program.read("/api/health")[1]["counters"]["stored"]
        return stored // len(FIELDS)

    def check(numbers: range) -> None:
        first = find_instant(numbers.start, START)
        rows = program.ask(
            "SELECT quantity, count(*), sum(value) FROM readings "
            f"WHERE measured_at >= '{first:%Y-%m-%d %H:%M:%S}' GROUP BY quantity"
        )
        found = {quantity: (count, round(10 * total)) for quantity, count, total in rows}
        compare_sums([found.get(name, (0, 0)) for name in QUANTITIES], numbers)

    return Subject((program.pid,), count, check)


# ── the seeds' path ──────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def run_seed_path(broker: MosquittoServer) -> Iterator[Subject]:
    """A PostgreSQL of our own and the seeds' subscriber.

    Raises:
        ServerMissingError: PostgreSQL 15 is not installed.
    """
    with run_postgres() as url, psycopg.connect(url, autocommit=True) as database:
        _require_durable(database)
        database.execute(TABLE)
        command = [sys.executable, "-m", "benchmarks.seed_path", "--port", str(broker.port)]
        process = subprocess.Popen(
            [*command, "--postgres", url], cwd=_ROOT, text=True, stdout=subprocess.PIPE
        )
        assert process.stdout
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the subscriber ended with status {process.wait()}")
            roots = (process.pid, *find_children(os.getpid(), "postgres")[:1])
            yield _describe_seed_path(database, roots)
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()


def _describe_seed_path(
    database: psycopg.Connection[tuple[object, ...]], roots: tuple[int, ...]
) -> Subject:
    def count() -> int:
        row = database.execute("SELECT count(*) FROM sensor_readings").fetchone()
        assert row
        return int(str(row[0]))

    def check(numbers: range) -> None:
        sums = ", ".join(f"sum({name})" for name in FIELDS)
        first = find_instant(numbers.start, START)
        row = database.execute(
            f"SELECT count(*), {sums} FROM sensor_readings WHERE time >= %s", (first,)
        ).fetchone()
        assert row
        compare_sums([(int(str(row[0])), round(10 * float(str(one)))) for one in row[1:]], numbers)

    return Subject(roots, count, check)


def _require_durable(database: psycopg.Connection[tuple[object, ...]]) -> None:
    """The same durability on both sides: a commit waits for the disk."""
    for name in ("fsync", "synchronous_commit"):
        row = database.execute(f"SHOW {name}").fetchone()
        if row != ("on",):
            raise WrongAnswerError(f"PostgreSQL has {name} = {row}; the comparison wants on")


def compare_sums(found: list[tuple[int, int]], numbers: range) -> None:
    """Hold what SQL answered against what was published.

    Args:
        found: Count and sum in tenths of each of ``QUANTITIES``.
        numbers: The readings that were published.

    Raises:
        WrongAnswerError: They differ.
    """
    expected = [(len(numbers), total) for total in sum_tenths(numbers)]
    if found != expected:
        raise WrongAnswerError(f"(count, sum in tenths) is {found}, published was {expected}")

"""From sending to queryable, in an open loop.

Every reading carries the instant at which it was due as its ``measured_at``. A sampler asks the
running program over HTTP, again and again, how many values it has stored since its start. Readings
come over one session and are stored in order, so reading number n is queryable when an answer
arrived that counts more than n: all readings are measured, not a sample of them. Every latency is
an upper bound: it holds the question and the wait for it, which together are the resolution.

Why not ask in SQL each time: that takes several times the CPU time of the counter, and the sampler
would be the load. Instead SQL is asked once a second whether it sees at least what the
counter said before; a counter that runs ahead ends the benchmark.
"""

from __future__ import annotations

import http.client
import itertools
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.machine import CpuWatch
from benchmarks.panels import QUANTITIES
from benchmarks.publisher import start_publisher
from benchmarks.rates import WrongAnswerError
from tests.chaos.program import Program
from tests.servers import LOOPBACK, MosquittoServer

_PAUSE_S = 0.003
"""Between an answer and the next question: the sampler shall not be the load."""
_CHECK_EVERY_S = 1.0
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Over all readings of a run."""

    sorted_ms: tuple[float, ...]
    resolution_ms: float
    """Median time from one answer to the next."""
    worst_late_ms: float
    """The most by which the publisher was behind its own timetable; part of the latencies."""
    foreign_share: float

    def percentile(self, share: float) -> float:
        """The latency [ms] that this share of the readings does not exceed."""
        return self.sorted_ms[min(len(self.sorted_ms) - 1, int(share * len(self.sorted_ms)))]


@dataclass(frozen=True, slots=True)
class _Answer:
    arrived_s: float
    n_readings: int


def measure_latency(
    program: Program, broker: MosquittoServer, numbers: range, rate: int, lead_s: int = 0
) -> Latency:
    """Publish at a steady rate and watch the counter.

    Args:
        program: Running.
        broker: Where it listens.
        numbers: The readings to publish.
        rate: Readings a second.
        lead_s: How long they flow before it is measured [s].
    """
    publishing = start_publisher(broker.port, numbers.start, len(numbers), rate)
    try:
        watch = CpuWatch({"all": [program.pid, broker.pid, publishing.pid]})
        sampler = _Sampler(program)
        publishing.go()
        answers = sampler.watch(len(numbers), len(numbers) / rate + _PATIENCE_S)
        foreign_share = watch.read_foreign_share()
        outcome = publishing.finish()
    finally:
        publishing.end()
    steps = [b.arrived_s - a.arrived_s for a, b in itertools.pairwise(answers)]
    due = [outcome["started_s"] + place / rate for place in range(len(numbers))]
    return Latency(
        sorted_ms=tuple(sorted(_find_latencies(answers, due)[lead_s * rate :])),
        resolution_ms=statistics.median(steps) * 1e3,
        worst_late_ms=outcome["worst_s"] * 1e3,
        foreign_share=foreign_share,
    )


class _Sampler:
    """Counts readings that have come since it was made."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._connection = http.client.HTTPConnection(LOOPBACK, program.port, timeout=30)
        self._began = datetime.now(UTC)
        self._n_before = self._read_stored()

    def watch(self, n_readings: int, timeout_s: float) -> list[_Answer]:
        """Answers until all have come.

        Raises:
            WrongAnswerError: They do not come, or the counter says more than SQL.
        """
        answers: list[_Answer] = []
        deadline_s = time.time() + timeout_s
        check_s = time.time() + _CHECK_EVERY_S
        while True:
            n_now = (self._read_stored() - self._n_before) // len(QUANTITIES)
            answers.append(_Answer(time.time(), n_now))
            if n_now >= n_readings or time.time() > check_s:
                self._check(n_now)
                check_s = time.time() + _CHECK_EVERY_S
            if n_now >= n_readings:
                return answers
            if time.time() > deadline_s:
                raise WrongAnswerError(f"{n_now} of {n_readings} readings after {timeout_s:g} s")
            time.sleep(_PAUSE_S)

    def _read_stored(self) -> int:
        self._connection.request("GET", "/api/health")
        stored: int = json.load(self._connection.getresponse())["counters"]["stored"]
        return stored

    def _check(self, n_counted: int) -> None:
        rows = self._program.ask(
            "SELECT count(*) FROM readings WHERE quantity = 'production_power_w' "
            f"AND measured_at >= '{self._began:%Y-%m-%d %H:%M:%S.%f}'"
        )
        if rows[0][0] < n_counted:
            raise WrongAnswerError(f"the counter says {n_counted} readings, SQL {rows[0][0]}")


def _find_latencies(answers: Sequence[_Answer], due_s: Sequence[float]) -> list[float]:
    """For each reading the time from its due instant to the first answer that counts it [ms]."""
    latencies = []
    at = 0
    for place, instant_s in enumerate(due_s):
        while answers[at].n_readings <= place:
            at += 1
        latencies.append((answers[at].arrived_s - instant_s) * 1e3)
    return latencies

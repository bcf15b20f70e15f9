"""``ingest``: the rate over MQTT and HTTP, the latency, and the memory of the demo."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import SETTINGS_IN_WORDS, run_broker
from benchmarks.latency import Latency, measure_latency
from benchmarks.lines import measure_lines
from benchmarks.memory import DemoMemory, measure_demo
from benchmarks.panels import N_PANELS
from benchmarks.publisher import WINDOW
from benchmarks.rates import (
    Subject,
    Timing,
    configure_program,
    describe_program,
    measure,
    run_seed_path,
)
from benchmarks.rows import OURS, Row
from tests.chaos.program import Program, kept, wait_until
from tests.servers import MosquittoServer, ServerMissingError

CASE = "ingest"
SEED = "seed path"
_RATE_PER_S = 1000
# Warm-up: every panel is registered, and what is imported at first use has been.
_WARM_UP = 5 * N_PANELS


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_runs: int
    n_readings: int
    """A run of Wattscope."""
    n_seed_readings: int
    n_latency_runs: int
    latency_s: int
    memory_s: int


FULL = Size(
    n_runs=5,
    n_readings=400_000,
    n_seed_readings=10_000,
    n_latency_runs=3,
    latency_s=20,
    memory_s=60,
)
QUICK = Size(
    n_runs=1, n_readings=60_000, n_seed_readings=3_000, n_latency_runs=1, latency_s=5, memory_s=15
)


def run(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """All rows, and the notes that belong below them."""
    size = QUICK if quick else FULL
    with (
        run_broker() as broker,
        tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name,
        kept(configure_program(Path(name), broker)) as program,
    ):
        ours, latency = _measure_ours(program, broker, size, say)
    seed, missing = _measure_seed(size, say)
    say(f"memory of the demo, {size.memory_s} s")
    memory = measure_demo(size.memory_s)
    rows = _rate_rows(OURS, ours) + _rate_rows(SEED, seed)
    if seed:
        rows.append(Row(CASE, OURS, "rate beside the seed path", _ratio(ours, seed), "x"))
    lines, line_notes = measure_lines(CASE, say)
    rows += _latency_rows(latency) + _memory_rows(memory) + lines
    notes = [*_describe(size), *line_notes, *_describe_interference(ours, seed, latency)]
    return rows, notes + ([missing] if missing else [])


def _measure_ours(
    program: Program, broker: MosquittoServer, size: Size, say: Callable[[str], None]
) -> tuple[list[Timing], Latency]:
    program.start()
    wait_until(program.is_ready, "the program is ready")
    subject = describe_program(program)
    timings = _measure_runs(subject, broker, size.n_runs, size.n_readings, say)
    latencies = []
    n_readings = size.latency_s * _RATE_PER_S
    first = _WARM_UP + size.n_runs * size.n_readings
    for number in range(size.n_latency_runs):
        numbers = range(first + number * n_readings, first + (number + 1) * n_readings)
        found = measure_latency(program, broker, numbers, _RATE_PER_S)
        p99_ms = found.percentile(0.99)
        others = f"others took {found.foreign_share:.0%} of the CPU"
        say(f"latency run {number + 1} of {size.n_latency_runs}: p99 {p99_ms:.1f} ms; {others}")
        latencies.append(found)
    latency = sorted(latencies, key=lambda one: one.percentile(0.99))[len(latencies) // 2]
    program.stop()
    return timings, latency


def _measure_seed(size: Size, say: Callable[[str], None]) -> tuple[list[Timing], str]:
    """The seeds' path; without PostgreSQL no timings, but the reason."""
    try:
        with run_broker() as broker, run_seed_path(broker) as subject:
            say(f"{SEED}:")
            return _measure_runs(subject, broker, size.n_runs, size.n_seed_readings, say), ""
    except ServerMissingError as missing:
        return [], f"{SEED}: not run, {missing}"


def _measure_runs(
    subject: Subject,
    broker: MosquittoServer,
    n_runs: int,
    n_readings: int,
    say: Callable[[str], None],
) -> list[Timing]:
    """A warm-up and the runs; each run's readings follow those of the run before."""
    measure(subject, broker, range(_WARM_UP), 0)
    n_before = _WARM_UP
    timings = []
    for number in range(n_runs):
        numbers = range(n_before, n_before + n_readings)
        timing = measure(subject, broker, numbers, n_before)
        others = f"others took {timing.foreign_share:.0%} of the CPU"
        say(f"run {number + 1} of {n_runs}: {timing.rate_per_s:,.0f} readings/s; {others}")
        timings.append(timing)
        n_before += n_readings
    return timings


def _rate_rows(subject: str, timings: Sequence[Timing]) -> list[Row]:
    if not timings:
        return []
    rates = [timing.rate_per_s for timing in timings]
    rows = [Row(CASE, subject, "rate", statistics.median(rates), "readings/s")]
    if len(rates) > 1:
        rows.append(Row(CASE, subject, "rate, slowest run", min(rates), "readings/s"))
        rows.append(Row(CASE, subject, "rate, fastest run", max(rates), "readings/s"))
    words = {
        "subject": "CPU",
        "broker": "CPU of Mosquitto beside it",
        "publisher": "CPU of the publisher beside it",
    }
    for name, metric in words.items():
        used = statistics.median(timing.cpu_s_per_million[name] for timing in timings)
        rows.append(Row(CASE, subject, metric, used, "CPU-s/M"))
    return rows


def _ratio(ours: Sequence[Timing], seed: Sequence[Timing]) -> float:
    return statistics.median(timing.rate_per_s for timing in ours) / statistics.median(
        timing.rate_per_s for timing in seed
    )


def _latency_rows(latency: Latency) -> list[Row]:
    words = f"publish to queryable at {_RATE_PER_S} readings/s"
    rows = [
        Row(CASE, OURS, f"{words}, {name}", latency.percentile(share), "ms")
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]
    rows.append(Row(CASE, OURS, "resolution of these", latency.resolution_ms, "ms"))
    return rows


def _memory_rows(memory: DemoMemory) -> list[Row]:
    rows = []
    for name, found in (("server", memory.server), ("broker", memory.broker)):
        rows += [
            Row(CASE, OURS, f"memory of the demo's {name}, RSS", found.rss_mb, "MB"),
            Row(CASE, OURS, f"memory of the demo's {name}, PSS", found.pss_mb, "MB"),
            Row(CASE, OURS, f"memory of the demo's {name}, highest RSS", found.peak_mb, "MB"),
        ]
    return rows


def _describe(size: Size) -> list[str]:
    rates = (
        f"rates: median of {size.n_runs} x {size.n_readings:,} readings ({OURS}) and "
        f"{size.n_seed_readings:,} ({SEED}), after a warm-up of {_WARM_UP:,}; from the first "
        "reading sent to all of them counted and summed up by SQL, sums equal to the publisher's"
    )
    load = (
        f"Mosquitto of our own: {SETTINGS_IN_WORDS}; publisher: one process, encoded beforehand, "
        f"at most {WINDOW:,} readings unacknowledged"
    )
    latencies = (
        f"latencies: of {size.n_latency_runs} x {size.latency_s} s, all readings of the run whose "
        "p99 is the median; upper bounds, see docs/benchmarks.md"
    )
    return [
        f"a reading is one JSON message with 4 values, QoS 1, of {N_PANELS:,} panels",
        rates,
        load,
        f"{OURS}: durability full; {SEED}: PostgreSQL 15, fsync and synchronous_commit on",
        f"CPU of the {SEED}: subscriber and PostgreSQL",
        latencies,
    ]


def _describe_interference(
    ours: Sequence[Timing], seed: Sequence[Timing], latency: Latency
) -> list[str]:
    shares = {
        OURS: max(timing.foreign_share for timing in ours),
        SEED: max((timing.foreign_share for timing in seed), default=0.0),
        "latency": latency.foreign_share,
    }
    words = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    late = f"{latency.worst_late_ms:.1f} ms"
    return [
        f"CPU time of the machine that went to processes not named here, worst run: {words}",
        f"the publisher was late by {late} at most in the latency run; part of the latencies",
    ]

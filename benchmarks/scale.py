"""``scale``: the distributed chain beside the embedded one, and PostgreSQL loaded by COPY."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import SETTINGS_IN_WORDS, run_broker
from benchmarks.kafka_publisher import start_kafka_publisher
from benchmarks.latency import Latency, measure_latency
from benchmarks.panels import N_PANELS
from benchmarks.publisher import WINDOW
from benchmarks.rates import (
    Timing,
    configure_program,
    describe_program,
    measure,
    watch_publishing,
)
from benchmarks.rows import OURS, Limit, Row
from benchmarks.scale_cluster import Cluster, run_cluster
from benchmarks.scale_latency import measure_row_latency
from benchmarks.scale_load import Loading, measure_load
from benchmarks.scale_servers import Servers, make_database, run_servers
from benchmarks.store_sets import make_grid
from tests.chaos.program import kept, wait_until

CASE = "scale"
EMBEDDED, DISTRIBUTED, FROM_KAFKA = "embedded", "distributed", "Kafka to PostgreSQL"
LATENCY_LIMIT = Limit(100.0)
"""p99 from MQTT to the database [ms]: what the solar seed says of itself."""
LOAD_LIMIT = Limit(300_000.0, is_least=True)
_RATE_PER_S = 1000
# Every panel is registered, every process has its partitions, and all is imported.
_WARM_UP = 5 * N_PANELS
_LIVE_ROWS, _BULK_ROWS = 20_000, 200_000
"""Values of one transaction: of what a process takes from Kafka at most, of a history."""
_PATIENCE_S = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_runs: int
    n_readings: int
    """Of a run from MQTT on."""
    n_backlog: int
    """Of a run from Kafka on."""
    latency_s: int
    lead_s: int
    """The load of the latencies flows so long before they are measured [s]."""
    n_meters: int
    """Of the set that is loaded."""


FULL = Size(n_runs=3, n_readings=200_000, n_backlog=400_000, latency_s=60, lead_s=60, n_meters=500)
QUICK = Size(n_runs=1, n_readings=20_000, n_backlog=40_000, latency_s=10, lead_s=2, n_meters=50)


@dataclass(frozen=True, slots=True)
class Chain:
    """What was measured of one chain."""

    name: str
    rates: tuple[Timing, ...]
    latency: Latency | None


def run(*, quick: bool, say: Say) -> tuple[list[Row], list[str]]:
    """All rows, and the notes that belong below them.

    Raises:
        ServerMissingError: A server that belongs to the chain is not installed.
    """
    return measure_all(QUICK if quick else FULL, say)


def measure_all(size: Size, say: Say) -> tuple[list[Row], list[str]]:
    """All rows and notes for so much."""
    with tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name:
        folder = Path(name)
        chains = [_measure_embedded(folder / "embedded", size, say)]
        with run_servers(folder) as servers:
            for n_stores in (1, 2):
                chains += _measure_cluster(
                    folder / f"stores-{n_stores}", servers, n_stores, size, say
                )
            loadings, database = _measure_loads(servers, size, say)
    rows = [row for chain in chains for row in list_rates(chain)]
    rows += [row for chain in chains for row in list_latencies(chain)]
    rows += list_loads(loadings)
    return rows, [*_describe(size, database), *_describe_interference(chains)]


# ── the chains ───────────────────────────────────────────────────────────────────────────────────


def _measure_embedded(folder: Path, size: Size, say: Say) -> Chain:
    folder.mkdir()
    with run_broker() as broker, kept(configure_program(folder, broker)) as program:
        program.start()
        wait_until(program.is_ready, "the program is ready", _PATIENCE_S)
        subject = describe_program(program)
        run_at = _Runs(EMBEDDED, size.n_runs, say)
        measure(subject, broker, range(_WARM_UP), 0)
        rates = run_at.measure(
            size.n_readings, lambda numbers, n_before: measure(subject, broker, numbers, n_before)
        )
        numbers = run_at.take((size.lead_s + size.latency_s) * _RATE_PER_S)
        latency = measure_latency(program, broker, numbers, _RATE_PER_S, size.lead_s)
        _say_latency(say, EMBEDDED, latency)
        program.stop()
    return Chain(EMBEDDED, rates, latency)


def _measure_cluster(
    folder: Path, servers: Servers, n_stores: int, size: Size, say: Say
) -> list[Chain]:
    folder.mkdir()
    words = f"{n_stores} store worker{'s' if n_stores > 1 else ''}"
    with (
        run_broker() as broker,
        make_database(servers.postgres, f"stores{n_stores}") as database,
        run_cluster(folder, servers, database, broker, n_stores) as cluster,
    ):
        runs = _Runs(f"{DISTRIBUTED}, {words}", size.n_runs, say)
        chain = cluster.describe_chain()
        measure(chain, broker, range(_WARM_UP), 0)
        wait_until(cluster.have_shares, "partitions are shared out", _PATIENCE_S)

        def measure_chain(numbers: range, n_before: int) -> Timing:
            timing = measure(chain, broker, numbers, n_before)
            cluster.check(numbers)
            return timing

        rates = runs.measure(size.n_readings, measure_chain)
        backlog = _Runs(f"{FROM_KAFKA}, {words}", size.n_runs, say, runs.n_done)
        from_kafka = backlog.measure(
            size.n_backlog, lambda numbers, n_before: _measure_stores(cluster, numbers, n_before)
        )
        latency = None
        if n_stores == 1:
            numbers = backlog.take(N_PANELS + (size.lead_s + size.latency_s) * _RATE_PER_S)
            latency = measure_row_latency(cluster, broker, numbers, _RATE_PER_S, size.lead_s)
            _say_latency(say, DISTRIBUTED, latency)
    return [Chain(runs.name, rates, latency), Chain(backlog.name, from_kafka, None)]


def _measure_stores(cluster: Cluster, numbers: range, n_before: int) -> Timing:
    publishing = start_kafka_publisher(cluster.kafka.address, cluster.prefix, numbers)
    brokers = {"Kafka": cluster.beside["Kafka"]}
    timing = watch_publishing(cluster.describe_stores(), publishing, brokers, numbers, n_before)
    cluster.check(numbers)
    return timing


class _Runs:
    """Runs whose readings follow each other."""

    def __init__(self, name: str, n_runs: int, say: Say, n_done: int = _WARM_UP) -> None:
        self.name = name
        self.n_done = n_done
        self._n_runs = n_runs
        self._say = say

    def take(self, n_readings: int) -> range:
        """The next readings."""
        numbers = range(self.n_done, self.n_done + n_readings)
        self.n_done = numbers.stop
        return numbers

    def measure(
        self, n_readings: int, measure_one: Callable[[range, int], Timing]
    ) -> tuple[Timing, ...]:
        """Several runs of so many readings each."""
        timings = []
        for number in range(self._n_runs):
            n_before = self.n_done
            timing = measure_one(self.take(n_readings), n_before)
            others = f"others took {timing.foreign_share:.0%} of the CPU"
            rate = f"{timing.rate_per_s:,.0f} readings/s"
            self._say(f"{self.name}: run {number + 1} of {self._n_runs}: {rate}; {others}")
            timings.append(timing)
        return tuple(timings)


def _say_latency(say: Say, name: str, latency: Latency) -> None:
    p99_ms = latency.percentile(0.99)
    say(f"{name}: p99 {p99_ms:.1f} ms; others took {latency.foreign_share:.0%} of the CPU")


# ── COPY ─────────────────────────────────────────────────────────────────────────────────────────


def _measure_loads(servers: Servers, size: Size, say: Say) -> tuple[dict[int, Loading], str]:
    """Loads by values a transaction, and what they went to."""
    measured = make_grid(size.n_meters)
    found: dict[int, Loading] = {}
    name = ""
    for n_rows in (_LIVE_ROWS, _BULK_ROWS):
        with make_database(servers.postgres, f"load{n_rows}") as database:
            found[n_rows] = measure_load(database, measured, n_rows)
            name = database.name
        say(f"COPY of {n_rows:,} values: {found[n_rows].values_per_s:,.0f} values/s")
    return found, name


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def list_rates(chain: Chain) -> list[Row]:
    rates = [timing.rate_per_s for timing in chain.rates]
    rows = [Row(CASE, OURS, f"{chain.name}: rate", statistics.median(rates), "readings/s")]
    for name in chain.rates[0].cpu_s_per_million:
        used = statistics.median(one.cpu_s_per_million[name] for one in chain.rates)
        if name in {"this process", "ingest"}:
            continue
        beside = "" if name == "subject" else f" of {_WORDS.get(name, name)} beside it"
        rows.append(Row(CASE, OURS, f"{chain.name}: CPU{beside}", used, "CPU-s/M"))
    return rows


_WORDS = {"broker": "Mosquitto", "publisher": "the publisher"}


def list_latencies(chain: Chain) -> list[Row]:
    latency = chain.latency
    if latency is None:
        return []
    words = f"{chain.name}: publish to queryable at {_RATE_PER_S} readings/s"
    rows = [
        Row(CASE, OURS, f"{words}, {name}", latency.percentile(share), "ms")
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    ]
    rows[1] = LATENCY_LIMIT.mark(rows[1])
    rows.append(Row(CASE, OURS, f"{words}, resolution", latency.resolution_ms, "ms"))
    return rows


def list_loads(loadings: dict[int, Loading]) -> list[Row]:
    rows = []
    for n_rows, found in loadings.items():
        words = f"COPY, {n_rows:,} values a transaction"
        loaded = Row(CASE, OURS, f"{words}: load", found.values_per_s, "values/s")
        settled = found.settled_values_per_s
        rows += [
            LOAD_LIMIT.mark(loaded) if n_rows == _BULK_ROWS else loaded,
            Row(CASE, OURS, f"{words}: load, until rolled up", settled, "values/s"),
        ]
    return rows


# ── notes ────────────────────────────────────────────────────────────────────────────────────────


def _describe(size: Size, database: str) -> list[str]:
    return [
        f"a reading is one message with 4 values of {N_PANELS:,} panels; over MQTT QoS 1",
        (
            f"rates: median of {size.n_runs} x {size.n_readings:,} readings over MQTT and "
            f"{size.n_backlog:,} from Kafka, after a warm-up of {_WARM_UP:,}; until the processes "
            "have counted all as stored; then SQL must give count and sums of what was published"
        ),
        (
            f"Mosquitto of our own: {SETTINGS_IN_WORDS}; publisher: at most {WINDOW:,} readings "
            "unacknowledged over MQTT"
        ),
        (
            f"{EMBEDDED}: one process, durability full; {DISTRIBUTED}: one process that takes in, "
            f"Kafka with one broker (acks=all), {database}, fsync and synchronous_commit on, Redis"
        ),
        (
            f"latencies: all readings of {size.latency_s} s, after {size.lead_s} s of the same; "
            "upper bounds, see docs/benchmarks.md"
        ),
        f"COPY: {size.n_meters} meters, 14 days, 5 values each 5 minutes, in order of time",
    ]


def _describe_interference(chains: Sequence[Chain]) -> list[str]:
    shares = {
        chain.name: max(
            *(timing.foreign_share for timing in chain.rates),
            0.0 if chain.latency is None else chain.latency.foreign_share,
        )
        for chain in chains
    }
    words = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    lates = [
        f"{one.name} {one.latency.worst_late_ms:.1f} ms"
        for one in chains
        if one.latency is not None
    ]
    return [
        f"CPU time of the machine that went to processes not named here, worst run: {words}",
        f"the publisher was late by at most: {', '.join(lates)}; part of the latencies",
    ]

"""From publishing to rows that SQL finds in PostgreSQL, in an open loop.

Every reading carries the instant at which it was due as its ``measured_at``, so that a sampler can
ask for each one by its key: which of those that are due and not yet seen are there? All readings
are measured, none is sampled. Each latency is an upper bound: it holds the question and the wait
for it, which together are the resolution.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import psycopg

from benchmarks.latency import Latency
from benchmarks.machine import CpuWatch
from benchmarks.panels import N_PANELS
from benchmarks.publisher import start_publisher
from benchmarks.rates import WrongAnswerError, compare_sums
from benchmarks.scale_cluster import Cluster, sum_rows
from tests.chaos.program import wait_until
from tests.servers import MosquittoServer

_PAUSE_S = 0.003
"""Between an answer and the next question: the sampler shall not be the load."""
_HEAD_START_S = 0.5
_PATIENCE_S = 60.0
_MOST_ASKED = 2000
_QUANTITY = "production_power_w"
_SERIES = "SELECT device, series_id FROM wattscope.series_names WHERE quantity = %s"
_WAITING = """SELECT count(*) FROM wattscope.series_states
    WHERE fresh_from < now() - interval '1 hour'"""
# The four values of a reading are stored in one transaction: who sees one sees all.
_SEEN = """SELECT q.place
    FROM unnest(%s::int4[], %s::timestamptz[], %s::int4[]) q (series_id, measured_at, place)
    JOIN wattscope.raw_rows r USING (series_id, measured_at)"""
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Due:
    """A reading, and when it is to be sent [s since 1970]."""

    series: int
    at_s: float

    @property
    def instant(self) -> datetime:
        """As its message says it."""
        return datetime.fromtimestamp(self.at_s, UTC)


def measure_row_latency(
    cluster: Cluster, broker: MosquittoServer, numbers: range, rate: int, lead_s: int
) -> Latency:
    """Publish at a steady rate and ask for the rows.

    Args:
        cluster: Running, with all panels registered.
        broker: Where it listens.
        numbers: The readings to publish; those that begin the day and those of the lead are not
            measured.
        rate: Readings a second.
        lead_s: How long they flow before it is measured [s].

    Raises:
        WrongAnswerError: They do not come, or are not what was published.
    """
    with psycopg.connect(cluster.database.url, autocommit=True) as database:
        series = _read_series(database)
        _begin_today(database, broker, numbers[: len(series)], rate)
        numbers = numbers[len(series) :]
        publishing = start_publisher(broker.port, numbers.start, len(numbers), rate)
        try:
            pids = (*cluster.all_pids, broker.pid, publishing.pid)
            cpu = CpuWatch({"all": pids})
            started_s = time.time() + _HEAD_START_S
            publishing.go(started_s)
            due = [
                Due(series[number % N_PANELS], started_s + place / rate)
                for place, number in enumerate(numbers)
            ]
            latencies_s, answers_s = watch(database, due[lead_s * rate :])
            foreign_share = cpu.read_foreign_share()
            outcome = publishing.finish()
        finally:
            publishing.end()
    end = datetime.fromtimestamp(due[-1].at_s + 1, UTC)
    compare_sums(sum_rows(cluster.database.url, due[0].instant, end), numbers)
    return Latency(
        sorted_ms=tuple(sorted(1e3 * one for one in latencies_s)),
        resolution_ms=1e3 * statistics.median(b - a for a, b in pairwise(answers_s)),
        worst_late_ms=1e3 * outcome["worst_s"],
        foreign_share=foreign_share,
    )


def _begin_today(database: Connection, broker: MosquittoServer, numbers: range, rate: int) -> None:
    """Publish one reading of each panel, and wait until all before today is done with.

    A process that stores makes the buckets of a day that is over once, when the first readings
    behind it come, and the server writes the pages of millions of rows at its next checkpoint: that
    is no part of a minute of steady work.
    """
    publishing = start_publisher(broker.port, numbers.start, len(numbers), rate)
    try:
        publishing.go()
        publishing.finish()
    finally:
        publishing.end()

    def is_rolled_up() -> bool:
        return database.execute(_WAITING).fetchone() == (0,)

    wait_until(is_rolled_up, "all before today is rolled up", 900.0)
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        # Where we may not, the figures hold what is left of it.
        database.execute("CHECKPOINT")


def _read_series(database: Connection) -> Mapping[int, int]:
    """The series of each panel's power."""
    rows = database.execute(_SERIES, [_QUANTITY]).fetchall()
    return {int(str(device).rpartition("-")[2]): int(str(one)) for device, one in rows}


def watch(database: Connection, due: Sequence[Due]) -> tuple[list[float], list[float]]:
    """Latencies of all readings, and the instants of the answers [s]."""
    latencies_s: list[float] = []
    answers_s: list[float] = []
    pending: list[int] = []
    n_due = 0
    while len(latencies_s) < len(due):
        now_s = time.time()
        while n_due < len(due) and due[n_due].at_s <= now_s:
            pending.append(n_due)
            n_due += 1
        seen = _ask(database, due, pending[:_MOST_ASKED])
        answered_s = time.time()
        answers_s.append(answered_s)
        latencies_s += [answered_s - due[place].at_s for place in seen]
        pending = [place for place in pending if place not in seen]
        if pending and answered_s - due[pending[0]].at_s > _PATIENCE_S:
            raise WrongAnswerError(f"{len(pending)} readings are not there after {_PATIENCE_S} s")
        time.sleep(_PAUSE_S)
    return latencies_s, answers_s


def _ask(database: Connection, due: Sequence[Due], places: Sequence[int]) -> set[int]:
    """Those of some readings that are there."""
    if not places:
        return set()
    asked = [due[place] for place in places]
    columns = [[one.series for one in asked], [one.instant for one in asked], list(places)]
    rows = database.execute(_SEEN, columns, prepare=True).fetchall()
    return {int(str(place)) for (place,) in rows}

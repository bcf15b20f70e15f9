"""The benchmark of the distributed chain measures what it says, and refuses a wrong answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from benchmarks import scale_latency
from benchmarks.kafka_publisher import encode_reading
from benchmarks.latency import Latency
from benchmarks.panels import N_PANELS, QUANTITIES, START, find_instant, read_tenths, sum_tenths
from benchmarks.rates import Timing, WrongAnswerError, compare_sums
from benchmarks.rows import OURS, Row
from benchmarks.scale import (
    DISTRIBUTED,
    EMBEDDED,
    FROM_KAFKA,
    Chain,
    Size,
    list_latencies,
    list_loads,
    list_rates,
    measure_all,
)
from benchmarks.scale_latency import Due, watch
from benchmarks.scale_load import Loading, measure_load, order_by_time
from benchmarks.scale_servers import NotDurableError, make_database
from benchmarks.store_sets import make_grid
from benchmarks.store_wattscope import build_batch
from tests.servers import ServerMissingError
from wattscope.core.reading import Batch
from wattscope.core.time_grid import to_us
from wattscope.logs.kafka.reading_json import ReadingMessage, decode_reading
from wattscope.stores.postgres.store import PostgresStore

TINY = Size(n_runs=1, n_readings=2000, n_backlog=2000, latency_s=2, lead_s=1, n_meters=2)


# ── what is published ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [0, 7, 123_456])
def test_messages_on_kafka_say_what_the_panels_say(number: int) -> None:
    key, content = encode_reading(number, START)
    reading = decode_reading(content)
    assert isinstance(reading, ReadingMessage)
    assert key.decode() == reading.device == f"panel-{number % N_PANELS:04d}"
    assert reading.measured_at_us == to_us(find_instant(number, START))
    assert reading.values == {
        name: tenths / 10 for name, tenths in zip(QUANTITIES, read_tenths(number), strict=True)
    }


def test_sum_that_is_off_by_a_tenth_ends_the_benchmark() -> None:
    numbers = range(40, 90)
    right = [(len(numbers), total) for total in sum_tenths(numbers)]
    compare_sums(right, numbers)
    for wrong in ((50, right[1][1] + 1), (49, right[1][1])):
        with pytest.raises(WrongAnswerError, match="published was"):
            compare_sums([right[0], wrong, *right[2:]], numbers)


# ── latencies ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Shelf:
    """A database in which a reading is found some time after it was due."""

    delay_s: float
    lost: int = -1
    asked: list[int] = field(default_factory=list)

    def ask(self, _: object, due: Sequence[Due], places: Sequence[int]) -> set[int]:
        self.asked.append(len(places))
        now_s = time.time()
        return {
            place
            for place in places
            if place != self.lost and now_s >= due[place].at_s + self.delay_s
        }


def watch_shelf(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(scale_latency, "_ask", shelf.ask)
    started_s = time.time() + 0.02
    due = [Due(1, started_s + place / 1000) for place in range(100)]
    nobody: Any = None
    latencies_s, answers_s = watch(nobody, due)
    assert answers_s == sorted(answers_s)
    return latencies_s


def test_latency_of_every_reading_is_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(0.05)
    latencies_s = watch_shelf(shelf, monkeypatch)
    assert len(latencies_s) == 100
    assert min(latencies_s) >= 0.05
    # What is not due is not asked for.
    assert max(shelf.asked) <= 100


def test_reading_that_does_not_come_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_latency, "_PATIENCE_S", 0.3)
    with pytest.raises(WrongAnswerError, match="1 readings are not there"):
        watch_shelf(Shelf(0.0, lost=50), monkeypatch)


def test_instants_are_those_that_the_messages_say() -> None:
    due = Due(1, 1_767_225_600.1234567)
    assert f"{due.instant:%Y-%m-%dT%H:%M:%S.%fZ}" == "2026-01-01T00:00:00.123457Z"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def build_chain(name: str, p99_ms: float | None) -> Chain:
    used = {"subject": 20.0, "broker": 10.0, "this process": 5.0, "Kafka": 4.0}
    timings = tuple(Timing(rate, used, 0.1) for rate in (900.0, 1000.0, 5000.0))
    if p99_ms is None:
        return Chain(name, timings, None)
    latencies = (*(10.0 for _ in range(98)), p99_ms, p99_ms)
    return Chain(name, timings, Latency(latencies, 3.0, 1.0, 0.2))


def test_rates_are_medians_with_what_was_used_beside() -> None:
    found = list_rates(build_chain(f"{DISTRIBUTED}, 2 store workers", None))
    assert [(row.metric.partition(": ")[2], row.value, row.unit) for row in found] == [
        ("rate", 1000.0, "readings/s"),
        ("CPU", 20.0, "CPU-s/M"),
        ("CPU of Mosquitto beside it", 10.0, "CPU-s/M"),
        ("CPU of Kafka beside it", 4.0, "CPU-s/M"),
    ]
    assert {row.subject for row in found} == {OURS}


@pytest.mark.parametrize(
    ("p99_ms", "target"), [(99.0, "≤ 100 met"), (250.0, "≤ 100 MISSED by 2.50 x")]
)
def test_p99_is_held_against_the_claim_of_the_seed(p99_ms: float, target: str) -> None:
    told = {row.metric.rpartition(", ")[2]: row for row in list_latencies(build_chain("x", p99_ms))}
    assert (told["p99"].value, told["p99"].target) == (p99_ms, target)
    assert (told["p50"].value, told["max"].value, told["p50"].target) == (10.0, p99_ms, "")
    assert list_latencies(build_chain("x", None)) == []


def test_load_is_held_against_its_target_in_large_transactions_only() -> None:
    slow, fast = Loading(100_000.0, 50_000.0), Loading(300_000.0, 200_000.0)
    rows: list[Row] = list_loads({20_000: slow, 200_000: fast})
    assert [row.target for row in rows] == ["", "", "≥ 300,000 met", ""]


# ── with servers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.integration
def test_load_is_compared_with_what_was_loaded(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = make_grid(2)
    batch = order_by_time(build_batch(measured))
    assert (np.diff(batch.measured_at_us) >= 0).all()
    with make_database(postgres, "right") as database:
        found = measure_load(database, measured, 20_000)
    assert found.values_per_s > found.settled_values_per_s > 0
    load = PostgresStore.load

    def lose_one(self: PostgresStore, rows: Batch) -> object:
        return load(self, replace(rows, value=np.where(rows.series_id == 3, 0.0, rows.value)))

    monkeypatch.setattr(PostgresStore, "load", lose_one)
    with (
        make_database(postgres, "wrong") as database,
        pytest.raises(WrongAnswerError, match="SQL says"),
    ):
        measure_load(database, measured, 20_000)


@pytest.mark.integration
def test_server_that_does_not_wait_for_the_disk_is_refused(postgres: str) -> None:
    careless = f"{postgres}?options=-csynchronous_commit%3Doff"
    with (
        pytest.raises(NotDurableError, match="synchronous_commit"),
        make_database(careless, "careless"),
    ):
        pass


@pytest.mark.integration
@pytest.mark.long
def test_whole_benchmark_gives_every_figure() -> None:
    said: list[str] = []
    try:
        rows, notes = measure_all(TINY, said.append)
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    rates = [row.metric for row in rows if row.unit == "readings/s"]
    assert rates == [
        f"{name}: rate"
        for name in (
            EMBEDDED,
            f"{DISTRIBUTED}, 1 store worker",
            f"{FROM_KAFKA}, 1 store worker",
            f"{DISTRIBUTED}, 2 store workers",
            f"{FROM_KAFKA}, 2 store workers",
        )
    ]
    latencies = [row.metric for row in rows if row.unit == "ms"]
    assert len(latencies) == 8
    assert len([row for row in rows if row.unit == "values/s"]) == 4
    # CPU time is counted in hundredths of a second: a tiny run may take none.
    assert all(row.value > 0 for row in rows if row.unit != "CPU-s/M")
    assert notes
    assert said

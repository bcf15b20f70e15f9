"""``store``: load, size and questions of our store and of its peers, on the same data.

::

    for each set: grid, two real ones, a year at 1 s, 100,000 series
        for each subject: load (again and again) ─▶ settle ─▶ size ─▶ compare answers ─▶ time them

A subject that answers wrongly ends the benchmark: there is no time of a wrong answer.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.machine import CpuWatch
from benchmarks.rows import OURS, Row
from benchmarks.store_disk import evict
from benchmarks.store_duckdb import DuckdbSubject, ParquetSubject
from benchmarks.store_entropy import find_entropy
from benchmarks.store_growth import measure_growth
from benchmarks.store_influx import InfluxSubject
from benchmarks.store_postgres import PostgresSubject
from benchmarks.store_prometheus import PrometheusSubject
from benchmarks.store_questions import (
    LAST,
    ONE_METER,
    Opened,
    Question,
    Subject,
    name_question,
    time_question,
)
from benchmarks.store_real import DataMissingError, find_shared, read_household, read_solar
from benchmarks.store_sets import MeasuredSet, make_grid, make_many, make_year
from benchmarks.store_targets import judge
from benchmarks.store_timescale import TimescaleSubject
from benchmarks.store_truth import check_answers
from benchmarks.store_victoria import VictoriaSubject
from benchmarks.store_wattscope import OpenedWattscope, WattscopeSubject
from tests.servers import ServerMissingError

CASE = "store"
DATA = "entropy of the values"
_US = "this process"
"""With all its children, which the servers are."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_meters: int
    n_year_s: int
    n_many: int
    n_loads: int
    """Of sets of which the rate is asked; the others are loaded once."""
    n_asked: int
    n_meters_asked: int
    growth: tuple[int, ...]
    """Stretches of 14 days at which our own questions are asked again."""


FULL = Size(
    n_meters=500,
    n_year_s=365 * 86_400,
    n_many=100_000,
    n_loads=5,
    n_asked=15,
    n_meters_asked=100,
    growth=(1, 10, 50),
)
QUICK = Size(
    n_meters=50,
    n_year_s=10 * 86_400,
    n_many=10_000,
    n_loads=1,
    n_asked=3,
    n_meters_asked=10,
    growth=(1, 3),
)
SUBJECTS: tuple[Subject, ...] = (
    WattscopeSubject(),
    DuckdbSubject(),
    ParquetSubject(),
    VictoriaSubject(),
    PrometheusSubject(),
    InfluxSubject(),
    PostgresSubject(),
    TimescaleSubject(),
)


def run(*, quick: bool, say: Say) -> tuple[list[Row], list[str]]:
    """All rows, and the notes that belong below them."""
    size = QUICK if quick else FULL
    watch = CpuWatch({_US: [os.getpid()]})
    rows, absent = measure_all(SUBJECTS, size, say)
    say("growth of our own store")
    rows += measure_growth(size.growth, size.n_meters, size.n_asked, say)
    notes = _describe(size) + [f"{one.name}: {one.durability}" for one in SUBJECTS]
    notes += [f"not run: {reason}" for reason in absent]
    foreign = watch.read_foreign_share()
    notes.append(
        f"CPU time of the machine that went to processes that are not ours: {foreign:.0%} "
        "(a server that a variable names is not ours)"
    )
    return judge(rows), notes


def measure_all(subjects: Sequence[Subject], size: Size, say: Say) -> tuple[list[Row], list[str]]:
    """Rows of every set and subject, and why some are missing."""
    rows: list[Row] = []
    absent: dict[str, None] = {}
    for make in _list_sets(size, absent):
        measured = make()
        say(f"{measured.name}: {measured.n_rows:,} rows, {measured.n_values:,} values")
        if measured.name not in {"year", "many"}:
            rows.append(
                Row(CASE, DATA, f"{measured.name}: size", find_entropy(measured), "B/value")
            )
        for subject in subjects:
            is_too_slow = size is QUICK and subject.is_slow and measured.name != "grid"
            if is_too_slow or measured.name in subject.left_out:
                continue
            try:
                rows += _measure_subject(subject, measured, size, say)
            except ServerMissingError as missing:
                absent[f"{subject.name}, {missing}"] = None
        del measured
        gc.collect()
    return rows, list(absent)


def _list_sets(size: Size, absent: dict[str, None]) -> list[Callable[[], MeasuredSet]]:
    """What makes the sets, one after the other; together they need not fit into memory."""
    made: list[Callable[[], MeasuredSet]] = [lambda: make_grid(size.n_meters)]
    try:
        folder = find_shared()
        made.append(lambda: read_solar(folder))
        if size is not QUICK:
            made.append(lambda: read_household(folder))
    except DataMissingError as missing:
        absent[f"real sets, {missing}"] = None
    return [*made, lambda: make_year(size.n_year_s), lambda: make_many(size.n_many)]


def _measure_subject(subject: Subject, measured: MeasuredSet, size: Size, say: Say) -> list[Row]:
    is_rate_asked = measured.name not in {"year", "many"}
    # Five times a minute for a rate that the grid set has told already is not worth it.
    is_once = not is_rate_asked or (subject.is_slow and measured.name == "household-uci")
    n_loads = 1 if is_once else min(size.n_loads, subject.n_loads)
    rates: list[float] = []
    cpu_s: list[float] = []
    with _temporary_folder() as prepared_in:
        prepared = subject.prepare(measured, prepared_in)
        for number in range(n_loads):
            with _temporary_folder() as folder, subject.open(folder) as opened:
                watch = CpuWatch({_US: [os.getpid()]})
                started_s = time.perf_counter()
                opened.load(prepared)
                cpu_s.append(watch.read_used_s()[_US])
                rates.append(measured.n_values / (time.perf_counter() - started_s))
                say(f"  {subject.name}: loaded, {rates[-1]:,.0f} values/s")
                if number == n_loads - 1:
                    del prepared
                    opened.settle()
                    settled = measured.n_values / (time.perf_counter() - started_s)
                    rows = _measure_settled(subject, opened, measured, size, say)
    if not is_rate_asked:
        return rows
    metric = f"{measured.name}: load"
    rate_rows = [Row(CASE, subject.name, metric, statistics.median(rates), "values/s")]
    if subject.name == OURS:
        rate_rows.append(Row(CASE, OURS, f"{metric}, until settled", settled, "values/s"))
    if not isinstance(subject, TimescaleSubject):  # Its server is not ours to watch.
        used = statistics.median(cpu_s) / measured.n_rows * 1e6
        rate_rows.append(Row(CASE, subject.name, f"{metric}, CPU", used, "CPU-s/M"))
    return rate_rows + rows


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name:
        yield Path(name)


def _measure_settled(
    subject: Subject, opened: Opened, measured: MeasuredSet, size: Size, say: Say
) -> list[Row]:
    """Size and times of a subject that holds a set."""
    n_bytes = opened.count_bytes() / measured.n_values
    rows = [Row(CASE, subject.name, f"{measured.name}: size", n_bytes, "B/value")]
    questions = opened.list_questions(measured)
    check_answers(subject.name, measured, questions)
    for name, question in questions.items():
        rows += _time(subject.name, measured, name, question, size)
    if isinstance(opened, OpenedWattscope):
        rows += _time_cold(opened, measured)
    told = ", ".join(f"{row.metric.partition(': ')[2]} {row.value:.3g}" for row in rows)
    say(f"  {subject.name}: {told}")
    return rows


def _time(
    subject: str, measured: MeasuredSet, name: str, question: Question, size: Size
) -> list[Row]:
    metric = f"{measured.name}: {name_question(measured, name)}"
    if name != ONE_METER:
        took_ms = time_question(question, [0] * size.n_asked)
        return [Row(CASE, subject, metric, float(np.median(took_ms)), "ms")]
    choose = random.Random(4)
    meters = choose.choices(range(len(measured.meters)), k=size.n_meters_asked)
    took_ms = time_question(question, meters)
    return [
        Row(CASE, subject, f"{metric}, p50", float(np.percentile(took_ms, 50)), "ms"),
        Row(CASE, subject, f"{metric}, p99", float(np.percentile(took_ms, 99)), "ms"),
    ]


def _time_cold(opened: OpenedWattscope, measured: MeasuredSet) -> list[Row]:
    """Each question as the first one after a start, with nothing of the files in memory.

    Last values are in memory when the store is open, so opening it is what they cost.
    """
    rows = []
    for name in opened.list_questions(measured):
        opened.close()
        evict(opened.folder.path)
        started_s = time.perf_counter()
        opened.reopen()
        opened_s = time.perf_counter()
        if name != LAST:
            opened.list_questions(measured)[name].ask(0)
            took_ms = 1e3 * (time.perf_counter() - opened_s)
            rows.append(
                Row(
                    CASE,
                    OURS,
                    f"{measured.name}: {name_question(measured, name)}, cold",
                    took_ms,
                    "ms",
                )
            )
    open_ms = 1e3 * (opened_s - started_s)
    return [*rows, Row(CASE, OURS, f"{measured.name}: opening, cold", open_ms, "ms")]


def _describe(size: Size) -> list[str]:
    times = (
        f"times: median of {size.n_asked} after a warm-up (fewer where an answer takes seconds), "
        f"{size.n_meters_asked} different meters for one meter; Wattscope, DuckDB and Parquet in "
        "process, all others over loopback until the last byte of the answer"
    )
    return [
        f"loads: median of {size.n_loads}, from the first row handed over until it is durable",
        "sizes: all files after settling, divided by the number of values without keys and times",
        times,
        "cold: the first question after opening the store, its files not in memory",
        "every answer was compared with the truth, computed from the readings, before it was timed",
    ]

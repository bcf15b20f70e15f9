"""What our questions cost as the rows become many: the grid set, then more and more days of it.

One store grows by stretches of 14 days, so that memory stays small; at some sizes the same
questions are asked, relative to its newest instant. Each asks for the same amount of answer at
every size, but the scan of everything, which is shown without a target.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.rows import OURS, Row
from benchmarks.store_questions import (
    CHART,
    FULL_SCAN,
    HOURLY_TODAY,
    LAST,
    N_PIXELS,
    ONE_METER,
    Question,
    name_question,
    time_question,
)
from benchmarks.store_sets import GRID_END_US, N_INSTANTS, STEP_US, GridMeters, MeasuredSet
from benchmarks.store_targets import FLAT_METRIC
from benchmarks.store_truth import (
    answer_by_month,
    answer_full_scan,
    answer_hourly_today,
    answer_last,
    answer_one_meter,
    compare,
    require_chart,
)
from benchmarks.store_wattscope import (
    OpenedWattscope,
    WattscopeSubject,
    ask_chart,
    build_batch,
    find_series,
    list_own_questions,
    register,
)
from wattscope.core.reading import FloatColumn
from wattscope.core.time_grid import US_PER_DAY

CASE = "store growth"
BY_METER = "Q3 sum by meter, 14 days"
_N_METERS_ASKED = 30


@dataclass
class Past:
    """What the right answers need of the readings that have passed."""

    newest: MeasuredSet
    """The last 14 days."""
    first_us: int
    powers: list[FloatColumn] = field(default_factory=list)
    """All of the power of meter 0."""
    scans: list[FloatColumn] = field(default_factory=list)
    """Count, mean, max and min of each stretch."""

    def add(self, stretch: MeasuredSet) -> None:
        self.newest = stretch
        self.powers.append(stretch.columns[0].values[:N_INSTANTS])
        self.scans.append(answer_full_scan(stretch)[0])


def measure_growth(
    sizes: Sequence[int], n_meters: int, n_asked: int, say: Callable[[str], None]
) -> list[Row]:
    """Rows of every question at every size, and how much slower the largest is.

    Args:
        sizes: Number of stretches of 14 days, rising.
        n_meters: Meters of the grid.
        n_asked: Times that a question is asked.
        say: Told about progress.
    """
    start_us = GRID_END_US - sizes[-1] * N_INSTANTS * STEP_US
    meters = GridMeters(n_meters, start_us)
    past: Past | None = None
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="wattscope-bench-") as name,
        WattscopeSubject().open(Path(name)) as opened,
    ):
        for number in range(1, sizes[-1] + 1):
            stretch = meters.read(N_INSTANTS)
            if past is None:
                past = Past(stretch, start_us)
                register(opened.registry, stretch)
            past.add(stretch)
            batch = build_batch(stretch)
            started_s = time.perf_counter()
            opened.load_batch(batch)
            rate = len(batch) / (time.perf_counter() - started_s)
            del batch
            if number in sizes:
                found = [Row(CASE, OURS, f"{number} x: load", rate, "values/s")]
                found += _measure(opened, past, number, n_asked)
                say("  " + ", ".join(f"{row.metric} {row.value:.3g}" for row in found))
                rows += found
    return rows + _compare_ends(rows, sizes[0], sizes[-1])


def _measure(opened: OpenedWattscope, past: Past, number: int, n_asked: int) -> list[Row]:
    """Size and times at one size, after the answers have been compared with the truth."""
    opened.store.flush()
    opened.reopen()
    n_values = number * past.newest.n_values
    rows = [Row(CASE, OURS, f"{number} x: size", opened.count_bytes() / n_values, "B/value")]
    questions = _list_questions(opened, past)
    _check(questions, past)
    n_meters = len(past.newest.meters)
    meters = [at % n_meters for at in range(max(n_asked, _N_METERS_ASKED))]
    for name, question in questions.items():
        asked = meters if name == ONE_METER else [0] * n_asked
        took_ms = float(np.median(time_question(question, asked)))
        metric = f"{number} x: {name_question(past.newest, name)}"
        rows.append(Row(CASE, OURS, metric, took_ms, "ms"))
    return rows


def _list_questions(opened: OpenedWattscope, past: Past) -> dict[str, Question]:
    found = list_own_questions(opened, past.newest)
    power = int(find_series(past.newest, 0)[0])
    return {
        HOURLY_TODAY: found[HOURLY_TODAY],
        BY_METER: _ask_by_meter(opened, past.newest),
        ONE_METER: found[ONE_METER],
        LAST: found[LAST],
        CHART: ask_chart(opened, power, past.first_us, past.newest.now_us),
        FULL_SCAN: found[FULL_SCAN],
    }


def _ask_by_meter(opened: OpenedWattscope, newest: MeasuredSet) -> Question:
    numbers = {name: float(at) for at, name in enumerate(newest.meters)}
    sql = f"""SELECT device, sum(sum) AS total FROM rollup_1d
        WHERE quantity = 'energy_import_wh' AND bucket_start >= make_timestamp({_start(newest)})
        GROUP BY device ORDER BY total DESC"""
    return Question(
        lambda _: opened.store.query(sql).rows,
        lambda rows: np.array([(numbers[device], total) for device, total in rows]),
    )


def _start(newest: MeasuredSet) -> int:
    """Beginning of the first of the last 14 days, the newest one included [µs]."""
    last_us = int(newest.at_us[-1])
    return last_us - last_us % US_PER_DAY - 13 * US_PER_DAY


def _answer_by_meter(newest: MeasuredSet) -> FloatColumn:
    """Rows of (meter, sum of the energy column) over those days, highest sum first."""
    chosen = newest.at_us >= _start(newest)
    columns = tuple(replace(one, values=one.values[chosen]) for one in newest.columns)
    # All in one month as far as ``answer_by_month`` knows.
    at_us = np.full(np.count_nonzero(chosen), int(newest.at_us[-1]))
    days = replace(newest, meter=newest.meter[chosen], at_us=at_us, columns=columns)
    return answer_by_month(days)[:, 1:]


def _answer_scan(scans: Sequence[FloatColumn]) -> FloatColumn:
    count, mean, high, low = np.array(scans).T
    return np.array([[count.sum(), (count * mean).sum() / count.sum(), high.max(), low.min()]])


def _check(questions: Mapping[str, Question], past: Past) -> None:
    """Compare every answer with the truth."""
    truths = {
        HOURLY_TODAY: answer_hourly_today(past.newest),
        BY_METER: _answer_by_meter(past.newest),
        ONE_METER: answer_one_meter(past.newest, 0),
        LAST: answer_last(past.newest),
        FULL_SCAN: _answer_scan(past.scans),
    }
    for name, question in questions.items():
        answer = question.read(question.ask(0))
        told = f"{OURS}, growth, {name}"
        if name == CHART:
            powers = np.concatenate(past.powers)
            at_us = past.first_us + STEP_US * np.arange(len(powers))
            require_chart(told, answer, at_us, powers, N_PIXELS)
        else:
            compare(told, answer, truths[name])


def _compare_ends(rows: Sequence[Row], first: int, last: int) -> list[Row]:
    """How much slower the questions are at the largest size than at the smallest."""
    found = {row.metric: row for row in rows}
    ratios = []
    for metric, row in found.items():
        size, _, name = metric.partition(" x: ")
        if size == str(last) and row.unit == "ms" and name != FULL_SCAN:
            ratio = row.value / found[f"{first} x: {name}"].value
            ratios.append(Row(CASE, OURS, f"{metric}{FLAT_METRIC}", ratio, "x"))
    return ratios

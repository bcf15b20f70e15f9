"""Scoring by an isolation forest beside scikit-learn, as the seed did and in batches.

::

    rows of panels ─▶ a forest by scikit-learn ─┬▶ scikit-learn, one row at a time: the seed's way
                                                ├▶ scikit-learn, all rows at once
                                                ├▶ ONNX Runtime, all rows at once
                                                └▶ wattscope, all rows at once

All score by the same forest, on one thread. Scores are compared before anything is timed: one that
scores otherwise ends the benchmark.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

from benchmarks.machine import CpuWatch
from benchmarks.modbus import judge
from benchmarks.rows import OURS, Row
from tests.sklearn_forest import FEATURES, convert_forest, grow_forest, make_rows
from wattscope.compute.isolation_forest.forest import Forest
from wattscope.compute.isolation_forest.scorer import Scorer
from wattscope.compute.isolation_forest.training import train

CASE = "detect"
SKLEARN = "scikit-learn"
SEED = "scikit-learn, a row at a time"
ONNX = "onnx runtime"
TICK_ROWS = 1000
"""Panels of the seed, each once a second."""
_EQUAL = 1e-6
_EQUAL_ONNX = 1e-4
"""ONNX Runtime adds path lengths as 32-bit numbers."""
_LEAST_BESIDE_SEED = 1000.0
_LEAST_BESIDE_BATCHES = 1.0
_TRAINED_ROWS = 20_000

Rows = npt.NDArray[np.float64]
Score = Callable[[Rows], npt.NDArray[Any]]


class UnequalScoresError(Exception):
    """A subject does not say what scikit-learn says: its speed would mean nothing."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_rows: int
    n_rounds: int
    n_ticks: int
    n_single: int


FULL = Size(n_rows=50_000, n_rounds=7, n_ticks=300, n_single=200)
QUICK = Size(n_rows=10_000, n_rounds=5, n_ticks=30, n_single=20)


def measure_scoring(*, quick: bool, say: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Rates and times of all subjects, and what must be known to read them."""
    size = QUICK if quick else FULL
    watch = CpuWatch({"this process": [os.getpid()]})
    chance = np.random.default_rng(1)
    rows = make_rows(size.n_rows, chance)
    # A few that stand out, as in life.
    rows[::200, 3:] *= 0.5
    with threadpool_limits(1):
        say("growing")
        trained = rows[:_TRAINED_ROWS]
        grown = grow_forest(trained)
        subjects, absent = _open_subjects(grown, convert_forest(grown, FEATURES))
        say("comparing scores")
        check_scores(subjects, rows)
        found = _measure_batches(subjects, rows, size, say)
        found += _measure_ticks(subjects, rows, size, say)
        found += _measure_single(grown, subjects[OURS], rows, size, say)
        found += _measure_training(grow_forest, trained, size, say)
    notes = [
        f"{size.n_rows} rows of 5 features, 100 trees of 256 rows; one thread for each subject",
        f"{SEED}: predict, as the project before this one called it for each message",
        f"scores were equal before the clocks started: to {_EQUAL:g}, {ONNX} to {_EQUAL_ONNX:g}",
        *absent,
        (
            "CPU time of the machine that went to processes that are not ours: "
            f"{watch.read_foreign_share():.0%}"
        ),
    ]
    return found + list_ratios(found), notes


def _open_subjects(grown: Any, forest: Forest) -> tuple[dict[str, Score], list[str]]:  # noqa: ANN401  # scikit-learn has no types
    subjects: dict[str, Score] = {
        OURS: Scorer(forest).score,
        SKLEARN: grown.score_samples,
    }
    try:
        subjects[ONNX] = _open_onnx(grown)
    except ModuleNotFoundError as missing:
        return subjects, [f"not run: {ONNX}, {missing.name} is not installed"]
    return subjects, []


def _open_onnx(grown: Any) -> Score:  # noqa: ANN401  # likewise
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415  # not on every machine
    from skl2onnx import to_onnx  # type: ignore[import-untyped]  # noqa: PLC0415  # likewise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(
            grown,
            np.zeros((1, len(FEATURES)), np.float32),
            target_opset={"": 15, "ai.onnx.ml": 3},
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def score(rows: Rows) -> npt.NDArray[Any]:
        (decision,) = session.run(["scores"], {name: rows.astype(np.float32)})
        return np.asarray(decision[:, 0] + grown.offset_)

    return score


def check_scores(subjects: dict[str, Score], rows: Rows) -> None:
    """Compare what all subjects say.

    Raises:
        UnequalScoresError: They differ.
    """
    expected = subjects[SKLEARN](rows)
    for name, score in subjects.items():
        gap = float(np.abs(score(rows) - expected).max())
        if not gap <= (_EQUAL_ONNX if name == ONNX else _EQUAL):
            message = f"{name} differs from {SKLEARN} by {gap:g}"
            raise UnequalScoresError(message)


def _measure_batches(
    subjects: dict[str, Score], rows: Rows, size: Size, say: Callable[[str], None]
) -> list[Row]:
    """Rounds of all subjects in turn: what disturbs the machine disturbs each of them."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(size.n_rounds):
        say(f"all rows at once, round {number + 1} of {size.n_rounds}")
        for name, score in subjects.items():
            times[name].append(_time(score, rows))
    metric = f"{len(rows)} rows at once"
    return [
        Row(CASE, name, metric, len(rows) / statistics.median(took), "rows/s")
        for name, took in times.items()
    ]


def _measure_ticks(
    subjects: dict[str, Score], rows: Rows, size: Size, say: Callable[[str], None]
) -> list[Row]:
    say(f"{TICK_ROWS} rows at once")
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(size.n_ticks):
        start = number * TICK_ROWS % (len(rows) - TICK_ROWS + 1)
        for name, score in subjects.items():
            times[name].append(_time(score, rows[start : start + TICK_ROWS]))
    found = []
    for name, took in times.items():
        metric = f"{TICK_ROWS} rows at once"
        found += [
            Row(CASE, name, metric, TICK_ROWS / statistics.median(took), "rows/s"),
            Row(CASE, name, f"{metric}, p99", 1000 * find_p99(took), "ms"),
        ]
    return found


def _measure_single(
    grown: Any,  # noqa: ANN401  # scikit-learn has no types
    ours: Score,
    rows: Rows,
    size: Size,
    say: Callable[[str], None],
) -> list[Row]:
    say("a row at a time")
    found = []
    for name, score in ((SEED, grown.predict), (OURS, ours)):
        took = [_time(score, rows[number : number + 1]) for number in range(size.n_single)]
        found += [
            Row(CASE, name, "1 row at once", 1 / statistics.median(took), "rows/s"),
            Row(CASE, name, "1 row at once, p99", 1000 * find_p99(took), "ms"),
        ]
    return found


def _measure_training(
    grow: Callable[[Rows], object],
    rows: Rows,
    size: Size,
    say: Callable[[str], None],
) -> list[Row]:
    say("training")
    ways: dict[str, Callable[[], object]] = {
        OURS: lambda: train(rows, FEATURES, np.random.default_rng(1)),
        SKLEARN: lambda: grow(rows),
    }
    found = []
    for name, way in ways.items():
        took = [_time(lambda _, way=way: way(), rows) for _ in range(size.n_rounds)]  # type: ignore[misc]  # the default binds the loop's way
        found.append(Row(CASE, name, "training", 1000 * statistics.median(took), "ms"))
    return found


def list_ratios(found: Sequence[Row]) -> list[Row]:
    """Our batches beside those of others, and beside the seed's way, with what they should be."""
    rates = {(row.subject, row.metric): row.value for row in found if row.unit == "rows/s"}
    seed = next(rate for (name, _), rate in rates.items() if name == SEED)
    ratios = []
    for (name, metric), rate in rates.items():
        if name != OURS or metric.startswith("1 row"):
            continue
        beside = rate / seed
        target = judge(beside, _LEAST_BESIDE_SEED)
        ratios.append(Row(CASE, OURS, f"{metric}, beside {SEED}", beside, "x", target))
        for other in (SKLEARN, ONNX):
            if (other, metric) in rates:
                beside = rate / rates[other, metric]
                target = judge(beside, _LEAST_BESIDE_BATCHES) if other == SKLEARN else ""
                ratios.append(Row(CASE, OURS, f"{metric}, beside {other}", beside, "x", target))
    return ratios


def find_p99(times: Sequence[float]) -> float:
    """The time that one in a hundred exceeds.

    >>> find_p99(list(range(1, 101)))
    99
    """
    ordered = sorted(times)
    return ordered[max(0, -(-99 * len(ordered) // 100) - 1)]


def _time(score: Score, rows: Rows) -> float:
    """How long it takes [s]."""
    began = time.perf_counter()
    score(rows)
    return time.perf_counter() - began

"""What the benchmark of detection refuses, and the rows that it prints."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detect_scoring import (
    ONNX,
    SEED,
    SKLEARN,
    Score,
    UnequalScoresError,
    check_scores,
    find_p99,
    list_ratios,
)
from benchmarks.rows import OURS, Row

ROWS = np.zeros((10, 5))


def score_as(value: float) -> Score:
    return lambda rows: np.full(len(rows), value)


@pytest.mark.parametrize(
    ("subject", "gap", "is_equal"),
    [(OURS, 0.9e-6, True), (OURS, 1.1e-6, False), (ONNX, 0.9e-4, True), (ONNX, 1.1e-4, False)],
)
def test_subject_that_scores_otherwise_ends_the_benchmark(
    subject: str,
    gap: float,
    is_equal: bool,  # noqa: FBT001 - a column of the table
) -> None:
    subjects = {SKLEARN: score_as(-0.5), subject: score_as(-0.5 + gap)}
    if is_equal:
        check_scores(subjects, ROWS)
    else:
        with pytest.raises(UnequalScoresError, match=f"{subject} differs from scikit-learn by"):
            check_scores(subjects, ROWS)


def test_score_that_is_no_number_is_unequal() -> None:
    with pytest.raises(UnequalScoresError):
        check_scores({SKLEARN: score_as(-0.5), OURS: score_as(np.nan)}, ROWS)


def rate(subject: str, metric: str, value: float) -> Row:
    return Row("detect", subject, metric, value, "rows/s")


def test_ratios_stand_beside_the_seeds_way_and_beside_batches() -> None:
    found = [
        rate(OURS, "9 rows at once", 200.0),
        rate(SKLEARN, "9 rows at once", 100.0),
        rate(ONNX, "9 rows at once", 400.0),
        rate(SEED, "1 row at once", 0.25),
        rate(OURS, "1 row at once", 10.0),
    ]
    assert [(row.metric, row.value, row.target) for row in list_ratios(found)] == [
        ("9 rows at once, beside scikit-learn, a row at a time", 800.0, "≥ 1000 MISSED by 1.25 x"),
        ("9 rows at once, beside scikit-learn", 2.0, "≥ 1 met"),
        ("9 rows at once, beside onnx runtime", 0.5, ""),
    ]


def test_p99_of_a_hundred_times_is_the_second_longest() -> None:
    assert find_p99([float(number) for number in range(100, 0, -1)]) == 99.0
    assert find_p99([5.0]) == 5.0

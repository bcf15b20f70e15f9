from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sklearn_forest import FEATURES, convert_forest, grow_forest, make_rows
from wattscope.compute.isolation_forest import scorer
from wattscope.compute.isolation_forest.forest import (
    LEAF,
    Forest,
    expect_path_length,
    list_faults,
)
from wattscope.compute.isolation_forest.scorer import Scorer, score
from wattscope.compute.isolation_forest.training import train

EQUAL = 1e-6


def generator() -> np.random.Generator:
    return np.random.default_rng(20_260_501)


def walk(forest: Forest, row: npt.NDArray[np.float64]) -> float:
    """The score as the paper says it: one row, one tree, one node after another."""
    inner = np.cumsum(forest.feature != LEAF) - 1
    total = 0.0
    for root in range(forest.n_trees):
        node = root
        while forest.feature[node] != LEAF:
            goes_right = np.float32(row[forest.feature[node]]) > forest.threshold[node]
            node = int(forest.n_trees + 2 * inner[node] + goes_right)
        total += forest.path[node]
    return float(-(2.0 ** -(total / forest.n_trees / expect_path_length(forest.sample))))


def test_example_by_hand() -> None:
    # One tree: rows of at most 5 end at once; others are parted at 7 and end two steps deep.
    forest = Forest(
        feature=np.array([0, LEAF, 0, LEAF, LEAF], np.int16),
        threshold=np.array([5, 0, 7, 0, 0], np.float32),
        path=np.array([0.0, 1.0, 0.0, 2.0, 3.0]),
        n_trees=1,
        sample=2,
        features=("active_power_w",),
        n_rows=2,
    )
    assert list_faults(forest) == []
    # A sample of two has an expected path of 1.
    assert score(forest, np.array([[5.0], [6.0], [7.5]])).tolist() == [-0.5, -0.25, -0.125]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_estimators": 7},
        {"max_samples": 2},
        {"max_samples": 1500, "n_estimators": 30},
        {"max_features": 2},
        {"bootstrap": True},
    ],
    ids=str,
)
def test_scores_are_those_of_scikit_learn(options: dict[str, Any]) -> None:
    rows = make_rows(3000, generator())
    grown = grow_forest(rows, **options)
    forest = convert_forest(grown, FEATURES)
    assert list_faults(forest) == []
    asked = np.concatenate([rows, rows * 1.5, rows[:, ::-1], np.zeros((1, 5)), -rows[:5]])
    assert np.abs(score(forest, asked) - grown.score_samples(asked)).max() < EQUAL


def test_scores_at_the_thresholds_themselves_are_those_of_scikit_learn() -> None:
    # Few different values: many thresholds lie a rounding away from a value.
    rows = generator().integers(0, 4, (2000, 3)) / 3.0
    grown = grow_forest(rows)
    forest = convert_forest(grown, FEATURES[:3])
    limits = np.concatenate([tree.tree_.threshold for tree in grown.estimators_])
    asked = np.stack([limits, np.nextafter(limits, 9), np.nextafter(limits, -9)], axis=1)
    assert np.abs(score(forest, asked) - grown.score_samples(asked)).max() < EQUAL


@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 1024, 1025, 2500])
def test_number_of_rows_scored_together_does_not_matter(n_rows: int) -> None:
    rows = make_rows(n_rows, generator())
    forest = train(make_rows(500, generator()), FEATURES, generator(), n_trees=20)
    together = Scorer(forest).score(rows)
    assert together.shape == (n_rows,)
    for place in {0, n_rows // 2, n_rows - 1}:
        assert together[place] == pytest.approx(walk(forest, rows[place]), abs=1e-12)


@given(
    seed=st.integers(0, 2**32),
    n_rows=st.integers(2, 300),
    n_trees=st.integers(1, 9),
    n_values=st.integers(1, 40),
)
def test_scores_are_those_of_a_walk_down_each_tree(
    seed: int, n_rows: int, n_trees: int, n_values: int
) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.integers(-n_values, n_values, (n_rows, 3)).astype(np.float64)
    forest = train(rows, FEATURES[:3], chance, n_trees=n_trees)
    assert list_faults(forest) == []
    asked = (
        chance.integers(-n_values - 1, n_values + 1, (10, 3)) + chance.integers(0, 2, (10, 3)) / 2
    )
    expected = [walk(forest, row) for row in asked]
    assert score(forest, asked) == pytest.approx(expected, abs=1e-12)


def test_rows_that_cannot_be_told_apart_leave_trees_of_one_node() -> None:
    forest = train(np.ones((10, 3)), FEATURES[:3], generator(), n_trees=3)
    assert forest.feature.tolist() == [LEAF, LEAF, LEAF]
    assert score(forest, np.array([[1.0, 2.0, 3.0]])).tolist() == [-0.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_row_with_a_value_that_is_no_number_has_no_score(value: float) -> None:
    rows = make_rows(200, generator())
    forest = train(rows, FEATURES, generator())
    expected = score(forest, rows)
    rows[3, 2] = value
    found = score(forest, rows)
    assert np.isnan(found[3])
    expected[3] = np.nan
    np.testing.assert_array_equal(found, expected)


def test_no_rows_have_no_scores() -> None:
    forest = train(make_rows(50, generator()), FEATURES, generator())
    assert score(forest, np.empty((0, 5))).shape == (0,)


def test_size_of_a_block_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(700, generator())
    forest = train(rows, FEATURES, generator())
    whole = score(forest, rows)
    monkeypatch.setattr(scorer, "BLOCK_ROWS", 128)
    np.testing.assert_array_equal(score(forest, rows), whole)


def test_threads_may_score_by_one_scorer() -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - of this test alone

    rows = make_rows(4000, generator())
    one = Scorer(train(rows, FEATURES, generator()))
    expected = one.score(rows)
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(one.score, [rows] * 6):
            np.testing.assert_array_equal(found, expected)

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.sklearn_forest import FEATURES, grow_forest, make_rows
from wattscope.compute.isolation_forest.forest import LEAF, list_faults
from wattscope.compute.isolation_forest.scorer import Scorer, score
from wattscope.compute.isolation_forest.training import train
from wattscope.core.errors import QueryError

N_FORESTS = 12


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_scores_agree_with_those_of_scikit_learn_over_many_forests() -> None:
    # Forests of both kinds scatter; their means over many forests may differ by chance alone.
    rows = make_rows(2000, generator())
    asked = np.concatenate([rows[:100], rows[:20] * [1, 1, 1, 0.5, 0.5]])
    ours = np.array(
        [Scorer(train(rows, FEATURES, generator(seed))).score(asked) for seed in range(N_FORESTS)]
    )
    theirs = np.array(
        [grow_forest(rows, random_state=seed).score_samples(asked) for seed in range(N_FORESTS)]
    )
    scatter = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / N_FORESTS)
    gaps = (ours.mean(axis=0) - theirs.mean(axis=0)) / scatter
    assert abs(gaps.mean()) < 1.0
    assert 0.5 < gaps.std() < 1.7


def test_same_chance_gives_the_same_forest() -> None:
    rows = make_rows(300, generator())
    one, two = (train(rows, FEATURES, generator(5)) for _ in range(2))
    other = train(rows, FEATURES, generator(6))
    assert one.threshold.tobytes() == two.threshold.tobytes()
    assert one.threshold.tobytes() != other.threshold.tobytes()


def test_row_far_from_all_others_has_the_lowest_score() -> None:
    rows = np.concatenate([make_rows(999, generator()), [[60.0, 36.0, 8.0, 20.0, 0.07]]])
    scores = score(train(rows, FEATURES, generator()), rows)
    assert scores.argmin() == 999
    assert scores[999] < -0.65 < np.quantile(scores, 0.01)


def test_all_rows_of_a_sample_reach_the_leaves() -> None:
    rows = make_rows(256, generator())
    forest = train(rows, FEATURES, generator(), n_trees=4)
    assert list_faults(forest) == []
    assert (forest.sample, forest.n_rows, forest.n_trees) == (256, 256, 4)
    # A tree over n rows that could all be parted has at most n leaves, and is eight levels deep.
    assert int((forest.feature == LEAF).sum()) <= 4 * 256
    assert forest.path.max() >= 8


def test_feature_that_never_differs_is_never_split_by() -> None:
    rows = make_rows(400, generator())
    rows[:, 1] = 36.0
    forest = train(rows, FEATURES, generator())
    assert set(forest.feature.tolist()) == {LEAF, 0, 2, 3, 4}


def test_values_of_neighbouring_floats_can_be_parted() -> None:
    low = np.float32(1.0)
    rows = np.array([[low], [np.nextafter(low, np.float32(2))]], np.float64)
    forest = train(rows, ("active_power_w",), generator(), n_trees=5)
    assert (forest.feature == 0).sum() == 5
    assert (forest.threshold[:5] == low).all()


@pytest.mark.parametrize(
    "rows",
    [np.empty((0, 5)), np.ones((1, 5)), np.full((9, 5), np.nan), np.full((9, 5), 1e300)],
    ids=["none", "one", "no numbers", "beyond 32 bits"],
)
def test_rows_that_cannot_be_learned_from_are_refused(rows: npt.NDArray[np.float64]) -> None:
    with pytest.raises(QueryError, match=r"two are the least|leave them out"):
        train(rows, FEATURES, generator())

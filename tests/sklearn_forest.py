"""Forests that scikit-learn grew, as ours: for tests and benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]  # it has no types

from wattscope.compute.isolation_forest.forest import Forest, Tree, join_trees


def grow_forest(rows: npt.NDArray[np.float64], **options: Any) -> Any:  # noqa: ANN401  # scikit-learn has no types
    """An ``IsolationForest`` of 100 trees, fitted on one thread."""
    return IsolationForest(**{"random_state": 1, "n_jobs": 1} | options).fit(rows)


def convert_forest(grown: Any, features: tuple[str, ...], n_rows: int = 0) -> Forest:  # noqa: ANN401  # likewise
    """An ``IsolationForest`` that was fitted."""
    trees = [
        _convert_tree(estimator.tree_, np.asarray(columns))
        for estimator, columns in zip(grown.estimators_, grown.estimators_features_, strict=True)
    ]
    return join_trees(trees, sample=int(grown.max_samples_), features=features, n_rows=n_rows)


def _convert_tree(tree: Any, columns: npt.NDArray[np.integer[Any]]) -> Tree:  # noqa: ANN401  # likewise
    return Tree(
        feature=columns[np.maximum(tree.feature, 0)],
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        n_rows=tree.n_node_samples,
    )


def make_rows(n_rows: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Temperature, voltage, current, power and power ratio of healthy panels by day."""
    irradiance = generator.uniform(50, 1000, n_rows)
    temperature = 20 + irradiance * 0.03 + generator.normal(0, 3, n_rows)
    voltage = 36 - 0.08 * (temperature - 25) + generator.normal(0, 0.3, n_rows)
    current = irradiance / 1000 * 9 + generator.normal(0, 0.1, n_rows)
    ratio = 0.97 + generator.normal(0, 0.01, n_rows)
    power = voltage * current * ratio
    return np.stack([temperature, voltage, current, power, ratio], axis=1)


FEATURES = ("temperature_c", "dc_voltage_v", "dc_current_a", "production_power_w", "power_ratio")
"""What the columns of ``make_rows`` are."""

"""A small model, as those that are trained."""

from __future__ import annotations

import numpy as np

from tests.sklearn_forest import FEATURES, make_rows
from wattscope.compute.isolation_forest.model import AnomalyModel
from wattscope.compute.isolation_forest.scorer import score
from wattscope.compute.isolation_forest.training import train


def make_model(*, n_trees: int = 3, sample: int = 32, device_class: str = "panel") -> AnomalyModel:
    chance = np.random.default_rng(3)
    rows = make_rows(2000, chance)
    forest = train(rows, FEATURES, chance, n_trees=n_trees, sample=sample)
    return AnomalyModel(
        device_class=device_class,
        forest=forest,
        light_w=np.array([50.0, 300.0]),
        limits=np.quantile(score(forest, rows), [0.01, 0.02]),
        usual=np.quantile(score(forest, rows), [0.5, 0.5]),
        limit_share=0.01,
        medians=np.median(rows, axis=0),
        full_power_w=300.0,
        n_devices=10,
        start_us=1_700_000_000_000_000,
        end_us=1_702_000_000_000_000,
        trained_at_us=1_702_000_000_000_000,
    )

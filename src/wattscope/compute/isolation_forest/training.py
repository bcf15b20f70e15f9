"""Growing a forest: the trees of all samples at once, level by level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.compute.isolation_forest.forest import (
    LEAF,
    MAX_DEPTH,
    Float32Column,
    Forest,
    expect_path_length,
)
from wattscope.core.errors import QueryError

DEFAULT_TREES = 100
DEFAULT_SAMPLE = 256
"""Liu et al. 2008, section 4: more trees or rows change little."""
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Grown:
    """The nodes of a level."""

    feature: npt.NDArray[np.int16]
    threshold: Float32Column
    path: Floats


def train(
    rows: npt.NDArray[np.floating],
    features: tuple[str, ...],
    generator: np.random.Generator,
    *,
    n_trees: int = DEFAULT_TREES,
    sample: int = DEFAULT_SAMPLE,
) -> Forest:
    """Grow a forest (Liu et al. 2008, algorithms 1 and 2).

    Each tree sees rows drawn without repetition. A node splits by one of the features that differ
    within it, at an even chance, anywhere between its least and largest value.

    Args:
        rows: Shape ``(n_rows, n_features)``, numbers only.
        features: Names of the columns.
        generator: All chance comes from here; the same one gives the same forest.
        n_trees: How many.
        sample: Rows for each tree; all where there are fewer.

    Raises:
        QueryError: Fewer than two rows, or a value that is not a 32-bit number.
    """
    with np.errstate(over="ignore"):
        cells = np.asarray(rows, np.float32)
    if len(cells) < 2 or cells.shape[1] != len(features):
        raise QueryError(f"{len(cells)} rows are too few to train on; two are the least")
    if not np.isfinite(cells).all():
        raise QueryError("rows to train on hold values that are not numbers; leave them out")
    sample = min(sample, len(cells), 1 << MAX_DEPTH)
    max_depth = int(np.ceil(np.log2(sample)))
    drawn = [
        generator.choice(len(cells), sample, replace=False, shuffle=False) for _ in range(n_trees)
    ]
    cells = cells[np.concatenate(drawn)]
    starts = np.arange(n_trees) * sample
    levels = []
    for depth in range(max_depth + 1):
        grown, cells, starts = _grow_level(
            cells, starts, depth, generator, may_split=depth < max_depth
        )
        levels.append(grown)
        if not len(starts):
            break
    return Forest(
        feature=np.concatenate([level.feature for level in levels]),
        threshold=np.concatenate([level.threshold for level in levels]),
        path=np.concatenate([level.path for level in levels]),
        n_trees=n_trees,
        sample=sample,
        features=features,
        n_rows=len(rows),
    )


def _grow_level(
    cells: Float32Column,
    starts: Places,
    depth: int,
    generator: np.random.Generator,
    *,
    may_split: bool,
) -> tuple[_Grown, Float32Column, Places]:
    """Split the nodes of a level; the rows of each follow one another from its start on.

    Returns:
        The nodes, and the rows and starts of their children.
    """
    counts = np.diff(np.append(starts, len(cells)))
    low = np.minimum.reduceat(cells, starts, axis=0)
    high = np.maximum.reduceat(cells, starts, axis=0)
    differs = high > low
    is_inner: Flags = np.any(differs, axis=1) if may_split else np.zeros(len(starts), np.bool_)
    # The largest of even draws among features that differ: each of them at the same chance.
    draws = np.where(differs, generator.random(differs.shape), -1.0)
    feature = draws.argmax(axis=1)
    nodes = np.arange(len(starts))
    threshold = _draw_thresholds(low[nodes, feature], high[nodes, feature], generator)
    grown = _Grown(
        np.where(is_inner, feature, LEAF).astype(np.int16),
        np.where(is_inner, threshold, np.float32(0)),
        np.where(is_inner, 0.0, depth + expect_path_length(counts)),
    )
    node = np.repeat(nodes, counts)
    child = 2 * node + (cells[np.arange(len(cells)), feature[node]] > threshold[node])
    order = np.argsort(child, kind="stable")
    order = order[is_inner[node[order]]]
    # Both children of a node that splits have rows, so that every change begins one.
    children = child[order]
    child_starts = np.flatnonzero(np.diff(children, prepend=-1))
    return grown, cells[order], child_starts


def _draw_thresholds(
    low: Float32Column, high: Float32Column, generator: np.random.Generator
) -> Float32Column:
    """Between the two, never at the upper one: it would leave the right side without rows."""
    span = high.astype(np.float64) - low
    drawn = (low + generator.random(len(low)) * span).astype(np.float32)
    return np.where(drawn < high, drawn, low)

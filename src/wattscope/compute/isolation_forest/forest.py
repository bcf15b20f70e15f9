"""A forest as plain arrays, and what makes such arrays a forest.

::

    level 0   [0][1][2] ...                roots, one a tree
    level 1   [ ][ ][ ][ ] ...             children of the nodes above that split, in their order
    level 2   [ ][ ] ...

Nodes of all trees stand level by level. The k-th node that splits has its children at
``n_trees + 2 k`` (left) and the place after it (right), so that no child is ever named: arrays
from a stranger can hold no cycle and no place out of range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattscope.core.reading import FloatColumn

Int16Column = npt.NDArray[np.int16]
Float32Column = npt.NDArray[np.float32]

LEAF = -1
MAX_TREES = 1000
MAX_NODES = 1_000_000
MAX_FEATURES = 32
MAX_DEPTH = 12
"""Deepest tree that is scored: of samples of 4,096 rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Isolation trees; equal in what they say to those of scikit-learn."""

    feature: Int16Column
    """Which feature a node splits by, ``LEAF`` where it does not; shape ``(n_nodes,)``."""
    threshold: Float32Column
    """Rows of at most this value go left [unit of the feature]; 0 at leaves."""
    path: FloatColumn
    """Path length of rows that end at a leaf, with the expected rest below it; 0 elsewhere."""
    n_trees: int
    sample: int
    """Rows that each tree was grown from."""
    features: tuple[str, ...]
    """Names of the columns that are scored, in order."""
    n_rows: int
    """Rows that the samples were drawn from."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree with named children, as other programs keep theirs."""

    feature: npt.NDArray[np.integer]
    threshold: npt.NDArray[np.floating]
    left: npt.NDArray[np.integer]
    """Place of the left child; below 0 at a leaf."""
    right: npt.NDArray[np.integer]
    n_rows: npt.NDArray[np.integer]
    """Rows of the sample at each node."""


def expect_path_length(n_rows: npt.ArrayLike) -> FloatColumn:
    """Mean path length of an unsuccessful search in a binary tree of so many rows.

    Liu et al. 2008, equation 1, with the harmonic number H(n - 1) as ln(n - 1) plus
    Euler's constant; 1 for two rows and 0 below, as in scikit-learn.

    >>> expect_path_length([1, 2, 256]).round(4).tolist()
    [0.0, 1.0, 10.2448]
    """
    n = np.asarray(n_rows, np.float64)
    rest = np.maximum(n, 3.0) - 1.0
    return np.where(
        n > 2,
        2.0 * (np.log(rest) + np.euler_gamma) - 2.0 * rest / np.maximum(n, 3.0),
        (n == 2).astype(np.float64),
    )


def join_trees(
    trees: Sequence[Tree], *, sample: int, features: tuple[str, ...], n_rows: int
) -> Forest:
    """Trees with named children as one forest.

    Thresholds become the nearest 32-bit number below: a 32-bit value is at most the one exactly
    when it is at most the other.
    """
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    feature = np.concatenate([np.where(t.left < 0, LEAF, t.feature) for t in trees])
    threshold = _round_down(np.concatenate([t.threshold for t in trees]))
    left = np.concatenate([t.left + start for t, start in zip(trees, starts, strict=False)])
    right = np.concatenate([t.right + start for t, start in zip(trees, starts, strict=False)])
    rest = expect_path_length(np.concatenate([t.n_rows for t in trees]))
    level, levels, depth = starts[:-1], [], 0
    paths = []
    while len(level):
        is_leaf = feature[level] == LEAF
        levels.append(level)
        paths.append(np.where(is_leaf, depth + rest[level], 0.0))
        inner = level[~is_leaf]
        level = np.stack([left[inner], right[inner]], axis=1).ravel()
        depth += 1
    order = np.concatenate(levels)
    return Forest(
        feature=feature[order].astype(np.int16),
        threshold=np.where(feature[order] == LEAF, np.float32(0), threshold[order]),
        path=np.concatenate(paths),
        n_trees=len(trees),
        sample=sample,
        features=features,
        n_rows=n_rows,
    )


def list_faults(forest: Forest) -> list[str]:
    """What keeps arrays from being a forest that can be scored; nothing for a sound one."""
    n_nodes = len(forest.feature)
    if not len(forest.threshold) == len(forest.path) == n_nodes:
        return ["arrays differ in length"]
    faults = [
        f"{name} is {value}, not {low} to {high}"
        for name, value, low, high in (
            ("number of trees", forest.n_trees, 1, MAX_TREES),
            ("number of nodes", n_nodes, 1, MAX_NODES),
            ("number of features", len(forest.features), 1, MAX_FEATURES),
            ("sample", forest.sample, 2, 1 << MAX_DEPTH),
        )
        if not low <= value <= high
    ]
    if faults:
        return faults
    is_inner = forest.feature != LEAF
    if np.any((forest.feature < LEAF) | (forest.feature >= len(forest.features))):
        faults.append("a node splits by a feature that is not there")
    if not np.isfinite(forest.threshold).all():
        faults.append("a threshold is not a number")
    if not (np.isfinite(forest.path).all() and np.all(forest.path >= 0)):
        faults.append("a path length is not a number of 0 or more")
    if n_nodes != forest.n_trees + 2 * int(is_inner.sum()):
        return [*faults, "nodes and their children do not match in number"]
    return faults + _find_depth_fault(is_inner, forest.n_trees)


def find_levels(is_inner: npt.NDArray[np.bool_], n_trees: int) -> list[slice]:
    """Where each level of nodes lies; at most ``MAX_DEPTH + 2`` of them are looked for."""
    levels: list[slice] = []
    start, end = 0, n_trees
    while end > start and len(levels) <= MAX_DEPTH + 1:
        levels.append(slice(start, end))
        start, end = end, end + 2 * int(is_inner[start:end].sum())
    return levels


def _find_depth_fault(is_inner: npt.NDArray[np.bool_], n_trees: int) -> list[str]:
    levels = find_levels(is_inner, n_trees)
    if len(levels) > MAX_DEPTH + 1:
        return [f"a tree is deeper than {MAX_DEPTH}"]
    return [] if levels[-1].stop == len(is_inner) else ["a node has no parent"]


def _round_down(threshold: npt.NDArray[np.floating]) -> Float32Column:
    near = threshold.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > threshold, below, near)

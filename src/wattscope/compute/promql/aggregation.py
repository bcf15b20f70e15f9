"""Many series to few: ``sum by (site) (...)`` and its like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wattscope.compute.promql.frames import Frame, Marks, Matrix, empty_frame
from wattscope.compute.promql.matchers import Labels
from wattscope.compute.promql.tree import NAME
from wattscope.core.reading import FloatColumn

Folding = Callable[[Matrix, Marks], FloatColumn]
"""(n_series, n_steps) to one value a step, where there is any."""


def _add(values: Matrix, is_there: Marks) -> FloatColumn:
    total: FloatColumn = np.where(is_there, values, 0.0).sum(axis=0)
    return total


def _average(values: Matrix, is_there: Marks) -> FloatColumn:
    return _add(values, is_there) / np.maximum(_count(values, is_there), 1.0)


def _count(_values: Matrix, is_there: Marks) -> FloatColumn:
    counts: FloatColumn = np.sum(is_there, axis=0, dtype=np.float64)
    return counts


def _extreme(operation: np.ufunc) -> Folding:
    """NaN counts only where there is nothing else."""

    def fold(values: Matrix, is_there: Marks) -> FloatColumn:
        found: FloatColumn = operation.reduce(np.where(is_there, values, np.nan), axis=0)
        return found

    return fold


def _one(values: Matrix, _is_there: Marks) -> FloatColumn:
    return np.ones(values.shape[1])


_FOLDINGS: Mapping[str, Folding] = {
    "avg": _average,
    "count": _count,
    "group": _one,
    "max": _extreme(np.fmax),
    "min": _extreme(np.fmin),
    "sum": _add,
}
_RANKINGS: Mapping[str, float] = {"topk": -1.0, "bottomk": 1.0}
OPERATORS = frozenset(_FOLDINGS) | frozenset(_RANKINGS)
"""Aggregations that are answered."""


def aggregate(
    operator: str, frame: Frame, parameter: FloatColumn | None, by: Callable[[Labels], Labels]
) -> Frame:
    """The values of each group of series together.

    Args:
        operator: One of ``OPERATORS``.
        frame: The series.
        parameter: How many ``topk`` and ``bottomk`` leave, at each step.
        by: Labels of a series to those of its group.
    """
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(frame.labels):
        groups.setdefault(by(labels), []).append(row)
    if not groups:
        return empty_frame(frame.values.shape[1])
    if operator in _RANKINGS:
        counts = np.zeros(frame.values.shape[1]) if parameter is None else parameter
        return _rank(frame, list(groups.values()), counts, _RANKINGS[operator])
    fold = _FOLDINGS[operator]
    folded = [(frame.values[rows], frame.is_there[rows]) for rows in groups.values()]
    return Frame(
        tuple(groups),
        np.array([fold(values, is_there) for values, is_there in folded]),
        np.array([is_there.any(axis=0) for _, is_there in folded]),
    )


def group_by(labels: Sequence[str], *, is_without: bool) -> Callable[[Labels], Labels]:
    """What ``by`` or ``without`` makes of labels."""
    if is_without:
        gone = {NAME, *labels}
        return lambda one: tuple(label for label in one if label[0] not in gone)
    kept = frozenset(labels)
    return lambda one: tuple(label for label in one if label[0] in kept)


def _rank(frame: Frame, groups: list[list[int]], counts: FloatColumn, sign: float) -> Frame:
    """The first ``counts`` of each group; NaN is last, the earlier of equals first."""
    n_kept = np.where(np.isfinite(counts), counts, 0.0).astype(np.int64)
    is_there = np.zeros_like(frame.is_there)
    order: list[int] = []
    for rows in groups:
        values, marks = frame.values[rows] * sign, frame.is_there[rows]
        is_nan = np.isnan(values)
        placed = np.lexsort((np.where(is_nan, 0.0, values), is_nan, ~marks), axis=0)
        ranks = np.argsort(placed, axis=0, kind="stable")
        is_there[rows] = marks & (ranks < n_kept)
        # By the last step: that of an instant query, whose answer is in this order.
        order += [rows[place] for place in placed[:, -1].tolist()]
    return Frame(frame.labels, frame.values, is_there).take(order)

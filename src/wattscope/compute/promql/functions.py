"""Functions of values at one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wattscope.compute.promql.frames import Frame, Matrix, drop_name
from wattscope.compute.promql.windows import RANGE_FUNCTIONS
from wattscope.core.reading import FloatColumn

ValueFunction = Callable[..., Matrix]
"""Values of all series, and one column a step of each further argument."""


def _round(values: Matrix, nearest: FloatColumn | float = 1.0) -> Matrix:
    # Halves go up, also below zero; the inverse gives 0.1 its usual neighbours (funcRound).
    inverse = 1.0 / np.asarray(nearest, np.float64)
    rounded: Matrix = np.floor(values * inverse + 0.5) / inverse
    return rounded


def _clamp(values: Matrix, low: FloatColumn, high: FloatColumn) -> Matrix:
    clamped: Matrix = np.maximum(low, np.minimum(high, values))
    return clamped


VALUE_FUNCTIONS: Mapping[str, ValueFunction] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "clamp": _clamp,
    "clamp_max": np.minimum,
    "clamp_min": np.maximum,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "round": _round,
    "sgn": np.sign,
    "sqrt": np.sqrt,
}
"""Functions that make a new value of each value."""
OTHER_FUNCTIONS = frozenset({"absent", "scalar", "sort", "sort_desc", "time", "vector"})
"""Functions that ``evaluate`` knows itself."""
FUNCTIONS = frozenset(RANGE_FUNCTIONS) | frozenset(VALUE_FUNCTIONS) | OTHER_FUNCTIONS
"""All functions that are answered."""


def apply_function(name: str, frame: Frame, further: Sequence[FloatColumn]) -> Frame:
    """New values; the metric's name goes.

    Raises:
        PromqlError: Series then have the same labels.
    """
    values = np.asarray(VALUE_FUNCTIONS[name](frame.values, *further), np.float64)
    is_there = frame.is_there
    if name == "clamp":
        is_there = is_there & ~(further[0] > further[1])
    return Frame(frame.labels, values, is_there).relabel(
        drop_name(labels) for labels in frame.labels
    )


def take_scalar(frame: Frame) -> FloatColumn:
    """The value of the only series of a step; NaN where there is none, or more than one."""
    is_single = frame.is_there.sum(axis=0) == 1
    total: FloatColumn = np.where(frame.is_there, frame.values, 0.0).sum(axis=0)
    return np.where(is_single, total, np.nan)


def sort_rows(frame: Frame, *, is_descending: bool) -> Frame:
    """By the value of the last step, for an instant query; NaN is last."""
    values = frame.values[:, -1]
    key = np.where(np.isnan(values), np.inf, -values if is_descending else values)
    return frame.take(np.lexsort((key, np.isnan(values))).tolist())

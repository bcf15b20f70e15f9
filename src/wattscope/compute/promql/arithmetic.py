"""Operators between numbers, and between numbers and series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wattscope.compute.promql.frames import Frame, Matrix, drop_name
from wattscope.core.reading import FloatColumn

Operation = Callable[[Matrix, Matrix], Matrix]


@dataclass(frozen=True, slots=True)
class Operator:
    """What a sign does to values."""

    apply: Operation
    is_comparison: bool = False
    """Whether it keeps or drops values rather than making new ones."""


OPERATORS: Mapping[str, Operator] = {
    "+": Operator(np.add),
    "-": Operator(np.subtract),
    "*": Operator(np.multiply),
    "/": Operator(np.divide),
    "%": Operator(np.fmod),
    "^": Operator(np.power),
    "==": Operator(np.equal, is_comparison=True),
    "!=": Operator(np.not_equal, is_comparison=True),
    ">": Operator(np.greater, is_comparison=True),
    "<": Operator(np.less, is_comparison=True),
    ">=": Operator(np.greater_equal, is_comparison=True),
    "<=": Operator(np.less_equal, is_comparison=True),
}


def combine_scalars(operator: Operator, left: FloatColumn, right: FloatColumn) -> FloatColumn:
    """Two numbers a step; a comparison gives 1 or 0."""
    return operator.apply(left, right).astype(np.float64)


def combine_with_scalar(
    operator: Operator, frame: Frame, scalar: FloatColumn, *, is_bool: bool, is_left: bool
) -> Frame:
    """A number a step on one side.

    Args:
        operator: What is done.
        frame: The other side.
        scalar: The number.
        is_bool: Whether a comparison gives 1 or 0, rather than dropping what it does not hold for.
        is_left: Whether the number stands on the left.
    """
    sides = (scalar, frame.values) if is_left else (frame.values, scalar)
    made = operator.apply(*sides)
    if operator.is_comparison and not is_bool:
        return Frame(frame.labels, frame.values, frame.is_there & made.astype(np.bool_))
    made = np.asarray(made, np.float64)
    return Frame(frame.labels, made, frame.is_there).relabel(
        drop_name(labels) for labels in frame.labels
    )

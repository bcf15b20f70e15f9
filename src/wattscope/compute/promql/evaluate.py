"""The walk over a tree: each node to a number a step, or to series at all steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wattscope.compute.promql.aggregation import aggregate, group_by
from wattscope.compute.promql.arithmetic import OPERATORS, combine_scalars, combine_with_scalar
from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.frames import Frame, drop_name
from wattscope.compute.promql.functions import apply_function, sort_rows, take_scalar
from wattscope.compute.promql.matchers import Labels, MatchKind
from wattscope.compute.promql.sampling import Sampler
from wattscope.compute.promql.tree import (
    NAME,
    Aggregate,
    Binary,
    Call,
    Kind,
    Negation,
    Node,
    Number,
    Selector,
    find_kind,
)
from wattscope.compute.promql.vector_matching import combine_sets, combine_vectors
from wattscope.compute.promql.windows import NEWEST, RANGE_FUNCTIONS
from wattscope.core.reading import FloatColumn, Int64Column

_US_PER_S = 1e6
LOOKBACK_US = 300_000_000
"""How old the newest value of a series may be [µs], as in Prometheus."""


@dataclass(frozen=True, slots=True)
class Grid:
    """At which instants a question is asked."""

    steps_us: Int64Column
    """Ascending, one at least [µs]."""
    lookback_us: int = LOOKBACK_US


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Answers trees on one grid."""

    sampler: Sampler
    grid: Grid

    def evaluate(self, node: Node) -> Frame | FloatColumn:
        """Series at all steps, or for a scalar one number a step.

        Raises:
            PromqlError: It cannot be answered as asked.
        """
        # What a division by zero gives is a value here, as in Prometheus.
        with np.errstate(all="ignore"):
            if find_kind(node) is Kind.SCALAR:
                return self._scalar(node)
            return _prune(self._vector(node))

    @property
    def _n_steps(self) -> int:
        return len(self.grid.steps_us)

    def _scalar(self, node: Node) -> FloatColumn:
        match node:
            case Number():
                return np.full(self._n_steps, node.value)
            case Negation():
                return -self._scalar(node.operand)
            case Call(function="time"):
                return self.grid.steps_us / _US_PER_S
            case Call():
                return take_scalar(self._vector(node.arguments[0]))
            case Binary():
                sides = self._scalar(node.left), self._scalar(node.right)
                return combine_scalars(OPERATORS[node.operator], *sides)
        raise PromqlError("a number is needed where there is none")

    def _vector(self, node: Node) -> Frame:
        match node:
            case Selector(range_us=None):
                return self.sampler.sample(
                    node.matchers,
                    NEWEST,
                    self.grid.steps_us - node.offset_us,
                    self.grid.lookback_us,
                )
            case Negation():
                operand = self._vector(node.operand)
                negative = Frame(operand.labels, -operand.values, operand.is_there)
                return negative.relabel(drop_name(labels) for labels in operand.labels)
            case Call():
                return self._call(node)
            case Aggregate():
                operand = _prune(self._vector(node.operand))
                parameter = None if node.parameter is None else self._scalar(node.parameter)
                by = group_by(node.labels, is_without=node.is_without)
                return aggregate(node.operator, operand, parameter, by)
            case Binary():
                return self._binary(node)
        raise PromqlError("series are needed where there are none")

    def _call(self, node: Call) -> Frame:
        first = node.arguments[0]
        if node.function in RANGE_FUNCTIONS:
            return self._range_call(node.function, first)
        if node.function == "vector":
            return _lone((), self._scalar(first))
        frame = self._vector(first)
        if node.function == "absent":
            is_absent = ~frame.is_any_there
            return Frame((_name_absent(first),), np.ones((1, self._n_steps)), is_absent[None])
        if node.function in {"sort", "sort_desc"}:
            return sort_rows(_prune(frame), is_descending=node.function == "sort_desc")
        further = [self._scalar(one) for one in node.arguments[1:]]
        return apply_function(node.function, frame, further)

    def _range_call(self, name: str, argument: Node) -> Frame:
        if not isinstance(argument, Selector) or argument.range_us is None:
            raise PromqlError(f"{name} takes a selector with a range, such as x[5m]")
        function = RANGE_FUNCTIONS[name]
        ends_us = self.grid.steps_us - argument.offset_us
        frame = self.sampler.sample(argument.matchers, function, ends_us, argument.range_us)
        if function.keeps_name:
            return frame
        labels = tuple(drop_name(one) for one in frame.labels)
        if len(set(labels)) < len(labels):
            raise PromqlError(
                "vector cannot contain metrics with the same labelset: give one name of a metric"
            )
        return Frame(labels, frame.values, frame.is_there)

    def _binary(self, node: Binary) -> Frame:
        left_kind, right_kind = find_kind(node.left), find_kind(node.right)
        if Kind.SCALAR not in {left_kind, right_kind}:
            left, right = self._vector(node.left), self._vector(node.right)
            if node.operator in OPERATORS:
                operator = OPERATORS[node.operator]
                return combine_vectors(operator, left, right, node.matching, is_bool=node.is_bool)
            return combine_sets(node.operator, left, right, node.matching)
        is_left = left_kind is Kind.SCALAR
        scalar, other = (node.left, node.right) if is_left else (node.right, node.left)
        return combine_with_scalar(
            OPERATORS[node.operator],
            self._vector(other),
            self._scalar(scalar),
            is_bool=node.is_bool,
            is_left=is_left,
        )


def _lone(labels: Labels, values: FloatColumn) -> Frame:
    """One series that is there at every step."""
    return Frame((labels,), values[None], np.ones((1, len(values)), np.bool_))


def _name_absent(node: Node) -> Labels:
    """What is known of a series that is not there: the labels that a selector gives, once each."""
    if not isinstance(node, Selector):
        return ()
    given = [one for one in node.matchers if one.label != NAME]
    names = [one.label for one in given]
    return tuple(
        sorted(
            (one.label, one.value)
            for one in given
            if one.kind is MatchKind.EQUAL and names.count(one.label) == 1 and one.value
        )
    )


def _prune(frame: Frame) -> Frame:
    """Without the series that have no value at any step."""
    rows = np.flatnonzero(frame.is_there.any(axis=1))
    return frame if len(rows) == len(frame.labels) else frame.take(rows.tolist())

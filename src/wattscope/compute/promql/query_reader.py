"""Text to tree; the grammar is that of the parser, what can be answered is said here.

It promises that a tree it returns can be evaluated, and that any text gets a tree or a fault in
words, in bounded time: how long the parser takes grows with the square of what stands outside of
quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import promql_parser

from wattscope.compute.promql.aggregation import OPERATORS as AGGREGATES
from wattscope.compute.promql.arithmetic import OPERATORS
from wattscope.compute.promql.faults import PromqlError, PromqlTextError
from wattscope.compute.promql.functions import FUNCTIONS
from wattscope.compute.promql.matchers import Matcher, MatchKind
from wattscope.compute.promql.tree import (
    NAME,
    Aggregate,
    Binary,
    Call,
    Kind,
    Matching,
    Negation,
    Node,
    Number,
    Selector,
    Sides,
    Text,
    find_kind,
)

MAX_SIGNS = 4_000
"""Outside of quotes."""
MAX_TEXT = 200_000
"""Lists of devices in a pattern may be long."""
MAX_DEPTH = 100
_SKIPPED = re.compile(
    r""""(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|`[^`]*(?:`|\Z)|#[^\n]*""", re.DOTALL
)
"""Texts and comments; one that has no end goes to the end, so that nothing is looked at twice."""
_LENGTH = re.compile(
    r"(?:\boffset\b|[@\[:])\s*[-+]?\s*(0x[0-9a-f]+|[0-9.]+(?:e[-+]?[0-9]+)?|(?<!:)(?:inf|nan)\b)",
    re.IGNORECASE,
)
"""A number where the parser wants seconds."""
_LONGEST = timedelta(days=300 * 365)
_SET_OPERATORS = ("and", "or", "unless")
_KINDS = (
    (promql_parser.MatchOp.Equal, MatchKind.EQUAL),
    (promql_parser.MatchOp.NotEqual, MatchKind.UNEQUAL),
    (promql_parser.MatchOp.Re, MatchKind.LIKE),
    (promql_parser.MatchOp.NotRe, MatchKind.UNLIKE),
)
_SIDES = (
    (promql_parser.VectorMatchCardinality.ManyToOne, Sides.MANY_TO_ONE),
    (promql_parser.VectorMatchCardinality.OneToMany, Sides.ONE_TO_MANY),
)


def read_query(text: str) -> Node:
    """The tree of a question.

    Raises:
        PromqlTextError: It is no PromQL, or too long.
        PromqlError: It is PromQL that is not supported here.
    """
    return _read_text(text)


def read_selector(text: str) -> tuple[Matcher, ...]:
    """The conditions of a selector alone, as ``match[]`` has them.

    Raises:
        PromqlTextError: It is something else.
    """
    node = _read_text(text)
    if not isinstance(node, Selector) or node.range_us is not None:
        raise PromqlTextError(f'{text[:60]!r} is no selector of series, such as up{{a="b"}}')
    return node.matchers


def read_duration_us(text: str) -> int | None:
    """A length such as ``1h30m`` [µs]; None when it is none.

    >>> read_duration_us("1h30m"), read_duration_us("soon")
    (5400000000, None)
    """
    if len(text) > 40:
        return None
    try:
        return _to_us(promql_parser.parse_duration(text))
    except (ValueError, OverflowError, PromqlTextError):
        return None


def _read_text(text: str) -> Node:
    bare = _SKIPPED.sub(" ", text)
    if len(text) > MAX_TEXT or len(bare) > MAX_SIGNS:
        raise PromqlTextError(f"the question is longer than {MAX_SIGNS} signs without its texts")
    _refuse_endless(bare)
    try:
        return _read(promql_parser.parse(text), 0)
    except (ValueError, OverflowError) as fault:
        # Of the parser; also durations that are too long are found only when they are read.
        raise PromqlTextError(f"parse error: {fault}") from fault


def _refuse_endless(bare: str) -> None:
    """Refuse seconds that are endless: the parser (0.12) panics at them, which nothing catches."""
    for match in _LENGTH.finditer(bare):
        text = match[1].lower()
        try:
            seconds = float(int(text, 16)) if text.startswith("0x") else float(text)
        except (ValueError, OverflowError):
            seconds = 0.0 if "." in text else math.inf
        if not abs(seconds) < _LONGEST.total_seconds():
            raise _refuse_length()


def _refuse_length() -> PromqlTextError:
    return PromqlTextError("parse error: a duration is longer than 300 years")


def _read(node: Any, depth: int) -> Node:  # noqa: ANN401
    if depth > MAX_DEPTH:
        raise PromqlError(f"the question is more than {MAX_DEPTH} levels deep")
    reader = _READERS.get(type(node))
    if reader is None:
        raise _refuse(type(node).__name__)
    return reader(node, depth + 1)


def _refuse(what: str) -> PromqlError:
    return PromqlError(f"{what} is not supported here; docs/prometheus.md lists what is")


def _to_us(span: timedelta) -> int:
    """A length [µs].

    Raises:
        PromqlTextError: It is longer than instants are told apart.
    """
    if abs(span) > _LONGEST:
        raise _refuse_length()
    return span // timedelta(microseconds=1)


def _read_selector(node: Any, range_us: int | None) -> Selector:  # noqa: ANN401
    if node.at is not None:
        raise _refuse("@")
    if node.matchers.or_matchers:
        raise _refuse("or between conditions on labels")
    named = () if node.name is None else (Matcher(NAME, MatchKind.EQUAL, node.name),)
    others = tuple(
        Matcher(one.name, next(kind for op, kind in _KINDS if op == one.op), one.value)
        for one in node.matchers.matchers
    )
    offset_us = 0 if node.offset is None else _to_us(node.offset)
    return Selector(named + others, offset_us, range_us)


def _read_call(node: Any, depth: int) -> Call:  # noqa: ANN401
    name = node.func.name
    if name not in FUNCTIONS:
        raise _refuse(f"the function {name}")
    return Call(name, tuple(_read(one, depth) for one in node.args))


def _read_aggregate(node: Any, depth: int) -> Aggregate:  # noqa: ANN401
    name = str(node.op)
    if name not in AGGREGATES:
        raise _refuse(f"the aggregation {name}")
    parameter = None if node.param is None else _read(node.param, depth)
    if parameter is not None and find_kind(parameter) is not Kind.SCALAR:
        raise PromqlTextError(f"parse error: the first argument of {name} must be a number")
    labels = () if node.modifier is None else tuple(node.modifier.labels)
    is_without = (
        node.modifier is not None and node.modifier.type == promql_parser.AggModifierType.Without
    )
    return Aggregate(name, _read(node.expr, depth), parameter, labels, is_without)


def _read_binary(node: Any, depth: int) -> Binary:  # noqa: ANN401
    name = str(node.op)
    if name not in OPERATORS and name not in _SET_OPERATORS:
        raise _refuse(f"the operator {name}")
    left, right = _read(node.lhs, depth), _read(node.rhs, depth)
    given = node.modifier
    if given is None:
        return Binary(name, left, right)
    if given.fill_values is not None and (
        given.fill_values.lhs is not None or given.fill_values.rhs is not None
    ):
        raise _refuse("fill")
    sides = next((ours for theirs, ours in _SIDES if theirs == given.card), Sides.ONE_TO_ONE)
    matching = Matching(
        () if given.matching is None else tuple(given.matching.labels),
        given.matching is not None
        and given.matching.type == promql_parser.LabelModifierType.Include,
        sides,
        tuple(given.group_labels or ()),
    )
    return Binary(name, left, right, bool(given.return_bool), matching)


def _refuse_subquery(_node: Any, _depth: int) -> Node:  # noqa: ANN401
    raise _refuse("a subquery, [range:step],")


_READERS: Mapping[type, Callable[[Any, int], Node]] = {
    promql_parser.NumberLiteral: lambda node, _depth: Number(node.val),
    promql_parser.StringLiteral: lambda node, _depth: Text(node.val),
    promql_parser.ParenExpr: lambda node, depth: _read(node.expr, depth),
    promql_parser.UnaryExpr: lambda node, depth: Negation(_read(node.expr, depth)),
    promql_parser.VectorSelector: lambda node, _depth: _read_selector(node, None),
    promql_parser.MatrixSelector: lambda node, _depth: _read_selector(
        node.vector_selector, _to_us(node.range)
    ),
    promql_parser.Call: _read_call,
    promql_parser.AggregateExpr: _read_aggregate,
    promql_parser.BinaryExpr: _read_binary,
    promql_parser.SubqueryExpr: _refuse_subquery,
}
"""Kinds of the parser's nodes, and what reads each."""

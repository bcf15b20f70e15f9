"""The questions that can be asked, as a tree of frozen nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from wattscope.compute.promql.matchers import Matcher

NAME = "__name__"
"""The label that holds a metric's name."""


class Edition(Enum):
    """Whose rules count where the major versions of Prometheus differ."""

    V2 = 2
    """A window holds a value at its very beginning; where a counter was zero is worked out before
    how far is extrapolated."""
    V3 = 3
    """A window holds what is after its beginning; the other way round (migration guide of 3.0,
    "Range selectors and lookback exclude samples coinciding with the left boundary")."""


class Kind(Enum):
    """What a node gives; the words are those of Prometheus' API."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Number:
    """A number, the same at all steps."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text; only an answer of its own."""

    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by their labels; with a range, all values of a stretch of time."""

    matchers: tuple[Matcher, ...]
    offset_us: int = 0
    """How much earlier than asked; negative: later [µs]."""
    range_us: int | None = None
    """Length of the window [µs]; None: the newest value."""


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite sign."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of its arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Many series to few."""

    operator: str
    operand: Node
    parameter: Node | None
    labels: tuple[str, ...]
    is_without: bool
    """Whether ``labels`` are those that go, rather than those that stay."""


class Sides(Enum):
    """How many series of each side a binary operator brings together."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which labels must agree, and what becomes of the others."""

    labels: tuple[str, ...] = ()
    is_on: bool = False
    """Whether only ``labels`` must agree, rather than all others."""
    sides: Sides = Sides.ONE_TO_ONE
    included: tuple[str, ...] = ()
    """Labels that the many take over from the one."""


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two sides."""

    operator: str
    left: Node
    right: Node
    is_bool: bool = False
    matching: Matching = Matching()


Node = Number | Text | Selector | Negation | Call | Aggregate | Binary

SCALAR_FUNCTIONS: Mapping[str, Kind] = {"time": Kind.SCALAR, "scalar": Kind.SCALAR}
"""Functions that give no vector."""


def find_kind(node: Node) -> Kind:
    """What a node gives."""
    match node:
        case Selector():
            return Kind.VECTOR if node.range_us is None else Kind.MATRIX
        case Negation():
            return find_kind(node.operand)
        case Call():
            return SCALAR_FUNCTIONS.get(node.function, Kind.VECTOR)
        case Binary():
            both = {find_kind(node.left), find_kind(node.right)}
            return Kind.SCALAR if both == {Kind.SCALAR} else Kind.VECTOR
    return _KINDS[type(node)]


_KINDS: Mapping[type, Kind] = {Number: Kind.SCALAR, Text: Kind.STRING, Aggregate: Kind.VECTOR}

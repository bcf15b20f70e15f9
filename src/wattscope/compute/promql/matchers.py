"""Which series a selector means, by their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from wattscope.compute.promql.patterns import Pattern, compile_pattern

Labels = tuple[tuple[str, str], ...]
"""Names and values in the order of the names; an empty value is as if the label were not there."""


class MatchKind(Enum):
    """How a label is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LIKE = "=~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label."""

    label: str
    kind: MatchKind
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label's value fits; empty for a label that is not there."""
        if self.kind is MatchKind.EQUAL:
            return value == self.value
        if self.kind is MatchKind.UNEQUAL:
            return value != self.value
        return _compile(self.value).matches(value) is (self.kind is MatchKind.LIKE)


@lru_cache(maxsize=64)
def _compile(text: str) -> Pattern:
    return compile_pattern(text)


def choose(labels: Iterable[Labels], matchers: Sequence[Matcher]) -> list[int]:
    """The places of the label sets that fit all matchers.

    Raises:
        PromqlError: A pattern that is not supported.
    """
    known: list[dict[str, bool]] = [{} for _ in matchers]
    chosen = []
    for place, one in enumerate(labels):
        named = dict(one)
        for matcher, verdicts in zip(matchers, known, strict=True):
            value = named.get(matcher.label, "")
            verdict = verdicts.get(value)
            if verdict is None:
                verdict = verdicts[value] = matcher.matches(value)
            if not verdict:
                break
        else:
            chosen.append(place)
    return chosen

"""Patterns mean what they mean to Python, and never take long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.patterns import MAX_STATES, compile_pattern

PARTS = ["a", "b", ".", "*", "+", "?", "|", "(", ")", "(?:", "[ab]", "[^a-b]", "{1,2}", "{0}"]
PARTS += ["{2,}", r"\.", r"\d", r"\W", "-", "a{3}", "[]a]", "[a-]", "*?", "é"]


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.text("ab.-1é\n", max_size=6))
def test_patterns_match_what_python_matches(parts: list[str], text: str) -> None:
    expression = "".join(parts)
    try:
        expected = re.fullmatch(expression, text, re.ASCII) is not None
        pattern = compile_pattern(expression)
    except (re.error, PromqlError):
        reject()
    assert pattern.matches(text) is expected


@pytest.mark.parametrize(
    ("expression", "fits", "fits_not"),
    [
        ("grid", "grid", "grids"),
        ("grid|roof|", "", "grid|roof"),
        ("meter-[0-9]+", "meter-12", "meter-"),
        ("^m.*r$", "meter", "ameter"),
        ("(?i)Plug.*", "pLUG 1", "lug"),
        ("a{2,3}", "aaa", "aaaa"),
        ("[^/]+", "a b", "a/b"),
        ("a.b", "a-b", "a\nb"),
        (r"\[x\]\\", "[x]\\", "x"),
    ],
)
def test_named_patterns(expression: str, fits: str, fits_not: str) -> None:
    pattern = compile_pattern(expression)
    assert pattern.matches(fits)
    assert not pattern.matches(fits_not)


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("(a", "not closed"),
        ("a)", "not opened"),
        ("[a", "too early"),
        ("*a", "nothing is there"),
        ("a**", "repetition of a repetition"),
        (r"\b", r"\b"),
        ("(?=a)", "(?"),
        ("[[:alpha:]]", "with a name"),
        ("a^b", "^ within"),
        ("a{x}", "curly"),
        ("(" * 60 + "a" + ")" * 60, "too many brackets"),
        ("((a{99}){99}){99}", "too large"),
    ],
)
def test_other_patterns_are_refused_by_name(expression: str, word: str) -> None:
    with pytest.raises(PromqlError, match=re.escape(word)):
        compile_pattern(expression)


def test_pattern_that_takes_python_exponential_time_takes_none() -> None:
    """Counted in states, not in seconds: each sign is tried on each state once at most."""
    pattern = compile_pattern("(a|a)*(a|aa)*(.*.*)*b")
    assert len(pattern.states) < 100 < MAX_STATES
    assert not pattern.matches("a" * 2000)
    assert pattern.matches("a" * 2000 + "b")

"""Operators, aggregations and functions, in cases that can be checked by hand."""

from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.promql.rows import ask
from wattscope.compute.promql.faults import PromqlError, PromqlTextError
from wattscope.compute.promql.query_reader import MAX_DEPTH, read_query, read_selector

HOUSE = {
    'p{device="a",site="n"}': [(10.0, 1.0), (20.0, 2.0)],
    'p{device="b",site="n"}': [(10.0, 3.0)],
    'p{device="c",site="s"}': [(10.0, 5.0), (20.0, 7.0)],
    'q{device="a",site="n"}': [(10.0, 10.0)],
    'q{device="c",site="s"}': [(10.0, 4.0)],
}


def one(question: str) -> dict[str, float | None]:
    """Labels to value at 10 s."""
    return {labels: values[0] for labels, values in ask(HOUSE, question, 10).items()}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("1 + 2 * 3 ^ 2 ^ 0.5 % 5", {"": 1 + 2 * 3 ** (2**0.5) % 5}),
        ("-(2 > bool 1)", {"": -1}),
        ("time() - 8", {"": 2}),
        ("1 / 0", {"": float("inf")}),
        ('p{device="a"} * 10 + 1', {"device=a,site=n": 11}),
        ('10 - p{device=~"a|b"}', {"device=a,site=n": 9, "device=b,site=n": 7}),
        ('-p{device="a"}', {"device=a,site=n": -1}),
        ("p > 2", {"__name__=p,device=b,site=n": 3, "__name__=p,device=c,site=s": 5}),
        ("2 < p < 4", {"__name__=p,device=b,site=n": 3}),
        ("p > bool 2", {"device=a,site=n": 0, "device=b,site=n": 1, "device=c,site=s": 1}),
        ("p + q", {"device=a,site=n": 11, "device=c,site=s": 9}),
        ("p < q", {"__name__=p,device=a,site=n": 1}),
        ("p < bool q", {"device=a,site=n": 1, "device=c,site=s": 0}),
        ("p + on (device) q", {"device=a": 11, "device=c": 9}),
        ("p + ignoring (site) q", {"device=a": 11, "device=c": 9}),
        (
            "p / on (site) group_left sum by (site) (p)",
            {"device=a,site=n": 0.25, "device=b,site=n": 0.75, "device=c,site=s": 1},
        ),
        (
            "sum by (site) (p) - on (site) group_right p",
            {"device=a,site=n": 3, "device=b,site=n": 1, "device=c,site=s": 0},
        ),
        ("p and q", {"__name__=p,device=a,site=n": 1, "__name__=p,device=c,site=s": 5}),
        ("p unless q", {"__name__=p,device=b,site=n": 3}),
        (
            'q or p{device=~"b|c"}',
            {
                "__name__=q,device=a,site=n": 10,
                "__name__=q,device=c,site=s": 4,
                "__name__=p,device=b,site=n": 3,
            },
        ),
        ("sum(p)", {"": 9}),
        ("sum by (site) (p)", {"site=n": 4, "site=s": 5}),
        ("avg without (device) (p)", {"site=n": 2, "site=s": 5}),
        ("max(p) - min(p)", {"": 4}),
        ("count by (__name__) ({site=~'.+'})", {"__name__=p": 3, "__name__=q": 2}),
        ("topk(2, p)", {"__name__=p,device=c,site=s": 5, "__name__=p,device=b,site=n": 3}),
        (
            "bottomk by (site) (1, p)",
            {"__name__=p,device=a,site=n": 1, "__name__=p,device=c,site=s": 5},
        ),
        ("topk(0, p)", {}),
        ("clamp(p, 2, 4)", {"device=a,site=n": 2, "device=b,site=n": 3, "device=c,site=s": 4}),
        ("clamp(p, 4, 2)", {}),
        ('round(p{device="c"}, 2)', {"device=c,site=s": 6}),
        ('round(p{device="c"} / -2)', {"device=c,site=s": -2}),
        ("scalar(sum(p)) + 1", {"": 10}),
        ("vector(3)", {"": 3}),
        ('absent(p{device="x"})', {"device=x": 1}),
        ('absent(p{device="a"})', {}),
        ("sum(nothing)", {}),
        ("nothing + p", {}),
        ('{__name__=~"p|q",device!~"a|b",site!="n"}', {
            "__name__=p,device=c,site=s": 5, "__name__=q,device=c,site=s": 4,
        }),
    ],
)  # fmt: skip
def test_question_has_its_answer(question: str, expected: dict[str, float]) -> None:
    assert one(question) == pytest.approx(expected)


def test_scalar_of_many_is_none() -> None:
    (found,) = ask(HOUSE, "scalar(p)", 10)[""]
    assert found is not None
    assert math.isnan(found)


def test_order_of_an_instant_answer_is_that_of_topk_and_sort() -> None:
    assert list(one("topk(3, p)").values()) == [5, 3, 1]
    assert list(one("sort(p)").values()) == [1, 3, 5]
    assert list(one("sort_desc(p)").values()) == [5, 3, 1]


def test_each_step_is_answered_for_itself() -> None:
    assert ask(HOUSE, "sum(p)", 5, 10, 20, lookback_s=5) == {"": [None, 9, 9]}
    assert ask(HOUSE, "topk(1, p)", 10, 20, lookback_s=5) == {"__name__=p,device=c,site=s": [5, 7]}


def test_series_that_are_equal_at_different_steps_become_one() -> None:
    given = {'p{phase="l1"}': [(10.0, 1.0)], 'q{phase="l1"}': [(20.0, 2.0)]}
    found = ask(given, '{phase="l1"} + 0', 10, 20, lookback_s=5)
    assert found == {"phase=l1": [1, 2]}


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("p + on (site) p", "duplicate series for the match group"),
        ("p + on (site) sum by (site) (p)", "many-to-one matching must be explicit"),
        ('{site="n"} + 1', "same labelset"),
        ('max_over_time({device="a"}[1m])', "same labelset"),
        ("p atan2 p", "the operator atan2 is not supported"),
        ("stddev(p)", "the aggregation stddev is not supported"),
        ("histogram_quantile(0.9, p)", "the function histogram_quantile is not supported"),
        ("max_over_time(p[1h:5m])", "a subquery"),
        ("p @ 10", "@ is not supported"),
        ('p{device=~"(?s)a"}', "pattern '(?s)a' is not supported"),
        ("-" * (MAX_DEPTH + 2) + "p", "levels deep"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(question: str, words: str) -> None:
    with pytest.raises(PromqlError, match=re.escape(words)) as refused:
        ask(HOUSE, question, 10)
    assert refused.value.kind == "execution"


@pytest.mark.parametrize(
    "question",
    [
        "", "sum(", "p{", "rate(p)", "abs(1)", "1 > 2", "1 and p", '"a" + 1', 'p{device=~"("}',
        "{}", "topk(p, p)", "p[0s]", "p offset 999y", "p offset 1e400", "p offset #'\n -inf",
        "p[0xfffffffffffffffffff]", "p @ nan", "p[999999999y]", "p" * 5000, "\x00", '"',
        '"' + '\\"' * 90_000,
    ],
)  # fmt: skip
def test_what_is_no_promql_is_said_so(question: str) -> None:
    with pytest.raises(PromqlTextError) as refused:
        read_query(question)
    assert refused.value.kind == "bad_data"


WORDS = (
    r"""sum by ( ) x { } [5m] [ 5m ] offset @ - + 1 "a" = =~ != , rate and on group_left bool topk
    1e400 0x inf nan ' ` \ : {a="b"} or > == # __name__ 1y unless é . 99999999999999999999 1e20 ^
    count_values label_replace vector time() start() end ignoring 0xfffffffffffffffffff 5m:1m"""
)  # fmt: skip


@given(
    st.lists(st.sampled_from([*WORDS.split(), "\n", "\0"]), max_size=10), st.sampled_from(["", " "])
)
def test_any_text_gets_a_tree_or_a_fault(words: list[str], between: str) -> None:
    with contextlib.suppress(PromqlError):
        read_query(between.join(words))


def test_long_list_of_devices_is_no_long_question() -> None:
    devices = "|".join(f"meter-{number}" for number in range(5000))
    assert one(f'sum(p{{device=~"{devices}|a"}})') == {"": 1}


def test_selector_alone() -> None:
    assert [str(m.kind.value) for m in read_selector('p{a="b",c!~"d"}')] == ["=", "=", "!~"]
    for text in ("p[5m]", "p + 1", "1"):
        with pytest.raises(PromqlTextError):
            read_selector(text)

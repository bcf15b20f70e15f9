"""However rows are cut into pieces, the answer is the same; what costs too much is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compute.promql.rows import ask, rows_of
from wattscope.compute.promql.faults import PromqlError
from wattscope.compute.promql.sampling import Bounds

DENSE = {
    f'x{{device="{name}"}}': [(float(at), float(at * every % 17)) for at in range(0, 3000, every)]
    for name, every in (("a", 1), ("b", 7), ("c", 100))
}
STEPS = tuple(float(at) for at in range(0, 3600, 60))


@given(
    piece=st.integers(1, 5000),
    question=st.sampled_from(
        ["x", "rate(x[5m])", "sum_over_time(x[1m])", "max_over_time(x[50m])", "x offset 20m"]
    ),
)
def test_answer_does_not_depend_on_the_pieces(piece: int, question: str) -> None:
    whole = ask(DENSE, question, *STEPS)
    source = rows_of(DENSE)
    assert ask(source, question, *STEPS, bounds=Bounds(n_piece_rows=piece)) == whole


def test_what_is_in_memory_at_once_is_bounded() -> None:
    source = rows_of(DENSE)
    bounds = Bounds(n_piece_rows=300, n_window_rows=600)
    assert ask(source, "rate(x[1m])", *STEPS, bounds=bounds) == ask(DENSE, "rate(x[1m])", *STEPS)
    assert len(source.reads) > 5
    # A piece is sized by the one before it, and read again in less where that was wrong.
    assert source.n_largest <= 1500


def test_nothing_is_read_between_windows_that_lie_far_apart() -> None:
    source = rows_of({"x": [(0.0, 1.0), (1e6, 2.0)]})
    assert ask(source, "x", 10.0, 1e6) == {"__name__=x": [1, 2]}
    assert [(start, end) for _, start, end in source.reads] == [
        (-290_000_000, 10_000_001),
        (999_700_000_000, 1_000_000_000_001),
    ]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(n_series=2), "means 3 series, more than 2"),
        (Bounds(n_points=100), "3 series at 60 steps are more than 100"),
        (Bounds(n_rows=1000), "more than 1,000 readings"),
        (Bounds(n_window_rows=200, n_piece_rows=50), "one window of 3 series holds more than 200"),
        (Bounds(n_visits=5000), "overlap"),
    ],
)
def test_what_costs_too_much_is_refused_in_words(bounds: Bounds, words: str) -> None:
    with pytest.raises(PromqlError, match=words):
        ask(DENSE, "avg_over_time(x[10m])", *STEPS, bounds=bounds)


def test_series_with_two_names_are_read_once() -> None:
    source = rows_of(DENSE)
    first = source.series[0]
    source.series = (*source.series, type(first)((("__name__", "own"),), first.id, first.scale))
    found = ask(source, '{__name__=~"own|x",device=~"a|"}', 100.0)
    assert found == {"__name__=own": [100 % 17], "__name__=x,device=a": [100 % 17]}
    assert source.reads[0][0] == [1]

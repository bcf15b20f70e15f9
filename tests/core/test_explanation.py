"""What an explanation says in one line."""

from __future__ import annotations

from wattscope.core.explanation import ROWS, TAIL, Explanation, Step


def test_spans_from_one_place_are_counted_together_and_the_tail_has_no_count() -> None:
    steps = (
        Step("1d", 0, 7, 7, 1),
        Step(ROWS, 7, 8, 1, 1),
        Step("1d", 8, 13, 5, 1),
        Step(TAIL, 13, 14, 1, 1),
    )
    words = "1d from kept 1d in 12 spans, from rows in 1 span, and from the tail"
    assert Explanation("1d", steps).summarise() == words


def test_one_place_alone_needs_no_list() -> None:
    assert Explanation("raw", (Step(ROWS, 0, 1, 1, 1),)).summarise() == "raw from rows in 1 span"
    assert Explanation("1h", (Step(TAIL, 0, 1, 1, 1),)).summarise() == "1h from the tail"


def test_nothing_is_said_to_be_nothing() -> None:
    assert "nothing" in Explanation("1h", ()).summarise()

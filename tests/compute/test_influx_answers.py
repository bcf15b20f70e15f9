"""What is done about each answer of InfluxDB; the bodies are those of 1.6.7 and of the manual."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.influx_answers import LONGEST_WAIT_S, Verdict, judge_answer
from wattscope.core.time_grid import parse_instant

NOW_US = parse_instant("2026-11-26T12:00:00Z")
CONFLICT = (
    b'{"error":"partial write: field type conflict: input field \\"voltage_v\\" on measurement '
    b'\\"wattscope\\" is type float, already exists as type string dropped=3"}'
)
CONFLICT_2 = (
    b'{"code":"unprocessable entity","message":"failure writing points to database: partial write: '
    b'points beyond retention policy dropped=12"}'
)

CASES = [
    (204, b"", Verdict.TAKEN, 0),
    (200, b"", Verdict.TAKEN, 0),
    (400, CONFLICT, Verdict.PARTLY_TAKEN, 3),
    (422, CONFLICT_2, Verdict.PARTLY_TAKEN, 12),
    (400, b'{"error":"partial write: something new"}', Verdict.PARTLY_TAKEN, 1),
    (400, b'{"error":"unable to parse \'x\': missing fields"}', Verdict.REFUSED, 0),
    (400, b'{"code":"invalid","message":"unable to parse"}', Verdict.REFUSED, 0),
    (413, b'{"error":"Request Entity Too Large"}', Verdict.TOO_LARGE, 0),
    (401, b'{"error":"authorization failed"}', Verdict.NOT_SO, 0),
    (403, b'{"error":"\\"a\\" user is not authorized to write"}', Verdict.NOT_SO, 0),
    (404, b'{"error":"database not found: \\"home\\""}', Verdict.NOT_SO, 0),
    (404, b"<html>nothing here</html>", Verdict.NOT_SO, 0),
    (302, b"", Verdict.NOT_SO, 0),
    (405, b"", Verdict.NOT_SO, 0),
    (429, b"", Verdict.LATER, 0),
    (408, b"", Verdict.LATER, 0),
    (500, b'{"error":"timeout"}', Verdict.LATER, 0),
    (502, b"", Verdict.LATER, 0),
    (503, b'{"code":"unavailable"}', Verdict.LATER, 0),
    (507, b"", Verdict.LATER, 0),
]


@pytest.mark.parametrize(("status", "body", "verdict", "n_dropped"), CASES)
def test_answer_means(status: int, body: bytes, verdict: Verdict, n_dropped: int) -> None:
    judged = judge_answer(status, body, "", NOW_US)
    assert (judged.verdict, judged.n_dropped, judged.wait_s) == (verdict, n_dropped, None)
    assert verdict is Verdict.TAKEN or judged.words.startswith(str(status))


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", LONGEST_WAIT_S),
        ("Thu, 26 Nov 2026 12:01:30 GMT", 90.0),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        ("Thu, 26 Nov 2027 12:00:00 GMT", LONGEST_WAIT_S),
        ("Thu, 26 Nov 2026 12:01:30 -0000", None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_wait_that_is_asked_for_is_kept(text: str, wait_s: float | None) -> None:
    assert judge_answer(503, b"", text, NOW_US).wait_s == wait_s


def test_words_are_those_of_the_receiver_with_advice() -> None:
    judged = judge_answer(404, b'{"error":"database not found: \\"home\\""}', "", NOW_US)
    assert judged.words == (
        '404 database not found: "home"; create the database or bucket there, or check url and name'
    )


def test_long_words_keep_their_end_where_the_count_stands() -> None:
    body = b'{"error":"partial write: ' + b"x" * 700 + b' dropped=7"}'
    judged = judge_answer(400, body, "", NOW_US)
    assert judged.n_dropped == 7
    assert len(judged.words) < 320
    assert judged.words.endswith("dropped=7")


@given(st.integers(0, 999), st.binary(max_size=200), st.text(max_size=30))
def test_no_answer_is_an_error(status: int, body: bytes, retry_after: str) -> None:
    judged = judge_answer(status, body, retry_after, NOW_US)
    assert judged.words.isprintable()
    assert judged.wait_s is None or 0 <= judged.wait_s <= LONGEST_WAIT_S

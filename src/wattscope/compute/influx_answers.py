"""What an answer of InfluxDB to points means, of both APIs: taken, refused, later, or never so.

======================  ==========================================================================
204, any 2xx            taken
400, 422                "partial write": what is good is taken, what is not is not, for good;
                        else nothing of the body is
413                     too much at once: send less
408, 425, 429, 5xx      later; after ``Retry-After`` where it says so
401, 403, 404, others   nothing will be taken until somebody changes something
======================  ==========================================================================

Sources: InfluxDB v1.8 and v2 documentation, "/write" and "/api/v2/write"; RFC 9110, section 10.2.3
(``Retry-After``); what InfluxDB 1.6.7 answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

import msgspec

from wattscope.core.time_grid import US_PER_S, to_us

LONGEST_WAIT_S: Final = 600.0
"""A longer ``Retry-After`` is not believed [s]."""
_MAX_WORDS: Final = 300
_LATER: Final = frozenset({408, 425, 429})
_DROPPED: Final = re.compile(r"dropped=(\d{1,9})")
_ADVICE: Final = {
    401: "check the user and its password, or the token",
    403: "give the user or token the right to write there",
    404: "create the database or bucket there, or check url and name",
}


class Verdict(Enum):
    """What became of a body of points."""

    TAKEN = "taken"
    PARTLY_TAKEN = "partly taken"
    """Some of its points never will be."""
    REFUSED = "refused"
    """Nothing was taken, because of at least one of its points."""
    TOO_LARGE = "too large"
    LATER = "later"
    NOT_SO = "not so"
    """Nothing will be taken, whatever the points, until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer says."""

    verdict: Verdict
    words: str = ""
    """What the receiver said, with advice; without control signs."""
    n_dropped: int = 0
    """Points that were not taken and never will be, of a body that was partly taken."""
    wait_s: float | None = None
    """For how long the receiver wants to be left alone [s]; None where it does not say."""


def judge_answer(status: int, body: bytes, retry_after: str, now_us: int) -> Judgement:
    """What an answer means; never raises.

    >>> judge_answer(204, b"", "", 0).verdict
    <Verdict.TAKEN: 'taken'>
    >>> judge_answer(400, b'{"error":"partial write: no room dropped=2"}', "", 0).n_dropped
    2
    >>> judge_answer(503, b"", "120", 0).wait_s
    120.0

    Args:
        status: Of HTTP.
        body: Of the answer.
        retry_after: That header; empty where there is none.
        now_us: This moment [µs].
    """
    if 200 <= status < 300:
        return Judgement(Verdict.TAKEN)
    said = _read_words(body)
    words = f"{status} {said}".strip()
    if status in {400, 422}:
        if "partial write" not in said:
            return Judgement(Verdict.REFUSED, words)
        dropped = _DROPPED.search(said)
        return Judgement(Verdict.PARTLY_TAKEN, words, 1 if dropped is None else int(dropped[1]))
    if status == 413:
        return Judgement(Verdict.TOO_LARGE, words)
    if status in _LATER or status >= 500:
        return Judgement(Verdict.LATER, words, wait_s=_read_wait(retry_after, now_us))
    if 300 <= status < 400:
        advice = "the answer leads elsewhere; write the address it leads to into url"
    else:
        advice = _ADVICE.get(status, "check url; is it an InfluxDB that answers there?")
    return Judgement(Verdict.NOT_SO, f"{words}; {advice}")


def _read_words(body: bytes) -> str:
    """What an answer says in words: ``error`` of the first API, ``message`` of the second."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    text = body.decode("utf-8", "replace")
    if isinstance(document, dict):
        told = document.get("error") or document.get("message")
        text = told if isinstance(told, str) else text
    shown = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * _MAX_WORDS])
    shown = " ".join(shown.split())
    if len(shown) <= _MAX_WORDS:
        return shown
    # What was dropped stands at the end.
    return f"{shown[: _MAX_WORDS - 40]} … {shown[-40:]}"


def _read_wait(text: str, now_us: int) -> float | None:
    """Seconds, or the time until an instant of HTTP; None for what is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        until_us = to_us(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, (until_us - now_us) / US_PER_S), LONGEST_WAIT_S)

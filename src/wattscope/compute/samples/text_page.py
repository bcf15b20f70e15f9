"""Reads pages in Prometheus' text format 0.0.4, and its version 1.0 with names in quotes, strictly.

A page is believed as a whole or not at all, as Prometheus does: a line that cannot be read, a line
that is cut off at the end of the page included, refuses it. An energy register whose last digits
were lost would be a number like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from wattscope.compute.samples.sample_line import EmptyValue, Labels, read_head
from wattscope.core.errors import BadBodyError
from wattscope.core.findings import Rejection

_NAME: Final = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_BRACES: Final = rb'\{(?:[^"{}]|"(?:[^"\\]|\\.)*+")*+\}'
_HEAD: Final = re.compile(
    rb"[ \t]*+(?:((?:" + _NAME + rb")?+[ \t]*+" + _BRACES + rb")[ \t]*+|(" + _NAME + rb")[ \t]++)"
)
_REST: Final = re.compile(
    rb"([+-]?+(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+|[+-]?+[iI][nN][fF]|[nN][aA][nN])"
    rb"(?:[ \t]++(-?[0-9]{1,18}))?+[ \t\r]*+"
)
_TYPE: Final = re.compile(rb"#[ \t]+TYPE[ \t]+(\S+)[ \t]+(\S+)[ \t\r]*")
_TYPES: Final = frozenset({b"counter", b"gauge", b"histogram", b"summary", b"untyped", b"unknown"})
_SHOWN: Final = 60


class PageSample(NamedTuple):
    """One sample of a page."""

    labels: Labels
    value: float
    time_ms: int | None
    """[ms since 1970]; None where the page tells none."""


def read_text_page(page: bytes) -> Iterator[PageSample]:
    """The samples of a page, in its order.

    Raises:
        BadBodyError: A line cannot be read; samples before it were given already.
    """
    lines = page.split(b"\n")
    if lines[-1]:
        raise BadBodyError("the last line has no end: the page is cut off")
    for number, line in enumerate(lines, 1):
        if line.lstrip(b" \t").startswith(b"#"):
            _check_comment(line, number)
        elif line.strip(b" \t\r"):
            yield _read_line(line, number)


def _check_comment(line: bytes, number: int) -> None:
    match = _TYPE.fullmatch(line.lstrip(b" \t"))
    if match is not None and match[2] not in _TYPES:
        raise BadBodyError(f"line {number}: {match[2][:_SHOWN]!r} is no type of metric")


def _read_line(line: bytes, number: int) -> PageSample:
    head = _HEAD.match(line)
    rest = None if head is None else _REST.fullmatch(line, head.end())
    if head is None or rest is None:
        raise BadBodyError(f"line {number} is no sample: {line[:_SHOWN]!r}")
    labels = read_head(head[1] or head[2], empty=EmptyValue.ABSENT)
    if isinstance(labels, Rejection):
        raise BadBodyError(f"line {number}: {labels.detail}")
    return PageSample(labels, float(rest[1]), None if rest[2] is None else int(rest[2]))

"""Points of the InfluxDB line protocol, by its grammar.

::

    measurement,tag=value,tag=value field=1.5,field=2i,field="text" 1465839830100400200
    # a comment

Grammar: influxdata/line-protocol, ``grammar.ebnf``. Whatever the payload, nothing is raised: a line
that is not of the grammar is one ``BadLine``, and its neighbours are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from wattscope.core.findings import ReasonCode

MAX_LINE = 1 << 20
"""A longer line is not read [characters]."""
MAX_STRING = 1 << 16
"""A longer text in a field is not read [characters]; a lost quote may not swallow the rest."""
MAX_EXCERPT = 64
"""Characters of a bad line that are shown."""

FieldValue = float | int | str | bool


class Precision(Enum):
    """Unit of the timestamps, by its length [ns]."""

    NS = 1
    US = 1_000
    MS = 1_000_000
    S = 1_000_000_000
    M = 60_000_000_000
    H = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One line of values."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    """Ordered by key, each key once."""
    fields: tuple[tuple[str, FieldValue], ...]
    """In the order of the line, at least one. The grammar lets a key stand twice."""
    time_ns: int | None
    """[ns since 1970, UTC]; None when the line has no time."""
    line_number: int = 1


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not of the grammar."""

    line_number: int
    """The line in which the point began; the first line of the payload is 1."""
    column: int
    """Where it stops being of the grammar, in characters; the first is 1."""
    code: ReasonCode
    detail: str
    excerpt: str
    """At most ``MAX_EXCERPT`` characters of the line, without control characters."""


def parse_lines(
    payload: bytes, precision: Precision = Precision.NS, *, first_line: int = 1
) -> Iterator[Point | BadLine]:
    r"""Every point and every bad line, in order.

    >>> next(parse_lines(b"plug,room=a\\ b power_w=12.5 1", Precision.S)).time_ns
    1000000000

    Args:
        payload: Whole lines.
        precision: Unit of the timestamps.
        first_line: Number of the payload's first line in its file.
    """
    return iter(_Reader(payload, precision, first_line))


def cut_lines(payload: bytes) -> Iterator[tuple[int, bytes]]:
    r"""The bytes of each point and of each bad line, with the number of its first line.

    Each piece is for itself what it is within the payload: what ``parse_lines`` says of all pieces
    is what it says of the whole, but for a byte order mark within. Empty lines and comments are
    left out.

    >>> list(cut_lines(b'a f=1\n# remark\nb f="two\nlines"\n'))
    [(1, b'a f=1'), (3, b'b f="two\nlines"')]
    """
    if b'"' not in payload:
        # Only a text in quotes can hold a line feed.
        lines = enumerate(payload.split(b"\n"), start=1)
        return ((n, line) for n, line in lines if line[:1] not in _MAYBE_NOTHING or _says(line))
    return ((n, line) for n, line in _cut_quoted(payload) if _says(line))


def _cut_quoted(payload: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(payload, Precision.NS, 1)
    text, at, number = reader.text, 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text.find('"', at, end) >= 0 and _CLOSED.fullmatch(text, at, end) is None:
            end = reader.find_end(at)
        line = text[at:end]
        yield number, line.encode("utf-8", "surrogateescape")
        number += 1 + line.count("\n")
        at = end + 1


def _says(line: bytes) -> bool:
    """Whether a line is anything but empty or a comment."""
    return _NOTHING.fullmatch(line) is None


_PLAIN = r"[^\x00-\x1f\x7f ,=\\]"
_ESCAPED = r"\\+[^\x00-\x1f\x7f\\]"
_KEY = re.compile(rf"(?:{_PLAIN}++|{_ESCAPED})++")
_NAME = re.compile(rf"(?:[^\x00-\x1f\x7f ,\\]++|{_ESCAPED})++")
_STRING = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_BARE = re.compile(r"[^ ,\r\n]*")
_BLANK = re.compile(r" *")
_EOL = re.compile(r"\r?\n|\r?\Z")
_COMMENT = re.compile(r"#[^\x00-\x08\x0a-\x1f\x7f]*")
_TIME = re.compile(r"-?\d+", re.ASCII)
_INT = re.compile(r"-?\d+i", re.ASCII)
_UINT = re.compile(r"\d+u", re.ASCII)
_FLOAT = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)i?", re.ASCII | re.IGNORECASE)
_KEY_ESCAPE = re.compile(r"\\([ ,=])")
_NAME_ESCAPE = re.compile(r"\\([ ,])")
_STRING_ESCAPE = re.compile(r'\\(["\\nrt])')
_STRING_MEANING = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_BOOLS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_MAYBE_NOTHING = (b"", b" ", b"#", b"\r")
_NOTHING = re.compile(rb" *(?:#[^\x00-\x08\x0a-\x1f\x7f-\xff]*)?\r?")
# No quote before the fields, and then each that begins a value closed at its end: whatever else is
# wrong with such a line, no text of it goes on in the next one.
_CLOSED = re.compile(r'[^"\\ ]*+ [^"\\]*+(?:(?<==)"[^"\\]*+"(?=[, ]|\r?\Z)[^"\\]*+)*+')
# More digits than any 64-bit integer; leading zeros are dropped before.
_MAX_DIGITS = 20


class _Refusal(Exception):  # noqa: N818 - never leaves this module; it unwinds to the line
    """Where and why a line stops being of the grammar."""

    def __init__(self, position: int, code: ReasonCode, detail: str) -> None:
        super().__init__(detail)
        self.position = position
        self.code = code
        self.detail = detail


class _Reader:
    """Goes through a payload once; each method reads one part of the grammar at ``at``."""

    def __init__(self, payload: bytes, precision: Precision, first_line: int) -> None:
        self.text = self._text = payload.decode("utf-8", "surrogateescape")
        self._is_utf8 = _NOT_UTF8.search(self._text) is None
        self._unit_ns = precision.value
        self._at = 0
        self._line = first_line

    def __iter__(self) -> Iterator[Point | BadLine]:
        """Points and bad lines."""
        while self._at < len(self._text):
            start, line = self._at, self._line
            try:
                point = self._read_line()
            except _Refusal as refusal:
                yield self._recover(start, line, refusal)
                continue
            if point is not None:
                yield point
            self._line += self._text.count("\n", start, self._at)

    def find_end(self, start: int) -> int:
        """Where the line that begins at ``start`` ends: at its line feed, or that of the text."""
        self._at = start
        try:
            self._read_line()
        except _Refusal:
            end = self._text.find("\n", start)
            return len(self._text) if end < 0 else end
        is_ended = self._text.startswith("\n", self._at - 1)
        return self._at - 1 if is_ended else self._at

    def _read_line(self) -> Point | None:
        """A whole line; None for a comment or an empty one."""
        text, start = self._text, self._at
        if text.find("\n", start, start + MAX_LINE) < 0 and len(text) - start > MAX_LINE:
            raise _Refusal(start, ReasonCode.TOO_BIG, "the line is longer than 1 MiB")
        if start == 0 and text.startswith("\ufeff"):
            raise _Refusal(start, ReasonCode.ENCODING, "the text begins with a byte order mark")
        self._skip(_BLANK)
        comment = _COMMENT.match(text, self._at)
        point = None
        if comment is not None:
            self._at = comment.end()
        elif _EOL.match(text, self._at) is None:
            point = self._read_point()
        self._read_end_of_line()
        wrong = None if self._is_utf8 else _NOT_UTF8.search(text, start, self._at)
        if wrong is not None:
            raise _Refusal(wrong.start(), ReasonCode.ENCODING, "the line is not UTF-8")
        return point

    def _read_point(self) -> Point:
        """Measurement, tags, fields and time."""
        name = self._take(_NAME, "the measurement")
        measurement = _NAME_ESCAPE.sub(r"\1", name) if "\\" in name else name
        tags: dict[str, str] = {}
        while self._skip_sign(","):
            start = self._at
            key = self._read_key("a tag")
            if key in tags:
                detail = f"tag {key[:40]!r} stands twice"
                raise _Refusal(start, ReasonCode.DUPLICATE_KEY, detail)
            value = self._take(_KEY, f"the value of tag {key[:40]}")
            tags[key] = _KEY_ESCAPE.sub(r"\1", value) if "\\" in value else value
        if not self._skip_sign(" "):
            raise self._refuse("a blank and then the fields")
        self._skip(_BLANK)
        fields = [self._read_field()]
        while self._skip_sign(","):
            fields.append(self._read_field())
        time_ns = None
        if self._skip_sign(" "):
            self._skip(_BLANK)
            time_ns = self._read_time()
            self._skip(_BLANK)
        return Point(measurement, tuple(sorted(tags.items())), tuple(fields), time_ns, self._line)

    def _read_field(self) -> tuple[str, FieldValue]:
        """One key with its value."""
        key = self._read_key("a field")
        return key, self._read_value(key)

    def _read_key(self, what: str) -> str:
        """A key and its equals sign."""
        key = self._take(_KEY, f"the key of {what}")
        if not self._skip_sign("="):
            raise self._refuse(f"= after the key of {what}")
        return _KEY_ESCAPE.sub(r"\1", key) if "\\" in key else key

    def _read_value(self, key: str) -> FieldValue:
        """The value of a field."""
        if self._text.startswith('"', self._at):
            return self._read_string(key)
        start = self._at
        found = _BARE.match(self._text, start)
        bare = found[0] if found else ""
        self._at = start + len(bare)
        value, code = _read_bare(bare)
        if value is None:
            detail = f"field {key[:40]} has no value that can be read: {bare[:40]!r}"
            raise _Refusal(start, code, detail)
        return value

    def _read_string(self, key: str) -> str:
        """A text between double quotes; it may contain line feeds."""
        start = self._at
        found = _STRING.match(self._text, start, start + MAX_STRING + 2)
        if found is None:
            if len(self._text) - start > MAX_STRING:
                detail = f"the text of field {key[:40]} is not closed within 64 KiB"
                raise _Refusal(start, ReasonCode.TOO_BIG, detail)
            raise _Refusal(start, ReasonCode.SYNTAX, f"the text of field {key[:40]} is not closed")
        self._at = found.end()
        if "\\" not in found[1]:
            return found[1]
        return _STRING_ESCAPE.sub(lambda escape: _STRING_MEANING[escape[1]], found[1])

    def _read_time(self) -> int | None:
        """The timestamp [ns], if there is one."""
        found = _TIME.match(self._text, self._at)
        if found is None:
            return None
        start, self._at = self._at, found.end()
        count = _bounded_int(found[0], -(2**63), 2**63 - 1)
        time_ns = None if count is None else count * self._unit_ns
        if time_ns is None or not -(2**63) <= time_ns < 2**63:
            raise _Refusal(start, ReasonCode.RANGE, "the time is beyond 64 bits of nanoseconds")
        return time_ns

    def _read_end_of_line(self) -> None:
        """The line feed, with or without a carriage return, or the end of the payload."""
        found = _EOL.match(self._text, self._at)
        if found is None:
            raise self._refuse("the end of the line")
        self._at = found.end()

    def _take(self, pattern: re.Pattern[str], what: str) -> str:
        """The text that a pattern matches."""
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._refuse(what)
        self._at = found.end()
        return found[0]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        """Go behind what a pattern matches."""
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _skip_sign(self, sign: str) -> bool:
        """Go behind a sign, if it stands here."""
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        return True

    def _refuse(self, expected: str) -> _Refusal:
        """What stands here is not what the grammar asks for."""
        seen = self._text[self._at : self._at + 1]
        is_text = not seen or seen in "\t\r\n" or (seen >= " " and seen != "\x7f")
        code = ReasonCode.SYNTAX if is_text else ReasonCode.ENCODING
        if _NOT_UTF8.match(seen):
            code, seen = ReasonCode.ENCODING, "a byte that is not UTF-8"
        seen = seen.rstrip("\n")
        detail = f"expected {expected}, found {seen!r}" if seen else f"expected {expected}"
        return _Refusal(self._at, code, detail)

    def _recover(self, start: int, line: int, refusal: _Refusal) -> BadLine:
        """Go behind the line in which the point began; what a lost quote swallowed is read."""
        end = self._text.find("\n", start)
        end = len(self._text) if end < 0 else end
        self._at = end + 1
        self._line = line + 1
        bad = self._text[start : min(end, start + MAX_EXCERPT)]
        excerpt = "".join(c if c.isprintable() else "·" for c in bad)
        return BadLine(line, refusal.position - start + 1, refusal.code, refusal.detail, excerpt)


def _read_bare(text: str) -> tuple[FieldValue | None, ReasonCode]:
    """The value of a field without quotes, or why there is none."""
    if _FLOAT.fullmatch(text):
        number = float(text)
        return (None if math.isinf(number) else number), ReasonCode.RANGE
    if text in _BOOLS:
        return _BOOLS[text], ReasonCode.SYNTAX
    if _INT.fullmatch(text):
        return _bounded_int(text[:-1], -(2**63), 2**63 - 1), ReasonCode.RANGE
    if _UINT.fullmatch(text):
        return _bounded_int(text[:-1], 0, 2**64 - 1), ReasonCode.RANGE
    is_special = _NOT_FINITE.fullmatch(text) is not None
    return None, ReasonCode.NOT_FINITE if is_special else ReasonCode.SYNTAX


def _bounded_int(digits: str, low: int, high: int) -> int | None:
    """The integer, or None when it is out of bounds however many digits it has."""
    sign = -1 if digits.startswith("-") else 1
    significant = digits.lstrip("-").lstrip("0") or "0"
    if len(significant) > _MAX_DIGITS:
        return None
    number = sign * int(significant)
    return number if low <= number <= high else None

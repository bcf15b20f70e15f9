"""The line protocol is read by its grammar: exactly, line by line, and without ever raising."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.files.line_protocol import (
    MAX_LINE,
    MAX_STRING,
    BadLine,
    FieldValue,
    Point,
    Precision,
    parse_lines,
)
from wattscope.core.findings import ReasonCode

PRECISIONS = {
    "1ns": Precision.NS,
    "1us": Precision.US,
    "1µs": Precision.US,
    "1ms": Precision.MS,
    "1s": Precision.S,
}
KINDS: dict[str, type] = {"int": int, "uint": int, "float": float, "string": str, "bool": bool}


def _points(payload: bytes, precision: Precision = Precision.NS) -> list[Point]:
    found = list(parse_lines(payload, precision))
    assert [part for part in found if isinstance(part, BadLine)] == []
    return [part for part in found if isinstance(part, Point)]


def _bad(payload: bytes) -> BadLine:
    [bad] = [part for part in parse_lines(payload) if isinstance(part, BadLine)]
    return bad


def _vectors(shared_data: Path) -> list[tuple[bytes, dict[str, Any], dict[str, Any]]]:
    with gzip.open(shared_data / "line-protocol" / "corpus.json.gz") as file:
        corpus = json.load(file)["decode"]
    return [
        (
            base64.b64decode(text["binary"]) if isinstance(text, dict) else text.encode(),
            vector["input"],
            vector["output"],
        )
        for vector in corpus.values()
        for text in [vector["input"]["text"]]
    ]


def _expect(
    point: dict[str, Any],
) -> tuple[str, list[tuple[str, str]], list[tuple[str, type, FieldValue]], int]:
    tags = [(tag["key"], tag["value"]) for tag in point["tags"]]
    fields = []
    for field in point["fields"]:
        [(kind, value)] = field["value"].items()
        fields.append((field["key"], KINDS[kind], KINDS[kind](value)))
    return point["name"], tags, fields, point["time"]


def test_the_conformance_vectors_give_exactly_their_points(shared_data: Path) -> None:
    n_accepted = n_rejected = 0
    for payload, given_with, output in _vectors(shared_data):
        found = list(parse_lines(payload, PRECISIONS[given_with["precision"]]))
        bad = [part for part in found if isinstance(part, BadLine)]
        if "error" in output:
            assert bad, payload
            n_rejected += 1
            continue
        default_ns = given_with["defaultTime"]
        points = [
            (
                part.measurement,
                list(part.tags),
                [(key, type(value), value) for key, value in part.fields],
                default_ns if part.time_ns is None else part.time_ns,
            )
            for part in found
            if isinstance(part, Point)
        ]
        assert bad == [], payload
        assert points == [_expect(point) for point in output["result"]], payload
        n_accepted += 1
    assert (n_accepted, n_rejected) == (197, 3115)


def test_real_messages_are_read_and_other_encodings_refused(shared_data: Path) -> None:
    folder = shared_data / "line-protocol" / "telegraf"
    assert len(_points((folder / "cpu-utf-8.influx").read_bytes())) == 5
    [huge] = _points((folder / "huge_metric.influx").read_bytes())
    assert len(huge.fields) > 1000
    for name in ("cpu-utf-16le.influx", "cpu-utf-16be.influx"):
        found = list(parse_lines((folder / name).read_bytes()))
        assert all(isinstance(part, BadLine) for part in found)
        assert isinstance(found[0], BadLine)
        assert found[0].code is ReasonCode.ENCODING


def test_a_line_has_measurement_tags_fields_and_time() -> None:
    [point] = _points(b'plug,room=b,id=1 on=t,power=1.5,count=2i,u=3u,note="a b" 1780000000000')
    assert point.measurement == "plug"
    assert point.tags == (("id", "1"), ("room", "b"))
    assert point.fields == (("on", True), ("power", 1.5), ("count", 2), ("u", 3), ("note", "a b"))
    assert point.time_ns == 1780000000000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e5", 1e5),
        ("1.e+5", 1e5),
        ("007", 7.0),
        ("1i", 1),
        ("-0i", 0),
        ("1u", 1),
        ("-9223372036854775808i", -(2**63)),
        ("18446744073709551615u", 2**64 - 1),
        ("TRUE", True),
        ("F", False),
        ('""', ""),
        (r'"a\"b\\c\n\d"', 'a"b\\c\n\\d'),
        ('"two\nlines"', "two\nlines"),
    ],
)
def test_a_value_of_the_grammar_is_read(text: str, value: FieldValue) -> None:
    [point] = _points(f"m f={text} 1".encode())
    assert point.fields == (("f", value),)
    assert type(point.fields[0][1]) is type(value)


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        (b"m f=+1", ReasonCode.SYNTAX, 5),
        (b"m f=1_0", ReasonCode.SYNTAX, 5),
        (b"m f=.", ReasonCode.SYNTAX, 5),
        (b"m f=1e", ReasonCode.SYNTAX, 5),
        (b"m f=-1u", ReasonCode.SYNTAX, 5),
        (b"m f=tRUE", ReasonCode.SYNTAX, 5),
        (b"m f='x'", ReasonCode.SYNTAX, 5),
        (b"m f=", ReasonCode.SYNTAX, 5),
        (b"m f=NaN", ReasonCode.NOT_FINITE, 5),
        (b"m f=-inf", ReasonCode.NOT_FINITE, 5),
        (b"m f=1e400", ReasonCode.RANGE, 5),
        (b"m f=9223372036854775808i", ReasonCode.RANGE, 5),
        (b"m f=" + b"9" * 5000 + b"i", ReasonCode.RANGE, 5),
        (b"m f=1 9223372036854775808", ReasonCode.RANGE, 7),
        (b"m f=1 1.5", ReasonCode.SYNTAX, 8),
        (b"m f=1 1 2", ReasonCode.SYNTAX, 9),
        (b'm f="x', ReasonCode.SYNTAX, 5),
        (b'm f="x\\"', ReasonCode.SYNTAX, 5),
        (b"m", ReasonCode.SYNTAX, 2),
        (b"m ", ReasonCode.SYNTAX, 3),
        (b",t=1 f=1", ReasonCode.SYNTAX, 1),
        (b"m,t f=1", ReasonCode.SYNTAX, 4),
        (b"m,t= f=1", ReasonCode.SYNTAX, 5),
        (b"m,=v f=1", ReasonCode.SYNTAX, 3),
        (b"m, f=1", ReasonCode.SYNTAX, 3),
        (b"m\\", ReasonCode.SYNTAX, 2),
        (b"m,t=a\\ f=1", ReasonCode.SYNTAX, 9),
        (b"m f\\=1", ReasonCode.SYNTAX, 7),
        (b"m,a=1,a=2 f=1", ReasonCode.DUPLICATE_KEY, 7),
        (b"m\0 f=1", ReasonCode.ENCODING, 2),
        (b"m f=1\x7f", ReasonCode.SYNTAX, 5),
        (b"m\xff f=1", ReasonCode.ENCODING, 2),
        (b'm f="\xc3\x28"', ReasonCode.ENCODING, 6),
        (b"\xef\xbb\xbfm f=1", ReasonCode.ENCODING, 1),
        (b"# a \x01 comment", ReasonCode.ENCODING, 5),
        (b"m f=1\rx", ReasonCode.SYNTAX, 6),
    ],
)
def test_a_line_that_is_not_of_the_grammar_says_where_and_why(
    line: bytes, code: ReasonCode, column: int
) -> None:
    bad = _bad(line)
    assert (bad.line_number, bad.code, bad.column) == (1, code, column)
    assert len(bad.excerpt) <= 64
    assert bad.excerpt.isprintable()


def test_one_bad_line_does_not_touch_its_neighbours() -> None:
    found = list(parse_lines(b"a f=1\r\nb f=x\n# comment\n\n  c f=2  \n", first_line=11))
    assert [type(part) for part in found] == [Point, BadLine, Point]
    assert [part.line_number for part in found] == [11, 12, 15]


def test_what_a_lost_quote_swallowed_is_read_after_all() -> None:
    found = list(parse_lines(b'a f="x 1\nb f=2\nc f=3'))
    assert isinstance(found[0], BadLine)
    assert [part.measurement for part in found if isinstance(part, Point)] == ["b", "c"]
    assert [part.line_number for part in found] == [1, 2, 3]


def test_lines_and_texts_without_end_are_not_read() -> None:
    assert _bad(b'm f="' + b"x" * MAX_STRING * 2 + b'"').code is ReasonCode.TOO_BIG
    assert _bad(b"m f=1," * MAX_LINE).code is ReasonCode.TOO_BIG


@pytest.mark.parametrize(
    ("precision", "time_ns"),
    [
        (Precision.NS, 1_780_000_000),
        (Precision.US, 1_780_000_000_000),
        (Precision.MS, 1_780_000_000_000_000),
        (Precision.S, 1_780_000_000_000_000_000),
    ],
)
def test_a_time_is_in_its_precision(precision: Precision, time_ns: int) -> None:
    [point] = _points(b"m f=1 1780000000", precision)
    assert point.time_ns == time_ns
    assert _points(b"m f=1", precision)[0].time_ns is None


def test_a_time_that_its_precision_lifts_beyond_64_bits_is_refused() -> None:
    [bad] = parse_lines(b"m f=1 1780000000000000000", Precision.S)
    assert isinstance(bad, BadLine)
    assert bad.code is ReasonCode.RANGE


NAMES = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\\#\ufeff"), min_size=1
)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(st.characters(blacklist_categories=["Cs"])),
)


def _escape(name: str, signs: str) -> str:
    return "".join(f"\\{sign}" if sign in signs else sign for sign in name)


def _write_value(value: FieldValue) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=4),
    st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_written_is_read_back(
    name: str, tags: dict[str, str], fields: list[tuple[str, FieldValue]], time_ns: int
) -> None:
    head = ",".join(
        [
            _escape(name, " ,"),
            *(f"{_escape(k, ' ,=')}={_escape(v, ' ,=')}" for k, v in tags.items()),
        ]
    )
    body = ",".join(f"{_escape(key, ' ,=')}={_write_value(value)}" for key, value in fields)
    [point] = _points(f"{head} {body} {time_ns}\n".encode())
    assert point == Point(name, tuple(sorted(tags.items())), tuple(fields), time_ns)


PIECES = st.sampled_from(
    [
        b"m",
        b",",
        b"=",
        b" ",
        b"\\",
        b'"',
        b"\n",
        b"\r",
        b"1",
        b"i",
        b"t",
        b"#",
        b"\xff",
        b"\0",
        b".",
    ]
)


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=80).map(b"".join)))
def test_no_payload_raises_and_line_numbers_rise(payload: bytes) -> None:
    numbers = [part.line_number for part in parse_lines(payload)]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= payload.count(b"\n") + 1 for number in numbers)

"""Lines that are alike are read fast, and what is said of them is what the grammar says."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.decode import lines as module
from wattscope.compute.decode.lines import LineDecoder
from wattscope.compute.decode.route import Decoded
from wattscope.compute.files.line_map import LineMap, MappedField, MappedMeasurement, OtherFields
from wattscope.compute.files.line_protocol import (
    BadLine,
    Precision,
    cut_lines,
    parse_lines,
)
from wattscope.compute.line_routing import LineRouter, find_measurement_name, make_topic
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.reading import Reading
from wattscope.ports import RawMessage

ANYTHING = LineMap(
    measurements=(
        MappedMeasurement(
            "meter", fields=(MappedField("p", "active_power_w", "kW"),), device_tag="id"
        ),
        MappedMeasurement(device_tags=("*",), fields_from_names=True, other_fields=OtherFields.OWN),
    )
)
UNITS = {
    "1ns": Precision.NS,
    "1us": Precision.US,
    "1µs": Precision.US,
    "1ms": Precision.MS,
    "1s": Precision.S,
}
OF_GRAMMAR = {
    ReasonCode.SYNTAX,
    ReasonCode.ENCODING,
    ReasonCode.TOO_BIG,
    ReasonCode.RANGE,
    ReasonCode.NOT_FINITE,
    ReasonCode.DUPLICATE_KEY,
}


def _message(line: bytes, precision: str = "ns") -> RawMessage:
    return RawMessage(make_topic(precision, "db", find_measurement_name(line)), line, 0)


def _learn(lines: Sequence[bytes]) -> LineDecoder:
    """A decoder that has met these lines."""
    decoder = LineDecoder(ANYTHING, Precision.NS)
    for line in lines:
        assert isinstance(decoder.decode(_message(line)), tuple), line
    return decoder


def _slowly(line: bytes) -> Decoded:
    """What a decoder says that has met nothing."""
    return LineDecoder(ANYTHING, Precision.NS).decode(_message(line))


def _vectors(shared_data: Path) -> Iterator[tuple[bytes, dict[str, Any], bool]]:
    with gzip.open(shared_data / "line-protocol" / "corpus.json.gz") as file:
        corpus = json.load(file)["decode"]
    for vector in corpus.values():
        text = vector["input"]["text"]
        body = base64.b64decode(text["binary"]) if isinstance(text, dict) else text.encode()
        yield body, vector["input"], "error" in vector["output"]


def test_pieces_of_the_conformance_vectors_say_what_the_whole_says(shared_data: Path) -> None:
    n_wrong = n_right = 0
    for body, given_with, is_wrong in _vectors(shared_data):
        unit = UNITS[given_with["precision"]]
        pieces = [
            found
            for number, piece in cut_lines(body)
            for found in parse_lines(piece, unit, first_line=number)
        ]
        assert pieces == list(parse_lines(body, unit)), body
        assert any(isinstance(found, BadLine) for found in pieces) == is_wrong
        n_wrong, n_right = n_wrong + is_wrong, n_right + (not is_wrong)
    assert (n_right, n_wrong) == (197, 3115)


def test_conformance_vectors_are_decoded_alike_the_first_and_the_second_time(
    shared_data: Path,
) -> None:
    decoders = {unit: LineDecoder(ANYTHING, unit) for unit in UNITS.values()}
    n_taken = 0
    for body, given_with, is_wrong in _vectors(shared_data):
        decoder = decoders[UNITS[given_with["precision"]]]
        for _, piece in cut_lines(body):
            first = decoder.decode(_message(piece))
            assert decoder.decode(_message(piece)) == first, piece
            is_refused = isinstance(first, Rejection) and first.code in OF_GRAMMAR
            assert is_wrong or not is_refused or b"=" in piece
            n_taken += isinstance(first, tuple)
    assert n_taken > 50


def test_line_of_known_head_and_names_is_read_without_the_grammar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = _learn([b"cpu,host=a usage=5i,idle=95.5 1465839830100400200"])

    def fail(*_: object) -> Iterator[BadLine]:
        raise AssertionError

    monkeypatch.setattr(module, "parse_lines", fail)
    assert decoder.decode(_message(b"cpu,host=a usage=7i,idle=93 1465839840100400200")) == (
        Reading("a", 1465839840100400, ("cpu_usage__1", "cpu_idle__1"), (7.0, 93.0)),
    )
    with pytest.raises(AssertionError):
        decoder.decode(_message(b"cpu,host=b usage=7i,idle=93 1465839840100400200"))


KNOWN = (
    b"cpu,host=a usage=5i,idle=95i 1465839830100400200",
    b"cpu,host=a usage=5.5,idle=95 1465839830100400200",
    b"cpu,host=a usage=5i,idle=95.5 1465839830100400200",
    b"cpu,host=a a=1,b=2 1465839830100400200",
    b"meter,id=m1 p=1.001,q=2 1465839830100400200",
    b"meter,id=m1 p=3i 1465839830100400200",
    "température,pièce=séjour value=21.5 1465839830100400200".encode(),
)
TRICKS = (
    b'cpu,host=a a":1,b=2 1465839830100400200',
    b"cpu,host=a a,1=b,2 1465839830100400200",
    b"cpu,host=a a=1=b,2 1465839830100400200",
    b"cpu,host=a a=1,a=2 1465839830100400200",
    b"cpu,host=a a=1.5i,b=2 1465839830100400200",
    b"cpu,host=a a=1.5i,b=2i 1465839830100400200",
    b"cpu,host=a a=1e5i,b=2.5 1465839830100400200",
    b"cpu,host=a a=\t1,b=2 1465839830100400200",
    b"cpu,host=a a=1\r,b=2 1465839830100400200",
    b"cpu,host=a a=1,b=2, 1465839830100400200",
    b"cpu,host=a a={},b=2 1465839830100400200",
    b"cpu,host=a a=[1],b=2 1465839830100400200",
    b"cpu,host=a a=1},{b=2 1465839830100400200",
    b"cpu,host=a a=null,b=2 1465839830100400200",
    b"cpu,host=a a=true,b=2 1465839830100400200",
    b"cpu,host=a a=NaN,b=2 1465839830100400200",
    b"cpu,host=a a=1e400,b=2 1465839830100400200",
    b"cpu,host=a a=01,b=2 1465839830100400200",
    b"cpu,host=a a=+1,b=2 1465839830100400200",
    b"cpu,host=a a=9007199254740993i,b=2i 1465839830100400200",
    b"cpu,host=a a=9007199254740993i,b=2 1465839830100400200",
    b"cpu,host=a a=9007199254740993,b=2 1465839830100400200",
    b"cpu,host=a a=-1u,b=2u 1465839830100400200",
    b"cpu,host=a a=1,b=2 1465839830",
    b"cpu,host=a a=1,b=2 99999999999999999999",
    b"cpu,host=a a=1,b=2 9999999999999999999",
    "cpu,host=a a=1,b=2 \u0661465839830100400200".encode(),
    b"cpu,host=a a=1,b=2 1465839830100400200\r",
    b"cpu,host=a a=1,b=2",
    b"cpu,host=a a=1,b=2 ",
    b"cpu,host=a  a=1,b=2 1465839830100400200",
    b"cpu,host=a \\u0061=1,b=2 1465839830100400200",
    b"meter,id=m1 p=1e308,q=2 1465839830100400200",
    b"cpu,host=a \xff=1,b=2 1465839830100400200",
)


@pytest.mark.parametrize("line", TRICKS)
def test_what_json_would_take_and_the_protocol_not_is_read_by_the_grammar(line: bytes) -> None:
    assert _learn(KNOWN).decode(_message(line)) == _slowly(line)


SIGNS = st.sampled_from([bytes([n]) for n in b'abi=,. "\\\t\r\n{}[]:-+eE0179u\xc3\xff\x00'])


@st.composite
def changed_lines(draw: st.DrawFn) -> bytes:
    """A known line with some of its signs changed."""
    line = draw(st.sampled_from(KNOWN))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(line)))
        gone = draw(st.integers(0, 2))
        line = line[:at] + draw(st.just(b"") | SIGNS) + line[at + gone :]
    return line


@given(changed_lines())
def test_any_change_of_a_known_line_is_read_as_the_grammar_reads_it(line: bytes) -> None:
    assert _learn(KNOWN).decode(_message(line)) == _slowly(line)


@given(st.lists(changed_lines() | st.sampled_from(KNOWN), max_size=12))
def test_lines_read_together_say_what_each_says_alone(lines: list[bytes]) -> None:
    router = LineRouter([("anything", ANYTHING)])
    messages = [_message(line) for line in lines]
    for message in map(_message, KNOWN):
        route = router.find(message.topic)
        assert route is not None
        route.decode(message)
    for found in router.read_alike(messages):
        said = Reading(
            found.plan.device,
            found.measured_at_us,
            found.plan.quantities,
            tuple(found.values),
            None,
            found.plan.site,
        )
        assert (said,) == _slowly(lines[found.row])


def test_known_lines_are_read_together() -> None:
    router = LineRouter([("anything", ANYTHING)])
    messages = [_message(line) for line in KNOWN]
    assert router.read_alike(messages) == []
    for message in messages:
        route = router.find(message.topic)
        assert route is not None
        route.decode(message)
    assert [one.row for one in router.read_alike(messages)] == list(range(len(KNOWN)))


@pytest.mark.parametrize("name", ["_FOREIGN", "_BROKEN_INTEGER", "_are_exact", "_EXPONENT"])
def test_each_guard_of_the_fast_way_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the checks: without one of them a trick above is read wrongly."""
    never = re.compile(rb"(?!)")
    without = {"_FOREIGN": b"", "_are_exact": lambda _: True}.get(name, never)
    monkeypatch.setattr(module, name, without)
    decoder = _learn(KNOWN)
    assert [line for line in TRICKS if decoder.decode(_message(line)) != _slowly(line)]


def test_memory_is_bounded_however_many_heads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLANS", 10)
    decoder = _learn([f"cpu,host=h{n} usage=1 1465839830100400200".encode() for n in range(100)])
    assert len(decoder._heads) <= 10


PIECES = st.sampled_from([bytes([n]) for n in b'm,= \\"\n\r1it#\xff\x00.'])


@given(st.lists(PIECES, max_size=60).map(b"".join) | st.binary(max_size=120))
def test_pieces_say_what_the_whole_says_of_any_bytes(body: bytes) -> None:
    pieces = [
        found
        for number, piece in cut_lines(body)
        for found in parse_lines(piece, first_line=number)
    ]
    assert pieces == list(parse_lines(body))


@given(st.lists(PIECES, max_size=60).map(b"".join) | st.binary(max_size=120))
def test_no_bytes_raise(body: bytes) -> None:
    decoder = _learn(KNOWN)
    for _, piece in cut_lines(body):
        decoder.decode(_message(piece))

"""The messages of remote write, encoded by Google's protobuf."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.remote_write_messages import STALE, Series, encode_v1, encode_v2, message
from wattscope.compute.remote_write.requests import Edition, RequestReader, WrittenSeries
from wattscope.core.errors import BadBodyError

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_TIME = st.integers(-(2**63), 2**63 - 1)
_VALUE = st.floats(allow_nan=False)
_SERIES = st.builds(
    Series,
    st.lists(st.tuples(_TEXT, _TEXT), max_size=6),
    st.lists(st.tuples(_TIME, _VALUE), max_size=5),
    st.lists(_TIME, max_size=2),
    st.lists(_TIME, max_size=2),
)
_BOTH = pytest.mark.parametrize(
    ("edition", "encode"), [(Edition.V1, encode_v1), (Edition.V2, encode_v2)]
)


def as_read(one: Series) -> WrittenSeries:
    labels = tuple((name.encode(), value.encode()) for name, value in one.labels)
    return WrittenSeries(labels, tuple(one.samples), tuple(one.histograms), len(one.exemplars))


@_BOTH
@given(many=st.lists(_SERIES, max_size=5))
def test_what_another_encoded_is_read(edition: Edition, encode: Any, many: list[Series]) -> None:  # noqa: ANN401  # one of two functions
    assert RequestReader().read(encode(many), edition) == [as_read(one) for one in many]


@_BOTH
def test_stale_mark_is_not_a_number(edition: Edition, encode: Any) -> None:  # noqa: ANN401  # as above
    stale = struct.unpack("<d", struct.pack("<Q", STALE))[0]
    [one] = RequestReader().read(encode([Series([("__name__", "a")], [(5, stale)])]), edition)
    assert math.isnan(one.samples[0][1])


def test_fields_that_come_later_are_passed_over() -> None:
    body = encode_v2([Series([("__name__", "a")], [(5, 1.0)])])
    request = message("v2.Request")()
    request.ParseFromString(body)
    request.timeseries[0].samples[0].start_timestamp = 3
    # Field 99 of a request, of each wire type.
    extra = b"\x98\x06\x01" + b"\x99\x06" + bytes(8) + b"\x9a\x06\x01x" + b"\x9d\x06" + bytes(4)
    [one] = RequestReader().read(request.SerializeToString() + extra, Edition.V2)
    assert one.samples == ((5, 1.0),)


def test_values_that_are_left_out_are_nought() -> None:
    [one] = RequestReader().read(bytes.fromhex("0a021200"), Edition.V1)
    assert one == WrittenSeries((), ((0, 0.0),), (), 0)


@pytest.mark.parametrize(
    ("edition", "body"),
    [
        (Edition.V1, "0a"),
        (Edition.V1, "0a05"),
        (Edition.V1, "08ffffffffffffffffff7f"),
        (Edition.V1, "0801"),
        (Edition.V1, "0a020801"),
        (Edition.V1, "0b0c"),
        (Edition.V1, "0001"),
        (Edition.V1, "0a0412020a00"),
        (Edition.V1, "0affffffffffffffffff01"),
        (Edition.V2, "22016122022a"),
        (Edition.V2, "2201612200"),
        (Edition.V2, "22002a030a0100"),
        (Edition.V2, "22002a040a020001"),
        (Edition.V2, "22002a020801"),
    ],
)
def test_damaged_message_is_refused_as_a_whole(edition: Edition, body: str) -> None:
    with pytest.raises(BadBodyError):
        RequestReader().read(bytes.fromhex(body), edition)


@_BOTH
@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(edition: Edition, encode: object, body: bytes) -> None:
    del encode
    with contextlib.suppress(BadBodyError):
        RequestReader().read(body, edition)


@_BOTH
@given(
    many=st.lists(_SERIES, min_size=1, max_size=3), where=st.floats(0, 1), byte=st.integers(0, 255)
)
def test_changed_byte_is_read_or_refused(
    edition: Edition,
    encode: Any,  # noqa: ANN401  # one of two functions
    many: list[Series],
    where: float,
    byte: int,  # as above
) -> None:
    body = bytearray(encode(many))
    if body:
        body[min(int(where * len(body)), len(body) - 1)] = byte
    with contextlib.suppress(BadBodyError):
        RequestReader().read(bytes(body), edition)


@_BOTH
def test_items_are_counted_while_they_are_read(edition: Edition, encode: Any) -> None:  # noqa: ANN401  # as above
    class TooManyError(Exception):
        pass

    seen = 0

    def hold(n_items: int) -> None:
        nonlocal seen
        seen += n_items
        if seen > 100:
            raise TooManyError

    many = [Series([("__name__", "a")], [(n, 1.0)]) for n in range(1000)]
    with pytest.raises(TooManyError):
        RequestReader().read(encode(many), edition, hold)
    assert seen < 110


def test_flood_of_labels_is_refused() -> None:
    labels = [(f"l{n}", "x") for n in range(200)]
    for edition, body in (
        (Edition.V1, encode_v1([Series(labels)])),
        (Edition.V2, encode_v2([Series(labels)])),
    ):
        with pytest.raises(BadBodyError, match="labels"):
            RequestReader().read(body, edition)

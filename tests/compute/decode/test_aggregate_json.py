from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.compute.decode.aggregate_json import Aggregate, AggregateKey, decode_aggregate
from wattscope.core.findings import ReasonCode, Rejection

PAGE = Path(__file__).resolve().parents[3] / "docs" / "flink.md"
MESSAGE = {
    "v": 1,
    "level": "1m",
    "site": "roof",
    "device": "panel-7",
    "quantity": "dc_power_w",
    "bucket_start_us": 1_767_225_600_000_000,
    "count": 3,
    "sum": 720.5,
    "min": 239,
    "max": 241.5,
    "mean": 240.16666666666666,
    "first": 240,
    "last": 241.5,
}


def encode(**changes: object) -> bytes:
    """The message with changes; None leaves a field out."""
    fields = {name: value for name, value in (MESSAGE | changes).items() if value is not None}
    return json.dumps(fields).encode()


def test_message_becomes_an_aggregate() -> None:
    found = decode_aggregate(encode())
    assert isinstance(found, Aggregate)
    assert found.key == AggregateKey("panel-7", "dc_power_w", "1m", 1_767_225_600_000_000)
    assert found.bucket_end_us == 1_767_225_660_000_000
    assert (found.count, found.sum, found.min, found.max) == (3, 720.5, 239.0, 241.5)
    assert (found.first, found.last, found.site) == (240.0, 241.5, "roof")


def test_message_on_the_page_can_be_read() -> None:
    (example,) = re.findall(
        r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert set(json.loads(example)) == set(Aggregate.__struct_fields__)
    assert isinstance(decode_aggregate(example.encode()), Aggregate)


def test_quarter_hour_lasts_a_quarter_of_an_hour() -> None:
    found = decode_aggregate(encode(level="15m"))
    assert isinstance(found, Aggregate)
    assert found.bucket_end_us - found.bucket_start_us == 900_000_000


def test_unknown_fields_are_passed_over() -> None:
    assert decode_aggregate(encode(median=240.0)) == decode_aggregate(encode())


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", ReasonCode.NO_VALUE),
        (b" " * 70_000, ReasonCode.TOO_BIG),
        (b"{", ReasonCode.JSON_SYNTAX),
        (b"[" * 60_000, ReasonCode.WRONG_TYPE),
        (b'{"v": 1, "site": "\xff"}', ReasonCode.JSON_SYNTAX),
        (b'{"v": 1, "more": ' + b"[" * 60_000, ReasonCode.JSON_SYNTAX),
        (b"[1]", ReasonCode.WRONG_TYPE),
        (encode(v=2), ReasonCode.UNKNOWN_FORMAT),
        (encode(v=None), ReasonCode.WRONG_TYPE),
        (encode(level="1h"), ReasonCode.WRONG_TYPE),
        (encode(device=None), ReasonCode.WRONG_TYPE),
        (encode(sum="720"), ReasonCode.WRONG_TYPE),
        (encode(count=2.5), ReasonCode.WRONG_TYPE),
        (encode(count=0), ReasonCode.RANGE),
        (encode(count=60_000_001), ReasonCode.RANGE),
        (encode(bucket_start_us=60_000_000 * 10**13), ReasonCode.RANGE),
        (encode(bucket_start_us=1_767_225_600_000_001), ReasonCode.RANGE),
        (encode(level="15m", bucket_start_us=1_767_225_660_000_000), ReasonCode.RANGE),
        (encode(last=242), ReasonCode.RANGE),
        (encode(first=0), ReasonCode.RANGE),
        (encode(min=300), ReasonCode.RANGE),
        (encode().replace(b"241.5", b"1e999"), ReasonCode.WRONG_TYPE),
        (encode().replace(b"241.5", b"NaN"), ReasonCode.JSON_SYNTAX),
    ],
)
def test_what_is_no_aggregate_is_refused(payload: bytes, code: ReasonCode) -> None:
    found = decode_aggregate(payload)
    assert isinstance(found, Rejection)
    assert found.code is code


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(payload: bytes) -> None:
    assert isinstance(decode_aggregate(payload), Rejection)

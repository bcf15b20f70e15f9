"""What goes over Kafka comes back as it was, and what is no reading of ours is not believed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.core.errors import TransientError
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Batch, Quality, build_batch, empty_batch
from wattscope.logs.kafka.message_reader import MessageReader
from wattscope.logs.kafka.reading_json import (
    MAX_MARKS,
    MAX_VALUES,
    SeriesName,
    decode_quarantined,
    decode_reading,
    decode_receipts,
    encode_batch,
    encode_quarantined,
    encode_receipts,
)
from wattscope.ports import FollowedRecord, Quarantined

QUANTITY_NAMES = tuple(QUANTITIES)[:5]
NAMES = {
    number: SeriesName("farm", f"panel-{number // 5}", QUANTITY_NAMES[number % 5])
    for number in range(40)
}
IDS = {(name.device, name.quantity): number for number, name in NAMES.items()}
RECEIVED_US = 1_764_150_000_120_000


@dataclass
class FakeMessage:
    """A message as the library gives it."""

    content: bytes | None
    at: int = 0
    of: str = "sensor-readings"

    def topic(self) -> str:
        return self.of

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_764_150_000_000


def find_series(device: str, quantities: tuple[str, ...]) -> list[int] | None:
    found = [IDS.get((device, quantity)) for quantity in quantities]
    return [one for one in found if one is not None] if None not in found else None


def read(*contents: bytes | None) -> FollowedRecord:
    messages = [FakeMessage(content, at) for at, content in enumerate(contents)]
    return MessageReader("sensor-readings", find_series).read(messages)


def send(batch: Batch) -> Batch:
    """A batch as it comes out of Kafka again."""
    record = read(*(one.value for one in encode_batch(batch, NAMES.get, RECEIVED_US)))
    assert record.quarantined == ()
    return record.batch


def assert_same(one: Batch, other: Batch) -> None:
    for column in Batch.__slots__:
        here, there = getattr(one, column), getattr(other, column)
        assert (here.dtype, here.tolist()) == (there.dtype, there.tolist()) or (
            column == "value" and here.tobytes() == there.tobytes()
        )


instants = st.integers(-(2**62), 2**62)
values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: (value, 0)),
    st.decimals(-(10**9), 10**9, places=3).map(lambda value: (float(value), 0)),
    st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([2, 4, 6, 8])),
    st.sampled_from([(math.nan, int(Quality.MISSING)), (math.nan, 5)]),
)


@st.composite
def readings(draw: st.DrawFn) -> list[tuple[int, int, float, int]]:
    """What one device said at one instant, each quantity once."""
    device, t = draw(st.integers(0, 7)), draw(instants)
    quantities = draw(st.lists(st.integers(0, 4), min_size=1, unique=True))
    return [(5 * device + quantity, t, *draw(values)) for quantity in quantities]


@given(st.lists(readings(), max_size=20, unique_by=lambda one: (one[0][0] // 5, one[0][1])))
def test_batch_of_whole_readings_comes_back_as_it_was(
    found: list[list[tuple[int, int, float, int]]],
) -> None:
    batch = build_batch([row for one in found for row in one])
    assert_same(send(batch), batch)


rows = st.tuples(st.integers(0, 39), st.integers(0, 3)).flatmap(
    lambda key: values.map(lambda value: (*key, *value))
)


@given(st.lists(rows, max_size=60))
def test_values_of_any_order_come_back_each_key_in_its_own_order(
    found: list[tuple[int, int, float, int]],
) -> None:
    """Doubled and contradicting values among them: the store decides by who came first."""
    sent = send(build_batch(found)) if found else send(empty_batch())
    here, there = group_by_key(build_batch(found)), group_by_key(sent)
    assert here == there


def group_by_key(batch: Batch) -> dict[tuple[int, int], list[tuple[bytes, int]]]:
    grouped: dict[tuple[int, int], list[tuple[bytes, int]]] = {}
    for row in range(len(batch)):
        key = (int(batch.series_id[row]), int(batch.measured_at_us[row]))
        value = (batch.value[row].tobytes(), int(batch.quality[row]))
        grouped.setdefault(key, []).append(value)
    return grouped


def test_message_is_what_the_documentation_says() -> None:
    batch = build_batch([(5, 10, 211.5, 0), (6, 10, math.nan, 1), (5, 20, 0.1, 2)])
    messages = encode_batch(batch, NAMES.get, RECEIVED_US)
    assert [one.key for one in messages] == [b"panel-1", b"panel-1"]
    assert [json.loads(one.value) for one in messages] == [
        {
            "v": 1,
            "site": "farm",
            "device": "panel-1",
            "measured_at_us": 10,
            "received_at_us": RECEIVED_US,
            "values": {QUANTITY_NAMES[0]: 211.5, QUANTITY_NAMES[1]: None},
            "quality": {QUANTITY_NAMES[1]: 1},
        },
        {
            "v": 1,
            "site": "farm",
            "device": "panel-1",
            "measured_at_us": 20,
            "received_at_us": RECEIVED_US,
            "values": {QUANTITY_NAMES[0]: 0.1},
            "quality": {QUANTITY_NAMES[0]: 2},
        },
    ]


def test_second_value_of_a_key_is_a_further_message() -> None:
    batch = build_batch([(0, 10, 1.0, 0), (1, 10, 2.0, 0), (0, 10, 3.0, 0)])
    assert len(encode_batch(batch, NAMES.get, RECEIVED_US)) == 2
    assert send(batch).value.tolist() == [1.0, 2.0, 3.0]


def test_device_with_thousands_of_quantities_fills_several_messages() -> None:
    batch = build_batch([(number, 10, 1.0, 0) for number in range(2 * MAX_VALUES + 1)])
    messages = encode_batch(batch, lambda n: SeriesName("farm", "big", f"q{n}_w"), RECEIVED_US)
    assert [len(json.loads(one.value)["values"]) for one in messages] == [MAX_VALUES] * 2 + [1]


def test_series_without_a_name_is_an_error_and_not_left_out() -> None:
    with pytest.raises(TransientError, match="series 99"):
        encode_batch(build_batch([(99, 1, 1.0, 0)]), NAMES.get, RECEIVED_US)


GOOD = {
    "v": 1,
    "site": "farm",
    "device": "panel-1",
    "measured_at_us": 10,
    "received_at_us": 20,
    "values": {QUANTITY_NAMES[0]: 1},
}
POISON = {
    "no JSON": (b"\x00\xff garbage", ReasonCode.JSON_SYNTAX),
    "cut short": (json.dumps(GOOD).encode()[:-1], ReasonCode.JSON_SYNTAX),
    "not UTF-8": (b'{"v": 1, "site": "\xff"}', None),
    "no object": (b"[1, 2]", ReasonCode.WRONG_TYPE),
    "empty": (b"", ReasonCode.JSON_SYNTAX),
    "no content": (None, ReasonCode.NO_VALUE),
    "no values": (json.dumps(GOOD | {"values": {}}).encode(), ReasonCode.NO_VALUE),
    "a text for a number": (
        json.dumps(GOOD | {"values": {QUANTITY_NAMES[0]: "1"}}).encode(),
        ReasonCode.WRONG_TYPE,
    ),
    "NaN": (json.dumps(GOOD | {"values": {"power_w": math.nan}}).encode(), ReasonCode.JSON_SYNTAX),
    "infinite": (json.dumps(GOOD).replace(": 1}", ": 1e999}").encode(), None),
    "an instant beyond all time": (
        json.dumps(GOOD | {"measured_at_us": 2**70}).encode(),
        ReasonCode.WRONG_TYPE,
    ),
    "no device": (
        json.dumps({name: GOOD[name] for name in GOOD if name != "device"}).encode(),
        ReasonCode.WRONG_TYPE,
    ),
    "flags that are none": (
        json.dumps(GOOD | {"quality": {QUANTITY_NAMES[0]: 256}}).encode(),
        ReasonCode.WRONG_TYPE,
    ),
    "a newer version": (
        b'{"v": 2, "readings": []}',
        ReasonCode.UNKNOWN_FORMAT,
    ),
    "a newer version of the same shape": (
        json.dumps(GOOD | {"v": 2}).encode(),
        ReasonCode.UNKNOWN_FORMAT,
    ),
    "a name that is none": (
        json.dumps(GOOD | {"device": "../<script>"}).encode(),
        ReasonCode.BAD_NAME,
    ),
    "a quantity that is none": (
        json.dumps(GOOD | {"values": {"power": 1}}).encode(),
        ReasonCode.BAD_NAME,
    ),
    "a device that nobody registered": (
        json.dumps(GOOD | {"device": "panel-99"}).encode(),
        ReasonCode.UNKNOWN_DEVICE,
    ),
    "nested without end": (b'{"values":' * 5000, None),
}


@pytest.mark.parametrize("case", POISON)
def test_poison_is_set_aside_with_its_bytes_and_the_rest_goes_on(case: str) -> None:
    poison, code = POISON[case]
    good = json.dumps(GOOD).encode()
    record = read(good, poison, good)
    assert record.batch.value.tolist() == [1.0, 1.0]
    [item] = record.quarantined
    assert item.payload == (poison or b"")[: 64 * 1024]
    assert (item.source, item.topic) == ("kafka", "sensor-readings/3")
    assert item.received_at_us == 1_764_150_000_000_000
    assert "offset 1" in item.detail
    assert code is None or item.code == code.value


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(content: bytes) -> None:
    record = read(content)
    assert len(record.quarantined) == 1


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_is_answered(document: object) -> None:
    for value in (document, GOOD | {"values": document}, GOOD | {"quality": document}):
        record = read(json.dumps(value).encode())
        assert len(record.quarantined) + (len(record.batch) > 0) == 1


def test_fields_that_are_not_known_are_no_fault() -> None:
    content = json.dumps(GOOD | {"firmware": "1.2", "values": {QUANTITY_NAMES[0]: 7}}).encode()
    assert read(content).batch.value.tolist() == [7.0]


def test_null_is_missing_even_without_its_flag() -> None:
    content = json.dumps(GOOD | {"values": {QUANTITY_NAMES[0]: None}}).encode()
    assert read(content).batch.quality.tolist() == [int(Quality.MISSING)]


def test_oldest_instant_of_receipt_is_told() -> None:
    contents = [json.dumps(GOOD | {"received_at_us": t}).encode() for t in (30, 10, 20)]
    assert read(*contents).oldest_received_us == 10
    assert read().oldest_received_us is None


def test_items_have_the_same_number_whenever_they_are_read() -> None:
    first = read(b"poison", b"more").numbers
    again = MessageReader("sensor-readings", find_series).read([FakeMessage(b"more", 1)])
    assert len(set(first)) == 2
    assert again.numbers == first[1:]
    other = MessageReader("sensor-readings", find_series).read(
        [FakeMessage(b"more", 1, "quarantine")]
    )
    assert other.numbers != again.numbers


def test_registry_that_is_away_costs_nothing() -> None:
    is_away = True

    def find(device: str, quantities: tuple[str, ...]) -> list[int] | None:
        if is_away:
            raise TransientError("registry is away")
        return find_series(device, quantities)

    reader = MessageReader("sensor-readings", find)
    messages = [FakeMessage(json.dumps(GOOD).encode())]
    with pytest.raises(TransientError):
        reader.read(messages)
    is_away = False
    assert len(reader.read(messages).batch) == 1


@given(
    st.builds(
        Quarantined,
        source=st.text(max_size=20),
        topic=st.text(max_size=20),
        payload=st.binary(max_size=300),
        received_at_us=instants,
        code=st.sampled_from([code.value for code in ReasonCode]),
        detail=st.text(max_size=50),
    )
)
def test_quarantined_item_comes_back_as_it_was(item: Quarantined) -> None:
    assert decode_quarantined(encode_quarantined(item).value) == item


def test_topic_that_no_utf8_can_hold_is_kept_as_far_as_it_can_be() -> None:
    item = Quarantined("mqtt", "a/\udc80", b"\x00\xff", 1, "json_syntax", "line \ud800")
    found = decode_quarantined(encode_quarantined(item).value)
    assert isinstance(found, Quarantined)
    assert (found.topic, found.payload, found.detail) == ("a/?", b"\x00\xff", "line ?")


def test_receipts_come_back_in_messages_of_bounded_size() -> None:
    marks = list(range(2**48, 2**48 + MAX_MARKS + 1))
    found = [decode_receipts(one.value) for one in encode_receipts("ingest-1", marks)]
    assert [mark for one in found if not isinstance(one, Rejection) for mark in one.marks] == marks
    assert len(found) == 2
    assert encode_receipts("ingest-1", []) == []


def test_reading_of_another_kind_is_no_receipt() -> None:
    assert isinstance(decode_receipts(json.dumps(GOOD).encode()), Rejection)
    assert isinstance(decode_reading(b"{}"), Rejection)

from __future__ import annotations

import zlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.core.reading import Batch, build_batch
from wattscope.logs.record_codec import HEADER, decode_frame, encode_record
from wattscope.ports import LogRecord, Quarantined

GOLDEN = LogRecord(
    258,
    build_batch([(1, 2, 1.5, 0), (3, 4, -2.0, 4)]),
    (Quarantined("m", "t", b"\xff", 5, "range", "d"),),
    (9,),
)
GOLDEN_BYTES = (
    # magic, kind, compression, reserved, offset, length, CRC-32
    "57535231 01 00 0000 0201000000000000 43000000 11b4d1d4"
    # two values: count, series, instants, values, qualities
    "02000000 01000000 03000000 0200000000000000 0400000000000000"
    "000000000000f83f 00000000000000c0 00 04"
    # MessagePack of a list: one item set aside with its six fields, and one receipt
    "92 91 96 a16d a174 c401ff 05 a572616e6765 a164 91 09"
)


def decode(frame: bytes) -> LogRecord | None:
    return decode_frame(frame[: HEADER.size], frame[HEADER.size :])


def test_bytes_of_version_1_stay_as_they_are() -> None:
    """A log that was written once must be readable for ever: see the drawing in the module."""
    assert encode_record(GOLDEN) == bytes.fromhex(GOLDEN_BYTES)


def test_bytes_of_version_1_are_read() -> None:
    found = decode(bytes.fromhex(GOLDEN_BYTES))
    assert found is not None
    assert (found.offset, found.quarantined, found.receipts) == (258, GOLDEN.quarantined, (9,))
    assert found.batch.measured_at_us.tolist() == [2, 4]
    assert found.batch.value.tolist() == [1.5, -2.0]


def test_checksum_is_the_crc_32_of_head_and_payload() -> None:
    frame = bytes.fromhex(GOLDEN_BYTES)
    assert int.from_bytes(frame[20:24], "little") == zlib.crc32(frame[:20] + frame[24:])


def test_long_record_is_compressed() -> None:
    batch = build_batch([(1, t, 1.0, 0) for t in range(1000)])
    frame = encode_record(LogRecord(0, batch))
    assert frame[5] == 1
    assert len(frame) < 1000 * 21
    found = decode(frame)
    assert found is not None
    assert found.batch.measured_at_us.tolist() == list(range(1000))


def test_unknown_kind_is_not_believed() -> None:
    frame = bytearray(bytes.fromhex(GOLDEN_BYTES))
    frame[4] = 2
    frame[20:24] = zlib.crc32(bytes(frame[:20] + frame[24:])).to_bytes(4, "little")
    assert decode(bytes(frame)) is None


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2**31 - 1),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(),
            st.integers(0, 255),
        ),
        max_size=60,
    ),
    payload=st.binary(max_size=600),
    receipts=st.lists(st.integers(0, 2**63 - 1), max_size=5),
    offset=st.integers(0, 2**63),
)
@settings(max_examples=100, deadline=None)
def test_any_record_comes_back(
    rows: list[tuple[int, int, float, int]], payload: bytes, receipts: list[int], offset: int
) -> None:
    aside = (Quarantined("source", "topic/ä", payload, 0, "syntax", "why"),)
    given_record = LogRecord(offset, build_batch(rows), aside, tuple(receipts))
    found = decode(encode_record(given_record))
    assert found is not None
    assert (found.offset, found.quarantined, found.receipts) == (offset, aside, tuple(receipts))
    for name in Batch.__slots__:
        mine, theirs = getattr(found.batch, name), getattr(given_record.batch, name)
        np.testing.assert_array_equal(mine.view(np.uint8), theirs.view(np.uint8))

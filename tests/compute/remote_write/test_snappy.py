"""The unpacker of snappy, beside pyarrow's."""

from __future__ import annotations

import os
import tracemalloc

import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.remote_write_messages import pack
from wattscope.compute.remote_write.snappy import read_length, unpack
from wattscope.core.errors import BadBodyError

_PARTS = st.lists(
    st.tuples(st.binary(min_size=1, max_size=80), st.integers(1, 200)), min_size=0, max_size=12
)


@given(_PARTS)
def test_what_another_packed_comes_back(parts: list[tuple[bytes, int]]) -> None:
    plain = b"".join(part * times for part, times in parts)
    packed = pack(plain)
    assert read_length(packed)[0] == len(plain)
    assert unpack(packed) == plain


@pytest.mark.parametrize("size", [0, 1, 60, 61, 256, 257, 65_535, 65_536, 65_537, 200_000])
def test_literals_of_every_length(size: int) -> None:
    plain = os.urandom(size)
    assert unpack(pack(plain)) == plain


def test_copy_from_anywhere_and_far() -> None:
    # The packers of today write copies of one and two bytes only.
    block = bytes([9, 2 << 2]) + b"abc" + bytes([5 << 2 | 3, 3, 0, 0, 0])
    assert unpack(block) == b"abcabcabc"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"", "length"),
        (b"\xff\xff\xff\xff\x7f", "length"),
        (b"\xff\xff\xff\xff\xff\x01", "length"),
        (bytes([3, 2 << 2]) + b"ab", "literal"),
        (bytes([3, 63 << 2, 1]), "literal"),
        (bytes([4, 1]), "copy"),
        (bytes([4, 1, 1]), "copies from"),
        (bytes([5, 0, 65, 1, 0]), "copies from"),
        (bytes([5, 0, 65, 1, 2]), "copies from"),
        (bytes([9, 2 << 2]) + b"abc", "9 bytes"),
        (bytes([2, 2 << 2]) + b"abc", "2 bytes"),
        (bytes([3, 2 << 2]) + b"abc" + bytes([0, 65]), "3 bytes"),
    ],
)
def test_damaged_block_is_refused(block: bytes, words: str) -> None:
    with pytest.raises(BadBodyError, match=words):
        unpack(block)


@given(st.binary(max_size=300))
def test_any_bytes_unpack_or_are_refused(block: bytes) -> None:
    try:
        found = unpack(block)
    except BadBodyError:
        return
    assert found == pa.decompress(block, len(found), codec="snappy", asbytes=True)


def test_block_that_grows_beyond_its_length_takes_no_more_memory_than_it_tells() -> None:
    # A literal, and copies of 64 bytes each that would make 6 MB of it; it tells 1,000 bytes.
    block = bytes([0xE8, 0x07, 0]) + b"a" + bytes([63 << 2 | 2, 1, 0]) * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(BadBodyError, match="1000 bytes"):
            unpack(block)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()

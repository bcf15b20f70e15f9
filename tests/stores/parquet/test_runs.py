"""Columns of runs are the columns that they stand for, however they are cut."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattscope.stores.parquet.deltas import decode_deltas
from wattscope.stores.parquet.encodings import (
    decode_runs,
    encode_delta_pages,
    encode_deltas,
    encode_runs,
)
from wattscope.stores.parquet.layout import DATA_PAGE, DICTIONARY_PAGE, PAGE_ROWS, Column, Kind
from wattscope.stores.parquet.packing import bit_lengths, pack_bits, unpack_bits
from wattscope.stores.parquet.page_header import encode_page_header
from wattscope.stores.parquet.runs import Runs, TextRuns
from wattscope.stores.parquet.thrift import encode_struct, i32, struct
from wattscope.stores.parquet.writer import ParquetWriter, TextColumn

NAMES = ("meter", "plug", "heater")
CODES = st.lists(st.integers(-1, 2), min_size=1, max_size=60)


@given(CODES, st.data())
def test_runs_are_the_column_they_stand_for(codes: list[int], draw: st.DataObject) -> None:
    column = np.array(codes)
    runs = Runs.of(column)
    start = draw.draw(st.integers(0, len(codes) - 1))
    stop = draw.draw(st.integers(start + 1, len(codes)))
    assert runs.expand().tolist() == codes
    assert runs.slice(start, stop).expand().tolist() == codes[start:stop]
    assert runs.merged(np.abs(runs.values)).expand().tolist() == [abs(one) for one in codes]
    chosen = runs.select(runs.values >= 0).expand().tolist()
    assert chosen == [one for one in codes if one >= 0]


def test_runs_of_an_example() -> None:
    runs = Runs.of(np.array([7, 7, 3, 3, 3, 7]))
    assert (runs.values.tolist(), runs.starts.tolist()) == ([7, 3, 7], [0, 2, 5])
    assert runs.slice(1, 3).lengths.tolist() == [1, 1]
    assert len(Runs.of(np.empty(0, np.int64))) == 0


@pytest.mark.parametrize("codes", [[2, -1, 0, 0, 2, 1, -1], [-1, -1], [1]])
def test_runs_and_rows_of_names_give_the_same_bytes(codes: list[int]) -> None:
    # Neither in order nor without gaps: numbers of names need not rise.
    column = np.array(codes, np.int64)
    runs = Runs(column, np.arange(len(codes)), len(codes))
    assert _write(TextRuns(runs, NAMES)) == _write(TextColumn(column, NAMES))


def _write(names: TextRuns | TextColumn) -> bytes:
    file = io.BytesIO()
    writer = ParquetWriter(file, (Column("device", Kind.TEXT),))
    writer.write({"device": names})
    writer.close()
    return file.getvalue()


@pytest.mark.parametrize("width", range(1, 65))
def test_numbers_of_any_width_come_back(width: int) -> None:
    draw = np.random.default_rng(width)
    values = draw.integers(0, 2**width - 1, 64, np.uint64, endpoint=True)
    values[:2] = 0, 2**width - 1
    packed = pack_bits(values, width)
    assert int.from_bytes(packed.tobytes(), "little") == sum(
        value << (width * at) for at, value in enumerate(values.tolist())
    )
    assert unpack_bits(packed, width).view(np.uint64).tolist() == values.tolist()


def test_bit_lengths_are_exact_where_floats_are_not() -> None:
    values = [0, 1, 2, 255, 256, 2**53 - 1, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
    found = bit_lengths(np.array(values, np.uint64)).tolist()
    assert found == [value.bit_length() for value in values]


@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize("n_values", [0, 1, 2, 33, 256, 257, 8192, 8193])
def test_pages_at_once_are_pages_one_by_one(n_values: int, in_bytes: bool) -> None:  # noqa: FBT001  # a case
    draw = np.random.default_rng(n_values)
    pages = draw.integers(-(2**40), 2**40, (5, n_values)) >> draw.integers(0, 40, (5, 1))
    pages[1] = np.where(np.arange(n_values) % 50 < 25, 2**63 - 1, -(2**63))
    pages[2] = np.arange(n_values) * 300_000_000
    pages[3, n_values // 2 :] -= 2**62
    together = encode_delta_pages(pages, in_bytes=in_bytes)
    assert together == [encode_deltas(page, in_bytes=in_bytes) for page in pages]
    for content, page in zip(together, pages, strict=True):
        assert decode_deltas(content, 0).tolist() == page.tolist()


@pytest.mark.parametrize("width", [1, 3, 8, 9, 24])
def test_what_does_not_repeat_is_packed(width: int) -> None:
    values = np.random.default_rng(1).integers(0, 2**width, 1001)
    content = encode_runs(values, width)
    assert decode_runs(content, 0, len(content), width, 1001).tolist() == values.tolist()


@pytest.mark.parametrize("kind", [DATA_PAGE, DICTIONARY_PAGE])
@pytest.mark.parametrize("crc", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_page_headers_are_the_structure_of_the_format(kind: int, crc: int) -> None:
    signed = crc - (1 << 32) if crc >> 31 else crc
    about = struct((1, i32(8192)), (2, i32(8)))
    levels = struct((1, i32(8192)), (2, i32(8)), (3, i32(3)), (4, i32(3)))
    is_dictionary = kind == DICTIONARY_PAGE
    whole = struct(
        (1, i32(kind)),
        (2, i32(70_000)),
        (3, i32(12)),
        (4, i32(signed)),
        (5, None if is_dictionary else levels),
        (7, about if is_dictionary else None),
    )
    assert encode_page_header(kind, 70_000, 12, crc, 8192, 8) == encode_struct(whole)


@pytest.mark.parametrize("spread", [1, 2**15, 2**16, 2**40, 2**63 - 2])
def test_few_values_come_back_whatever_lies_between(spread: int) -> None:
    # Close together they are looked up in a table, else searched for.
    draw = np.random.default_rng(spread % 1000)
    few = np.unique(draw.integers(-spread, spread, 40, endpoint=True))
    values = few[draw.integers(0, len(few), 3 * PAGE_ROWS + 5)]
    column = Column("count", Kind.WHOLE)
    file = io.BytesIO()
    writer = ParquetWriter(file, (column,))
    writer.write({"count": values})
    writer.close()
    table = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()), page_checksum_verification=True)
    assert table["count"].to_pylist() == values.tolist()

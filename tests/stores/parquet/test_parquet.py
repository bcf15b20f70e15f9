"""Files of our own making come back to the bit, by us and by tools that never met us."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattscope.stores.parquet.deltas import PageMaps, decode_and_map, decode_deltas, decode_part
from wattscope.stores.parquet.encodings import (
    decode_runs,
    decode_split,
    encode_deltas,
    encode_runs,
    encode_split,
)
from wattscope.stores.parquet.layout import PAGE_ROWS, Column, Kind
from wattscope.stores.parquet.reader import DamagedPageError, FileReader
from wattscope.stores.parquet.writer import NULL, ClosedFile, ParquetWriter, TextColumn

COLUMNS = (
    Column("series_id", Kind.SMALL),
    Column("device", Kind.TEXT),
    Column("measured_at", Kind.TIME),
    Column("value", Kind.DECIMAL, 2),
    Column("reading", Kind.FLOAT),
    Column("count", Kind.WHOLE),
    Column("quality", Kind.SMALL, is_byte=True),
)
NUMBERS = ("series_id", "measured_at", "value", "reading", "count", "quality")
NAMES = ("meter", "plug", "Z\u00e4hler '; --")
WHOLE = st.integers(-(2**61), 2**61)


def make_rows(n_rows: int, seed: int) -> dict[str, Any]:
    """Columns with runs, jumps, nulls and noise."""
    draw = np.random.default_rng(seed)
    series = np.sort(draw.integers(1, 40, n_rows)).astype(np.int32)
    value = draw.integers(-1000, 1000, n_rows).cumsum() + series.astype(np.int64) * 10**9
    value[draw.random(n_rows) < 0.02] = NULL
    reading = draw.normal(size=n_rows)
    reading[draw.random(n_rows) < 0.02] = np.nan
    return {
        "series_id": series,
        "device": TextColumn(series.astype(np.int64) % 4 - 1, NAMES),
        "measured_at": 1_700_000_000_000_000 + draw.integers(0, 10**9, n_rows).cumsum(),
        "value": value,
        "reading": reading,
        "count": draw.integers(0, 5, n_rows),
        "quality": (draw.random(n_rows) < 0.01).astype(np.int64) * 4,
    }


def write(path: Path, rows: dict[str, Any], block: int = 10**9) -> ClosedFile:
    with path.open("wb") as file:
        writer = ParquetWriter(file, COLUMNS)
        n_rows = len(rows["series_id"])
        for start in range(0, n_rows, block):
            stop = min(start + block, n_rows)
            writer.write(
                {
                    name: TextColumn(one.codes[start:stop], one.names)
                    if isinstance(one, TextColumn)
                    else one[start:stop]
                    for name, one in rows.items()
                }
            )
        return writer.close()


def open_file(path: Path, closed: ClosedFile) -> FileReader:
    return FileReader.open(path, COLUMNS, closed.index_at, closed.index_size, closed.index_crc)


def as_floats(name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if name != "value":
        return values.astype(np.float64)
    return np.where(values == NULL, np.nan, values / 100)


def names_of(column: TextColumn) -> list[str | None]:
    return [None if code < 0 else column.names[code] for code in column.codes.tolist()]


@pytest.mark.parametrize("n_rows", [0, 1, 2, 33, 257, PAGE_ROWS, PAGE_ROWS + 1, 300_000])
def test_we_read_what_we_wrote(n_rows: int, tmp_path: Path) -> None:
    rows = make_rows(n_rows, n_rows)
    reader = open_file(tmp_path / "x.parquet", write(tmp_path / "x.parquet", rows))
    assert reader.n_rows == n_rows
    found = reader.read(NUMBERS, [(0, n_rows)] if n_rows else [])
    for name in NUMBERS:
        np.testing.assert_array_equal(found[name], as_floats(name, rows[name]), err_msg=name)


def test_a_series_is_read_without_the_others(tmp_path: Path) -> None:
    rows = make_rows(200_000, 3)
    reader = open_file(tmp_path / "x.parquet", write(tmp_path / "x.parquet", rows))
    ids, counts = np.unique(rows["series_id"], return_counts=True)
    assert reader.count_rows() == dict(zip(ids.tolist(), counts.tolist(), strict=True))
    for asked in ([7], [1, 39], [5, 6, 30], [99]):
        chosen = np.isin(rows["series_id"], asked)
        found = reader.read(NUMBERS, reader.find_runs(asked))
        for name in NUMBERS:
            np.testing.assert_array_equal(found[name], as_floats(name, rows[name][chosen]))


def test_series_that_is_asked_for_twice_is_read_once(tmp_path: Path) -> None:
    reader = open_file(tmp_path / "x.parquet", write(tmp_path / "x.parquet", make_rows(5000, 3)))
    once, twice = (reader.read_series(("series_id", "value"), asked) for asked in ([7], [7, 7]))
    assert len(once["series_id"]) == len(once["value"]) > 0
    for name, values in once.items():
        np.testing.assert_array_equal(twice[name], values)


@pytest.mark.parametrize("block", [10**9, 122_880, 1000])
def test_other_tools_read_the_same(block: int, tmp_path: Path) -> None:
    """pyarrow (pandas reads by it) checks the CRC of every page; Polars and DuckDB read too."""
    rows = make_rows(150_000, 4)
    path = tmp_path / "x.parquet"
    write(path, rows, block)
    arrow = pyarrow.parquet.read_table(path, page_checksum_verification=True)
    frame = pl.read_parquet(path)
    with duckdb.connect() as plain:
        answer = plain.execute(f"SELECT * REPLACE (value::DOUBLE AS value) FROM '{path}'")
        duck = answer.fetchnumpy()
        low, high = plain.execute(
            f"SELECT min(series_id), max(measured_at) FROM '{path}' WHERE device = 'plug'"
        ).fetchall()[0]
    is_plug = rows["device"].codes == 1
    assert low == rows["series_id"][is_plug].min()
    assert np.datetime64(high).astype(np.int64) == rows["measured_at"][is_plug].max()
    expected_names = names_of(rows["device"])
    assert arrow["device"].to_pylist() == expected_names
    assert frame["device"].to_list() == expected_names
    assert [None if one is np.ma.masked else one for one in duck["device"]] == expected_names
    # A tool's own way from decimals to floats may miss by the last bit; the decimals do not.
    wanted_digits = [None if one == NULL else one for one in rows["value"].tolist()]
    assert [_digits(one) for one in arrow["value"].to_pylist()] == wanted_digits
    assert [_digits(one) for one in frame["value"].to_list()] == wanted_digits
    for name in NUMBERS:
        wanted = as_floats(name, rows[name])
        if name != "value":
            read = arrow[name].cast("int64" if name == "measured_at" else "float64")
            np.testing.assert_array_equal(read.to_numpy().astype(float), wanted, err_msg=name)
            column = frame[name].cast(pl.Int64 if name == "measured_at" else pl.Float64)
            np.testing.assert_array_equal(column.to_numpy().astype(float), wanted, err_msg=name)
        plainly = np.ma.getdata(duck[name])
        if name == "measured_at":
            plainly = plainly.astype("datetime64[us]").view(np.int64)
        filled = np.where(np.ma.getmaskarray(duck[name]), np.nan, plainly.astype(float))
        np.testing.assert_array_equal(filled, wanted, err_msg=name)


def _digits(value: Decimal | None) -> int | None:
    return None if value is None else int(value.scaleb(2))


def test_damaged_page_is_never_decoded(tmp_path: Path) -> None:
    rows = make_rows(60_000, 5)
    path = tmp_path / "x.parquet"
    closed = write(path, rows)
    page = open_file(path, closed).index.groups[0].chunks["reading"].pages[3]
    content = bytearray(path.read_bytes())
    content[page.at + page.size // 2] ^= 4
    path.write_bytes(content)
    reader = open_file(path, closed)
    with pytest.raises(DamagedPageError, match=f"byte {page.at}"):
        reader.read(("reading",), [(0, 60_000)])
    assert reader.check() == [(3 * PAGE_ROWS, 4 * PAGE_ROWS)]
    before = reader.read(("reading",), [(0, 3 * PAGE_ROWS)])["reading"]
    np.testing.assert_array_equal(before, rows["reading"][: 3 * PAGE_ROWS])


def test_mapped_page_is_checked_again_at_every_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = make_rows(60_000, 5)
    closed = write(path, rows)
    reader = open_file(path, closed)
    reader.maps = PageMaps()
    for _ in range(2):
        found = reader.read(("measured_at",), [(20_000, 20_900)])["measured_at"]
        np.testing.assert_array_equal(found, rows["measured_at"][20_000:20_900])
    page = reader.index.groups[0].chunks["measured_at"].pages[2]
    content = bytearray(path.read_bytes())
    content[page.at + page.size // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(DamagedPageError, match=f"byte {page.at}"):
        reader.read(("measured_at",), [(20_000, 20_900)])


def test_damaged_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    closed = write(path, make_rows(1000, 6))
    content = bytearray(path.read_bytes())
    content[closed.index_at + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedPageError, match="index"):
        open_file(path, closed)


@given(st.lists(WHOLE, max_size=700))
def test_deltas_come_back(values: list[int]) -> None:
    column = np.array(values, np.int64)
    assert decode_deltas(b"xy" + encode_deltas(column), 2).tolist() == values


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 3000), st.integers(0, 40))
def test_deltas_of_noise_with_jumps_come_back(seed: int, n_rows: int, n_jumps: int) -> None:
    draw = np.random.default_rng(seed)
    column = draw.integers(-50, 50, n_rows).cumsum()
    for at in draw.integers(0, n_rows, n_jumps).tolist():
        column[at:] += int(draw.integers(-(10**15), 10**15))
    assert (decode_deltas(encode_deltas(column), 0) == column).all()


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 3000), st.booleans(), st.data())
def test_part_of_a_mapped_page_is_that_of_the_whole(
    seed: int,
    n_rows: int,
    in_bytes: bool,  # noqa: FBT001  # drawn
    data: st.DataObject,
) -> None:
    draw = np.random.default_rng(seed)
    # Steady stretches leave nothing in their groups, and wide jumps need all 64 bits.
    steps = draw.choice([0, 7, 2**62], n_rows, p=[0.9, 0.09, 0.01]) + draw.integers(0, 2)
    column = steps.cumsum()
    start = data.draw(st.integers(0, n_rows - 1))
    stop = data.draw(st.integers(start + 1, n_rows))
    content = encode_deltas(column, in_bytes=in_bytes)
    whole, page = decode_and_map(content, 0)
    assert (whole == column).all()
    assert (decode_part(content, page, start, stop) == column[start:stop]).all()


def test_part_of_a_mapped_page_begins_and_ends_at_any_row_of_a_block() -> None:
    column = np.random.default_rng(5).integers(-(10**6), 10**6, 600).cumsum()
    content = encode_deltas(column)
    _, page = decode_and_map(content, 0)
    for start, stop in ((0, 1), (255, 257), (256, 257), (257, 258), (512, 513), (512, 600)):
        assert decode_part(content, page, start, stop).tolist() == column[start:stop].tolist()


def test_maps_of_pages_take_no_more_than_their_room() -> None:
    _, page = decode_and_map(encode_deltas(np.arange(600)), 0)
    maps = PageMaps(room=3 * page.n_bytes)
    for at in range(4):
        maps.keep(("a", at, 0), page)
        maps.find(("a", 0, 0))
    assert [maps.find(("a", at, 0)) is not None for at in range(4)] == [True, False, True, True]
    assert maps.find(("a", 0, 1)) is None, "other bytes have another CRC"


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 4))
def test_runs_come_back(values: list[int], repeat: int) -> None:
    column = np.repeat(np.array(values, np.int64), repeat)
    content = encode_runs(column, 9)
    assert (decode_runs(content, 0, len(content), 9, len(column)) == column).all()


@given(st.lists(st.floats(), max_size=50))
def test_split_comes_back(values: list[float]) -> None:
    column = np.array(values, np.float64)
    found = decode_split(encode_split(column), 0, len(column)).view("<f8")
    assert found.tobytes() == column.tobytes()


def test_empty_file_is_whole() -> None:
    out = io.BytesIO()
    ParquetWriter(out, COLUMNS).close()
    assert pyarrow.parquet.read_table(io.BytesIO(out.getvalue())).num_rows == 0

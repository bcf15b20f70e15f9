"""What leaves the store for other programs: digits, times, texts, and every row."""

from __future__ import annotations

import csv
import io
import math
import random
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.faults.verdict import Rows
from tests.faults.workload import SETTINGS
from tests.stores.backup_cases import fill, loaded, read_folder, watch_nothing
from tests.stores.histories import NAMES
from wattscope.assembly import export as export_module
from wattscope.assembly import folder_reader
from wattscope.assembly.export import (
    Exported,
    ExportFormat,
    ExportLevel,
    ExportWish,
    export_rows,
)
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.errors import SettingsError, StorageError, UnknownNameError
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import build_batch
from wattscope.core.time_grid import format_utc
from wattscope.core.topology import Series
from wattscope.stores.upkeep import row_sums
from wattscope.stores.upkeep.export import (
    RAW_COLUMNS,
    Cells,
    CsvRows,
    Names,
    escape_text,
    format_computed,
    format_measured,
    format_times,
    raw_cells,
)

POWER = QUANTITIES["active_power_w"]
RAW_CSV = ExportWish(ExportLevel.RAW, ExportFormat.CSV)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with rows in chunks and in the log; never changed."""
    return fill(tmp_path_factory.mktemp("written"))


def export(data: Path, file: Path, wish: ExportWish = RAW_CSV) -> Exported:
    return export_rows(SETTINGS, data, file, wish, watch_nothing)


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


# ── cells ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [0.1, 230.5, 0.30000000000000004, 1e-7, 5e300, -17.25, 1e15])
def test_measured_value_comes_back_to_the_last_bit_with_the_fewest_digits(value: float) -> None:
    text = format_measured(value)
    assert float(text) == value
    assert len(text) <= len(repr(value))


def test_decimals_have_the_digits_they_were_measured_with() -> None:
    draw = random.Random(1)
    for _ in range(2000):
        digits = draw.randrange(5)
        whole = str(draw.randrange(-(10**9), 10**9))
        fraction = f"{draw.randrange(10**digits):0{digits}d}".rstrip("0") if digits else ""
        text = f"{whole}.{fraction}" if fraction else whole
        assert format_measured(float(text)) == text


def test_computed_value_has_no_noise() -> None:
    assert format_computed(0.1 + 0.2) == "0.3"
    assert format_computed(math.nan) == format_measured(math.nan) == ""


def test_times_are_utc_with_a_fraction_only_where_there_is_one() -> None:
    instants = [0, 1_500_000, 1_717_200_000_000_000, 1, -1_000_000]
    texts = format_times(np.array(instants, np.int64))
    assert texts == [format_utc(one) for one in instants]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_text_never_begins_like_a_formula(first: str) -> None:
    cell = escape_text(f"{first}HYPERLINK(1)")
    [[read]] = csv.reader(io.StringIO(cell, newline=""))
    assert read == f"'{first}HYPERLINK(1)"


@pytest.mark.parametrize("text", ['say "no"', "a,b", "two\nlines", "a\r\nb", "", "é ü", "a'b"])
def test_text_is_read_back_by_any_reader_of_rfc_4180(text: str) -> None:
    line = f"{escape_text(text)},x\r\n"
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[text, "x"]]


def test_names_of_a_spreadsheet_attack_are_harmless_in_the_file() -> None:
    series = [Series(1, "@home", "=cmd|' /C calc'!A0", POWER)]
    out = io.BytesIO()
    rows = build_batch([(1, 0, -5.5, 0), (1, 1_000_000, math.nan, 1), (1, 2_000_000, 1.0, 12)])
    CsvRows(out, RAW_COLUMNS).write(raw_cells(rows, Names.build(series)))
    lines = out.getvalue().decode().split("\r\n")
    assert lines[0] == "measured_at,site,device,quantity,value,unit,quality"
    start = "'@home,'=cmd|' /C calc'!A0,active_power_w"
    assert lines[1] == f"1970-01-01T00:00:00Z,{start},-5.5,W,good"
    assert lines[2] == f"1970-01-01T00:00:01Z,{start},,W,missing"
    assert lines[3] == f"1970-01-01T00:00:02Z,{start},1,W,late estimated"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────


def list_rows(data: Path) -> list[tuple[str, str, int, float | None]]:
    """All rows, by series and time; missing values as None."""
    with open_storage(SETTINGS, data, is_read_only=True) as storage:
        names = {one.id: one for one in storage.registry.list_series()}
        low, high = storage.store.time_range() or (0, 0)
        rows = storage.store.read_raw(list(names), low, high + 1)
        columns = (rows.series_id, rows.measured_at_us, rows.value)
        return sorted(
            (
                (names[one].device, names[one].quantity.name, t, None if math.isnan(v) else v)
                for one, t, v in zip(*(column.tolist() for column in columns), strict=True)
            ),
            key=lambda row: row[:3],
        )


def test_csv_holds_every_row(written: Path, tmp_path: Path) -> None:
    exported = export(written, tmp_path / "all.csv")
    found = [
        (
            row["device"],
            row["quantity"],
            round(datetime.fromisoformat(row["measured_at"]).timestamp() * 1e6),
            float(row["value"]) if row["value"] else None,
        )
        for row in read_csv(tmp_path / "all.csv")
    ]
    expected = list_rows(written)
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert exported.rows == len(expected)
    assert exported.damages == ()
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_parquet_and_csv_hold_the_same(written: Path, tmp_path: Path) -> None:
    export(written, tmp_path / "all.csv")
    export(written, tmp_path / "all.parquet", ExportWish(ExportLevel.RAW, ExportFormat.PARQUET))
    parquet = pl.read_parquet(tmp_path / "all.parquet").rows(named=True)
    table = read_csv(tmp_path / "all.csv")
    assert len(parquet) == len(table)
    for one, other in zip(parquet, table, strict=True):
        at = datetime.fromisoformat(other["measured_at"])
        assert one["measured_at"].replace(tzinfo=UTC) == at
        assert ("" if one["value"] is None else format_measured(one["value"])) == other["value"]
        for name in ("site", "device", "quantity", "unit", "quality"):
            assert one[name] == other[name]


@pytest.mark.parametrize("group_rows", [7, 1_000_000])
@pytest.mark.parametrize("level", list(ExportLevel))
def test_buckets_are_those_of_sql(
    level: ExportLevel,
    group_rows: int,
    written: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each once, however few series are read at a time."""
    if level is ExportLevel.RAW:
        question = "SELECT measured_at AS at, device, quantity, value FROM readings"
    else:
        question = (
            f"SELECT bucket_start AS at, device, quantity, sum FROM rollup_{level.value} "
            "WHERE count > 0 OR coverage > 0"
        )
    monkeypatch.setattr(row_sums, "GROUP_ROWS", group_rows)
    export(written, tmp_path / "out.csv", ExportWish(level, ExportFormat.CSV))
    first, last = ("measured_at", "value") if level is ExportLevel.RAW else ("bucket_start", "sum")
    found = sorted(
        (row[first], row["device"], row["quantity"], row[last])
        for row in read_csv(tmp_path / "out.csv")
        if level is ExportLevel.RAW or row["count"] != "0" or float(row["coverage"]) > 0
    )
    write = format_measured if level is ExportLevel.RAW else format_computed
    with open_storage(SETTINGS, written, is_read_only=True) as storage:
        rows = storage.store.query(question).rows
    expected = sorted(
        (
            at.isoformat().replace("+00:00", "") + "Z",
            device,
            quantity,
            "" if value is None else write(float(value)),
        )
        for at, device, quantity, value in rows
    )
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for row, other in zip(found, expected, strict=True):
        if row[3] != other[3]:
            assert float(row[3]) == pytest.approx(float(other[3]), rel=1e-12)


def test_only_what_is_asked_for(written: Path, tmp_path: Path) -> None:
    rows = list_rows(written)
    device, quantity, _, _ = rows[len(rows) // 2]
    times = sorted(row[2] for row in rows)
    start, end = times[len(times) // 4], times[len(times) // 2]
    wish = ExportWish(ExportLevel.RAW, ExportFormat.CSV, start, end, (device,), (quantity,))
    export(written, tmp_path / "some.csv", wish)
    expected = [
        format_utc(t) for *names, t, _ in rows if names == [device, quantity] and start <= t < end
    ]
    assert expected
    assert [row["measured_at"] for row in read_csv(tmp_path / "some.csv")] == expected


def test_nothing_to_export_is_a_header(written: Path, tmp_path: Path) -> None:
    for format_ in ExportFormat:
        file = tmp_path / f"none.{format_.value}"
        assert export(written, file, ExportWish(ExportLevel.RAW, format_, 0, 1)).rows == 0
    assert read_csv(tmp_path / "none.csv") == []
    assert pl.read_parquet(tmp_path / "none.parquet").columns == list(RAW_COLUMNS)


def test_wrong_wishes_are_refused(written: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="device 'nobody'"):
        export(
            written,
            tmp_path / "out.csv",
            ExportWish(ExportLevel.RAW, ExportFormat.CSV, devices=("nobody",)),
        )
    with pytest.raises(SettingsError, match="no data"):
        export(tmp_path / "nothing", tmp_path / "out.csv")
    (tmp_path / "taken.csv").write_text("dear")
    with pytest.raises(StorageError, match="exists"):
        export(written, tmp_path / "taken.csv")
    with pytest.raises(StorageError, match="No such file"):
        export(written, tmp_path / "no" / "folder.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.csv"]


# ── beside a program ─────────────────────────────────────────────────────────────────────────


def name_rows(rows: Rows) -> set[tuple[str, str, str]]:
    return {(*NAMES[number - 1], format_utc(t)) for number, t in rows}


def export_unsteadily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Export while the program merges at the worst moments; gives the times it opened again."""
    n_opened = 0
    n_stretches = 0

    def count_opened(*arguments: Any, **options: Any) -> AbstractContextManager[Storage]:  # noqa: ANN401  # handed on
        nonlocal n_opened
        n_opened += 1
        return open_storage(*arguments, **options)

    def merge(*arguments: Any) -> tuple[dict[str, Cells], int]:  # noqa: ANN401  # handed on
        nonlocal n_stretches
        n_stretches += 1
        if n_stretches in {1, 2}:
            load.advance(40, is_flushed=True)
        return read(*arguments)

    read = export_module._read
    with loaded(tmp_path / "data") as load:
        load.advance(150, is_flushed=True)
        load.advance(30, is_flushed=False)
        n_before = len(load.number_of)
        before = name_rows(load.rows_below(max(load.number_of) + 1))
        monkeypatch.setattr(folder_reader, "open_storage", count_opened)
        monkeypatch.setattr(export_module, "_read", merge)
        exported = export(tmp_path / "data", tmp_path / "out.csv")
        assert len(load.number_of) > n_before
        rows = read_csv(tmp_path / "out.csv")
        assert exported.damages == ()
    found = {(row["device"], row["quantity"], row["measured_at"]) for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    assert before <= found, "rows that were there at the beginning are missing"
    assert found <= name_rows(read_folder(tmp_path / "data")[0])
    return n_opened


def test_files_that_are_merged_meanwhile_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export_unsteadily(tmp_path, monkeypatch) > 1


def test_merging_finds_an_export_that_does_not_look_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the check."""
    monkeypatch.setattr(
        folder_reader.FolderReader, "read", lambda self, ask: ask(self.storage.store)
    )
    with pytest.raises(AssertionError):
        export_unsteadily(tmp_path, monkeypatch)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    data = fill(tmp_path)
    victim = max((data / "chunks").glob("rows-*"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    for place in range(len(content) // 3, len(content) // 2):
        content[place] ^= 255
    victim.write_bytes(bytes(content))
    assert export(data, tmp_path / "out.csv").damages == (victim.name,)
